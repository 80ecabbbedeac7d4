//! Switching a service account off, and on again.

use keywright_core::ServiceAccountId;
use keywright_store::service_accounts::{self, ServiceAccountRow};

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Switches an account off: when this returns, none of its tokens is accepted on this node. Doing it again
/// changes nothing, but asks the other nodes again.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn disable(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    reason: Option<String>,
) -> Result<ServiceAccountRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, false, reason.as_deref()).await }).await
}

/// Switches an account on again: its tokens work as before, unless something else ended them meanwhile. Whoever
/// does it must have all that the account has.
///
/// # Errors
/// As [`disable`]; [`Fault::ScopeExceedsGrantor`].
pub async fn enable(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    reason: Option<String>,
) -> Result<ServiceAccountRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, true, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    on: bool,
    reason: Option<&str>,
) -> Result<ServiceAccountRow, Fault> {
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let before = service_accounts::by_id(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    if on && before.disabled_at.is_some() {
        grantor.may_grant(&before.scopes)?;
        grantor.may_reach(before.limits, &[&before.allowlist])?;
    }
    let changed = if on {
        service_accounts::enable(tx.conn(), id, now).await?
    } else {
        service_accounts::disable(tx.conn(), id, now, reason).await?
    };
    let after = service_accounts::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    if changed {
        let kind = if on { "service_account.enabled" } else { "service_account.disabled" };
        let event = Event::new(kind, grantor.actor, Some(call), subject(&after)).reason(reason);
        let event = event.publisher(after.publisher_id).before(&before).after(&after);
        event.write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(after)
}
