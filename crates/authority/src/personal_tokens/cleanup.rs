//! Sweeping up expired personal tokens of one's own.

use keywright_core::{CredentialId, UserId};
use keywright_store::personal_tokens;
use serde_json::json;

use super::in_person;
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::service_tokens::{CleanUp, CleanedUp};
use crate::users::subject;

/// Tokens in one transaction.
const SLICE: u32 = 500;

/// Switches off the caller's own tokens that are expired and, if asked, removes those that have been dead longer
/// than the audit is kept. In slices: one that fails leaves the earlier ones done.
///
/// # Errors
/// [`Fault::UserRequired`].
pub async fn clean_up(authority: &Authority, call: Call, wanted: CleanUp) -> Result<CleanedUp, Fault> {
    let user = in_person(&call)?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let deactivated = sweep_all(&own, &call, user, wanted, Sweep::Deactivate).await?;
            let removed = if wanted.deactivate_only {
                0
            } else {
                sweep_all(&own, &call, user, wanted, Sweep::Remove).await?
            };
            Ok(CleanedUp { deactivated, removed })
        })
        .await
}

#[derive(Clone, Copy)]
enum Sweep {
    Deactivate,
    Remove,
}

async fn sweep_all(
    authority: &Authority,
    call: &Call,
    user: UserId,
    wanted: CleanUp,
    sweep: Sweep,
) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        match slice(authority, call, user, wanted, sweep).await? {
            0 => return Ok(swept),
            done => swept += done,
        }
    }
}

async fn slice(
    authority: &Authority,
    call: &Call,
    user: UserId,
    wanted: CleanUp,
    sweep: Sweep,
) -> Result<u64, Fault> {
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &Needs::nothing(), &[], &[]).await?;
    let days = i64::from(wanted.older_than_days);
    let (kind, ids): (_, Vec<CredentialId>) = match sweep {
        Sweep::Deactivate => {
            let before = now.plus_days(-days);
            let ids = personal_tokens::deactivate_expired(tx.conn(), user, before, now, SLICE).await?;
            ("personal_tokens.deactivated", ids)
        }
        Sweep::Remove => {
            let kept = i64::from(authority.settings().retention_days).max(days);
            let ids = personal_tokens::delete_dead(tx.conn(), user, now.plus_days(-kept), SLICE).await?;
            ("personal_tokens.removed", ids)
        }
    };
    if ids.is_empty() {
        tx.rollback().await;
        return Ok(0);
    }
    let event = Event::new(kind, grantor.actor, Some(call), subject(user));
    event.details(json!({"reason": "expired", "credential_ids": ids})).write(authority, tx.conn()).await?;
    let swept = ids.len() as u64;
    authority.commit(tx, Invalidation::Of(ids.iter().map(|id| id.0).collect()), false).await?;
    Ok(swept)
}
