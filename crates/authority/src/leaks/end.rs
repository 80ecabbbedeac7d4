//! Ending what was found.

use keywright_core::{
    CredentialId, CredentialKind, PublisherId, SessionId, Status, Timestamp, TokenHash, UserId, Wanted,
};
use keywright_store::leaks::{self, LeakedToken, NewLeak};
use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::{Tx, grants, personal_tokens, platform, service_tokens, sessions, users};

use super::tell::{Place, tell};
use super::{Found, FoundKind, Leak, Reporter, Traced};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::fault::Fault;
use crate::users::subject;

/// The reason in rows of tokens that were revoked so.
const REASON: &str = "its plain text was found where it should not be";

/// What a token was before it ended.
pub(super) struct Ended {
    pub(super) found: Found,
    pub(super) publisher: Option<PublisherId>,
    pub(super) subject: Subject,
    /// When it was made, of a link: that and its user tell which it was.
    pub(super) made_at: Option<Timestamp>,
}

/// Ends all that were found, in one transaction, and tells what each was.
pub(super) async fn end_all(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    traced: &Traced,
) -> Result<Vec<Option<Found>>, Fault> {
    let mut ended = Vec::with_capacity(traced.len());
    for (leak, token) in traced {
        ended.push(match token {
            Some(token) => end(authority, tx, now, reporter, (leak, *token)).await?,
            None => None,
        });
    }
    Ok(ended)
}

async fn end(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    (leak, token): (&Leak, LeakedToken),
) -> Result<Option<Found>, Fault> {
    let ended = match token {
        LeakedToken::Service(id) => end_service(authority, tx, now, reporter, id).await?,
        LeakedToken::Personal(id, user) => end_personal(authority, tx, now, reporter, (id, user)).await?,
        LeakedToken::Session(id, _) => end_session(authority, tx, now, reporter, id).await?,
        LeakedToken::Mailed(hash, purpose, user) => {
            end_link(tx, now, reporter.within, (hash, purpose), user).await?
        }
    };
    let Some(ended) = ended else { return Ok(None) };
    let place = Place::of(leak);
    if is_new(tx, now, reporter, &ended, &place).await? {
        tell(authority, tx, reporter, &ended, &place).await?;
    }
    Ok(Some(ended.found))
}

/// Whether it was not reported from there before. A link is reported once: of one that is used or over there is
/// nothing to be told.
async fn is_new(
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    ended: &Ended,
    place: &Place<'_>,
) -> Result<bool, Fault> {
    let FoundKind::Credential(kind, credential_id) = ended.found.kind else { return Ok(ended.found.revoked) };
    let new = NewLeak {
        credential_id,
        kind,
        publisher_id: ended.publisher,
        found_in: place.found_in,
        place_hash: place.hash,
        source: reporter.source,
        revoked: ended.found.revoked,
        reported_by: &reporter.actor,
        reported_at: now,
    };
    Ok(leaks::insert(tx.conn(), &new).await?)
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
            kind: FoundKind::Credential(CredentialKind::Service, id),
            name: Some(before.token_name.as_str().to_owned()),
            revoked: !was_revoked,
        },
        publisher: before.publisher_id,
        subject: Subject::token(&before),
        made_at: None,
    }))
}

/// A personal token ends wherever it is for: who knows its plain text could use it there.
async fn end_personal(
    authority: &Authority,
    tx: &mut Tx,
    now: Timestamp,
    reporter: &Reporter<'_>,
    (id, user): (CredentialId, UserId),
) -> Result<Option<Ended>, Fault> {
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
            kind: FoundKind::Credential(CredentialKind::Personal, id),
            name: Some(before.terms.name.as_str().to_owned()),
            revoked: !was_revoked,
        },
        publisher,
        subject: subject(),
        made_at: None,
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
            kind: FoundKind::Credential(CredentialKind::User, CredentialId(id.0)),
            name: None,
            revoked: !was_revoked,
        },
        publisher,
        subject: Subject::session(id),
        made_at: None,
    }))
}

/// A link in a mail is used up, for whoever reports within a publisher that its user belongs to: they may ask for
/// another one.
async fn end_link(
    tx: &mut Tx,
    now: Timestamp,
    within: Option<PublisherId>,
    (hash, purpose): (TokenHash, Purpose),
    user: UserId,
) -> Result<Option<Ended>, Fault> {
    if users::by_id(tx.conn(), user, within).await?.is_none() {
        return Ok(None);
    }
    let Some(link) = mailed_tokens::by_hash(tx.conn(), &hash, purpose).await? else { return Ok(None) };
    let revoked = mailed_tokens::use_up(tx.conn(), &hash, purpose, now).await?;
    Ok(Some(Ended {
        found: Found { kind: FoundKind::Mailed(purpose), name: None, revoked },
        publisher: within,
        subject: subject(user),
        made_at: Some(link.created_at),
    }))
}
