//! Leaks: credentials whose plain text was found where it should not be. Whoever has found one could use it; it is
//! revoked at once, and its owner is told where it was.

mod github;
mod report;

pub use github::of_github;
pub use report::report;

use std::collections::BTreeMap;

use keywright_core::secret::sort_refresh;
use keywright_core::{
    ActorRef, AlertKind, AlertSubjectKind, Bearer, CredentialId, CredentialKind, PublisherId, SessionId,
    Severity, Status, Timestamp, TokenHash, Wanted,
};
use keywright_store::alerts::AlertSubject;
use keywright_store::leaks::{self, LeakSource, LeakedToken, NewLeak};
use keywright_store::{Tx, grants, personal_tokens, platform, service_tokens, sessions};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::alerts::{self, NewAlert};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// What lets its bearer report leaks.
pub const REPORT: &str = "leaks:report";
/// The reason in rows of tokens that were revoked so.
const REASON: &str = "its plain text was found where it should not be";
/// Who notices.
const NOTICED_BY: &str = "leak_response";

/// Something that may be a credential, and where it was found. Its plain text ends here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it is, if it has the form of a token of ours.
    token: Option<(CredentialKind, TokenHash)>,
    /// Where it was found.
    found_in: String,
}

impl Leak {
    /// Of a text that was found somewhere.
    pub fn new(text: &str, found_in: impl Into<String>) -> Self {
        let token = match Bearer::sort(text.as_bytes()) {
            Bearer::Service(hash) => Some((CredentialKind::Service, hash)),
            Bearer::Personal(hash) => Some((CredentialKind::Personal, hash)),
            // Whoever has it has the session.
            Bearer::Malformed => sort_refresh(text.as_bytes()).map(|hash| (CredentialKind::User, hash)),
            // It ends by itself, and is known by its signature alone.
            Bearer::Jwt(_) => None,
        };
        Self { token, found_in: found_in.into() }
    }
}

/// A credential that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The credential.
    pub id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// Its name; a session has none.
    pub name: Option<String>,
    /// Whether this report revoked it; else it was revoked before.
    pub revoked: bool,
}

/// Who reports, and what they reach.
struct Reporter<'a> {
    actor: ActorRef,
    call: Option<&'a Call>,
    source: LeakSource,
    within: Option<PublisherId>,
}

/// The tokens that are meant, each once.
async fn find_all(authority: &Authority, all: &[Leak]) -> Result<BTreeMap<[u8; 32], LeakedToken>, Fault> {
    let mut reader = authority.store().read().await?;
    let mut found = BTreeMap::new();
    for (kind, hash) in all.iter().filter_map(|leak| leak.token) {
        if let Some(token) = leaks::find(reader.conn(), kind, &hash).await? {
            found.insert(*hash.as_bytes(), token);
        }
    }
    Ok(found)
}

/// The users whose tokens these are, and the tokens: what a change of them reads and changes.
fn held(found: &BTreeMap<[u8; 32], LeakedToken>) -> (Vec<Uuid>, Vec<Uuid>) {
    let user = |token: &LeakedToken| match token {
        LeakedToken::Personal(_, user) | LeakedToken::Session(_, user) => Some(user.0),
        LeakedToken::Service(_) => None,
    };
    (found.values().filter_map(user).collect(), found.values().map(|token| token.id().0).collect())
}

/// Ends all that were found, in one transaction, and tells what each was.
async fn end_all(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    (all, found): (&[Leak], &BTreeMap<[u8; 32], LeakedToken>),
) -> Result<Vec<Option<Found>>, Fault> {
    let mut ended = Vec::with_capacity(all.len());
    for leak in all {
        let token = leak.token.and_then(|(_, hash)| found.get(hash.as_bytes()).copied());
        ended.push(match token {
            Some(token) => end(authority, tx, now, reporter, (token, &leak.found_in)).await?,
            None => None,
        });
    }
    Ok(ended)
}

/// What a token was before it ended.
struct Ended {
    found: Found,
    publisher: Option<PublisherId>,
    subject: Subject,
}

async fn end(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    (token, found_in): (LeakedToken, &str),
) -> Result<Option<Found>, Fault> {
    let ended = match token {
        LeakedToken::Service(id) => end_service(authority, tx, now, reporter, id).await?,
        LeakedToken::Personal(..) => end_personal(authority, tx, now, reporter, token).await?,
        LeakedToken::Session(id, _) => end_session(authority, tx, now, reporter, id).await?,
    };
    let Some(ended) = ended else { return Ok(None) };
    let place = TokenHash::of(found_in.as_bytes());
    let new = NewLeak {
        credential_id: ended.found.id,
        kind: ended.found.kind,
        publisher_id: ended.publisher,
        found_in,
        place_hash: *place.as_bytes(),
        source: reporter.source,
        revoked: ended.found.revoked,
        reported_by: &reporter.actor,
        reported_at: now,
    };
    if leaks::insert(tx.conn(), &new).await? {
        tell(authority, tx, reporter, &ended, &new).await?;
    }
    Ok(Some(ended.found))
}

async fn end_service(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    id: CredentialId,
) -> Result<Option<Ended>, Fault> {
    let within = reporter.within;
    let Some(before) = service_tokens::lock_for_change(tx.conn(), within, id).await? else { return Ok(None) };
    let was_revoked = before.is_revoked(platform::epochs(tx.conn()).await?);
    if service_tokens::revoke(tx.conn(), id, now, Some(REASON)).await? {
        let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
        let event =
            Event::new("token.revoked", reporter.actor.clone(), reporter.call, Subject::token(&after));
        let event = event.publisher(after.publisher_id).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    Ok(Some(Ended {
        found: Found {
            id,
            kind: CredentialKind::Service,
            name: Some(before.token_name.as_str().to_owned()),
            revoked: !was_revoked,
        },
        publisher: before.publisher_id,
        subject: Subject::token(&before),
    }))
}

/// A personal token ends wherever it is for: who knows its plain text could use it there.
async fn end_personal(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    token: LeakedToken,
) -> Result<Option<Ended>, Fault> {
    let LeakedToken::Personal(id, user) = token else { return Ok(None) };
    let within = reporter.within;
    let Some(before) = personal_tokens::of_user_for_change(tx.conn(), user, id, within).await? else {
        return Ok(None);
    };
    let was_revoked = before.is_revoked(platform::epochs(tx.conn()).await?);
    let subject = || Subject { kind: "personal_token", id: Some(id.0), name: None };
    let publisher = before.terms.home().or(within);
    if personal_tokens::revoke(tx.conn(), user, id, now, Some(REASON)).await? {
        let after = personal_tokens::of_user(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("personal_token.revoked", reporter.actor.clone(), reporter.call, subject());
        let others = before.terms.publisher_ids.iter().flatten().copied();
        let event = event.publisher(publisher).also(others).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    Ok(Some(Ended {
        found: Found {
            id,
            kind: CredentialKind::Personal,
            name: Some(before.terms.name.as_str().to_owned()),
            revoked: !was_revoked,
        },
        publisher,
        subject: subject(),
    }))
}

/// A session ends for whoever reports within the publisher that it acts for.
async fn end_session(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    id: SessionId,
) -> Result<Option<Ended>, Fault> {
    let Some(before) = sessions::by_id(tx.conn(), id).await? else { return Ok(None) };
    let publisher = before.publisher_id;
    if reporter.within.is_some_and(|own| publisher != Some(own)) {
        return Ok(None);
    }
    let held = grants::load(tx.conn(), &Wanted::Session { id, publisher }).await?;
    let was_revoked = held.is_none_or(|held| held.grant.status(held.epochs, now) == Status::Revoked);
    if sessions::revoke(tx.conn(), id, now, Some(REASON)).await? {
        let after = sessions::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("session.ended", reporter.actor.clone(), reporter.call, Subject::session(id));
        let event = event.publisher(publisher).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    Ok(Some(Ended {
        found: Found {
            id: CredentialId(id.0),
            kind: CredentialKind::User,
            name: None,
            revoked: !was_revoked,
        },
        publisher,
        subject: Subject::session(id),
    }))
}

/// Tells of a place that was not known: an event, and an alert for whoever looks after the credential.
async fn tell(
    authority: &Authority,
    tx: &mut Tx,
    reporter: &Reporter<'_>,
    ended: &Ended,
    new: &NewLeak<'_>,
) -> Result<(), Fault> {
    let Found { revoked, .. } = ended.found;
    let told = Map::from_iter([
        ("found_in".to_owned(), json!(new.found_in)),
        ("source".to_owned(), json!(new.source.as_str())),
        ("revoked".to_owned(), json!(revoked)),
    ]);
    Event::new("leak.reported", reporter.actor.clone(), reporter.call, ended.subject.clone())
        .publisher(ended.publisher)
        .details(json!(told))
        .write(authority, tx.conn())
        .await?;
    alerts::open(authority, tx, alert(ended, new, told)).await?;
    Ok(())
}

/// What had been revoked before was no danger any more.
fn alert(ended: &Ended, new: &NewLeak<'_>, evidence: Map<String, serde_json::Value>) -> NewAlert {
    let Found { id, kind, name, revoked } = &ended.found;
    let what = match kind {
        // What people call their own is shown to them alone.
        CredentialKind::Personal => "A personal token".to_owned(),
        CredentialKind::User => "A refresh token".to_owned(),
        _ => format!("The service token {:?}", name.as_deref().unwrap_or_default()),
    };
    let (severity, done) = match (revoked, kind) {
        (true, CredentialKind::User) => (Severity::Critical, "its session was ended at once"),
        (true, _) => (Severity::Critical, "it was revoked at once"),
        (false, CredentialKind::User) => (Severity::Medium, "its session had ended before"),
        (false, _) => (Severity::Medium, "it had been revoked before"),
    };
    NewAlert {
        publisher_id: ended.publisher,
        kind: AlertKind::LeakReported,
        severity,
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(id.0),
            name: name.clone().filter(|_| *kind == CredentialKind::Service),
        },
        summary: format!("{what} was found where it should not be; {done}."),
        evidence,
        dedupe_key: format!("leak_reported:{id}:{}", hex::encode(&new.place_hash[..16])),
        noticed_by: NOTICED_BY,
    }
}
