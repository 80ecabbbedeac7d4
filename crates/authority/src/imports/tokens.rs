//! A page of tokens taken over: all that belongs to it in one transaction.

use std::collections::{HashMap, HashSet};

use keywright_core::{
    ActorRef, Allowlist, CredentialId, PublisherId, RateLimits, ServiceAccountId, Timestamp, TokenHint,
};
use keywright_store::service_accounts::{self, ListFilter};
use keywright_store::service_tokens::{
    self, ImportedToken, MoreUses, NewServiceToken, Seen, ServiceTokenRow, TakenToken,
};
use keywright_store::{Conn, StoreError, Tx, platform};
use serde_json::json;
use uuid::Uuid;

use super::candidate::{Candidate, fingerprint};
use super::told::{Outcome, Reason, Refusal, Told};
use super::{Import, ImportError};
use crate::audit::{Event, Subject};
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::service_tokens::within::{Asked, Home};

/// Tries of a page, where others take its names meanwhile.
const TRIES: u32 = 3;
/// What is shown of a secret that nobody here has ever seen.
const HINT: &str = "sk_…";

/// Takes a page over; tells what became of each, in their order.
///
/// # Errors
/// Nothing of the page has changed then, unless the outcome is unknown.
pub(super) async fn take(import: &Import<'_>, page: &[Candidate]) -> Result<Vec<Told>, ImportError> {
    let mut tries = 1;
    loop {
        match once(import, page).await {
            // Somebody took a name or a secret meanwhile: it is seen the next time.
            Err(ImportError::Fault(Fault::NameTaken | Fault::Unavailable(_))) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

async fn once(import: &Import<'_>, page: &[Candidate]) -> Result<Vec<Told>, ImportError> {
    let authority = import.authority;
    let accounts = accounts_of(import, page).await?;
    // Held, so that nobody takes a place of an account, or narrows it, meanwhile.
    let held: Vec<Uuid> = accounts.values().filter_map(|found| Some(found.as_ref().ok()?.0)).collect();
    let mut tx = authority.store().begin_change(&[], &held).await?;
    let mut sorted = Sorted::of(import, &mut tx, page, &accounts).await?;
    if import.dry_run {
        tx.rollback().await;
        return Ok(sorted.in_order());
    }
    let off = sorted.write(import, &mut tx).await?;
    // Whatever was taken from somebody is taken everywhere; what is new nobody can have cached.
    let invalidation = Invalidation::Of(off.iter().map(|id| id.0).collect());
    authority.commit(tx, invalidation, false).await?;
    Ok(sorted.in_order())
}

type Accounts = HashMap<String, Result<ServiceAccountId, Refusal>>;

/// The service accounts that a page names.
async fn accounts_of(import: &Import<'_>, page: &[Candidate]) -> Result<Accounts, ImportError> {
    let mut accounts = Accounts::new();
    for named in page.iter().filter_map(|candidate| candidate.account.as_ref()) {
        if !accounts.contains_key(named) {
            let mut reader = import.authority.store().read().await?;
            let found = account(reader.conn(), named).await?;
            accounts.insert(named.clone(), found);
        }
    }
    Ok(accounts)
}

async fn account(conn: Conn<'_>, named: &str) -> Result<Result<ServiceAccountId, Refusal>, StoreError> {
    let refusal = |detail: &str| Err(Refusal::new(Reason::Account, detail));
    if let Ok(id) = named.parse::<ServiceAccountId>() {
        let found = service_accounts::by_id(conn, None, id).await?;
        return Ok(found.map_or_else(|| refusal("there is no service account of that id"), |row| Ok(row.id)));
    }
    let filter = ListFilter { name: Some(named.to_owned()), limit: 2, ..ListFilter::default() };
    let found = service_accounts::list(conn, &filter).await?;
    Ok(match found.as_slice() {
        [one] => Ok(one.id),
        [] => refusal("there is no service account of that name"),
        _ => refusal("several publishers have a service account of that name: give its id"),
    })
}

/// What is to be done about a page.
struct Sorted {
    told: Vec<(usize, Told)>,
    /// Those that are new, with their places in the page.
    new: Vec<(usize, ImportedToken)>,
    seen: Vec<Seen>,
    more: Vec<MoreUses>,
    off: Vec<CredentialId>,
    now: Timestamp,
}

/// An account while a page is sorted.
struct Room {
    home: Home,
    left: u64,
}

impl Sorted {
    async fn of(
        import: &Import<'_>,
        tx: &mut Tx,
        page: &[Candidate],
        accounts: &Accounts,
    ) -> Result<Self, ImportError> {
        let now = import.authority.now();
        let epoch = platform::epochs(tx.conn()).await?.counter;
        let ids: Vec<Uuid> = page.iter().map(|candidate| candidate.source_id).collect();
        let before = service_tokens::taken_before(tx.conn(), &ids).await?;
        // Of those that are ours already the hash is asked for, of all others who has it.
        let ours: Vec<_> = before.values().map(|taken| taken.credential_id).collect();
        let known = service_tokens::hashes_of(tx.conn(), &ours).await?;
        let hashes: Vec<_> = page
            .iter()
            .filter(|candidate| !before.contains_key(&candidate.source_id))
            .map(|candidate| candidate.hash)
            .collect();
        let bearers = service_tokens::bearers_of(tx.conn(), &hashes).await?;
        let mut sorted = Self {
            told: Vec::new(),
            new: Vec::new(),
            seen: Vec::new(),
            more: Vec::new(),
            off: Vec::new(),
            now,
        };
        let mut unknown = Vec::new();
        for (place, candidate) in page.iter().enumerate() {
            match (before.get(&candidate.source_id), bearers.get(&candidate.hash)) {
                (Some(taken), _) => {
                    let hash = known.get(&taken.credential_id);
                    sorted.known(place, candidate, *taken, hash.is_some_and(|hash| *hash != candidate.hash));
                }
                (None, Some((id, name))) if *name == candidate.name => sorted.found(place, candidate, *id),
                (None, Some((id, _))) => {
                    let detail = format!("the token {id} has the same secret, under another name");
                    sorted.told.push((place, candidate.refused(Refusal::new(Reason::HashTaken, detail))));
                }
                (None, None) => unknown.push((place, candidate)),
            }
        }
        sorted.unknown(import, tx, unknown, accounts, epoch).await?;
        Ok(sorted)
    }

    /// One that was taken over before: what changed there since is taken over, as far as it takes rights away or
    /// counts. What was changed here stays.
    fn known(&mut self, place: usize, candidate: &Candidate, before: TakenToken, changed: bool) {
        if changed {
            let detail = format!(
                "the token {} was taken over with another secret, which still works: rotate or revoke it here",
                before.credential_id
            );
            let refusal = Refusal::new(Reason::SecretChanged, detail);
            return self.told.push((place, candidate.refused(refusal)));
        }
        let (id, uses) = (before.credential_id, candidate.usage_count.saturating_sub(before.usage_count));
        let mut notes = Vec::new();
        if uses > 0 {
            let last_used_at = candidate.last_used_at.unwrap_or(candidate.created_at);
            self.more.push(MoreUses { credential_id: id, uses, last_used_at });
        }
        if before.is_active && !candidate.is_active {
            self.off.push(id);
            notes.push("it was switched off there, and so it is here".to_owned());
        }
        if !before.is_active && candidate.is_active {
            notes.push("it was switched on there; here it stays as it is".to_owned());
        }
        let differs = uses > 0
            || before.is_active != candidate.is_active
            || before.usage_count != candidate.usage_count;
        if differs {
            let token = TakenToken {
                credential_id: id,
                is_active: candidate.is_active,
                usage_count: candidate.usage_count,
            };
            self.seen.push(Seen { source_id: candidate.source_id, token });
        }
        let outcome =
            if uses > 0 || self.off.last() == Some(&id) { Outcome::Updated } else { Outcome::AlreadyThere };
        self.told.push((place, Told { credential_id: Some(id), notes, ..candidate.told(outcome) }));
    }

    /// One that is here by another way: the same name, the same secret.
    fn found(&mut self, place: usize, candidate: &Candidate, id: CredentialId) {
        let token = TakenToken {
            credential_id: id,
            is_active: candidate.is_active,
            usage_count: candidate.usage_count,
        };
        self.seen.push(Seen { source_id: candidate.source_id, token });
        let told = candidate.told(Outcome::AlreadyThere);
        self.told.push((place, Told { credential_id: Some(id), ..told }));
    }

    async fn unknown(
        &mut self,
        import: &Import<'_>,
        tx: &mut Tx,
        unknown: Vec<(usize, &Candidate)>,
        accounts: &Accounts,
        epoch: u64,
    ) -> Result<(), ImportError> {
        let mut rooms = rooms(import, tx, accounts, self.now).await?;
        let mut names = Names::default();
        names.load(tx, &unknown, accounts).await?;
        let mut hashes = HashSet::new();
        for (place, candidate) in unknown {
            let account = match candidate.account.as_ref().and_then(|named| accounts.get(named)) {
                Some(Ok(id)) => Some(*id),
                Some(Err(refusal)) => {
                    self.told.push((place, candidate.refused(refusal.clone())));
                    continue;
                }
                None => None,
            };
            let room = account.and_then(|id| rooms.get_mut(&id));
            let home = room.as_ref().map(|room| room.home.clone());
            if let Err(refusal) = may_be_taken(candidate, account, room, &mut names, &mut hashes) {
                self.told.push((place, candidate.refused(refusal)));
                continue;
            }
            let new = row(candidate, home.as_ref(), epoch);
            let told = candidate.told(Outcome::Taken);
            self.told.push((place, Told { credential_id: Some(new.id), ..told }));
            let (usage_count, last_used_at) = (candidate.usage_count, candidate.last_used_at);
            let source_id = candidate.source_id;
            self.new.push((place, ImportedToken { new, source_id, usage_count, last_used_at }));
        }
        Ok(())
    }

    /// Writes all of it; gives those that were switched off.
    async fn write(&mut self, import: &Import<'_>, tx: &mut Tx) -> Result<Vec<CredentialId>, ImportError> {
        let new: Vec<ImportedToken> = self.new.drain(..).map(|(_, new)| new).collect();
        let sources: Vec<Uuid> = new.iter().map(|token| token.source_id).collect();
        let rows = service_tokens::insert_imported(tx.conn(), &new).await.map_err(|error| match error {
            StoreError::Duplicate(_) => ImportError::Fault(Fault::NameTaken),
            other => other.into(),
        })?;
        let off = service_tokens::switch_off(tx.conn(), &self.off, self.now).await?;
        service_tokens::remember(tx.conn(), &self.seen).await?;
        let mut events: Vec<Event<'_>> =
            rows.iter().zip(sources).map(|(row, source_id)| imported(import, row, source_id)).collect();
        events.extend(off.iter().map(|(id, name, publisher)| switched_off(import, *id, name, *publisher)));
        Event::write_all(events, import.authority, tx.conn()).await?;
        // Last, as those who move journals hold these rows as well.
        service_tokens::add_uses(tx.conn(), &self.more).await?;
        Ok(off.into_iter().map(|(id, ..)| id).collect())
    }

    fn in_order(mut self) -> Vec<Told> {
        self.told.sort_by_key(|(place, _)| *place);
        self.told.into_iter().map(|(_, told)| told).collect()
    }
}

/// How many more live tokens each account may have.
async fn rooms(
    import: &Import<'_>,
    tx: &mut Tx,
    accounts: &Accounts,
    now: Timestamp,
) -> Result<HashMap<ServiceAccountId, Room>, ImportError> {
    let mut rooms = HashMap::new();
    let most = import.authority.settings().max_per_account;
    for id in accounts.values().filter_map(|found| found.as_ref().ok()) {
        let Some(home) = Home::of(tx.conn(), None, *id).await? else { continue };
        let live = service_tokens::count_live(tx.conn(), *id, now, most).await?;
        rooms.insert(*id, Room { home, left: u64::from(most).saturating_sub(live) });
    }
    Ok(rooms)
}

/// The names that live tokens bear, within each account and among those that stand alone.
#[derive(Default)]
struct Names(HashMap<Option<ServiceAccountId>, HashSet<String>>);

impl Names {
    async fn load(
        &mut self,
        tx: &mut Tx,
        wanted: &[(usize, &Candidate)],
        accounts: &Accounts,
    ) -> Result<(), StoreError> {
        let mut by_account: HashMap<Option<ServiceAccountId>, Vec<&str>> = HashMap::new();
        for (_, candidate) in wanted {
            let account = match candidate.account.as_ref().and_then(|named| accounts.get(named)) {
                Some(Ok(id)) => Some(*id),
                Some(Err(_)) => continue,
                None => None,
            };
            by_account.entry(account).or_default().push(candidate.name.as_str());
        }
        for (account, names) in by_account {
            let used = service_tokens::names_in_use(tx.conn(), account, &names).await?;
            self.0.insert(account, used);
        }
        Ok(())
    }

    /// Takes a name; false when it is taken.
    fn take(&mut self, account: Option<ServiceAccountId>, name: &str) -> bool {
        self.0.entry(account).or_default().insert(name.to_owned())
    }
}

fn may_be_taken(
    candidate: &Candidate,
    account: Option<ServiceAccountId>,
    room: Option<&mut Room>,
    names: &mut Names,
    hashes: &mut HashSet<keywright_core::TokenHash>,
) -> Result<(), Refusal> {
    let refusal = |reason, detail: &str| Err(Refusal::new(reason, detail));
    if hashes.contains(&candidate.hash) {
        return refusal(Reason::HashTaken, "another row before it has the same secret");
    }
    if let Some(room) = room {
        let asked = Asked { permissions: Some(&candidate.permissions), ..Asked::default() };
        if let Err(Fault::Invalid(faults)) = room.home.admits(asked) {
            let details: Vec<_> = faults.into_iter().map(|fault| fault.detail).collect();
            return refusal(Reason::BeyondAccount, &details.join("; "));
        }
        if room.left == 0 {
            return refusal(Reason::AccountFull, "its service account has as many live tokens as it may");
        }
        if !names.take(account, candidate.name.as_str()) {
            return refusal(Reason::NameTaken, "a live token of its service account has the name");
        }
        room.left -= 1;
    } else if account.is_some() {
        return refusal(Reason::Account, "its service account was deleted");
    } else if !names.take(None, candidate.name.as_str()) {
        return refusal(Reason::NameTaken, "another live token has the name");
    }
    hashes.insert(candidate.hash);
    Ok(())
}

/// The row of ours. Its id follows from what it is there, so that it is the same however often it is tried.
fn row(candidate: &Candidate, home: Option<&Home>, epoch: u64) -> NewServiceToken {
    let account = home.map(|home| &home.account);
    NewServiceToken {
        id: CredentialId::generate(
            candidate.created_at,
            fingerprint("imported token", candidate.source_id.as_bytes()),
        ),
        token_name: candidate.name.clone(),
        token_hash: candidate.hash,
        token_hint: TokenHint(HINT.to_owned()),
        permissions: candidate.permissions.clone(),
        metadata: candidate.metadata.clone(),
        is_active: candidate.is_active,
        expires_at: candidate.expires_at,
        epoch,
        rotated_from_id: None,
        service_account_id: account.map(|account| account.id),
        publisher_id: account.and_then(|account| account.publisher_id),
        limits: RateLimits::UNLIMITED,
        allowlist: Allowlist::default(),
        lineage_id: None,
        created_by: ActorRef::operator(),
        created_at: candidate.created_at,
    }
}

fn imported<'a>(import: &Import<'_>, row: &ServiceTokenRow, source_id: Uuid) -> Event<'a> {
    let event = Event::new("token.imported", ActorRef::operator(), None, Subject::token(row));
    event
        .publisher(row.publisher_id)
        .after(row)
        .details(json!({ "source": import.source, "source_id": source_id }))
}

fn switched_off<'a>(
    import: &Import<'_>,
    id: CredentialId,
    name: &str,
    publisher: Option<PublisherId>,
) -> Event<'a> {
    let subject = Subject { kind: "service_token", id: Some(id.0), name: Some(name.to_owned()) };
    let details = json!({ "source": import.source, "is_active": false });
    let event = Event::new("token.updated", ActorRef::operator(), None, subject).publisher(publisher);
    event.details(details)
}
