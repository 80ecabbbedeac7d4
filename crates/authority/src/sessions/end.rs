//! Ending sessions: one's own, and those of others.

use keywright_core::{ActorRef, PublisherId, SessionId, Timestamp, UserId};
use keywright_store::{Tx, memberships, sessions, users};
use serde_json::json;

use super::{ADMIN, caller, calling_session};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Needs, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

const LOGGED_OUT: &str = "logged out";
const ENDED: &str = "ended by an administrator";

/// Ends the session that calls, where it is one; tells whether there was one to end. In force on this node
/// when it returns.
///
/// # Errors
/// [`Fault::Denied`] when the caller's credential is not accepted any more.
pub async fn log_out(authority: &Authority, call: Call) -> Result<u64, Fault> {
    match calling_session(&call) {
        Some(id) => end(authority, call, id).await.map(u64::from),
        None => Ok(0),
    }
}

/// Ends one of the caller's own sessions; false when it had ended already.
///
/// # Errors
/// [`Fault::NotFound`] for the session of somebody else, as for one that does not exist.
pub async fn end(authority: &Authority, call: Call, id: SessionId) -> Result<bool, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { end_one(&own, &call, id).await }).await
}

async fn end_one(authority: &Authority, call: &Call, id: SessionId) -> Result<bool, Fault> {
    let Some(user) = caller(call) else { return Err(Fault::NotFound) };
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &Needs::nothing(), &[user.0], &[id.0]).await?;
    let before = sessions::of_user(tx.conn(), id, user).await?.ok_or(Fault::NotFound)?;
    let ended = sessions::revoke(tx.conn(), id, now, Some(LOGGED_OUT)).await?;
    if ended {
        let after = sessions::of_user(tx.conn(), id, user).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("session.ended", grantor.actor, Some(call), Subject::session(id));
        let event = event.publisher(before.publisher_id).reason(Some(LOGGED_OUT));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    // Also when another node ended it a moment ago: what that one told may still be on its way here.
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(ended)
}

/// Ends all of the caller's own sessions, the one that calls included; tells how many.
///
/// # Errors
/// [`Fault::Denied`] when the caller's credential is not accepted any more.
pub async fn end_all(authority: &Authority, call: Call) -> Result<u64, Fault> {
    let Some(user) = caller(&call) else { return Ok(0) };
    let own = authority.clone();
    authority
        .carry_out(async move {
            let change = Change::begin_with(&own, &call, &Needs::nothing(), &[], &[user.0]).await?;
            end_many(&own, &call, change, (user, None), LOGGED_OUT).await
        })
        .await
}

/// Ends the sessions of a user: all of them, or, for a caller that belongs to a publisher, those that act for
/// it. Tells how many.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`] for a user who is not of the caller's publisher.
pub async fn end_of_user(authority: &Authority, call: Call, user: UserId) -> Result<u64, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let reads: Vec<_> = call.home().iter().map(|id| id.0).collect();
            let mut change = Change::begin_with(&own, &call, &needs(ADMIN)?, &reads, &[user.0]).await?;
            exists(&mut change.tx, call.home(), user).await?;
            end_many(&own, &call, change, (user, call.home()), ENDED).await
        })
        .await
}

/// A user beyond the caller's publisher is one that does not exist.
async fn exists(tx: &mut Tx, home: Option<PublisherId>, user: UserId) -> Result<(), Fault> {
    let found = match home {
        Some(publisher) => memberships::get(tx.conn(), publisher, user).await?.is_some(),
        None => users::by_id(tx.conn(), user, None).await?.is_some(),
    };
    if found { Ok(()) } else { Err(Fault::NotFound) }
}

async fn end_many(
    authority: &Authority,
    call: &Call,
    Change { mut tx, grantor, now, .. }: Change,
    (user, within): (UserId, Option<PublisherId>),
    reason: &str,
) -> Result<u64, Fault> {
    let ended = revoke_all(&mut tx, (user, within), None, now, reason).await?;
    if !ended.is_empty() {
        told(authority, &mut tx, call, grantor.actor, (user, within), &ended, reason).await?;
    }
    let ids = ended.iter().map(|id| id.0).collect();
    authority.commit(tx, Invalidation::Of(ids), call.confirm).await?;
    Ok(ended.len() as u64)
}

async fn revoke_all(
    tx: &mut Tx,
    (user, within): (UserId, Option<PublisherId>),
    spared: Option<SessionId>,
    now: Timestamp,
    reason: &str,
) -> Result<Vec<SessionId>, Fault> {
    Ok(match within {
        None => sessions::revoke_of_user(tx.conn(), user, spared, now, Some(reason)).await?,
        Some(publisher) => sessions::revoke_within(tx.conn(), user, publisher, now, Some(reason)).await?,
    })
}

async fn told(
    authority: &Authority,
    tx: &mut Tx,
    call: &Call,
    actor: ActorRef,
    (user, within): (UserId, Option<PublisherId>),
    ended: &[SessionId],
    reason: &str,
) -> Result<(), Fault> {
    let subject = Subject { kind: "user", id: Some(user.0), name: None };
    let event = Event::new("session.all_ended", actor, Some(call), subject).publisher(within);
    let details = json!({"sessions": ended});
    event.reason(Some(reason)).details(details).write(authority, tx.conn()).await?;
    Ok(())
}
