//! Labels that a client chooses, bounded: so many for each credential, the rest is `other`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use keywright_core::Timestamp;
use keywright_core::usage::{MAX_ENDPOINT_GROUPS, OTHER};
use keywright_verify::clock::boot_micros;
use parking_lot::Mutex;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{ADDRESS, ALL, COUNTRY, MAX_SOURCES, NETWORK, UNKNOWN, USER_AGENT};
use crate::conn::{Conn, call, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, Values, builder};
use crate::types::Time;

statements! {
    /// One at a time decides which labels are told apart: two nodes would go beyond the bound together.
    /// SQLite's one writer does so anyway.
    DECIDE = ["SELECT 1"] + ", pg_advisory_xact_lock(1265922894, 2)";
}

/// Spaces that are asked for at once.
const ASKED_AT_ONCE: usize = 500;
/// Labels that are remembered.
const MAX_REMEMBERED: usize = 200_000;
/// The same while a history is taken over: several days of a busy system.
const MAX_OF_HISTORY: usize = 1_000_000;
/// For so long: rows go when their time is over, and make room.
const REMEMBERED_MICROS: i64 = 3_600_000_000;

/// What labels are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Space {
    /// The endpoint groups of a credential.
    Endpoints(Uuid),
    /// The sources of one kind, of a credential on a day.
    Sources(Uuid, Timestamp, SourceKind),
}

/// The kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SourceKind {
    Address,
    UserAgent,
    Country,
    Network,
}

impl SourceKind {
    const ALL: [Self; 4] = [Self::Address, Self::UserAgent, Self::Country, Self::Network];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Address => ADDRESS,
            Self::UserAgent => USER_AGENT,
            Self::Country => COUNTRY,
            Self::Network => NETWORK,
        }
    }

    fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Space {
    const fn bound(self) -> usize {
        match self {
            Self::Endpoints(_) => MAX_ENDPOINT_GROUPS,
            Self::Sources(..) => MAX_SOURCES,
        }
    }
}

/// The labels that are told apart, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Labels(Mutex<Known>);

/// Days of which nobody stores anything but the owner of a memory: what it does not remember of them is not there.
/// Those who are counted together with others are none of them.
#[derive(Clone, Copy, Debug)]
struct OwnDays {
    from: Timestamp,
    before: Timestamp,
}

impl OwnDays {
    fn hold(self, space: Space) -> bool {
        match space {
            Space::Sources(credential, day, _) => {
                credential != ALL && credential != UNKNOWN && day >= self.from && day < self.before
            }
            Space::Endpoints(_) => false,
        }
    }
}

/// By hashes, which take a tenth of the room: under a key that nobody knows, so that no client can choose a label
/// that is taken for another.
#[derive(Debug, Default)]
struct Known {
    labels: HashSet<u64>,
    /// How many there are in each space.
    counts: HashMap<u64, usize>,
    key: RandomState,
    since: i64,
    own: Option<OwnDays>,
    /// The last day of which anything is remembered.
    last_day: Option<Timestamp>,
}

impl Known {
    fn has(&self, space: Space, label: &str) -> bool {
        self.labels.contains(&self.key.hash_one((space, label)))
    }

    fn count(&self, space: Space) -> usize {
        self.counts.get(&self.key.hash_one(space)).copied().unwrap_or(0)
    }

    fn insert(&mut self, space: Space, label: &str) {
        if let Space::Sources(_, day, _) = space {
            self.last_day = self.last_day.max(Some(day));
        }
        if self.labels.insert(self.key.hash_one((space, label))) {
            *self.counts.entry(self.key.hash_one(space)).or_default() += 1;
        }
    }
}

/// The labels of a batch that are new, to be remembered once the batch is stored.
#[derive(Debug, Default)]
pub(crate) struct News(Vec<(Space, Box<str>)>);

/// What is decided of the labels of a batch.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// Those that are told apart.
    kept: HashMap<Space, HashSet<Box<str>>>,
    pub(super) news: News,
    /// Endpoint groups that are to be noted: those of sources are noted by their rows.
    pub(super) new_groups: BTreeSet<(Uuid, Box<str>)>,
}

impl Decided {
    /// Whether a label is told apart.
    pub(super) fn keeps(&self, space: Space, label: &str) -> bool {
        self.kept.get(&space).is_some_and(|labels| labels.contains(label))
    }
}

impl Known {
    /// Nothing is remembered any more, and of the days up to the last one that was somebody has to be asked.
    fn forget(&mut self) {
        let own = self.own.map(|own| OwnDays {
            from: self.last_day.map_or(own.from, |day| own.from.max(day.plus_days(1))),
            ..own
        });
        *self = Self { since: boot_micros(), own, ..Self::default() };
    }

    /// Those of the labels that are told apart, where that is known without asking.
    fn decide(&self, space: Space, labels: &BTreeSet<&str>) -> Option<HashSet<Box<str>>> {
        let mut kept: HashSet<Box<str>> =
            labels.iter().filter(|label| self.has(space, label)).map(|label| (*label).into()).collect();
        let room = space.bound().saturating_sub(self.count(space));
        if kept.len() == labels.len() || room == 0 {
            return Some(kept);
        }
        if !self.own.is_some_and(|own| own.hold(space)) {
            return None;
        }
        kept.extend(
            labels.iter().filter(|label| !self.has(space, label)).take(room).map(|label| (*label).into()),
        );
        Some(kept)
    }
}

impl Labels {
    /// A memory for a history that is taken over in the order of its days: nobody else stores anything of those from
    /// one day on and before another.
    pub(crate) fn of_history(from: Timestamp, before: Timestamp) -> Self {
        let own = Some(OwnDays { from, before });
        Self(Mutex::new(Known { since: boot_micros(), own, ..Known::default() }))
    }

    /// Remembers labels whose rows are committed.
    pub(crate) fn remember(&self, News(news): News) {
        let mut known = self.0.lock();
        for (space, label) in news {
            known.insert(space, &label);
        }
        let most = if known.own.is_some() { MAX_OF_HISTORY } else { MAX_REMEMBERED };
        if known.labels.len() > most || boot_micros() - known.since > REMEMBERED_MICROS {
            known.forget();
        }
    }

    /// Decides which of the wanted labels are told apart: those that were before, and new ones as long
    /// as there is room.
    pub(super) async fn decide(
        &self,
        mut conn: Conn<'_>,
        wanted: &BTreeMap<Space, BTreeSet<&str>>,
    ) -> Result<Decided, StoreError> {
        let mut decided = Decided::default();
        let open = self.known_of(wanted, &mut decided);
        if open.is_empty() {
            return Ok(decided);
        }
        if let Conn::Postgres(link) = &mut conn {
            call!(&mut **link, |c| sqlx::query(DECIDE.postgres).execute(c))?;
        }
        let mut stored = load(conn, &open).await?;
        for space in open {
            let labels = stored.remove(&space).unwrap_or_default();
            let mut count = labels.len() - usize::from(labels.contains(OTHER));
            let kept = decided.kept.entry(space).or_default();
            for label in wanted.get(&space).into_iter().flatten() {
                if !labels.contains(*label) {
                    if count >= space.bound() {
                        continue;
                    }
                    count += 1;
                    if let Space::Endpoints(credential) = space {
                        decided.new_groups.insert((credential, (*label).into()));
                    }
                }
                kept.insert((*label).into());
            }
            decided.news.0.extend(labels.into_iter().chain(kept.iter().cloned()).map(|label| (space, label)));
        }
        Ok(decided)
    }

    /// Decides what is known already; gives the spaces in which the store has to be asked.
    fn known_of(&self, wanted: &BTreeMap<Space, BTreeSet<&str>>, decided: &mut Decided) -> Vec<Space> {
        let known = self.0.lock();
        let mut open = Vec::new();
        for (space, labels) in wanted {
            let Some(kept) = known.decide(*space, labels) else {
                open.push(*space);
                continue;
            };
            let news = kept.iter().filter(|label| !known.has(*space, label));
            decided.news.0.extend(news.map(|label| (*space, label.clone())));
            decided.kept.insert(*space, kept);
        }
        open
    }
}

type Stored = HashMap<Space, HashSet<Box<str>>>;

async fn load(mut conn: Conn<'_>, spaces: &[Space]) -> Result<Stored, StoreError> {
    let mut stored = Stored::new();
    let (mut endpoints, mut sources) = (Vec::new(), Vec::new());
    for space in spaces {
        match *space {
            Space::Endpoints(credential) => endpoints.push(credential),
            Space::Sources(credential, day, kind) => sources.push((credential, day, kind)),
        }
    }
    for asked in endpoints.chunks(ASKED_AT_ONCE) {
        let mut sql =
            Sql::new("SELECT credential_id, endpoint_group FROM endpoint_groups WHERE credential_id");
        sql.any(Values::Ids(asked.to_vec()));
        let rows: Vec<(Uuid, String)> =
            on!(conn.reborrow(), |c| async { builder!(sql).build_query_as().fetch_all(c).await })?;
        for (credential, group) in rows {
            stored.entry(Space::Endpoints(credential)).or_default().insert(group.into());
        }
    }
    for asked in sources.chunks(ASKED_AT_ONCE) {
        load_sources(conn.reborrow(), asked, &mut stored).await?;
    }
    Ok(stored)
}

async fn load_sources(
    conn: Conn<'_>,
    asked: &[(Uuid, Timestamp, SourceKind)],
    stored: &mut Stored,
) -> Result<(), StoreError> {
    let rows: Vec<(Uuid, Time, String, String)> = on!(conn, |c| async {
        let text = "SELECT credential_id, day, kind, label FROM usage_sources \
                    WHERE (credential_id, day, kind) IN (";
        let mut query = QueryBuilder::<DB>::new(text);
        query.push_values(asked, |mut row, (credential, day, kind)| {
            row.push_bind(*credential).push_bind(Time(*day)).push_bind(kind.as_str());
        });
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    for (credential, day, kind, label) in rows {
        if let Some(kind) = SourceKind::from_str(&kind) {
            stored.entry(Space::Sources(credential, day.into(), kind)).or_default().insert(label.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    /// Decides, and remembers; how many labels were told apart, and how many spaces had to be asked for.
    fn decide(labels: &Labels, space: Space, names: &[String]) -> (usize, usize) {
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut decided = Decided::default();
        let open = labels.known_of(&BTreeMap::from([(space, names.clone())]), &mut decided);
        let kept = names.iter().filter(|name| decided.keeps(space, name)).count();
        labels.remember(decided.news);
        (kept, open.len())
    }

    #[test]
    fn a_history_is_bounded_without_asking_where_nobody_else_stores_anything() {
        let names = |range: std::ops::Range<usize>| range.map(|n| format!("agent {n}")).collect::<Vec<_>>();
        let (from, before) = (DAY.start_of_day(), DAY.start_of_day().plus_days(3));
        let labels = Labels::of_history(from, before);
        let space = |credential, day| Space::Sources(credential, day, SourceKind::UserAgent);
        let own = space(Uuid::from_u128(1), from);
        assert_eq!(decide(&labels, own, &names(0..150)), (150, 0));
        assert_eq!(decide(&labels, own, &names(100..300)), (100, 0));
        assert_eq!(decide(&labels, own, &names(0..300)), (MAX_SOURCES, 0));
        for asked in [
            space(ALL, from),
            space(UNKNOWN, from),
            space(Uuid::from_u128(1), before),
            space(Uuid::from_u128(1), from.plus_days(-1)),
            Space::Endpoints(Uuid::from_u128(1)),
        ] {
            assert_eq!(decide(&labels, asked, &names(0..1)), (0, 1), "{asked:?}");
        }
        // What was forgotten has to be asked for; the days after it not.
        labels.0.lock().forget();
        assert_eq!(decide(&labels, own, &names(0..1)), (0, 1));
        assert_eq!(decide(&labels, space(Uuid::from_u128(1), from.plus_days(1)), &names(0..1)), (1, 0));
        // Who serves asks about everything that it has not seen.
        assert_eq!(decide(&Labels::default(), own, &names(0..1)), (0, 1));
    }
}
