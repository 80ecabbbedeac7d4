//! What becomes of a rotation: confirmed, left unconfirmed, undone, retired.

use keywright_core::AlertKind::{RotationFailed, RotationNewNetwork, RotationUnconfirmed};
use keywright_core::rotation::RotationState;
use keywright_core::{CredentialName, Timestamp};
use keywright_store::rotations::{self, RotationRow, Traces};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::{Conn, Tx};
use serde_json::{Value, json};

use super::{notice, read};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// Why the new one is revoked by itself.
pub(super) const NOTHING_SENT: &str = "the new secret could not be delivered, and nothing of it has left";
/// Why the old one counts again.
pub(super) const SUCCESSOR_ENDED: &str = "the new token was ended before it was used";

/// Who decided by hand.
pub(super) struct Hand<'a> {
    pub(super) call: &'a crate::call::Call,
    pub(super) actor: &'a keywright_core::ActorRef,
    pub(super) reason: Option<&'a str>,
}

/// Writes the next row and what is told of it, where the rotation is still as it was seen.
async fn advance(
    authority: &Authority,
    tx: &mut Tx,
    next: &RotationRow,
    kind: &'static str,
    details: Value,
    hand: Option<&Hand<'_>>,
) -> Result<bool, Fault> {
    let now = authority.now();
    let text = details.to_string();
    if !rotations::advance(tx.conn(), next, kind, Some(&text), now).await? {
        return Ok(false);
    }
    let event = match next.state {
        RotationState::Confirmed => "rotation.confirmed",
        RotationState::Closed => "rotation.closed",
        RotationState::Failed => "rotation.failed",
        RotationState::RolledBack => "rotation.rolled_back",
        RotationState::Unconfirmed => "rotation.unconfirmed",
        _ => "rotation.used_elsewhere",
    };
    match hand {
        None => notice::tell(authority, tx.conn(), event, next, details).await?,
        Some(hand) => {
            let subject = Subject {
                kind: "service_token",
                id: Some(next.credential_id.0),
                name: Some(next.token_name.as_str().to_owned()),
            };
            let told = Event::new(event, hand.actor.clone(), Some(hand.call), subject);
            let told = told.publisher(next.publisher_id).reason(hand.reason);
            let more = json!({ "rotation_id": next.id, "successor_id": next.successor_id });
            told.details(more).write(authority, tx.conn()).await?;
        }
    }
    let (over, reason) = match next.state {
        RotationState::Confirmed => (&[RotationUnconfirmed, RotationFailed][..], "the new secret is in use"),
        RotationState::RolledBack => {
            (&[RotationUnconfirmed, RotationNewNetwork][..], "the new secret was revoked")
        }
        RotationState::Failed | RotationState::Closed => (&[RotationUnconfirmed][..], "the rotation is over"),
        _ => (&[][..], ""),
    };
    notice::settled(authority, tx, next, over, reason).await?;
    Ok(true)
}

async fn held(authority: &Authority, row: &RotationRow) -> Result<Tx, Fault> {
    let ids: Vec<_> =
        [Some(row.credential_id), row.successor_id].into_iter().flatten().map(|id| id.0).collect();
    Ok(authority.store().begin_change(&[], &ids).await?)
}

/// Ends a transaction that may have found the rotation elsewhere.
async fn finish(authority: &Authority, tx: Tx, done: bool, changed: Vec<uuid::Uuid>) -> Result<bool, Fault> {
    if !done {
        tx.rollback().await;
        return Ok(false);
    }
    authority.commit(tx, Invalidation::Of(changed), false).await?;
    Ok(true)
}

/// The new one was used: the grace of the old one begins.
pub(super) async fn confirm(
    authority: &Authority,
    row: &RotationRow,
    hand: Option<&Hand<'_>>,
) -> Result<bool, Fault> {
    let mut tx = held(authority, row).await?;
    let done = confirm_in(authority, &mut tx, row, hand).await?;
    finish(authority, tx, done, vec![row.credential_id.0]).await
}

pub(super) async fn confirm_in(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    hand: Option<&Hand<'_>>,
) -> Result<bool, Fault> {
    let (now, id) = (authority.now(), row.credential_id);
    let old = service_tokens::lock_for_change(tx.conn(), None, id).await?;
    let life = old.as_ref().and_then(|old| old.expires_at).unwrap_or(Timestamp::MAX);
    let grace_end = now.plus_seconds(row.grace_seconds.into()).min(life);
    let next = RotationRow {
        state: RotationState::Confirmed,
        sealed_secret: None,
        confirmed_at: Some(now),
        grace_expires_at: Some(grace_end),
        next_attempt_at: now,
        ..row.clone()
    };
    let details = json!({ "grace_expires_at": grace_end, "by_hand": hand.is_some() });
    if !advance(authority, tx, &next, "confirmed", details, hand).await? {
        return Ok(false);
    }
    // With a time of quiet to be waited for, nobody can say yet when the old one ends.
    if let (0, Some(successor)) = (row.quiet_hours, row.successor_id) {
        service_tokens::end_grace(tx.conn(), id, successor, grace_end, now).await?;
    }
    Ok(true)
}

/// The new one was used from where the old one never was: that is told, and confirms nothing.
pub(super) async fn tell_of_use(
    authority: &Authority,
    row: &RotationRow,
    traces: &Traces,
) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    let next = RotationRow { told_of_use: true, ..row.clone() };
    let addresses: Vec<_> = traces.addresses.iter().take(20).collect();
    let details = json!({ "uses": traces.uses, "addresses": addresses, "networks": traces.networks });
    let done = advance(authority, &mut tx, &next, "used_elsewhere", details, None).await?;
    if done {
        notice::used_elsewhere(authority, &mut tx, &next, traces).await?;
    }
    finish(authority, tx, done, Vec::new()).await
}

/// Not used in time: both stay as they are, and people are told what is known.
pub(super) async fn leave_unconfirmed(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    let next = RotationRow {
        state: RotationState::Unconfirmed,
        sealed_secret: None,
        next_attempt_at: authority.now(),
        ..row.clone()
    };
    let details =
        json!({ "delivered_at": row.delivered_at, "attempts": row.attempts, "answer": row.last_answer });
    let done = advance(authority, &mut tx, &next, "unconfirmed", details, None).await?;
    if done {
        let callers = read::callers(tx.conn(), row).await?;
        notice::unconfirmed(authority, &mut tx, &next, &callers).await?;
    }
    finish(authority, tx, done, Vec::new()).await
}

/// Revokes the new one and takes back that the old one was replaced.
pub(super) async fn undo(
    authority: &Authority,
    row: &RotationRow,
    state: RotationState,
    reason: &str,
) -> Result<bool, Fault> {
    let mut tx = held(authority, row).await?;
    let done = undo_in(authority, &mut tx, row, state, reason, None).await?;
    let changed = [Some(row.credential_id), row.successor_id].into_iter().flatten().map(|id| id.0).collect();
    finish(authority, tx, done, changed).await
}

pub(super) async fn undo_in(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    state: RotationState,
    reason: &str,
    hand: Option<&Hand<'_>>,
) -> Result<bool, Fault> {
    let now = authority.now();
    let next =
        RotationRow { state, sealed_secret: None, closed_at: Some(now), next_attempt_at: now, ..row.clone() };
    let kind = if state == RotationState::Failed { "failed" } else { "rolled_back" };
    let details = json!({ "reason": reason, "attempts": row.attempts, "answer": row.last_answer });
    if !advance(authority, tx, &next, kind, details, hand).await? {
        return Ok(false);
    }
    if let Some(successor) = row.successor_id {
        let new = service_tokens::lock_for_change(tx.conn(), None, successor).await?;
        let old = service_tokens::lock_for_change(tx.conn(), None, row.credential_id).await?;
        if let Some(new) = &new {
            end_successor(authority, tx, row, new, reason, hand).await?;
        }
        if let Some(old) = &old {
            let name = name_again(tx.conn(), old, new.as_ref()).await?;
            service_tokens::reinstate(tx.conn(), old.id, successor, &name, now).await?;
        }
    }
    if state == RotationState::Failed && hand.is_none() {
        notice::failed(authority, tx, &next, reason).await?;
    }
    Ok(true)
}

/// Revokes the new one, which frees its name.
async fn end_successor(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    new: &ServiceTokenRow,
    reason: &str,
    hand: Option<&Hand<'_>>,
) -> Result<(), Fault> {
    let now = authority.now();
    if !service_tokens::revoke(tx.conn(), new.id, now, Some(reason)).await? {
        return Ok(());
    }
    let after = service_tokens::by_id(tx.conn(), None, new.id).await?.ok_or(Fault::NotFound)?;
    let actor = match hand {
        Some(hand) => hand.actor.clone(),
        None => keywright_core::ActorRef::system(super::JOB),
    };
    let event = Event::new("token.revoked", actor, hand.map(|hand| hand.call), Subject::token(&after));
    let event = event.publisher(after.publisher_id).reason(Some(reason)).before(new).after(&after);
    event.details(json!({ "rotation_id": row.id })).write(authority, tx.conn()).await?;
    Ok(())
}

/// The name that the old one bears from now on: the one that the new one had, unless somebody else has it by now.
async fn name_again(
    conn: Conn<'_>,
    old: &ServiceTokenRow,
    new: Option<&ServiceTokenRow>,
) -> Result<CredentialName, Fault> {
    let Some(new) = new else { return Ok(old.token_name.clone()) };
    let name = &new.token_name;
    let bearer = service_tokens::live_by_name(conn, old.service_account_id, name.as_str()).await?;
    Ok(if bearer.is_none() { name.clone() } else { old.token_name.clone() })
}

/// Both were ended by somebody, or there never was a new one.
pub(super) async fn abandon(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    close(authority, row, "the token has ended", false).await
}

/// It was decided on, and cannot be begun any more.
pub(super) async fn give_up_before_mint(
    authority: &Authority,
    row: &RotationRow,
    reason: &str,
) -> Result<bool, Fault> {
    close(authority, row, reason, true).await
}

async fn close(authority: &Authority, row: &RotationRow, reason: &str, is_told: bool) -> Result<bool, Fault> {
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    let next = RotationRow {
        state: RotationState::Failed,
        sealed_secret: None,
        closed_at: Some(now),
        next_attempt_at: now,
        ..row.clone()
    };
    let done = advance(authority, &mut tx, &next, "failed", json!({ "reason": reason }), None).await?;
    if done && is_told {
        notice::failed(authority, &mut tx, &next, reason).await?;
    }
    finish(authority, tx, done, Vec::new()).await
}

/// Retires the old one.
pub(super) async fn retire(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let mut tx = held(authority, row).await?;
    let (now, id) = (authority.now(), row.credential_id);
    let next = RotationRow {
        state: RotationState::Closed,
        closed_at: Some(now),
        next_attempt_at: now,
        ..row.clone()
    };
    let done = advance(authority, &mut tx, &next, "closed", json!({}), None).await?;
    if done && let Some(successor) = row.successor_id {
        let before = service_tokens::lock_for_change(tx.conn(), None, id).await?;
        // One that has an end already keeps it.
        let open = before.as_ref().is_some_and(|old| old.grace_expires_at.is_none());
        if open {
            service_tokens::end_grace(tx.conn(), id, successor, now, now).await?;
        }
    }
    finish(authority, tx, done, vec![id.0]).await
}
