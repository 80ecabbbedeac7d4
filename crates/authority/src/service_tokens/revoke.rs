//! Revoking a service token.

use keywright_core::Requirements;
use keywright_store::service_tokens;

use super::{ADMIN, Target};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// Revokes a token; revoking it again changes nothing. When this returns, no verification on this node
/// accepts it. Every token may revoke itself.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`; [`Fault::NotFound`].
pub async fn revoke(
    authority: &Authority,
    call: Call,
    target: Target,
    reason: Option<String>,
) -> Result<Confirmations, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, target, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    target: Target,
    reason: Option<&str>,
) -> Result<Confirmations, Fault> {
    let now = authority.now();
    let id = target.id(call)?;
    let mut tx = authority.store().begin().await?;
    let before = service_tokens::lock_for_change(tx.conn(), id).await?;
    let grantor = match target {
        Target::Myself => call.authorize_as(tx.conn(), &Requirements::none(), now).await?,
        Target::Id(_) => call.authorize(tx.conn(), ADMIN, now).await?,
    };
    let before = before.ok_or(Fault::NotFound)?;
    if !service_tokens::revoke(tx.conn(), id, now, reason).await? {
        return Ok(Confirmations::only(authority.node()));
    }
    let after = service_tokens::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("token.revoked", grantor.actor, Some(call), Subject::token(&after)).reason(reason);
    event.before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Credentials(vec![id]), call.confirm).await
}
