//! Authentication events of another system, in the order of their moments: a page is written while the next one is
//! read.
//!
//! What may have been taken before is looked for by its id, which follows from what it is there. Beyond the last
//! event that any import has taken nothing can be, and nobody asks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use keywright_core::{CredentialId, NodeId, Timestamp};
use keywright_store::auth2::{Auth2, EventSpan, SourceEvent, SourceMoment};
use keywright_store::imports::{self, EventsToTake, Memory, Progress, SourcePlace};
use keywright_store::{Store, StoreError, service_tokens};
use keywright_verify::DecisionRecord;
use uuid::Uuid;

use super::auth2::{event, token_name};
use super::candidate::fingerprint;
use super::told::{EventCounts, ImportError, Listener, Reason, Stage};
use super::{Auth2Options, Import, MOST_EVENTS, WhichEvents};
use crate::authority::Authority;
use crate::fault::Fault;

/// Before where the last run ended: what was written by transactions that were open then lies there.
const OVERLAP_MICROS: i64 = 3_600_000_000;
/// What is later than this from now on is no record of anything.
const AHEAD_SECONDS: i64 = 3_600;
/// Names that are remembered with their tokens.
const MAX_NAMES: usize = 100_000;
/// Tries of a page for which the store had no time.
const TRIES: u32 = 5;
/// Tries to make the tables of the months before.
const PARTITION_TRIES: u32 = 20;

/// Where a run begins, and what it goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    span: EventSpan,
    progress: Progress,
    /// Beyond it nothing was ever taken.
    mark: Option<SourcePlace>,
}

/// What is read: `earliest` is the oldest moment that is kept, `since` what was asked for.
fn plan(known: &[Progress], source: &str, earliest: i64, since: Option<i64>, until: i64) -> Plan {
    let own = known.iter().find(|progress| progress.source == source);
    let mut progress = own.cloned().unwrap_or_else(|| Progress::none(source));
    let begin = since.unwrap_or(earliest).max(earliest);
    let goes_on = since.is_none() && progress.events_from.is_some_and(|from| from <= begin);
    let interrupted =
        progress.run_at.filter(|at| progress.run_from.is_some_and(|from| from <= begin) && begin <= *at);
    let last = progress.last.map(|(at, _)| at);
    let behind = interrupted.or(last.filter(|_| goes_on)).map(|at| at.saturating_sub(OVERLAP_MICROS));
    let from = behind.map_or(begin, |behind| behind.max(begin));
    if interrupted.is_none() {
        (progress.run_from, progress.run_at) = (Some(from), None);
    }
    if last.is_none_or(|last| from > last) {
        // What lies between is not there.
        progress.events_from = None;
    }
    Plan {
        span: EventSpan { from: SourceMoment(from), to: SourceMoment(until) },
        progress,
        mark: known.iter().filter_map(|progress| progress.last).max(),
    }
}

/// The days of which only this run stores anything: after the last one of which any import has, and before the first
/// on which a token that was taken over was used here.
async fn memory(store: &Store, plan: &Plan, now: Timestamp) -> Result<Memory, StoreError> {
    let day_after = |(at, _)| Timestamp::from_micros(at).start_of_day().plus_days(1);
    let from = plan.mark.map_or(Timestamp::EPOCH, day_after);
    let used = imports::first_use(store.read().await?.conn(), from).await?;
    Ok(Memory::of_days(from, used.unwrap_or(now).min(now).start_of_day()))
}

/// Moments before which events are not kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    successes: Timestamp,
    failures: Timestamp,
}

impl Bounds {
    fn of(authority: &Authority, now: Timestamp) -> Self {
        let settings = authority.settings();
        let days_ago = |days: u32| now.plus_days(-i64::from(days));
        Self {
            successes: days_ago(settings.retention_days),
            failures: days_ago(settings.failure_retention_days.max(settings.retention_days)),
        }
    }

    fn admits(self, event: &DecisionRecord) -> bool {
        event.occurred_at >= if event.success() { self.successes } else { self.failures }
    }
}

/// A page, ready to be written.
struct Page {
    events: Vec<DecisionRecord>,
    /// So many at its begin may have been taken before.
    unsure: usize,
    last: SourcePlace,
    read: u64,
    refused: u64,
    unattributed: u64,
}

/// Takes the events over; false when it was stopped before the end.
///
/// # Errors
/// What was taken until then stays.
pub(super) async fn take(
    import: &Import<'_>,
    source: &mut Auth2,
    options: &Auth2Options,
    counts: &mut EventCounts,
    listener: &mut dyn Listener,
) -> Result<bool, ImportError> {
    let authority = import.authority;
    let now = authority.now();
    let bounds = Bounds::of(authority, now);
    let known = imports::all(authority.store().read().await?.conn()).await?;
    let since = match options.events {
        WhichEvents::Since(moment) => Some(moment.as_micros()),
        WhichEvents::All | WhichEvents::None => None,
    };
    let until = now.plus_seconds(AHEAD_SECONDS).as_micros();
    let plan = plan(&known, import.source, bounds.failures.as_micros(), since, until);
    let totals = source.totals(Some(plan.span)).await.map_err(ImportError::Source)?;
    counts.refuse(Reason::InTheFuture, totals.events_after);
    if plan.span.from.0 <= bounds.failures.as_micros() {
        counts.refuse(Reason::BeyondRetention, totals.events_before);
    }
    counts.seen = counts.refused.values().sum();
    listener.begin(Stage::Events, totals.events);
    if !import.dry_run && totals.events > 0 {
        make_months(authority, Timestamp::from_micros(plan.span.from.0).max(bounds.failures), now).await?;
    }
    let memory = Arc::new(memory(authority.store(), &plan, now).await?);
    Run { import, source, plan, bounds, names: HashMap::new(), memory }
        .take(options.events_at_once.clamp(1, MOST_EVENTS), counts, listener)
        .await
}

/// Events of months that have no table of their own would make the default one large, and the making of others slow.
async fn make_months(authority: &Authority, since: Timestamp, until: Timestamp) -> Result<(), ImportError> {
    let mut tries = 1;
    loop {
        match authority.store().make_partitions_between(since, until).await {
            // Somebody has events locked.
            Err(StoreError::Contention(_)) if tries < PARTITION_TRIES => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

struct Run<'a> {
    import: &'a Import<'a>,
    source: &'a mut Auth2,
    plan: Plan,
    bounds: Bounds,
    names: HashMap<String, Option<CredentialId>>,
    memory: Arc<Memory>,
}

impl Run<'_> {
    async fn take(
        mut self,
        at_once: u32,
        counts: &mut EventCounts,
        listener: &mut dyn Listener,
    ) -> Result<bool, ImportError> {
        let mut next = self.read(None, at_once).await?;
        while let Some(page) = next {
            let (last, read) = (page.last, page.read);
            counts.seen += page.read;
            counts.refuse(Reason::BeyondRetention, page.refused);
            counts.unattributed += page.unattributed;
            let events = page.events.len() as u64;
            let writing = tokio::spawn(write(self.writer(), self.progress_at(last), page));
            let reading = self.read(Some(last), at_once).await;
            let new = writing.await.map_err(|error| Fault::Internal(error.to_string()))??;
            counts.taken += new;
            counts.already_there += events - new;
            listener.advance(read);
            if listener.is_stopped() {
                return Ok(false);
            }
            next = reading?;
        }
        self.finish().await?;
        Ok(true)
    }

    fn writer(&self) -> Writer {
        let Import { authority, source, dry_run } = *self.import;
        Writer {
            authority: authority.clone(),
            node: stands_for(source),
            dry_run,
            memory: Arc::clone(&self.memory),
        }
    }

    /// How far it is once everything up to `last` is written.
    fn progress_at(&mut self, last: SourcePlace) -> Progress {
        self.plan.progress.run_at = Some(last.0);
        self.plan.progress.last = self.plan.progress.last.max(Some(last));
        self.plan.progress.clone()
    }

    /// The next page; none when there is none.
    async fn read(&mut self, after: Option<SourcePlace>, limit: u32) -> Result<Option<Page>, ImportError> {
        let rows =
            self.source.events_after(self.plan.span, after, limit).await.map_err(ImportError::Source)?;
        let Some(last) = rows.last().map(SourceEvent::place) else { return Ok(None) };
        self.look_up(&rows).await?;
        let mut page = Page {
            events: Vec::with_capacity(rows.len()),
            unsure: 0,
            last,
            read: rows.len() as u64,
            refused: 0,
            unattributed: 0,
        };
        for row in &rows {
            let name = token_name(row);
            let credential = name.and_then(|name| self.names.get(name).copied().flatten());
            let event = event(row, credential);
            if !self.bounds.admits(&event) {
                page.refused += 1;
                continue;
            }
            page.unattributed += u64::from(name.is_some() && credential.is_none());
            page.unsure += usize::from(self.plan.mark.is_some_and(|mark| row.place() <= mark));
            page.events.push(event);
        }
        Ok(Some(page))
    }

    /// Which of our credentials the names in these rows belong to.
    async fn look_up(&mut self, rows: &[SourceEvent]) -> Result<(), ImportError> {
        if self.names.len() > MAX_NAMES {
            self.names.clear();
        }
        let unknown: BTreeSet<&str> =
            rows.iter().filter_map(token_name).filter(|name| !self.names.contains_key(*name)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
        let ids = self.source.ids_of(&names).await.map_err(ImportError::Source)?;
        let source_ids: Vec<Uuid> = ids.values().copied().collect();
        let mut reader = self.import.authority.store().read().await?;
        let taken = service_tokens::taken_before(reader.conn(), &source_ids).await?;
        for name in names {
            let credential = ids.get(&name).and_then(|id| taken.get(id)).map(|taken| taken.credential_id);
            self.names.insert(name, credential);
        }
        Ok(())
    }

    /// That the run came to its end.
    async fn finish(self) -> Result<(), ImportError> {
        if self.import.dry_run {
            return Ok(());
        }
        let authority = self.import.authority;
        let mut progress = self.plan.progress;
        progress.run_at = None;
        progress.events_from = [progress.events_from, progress.run_from.take()].into_iter().flatten().min();
        let mut tx = authority.store().begin().await?;
        imports::keep(tx.conn(), &progress, authority.now()).await?;
        tx.commit().await.map_err(Fault::from)?;
        Ok(())
    }
}

/// What stands for the node that decided: the same for all events of a source.
fn stands_for(source: &str) -> NodeId {
    NodeId::generate(Timestamp::EPOCH, fingerprint("import", source.as_bytes()))
}

/// Writes pages in tasks of their own.
struct Writer {
    authority: Authority,
    node: NodeId,
    dry_run: bool,
    memory: Arc<Memory>,
}

/// Writes a page; gives how many of its events were new.
async fn write(writer: Writer, progress: Progress, page: Page) -> Result<u64, ImportError> {
    let Writer { authority, node, dry_run, memory } = writer;
    let Page { events, unsure, .. } = page;
    if dry_run {
        let mut reader = authority.store().read().await?;
        let taken = imports::count_taken(reader.conn(), &events[..unsure]).await?;
        return Ok(events.len() as u64 - taken);
    }
    let mut tries = 1;
    loop {
        let wanted = EventsToTake { node, events: events.clone(), unsure, progress: progress.clone() };
        match once(&authority, &memory, wanted).await {
            Err(ImportError::Fault(Fault::Unavailable(_))) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

async fn once(authority: &Authority, memory: &Memory, wanted: EventsToTake) -> Result<u64, ImportError> {
    let tx = authority.store().begin().await?;
    Ok(authority.store().take_events(tx, wanted, memory, authority.now()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn progress(run: Option<(i64, i64)>, events_from: Option<i64>, last: Option<i64>) -> Progress {
        let last = last.map(|at| (at, Uuid::from_u128(1)));
        let (run_from, run_at) = run.unzip();
        Progress { source: "a".to_owned(), run_from, run_at, events_from, last }
    }

    fn begins(known: &Progress, since: Option<i64>) -> (i64, Option<i64>, Option<i64>) {
        let plan = plan(std::slice::from_ref(known), "a", 10 * DAY, since, 1_000 * DAY);
        (plan.span.from.0, plan.progress.run_from, plan.progress.events_from)
    }

    #[test]
    fn a_run_begins_where_nothing_can_be_missing() {
        let day = |number: i64| number * DAY;
        let behind = |number: i64| number * DAY - OVERLAP_MICROS;
        for (known, since, from, run_from, events_from) in [
            // Nothing was taken.
            (progress(None, None, None), None, day(10), day(10), None),
            (progress(None, None, None), Some(day(30)), day(30), day(30), None),
            (progress(None, None, None), Some(day(1)), day(10), day(10), None),
            // A run that was killed goes on from where it was, and its begin is remembered.
            (progress(Some((day(9), day(50))), None, Some(day(50))), None, behind(50), day(9), None),
            (
                progress(Some((day(30), day(50))), None, Some(day(50))),
                Some(day(30)),
                behind(50),
                day(30),
                None,
            ),
            (progress(Some((day(9), day(40))), None, Some(day(70))), None, behind(40), day(9), None),
            // One that began later than what is asked for now leaves a hole, and so does one that ended earlier.
            (progress(Some((day(30), day(50))), None, Some(day(50))), None, day(10), day(10), None),
            (progress(Some((day(9), day(50))), None, Some(day(50))), Some(day(60)), day(60), day(60), None),
            // All was taken before: what came since.
            (progress(None, Some(day(9)), Some(day(50))), None, behind(50), behind(50), Some(day(9))),
            // Asked for again, it is looked at again; what is left out is missing from then on.
            (progress(None, Some(day(9)), Some(day(50))), Some(day(20)), day(20), day(20), Some(day(9))),
            (progress(None, Some(day(9)), Some(day(50))), Some(day(60)), day(60), day(60), None),
        ] {
            assert_eq!(begins(&known, since), (from, Some(run_from), events_from), "{known:?} {since:?}");
        }
    }

    #[test]
    fn nothing_is_looked_for_beyond_what_any_import_has_taken() {
        let other = Progress { source: "b".to_owned(), ..progress(None, Some(1), Some(70 * DAY)) };
        let known = [progress(None, Some(1), Some(50 * DAY)), other];
        let plan = plan(&known, "a", 10 * DAY, None, 1_000 * DAY);
        assert_eq!(plan.mark.map(|(at, _)| at), Some(70 * DAY));
        assert_eq!(plan.progress.last.map(|(at, _)| at), Some(50 * DAY));
    }
}
