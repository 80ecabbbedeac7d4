//! Sweeping up expired service tokens.

use keywright_core::CredentialId;
use keywright_store::service_tokens;
use serde_json::json;

use super::ADMIN;
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Tokens in one transaction.
const SLICE: u32 = 500;

/// What to sweep up.
#[derive(Clone, Copy, Debug)]
pub struct CleanUp {
    /// Only switch off what is expired; else remove what has been dead past the audit's retention too.
    pub deactivate_only: bool,
    /// Only what has been expired for so many days.
    pub older_than_days: u32,
}

/// What was swept up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Switched off.
    pub deactivated: u64,
    /// Removed.
    pub removed: u64,
}

/// Switches off expired tokens and, if asked, removes those that have been dead longer than the audit
/// is kept. In slices: one that fails leaves the earlier ones done.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`.
pub async fn clean_up(authority: &Authority, call: Call, wanted: CleanUp) -> Result<CleanedUp, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let deactivated = sweep_all(&own, &call, wanted, Sweep::Deactivate).await?;
            let removed = if wanted.deactivate_only {
                0
            } else {
                sweep_all(&own, &call, wanted, Sweep::Remove).await?
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

async fn sweep_all(authority: &Authority, call: &Call, wanted: CleanUp, sweep: Sweep) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        match slice(authority, call, wanted, sweep).await? {
            0 => return Ok(swept),
            done => swept += done,
        }
    }
}

async fn slice(authority: &Authority, call: &Call, wanted: CleanUp, sweep: Sweep) -> Result<u64, Fault> {
    let Change { mut tx, grantor, now, .. } =
        Change::begin(authority, call, &needs(ADMIN)?.at_platform_level()).await?;
    let days = i64::from(wanted.older_than_days);
    let (kind, ids): (_, Vec<CredentialId>) = match sweep {
        Sweep::Deactivate => (
            "tokens.deactivated",
            service_tokens::deactivate_expired(tx.conn(), now.plus_days(-days), now, SLICE).await?,
        ),
        Sweep::Remove => {
            let kept = i64::from(authority.settings().retention_days).max(days);
            ("tokens.removed", service_tokens::delete_dead(tx.conn(), now.plus_days(-kept), SLICE).await?)
        }
    };
    if ids.is_empty() {
        return Ok(0);
    }
    let event = Event::new(kind, grantor.actor, Some(call), Subject::platform());
    event.details(json!({"reason": "expired", "credential_ids": ids})).write(authority, tx.conn()).await?;
    let swept = ids.len() as u64;
    authority.commit(tx, Invalidation::Of(ids.iter().map(|id| id.0).collect()), false).await?;
    Ok(swept)
}
