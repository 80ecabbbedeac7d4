//! Revoking a service token.

use keywright_store::service_tokens;

use super::Target;
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// Revokes a token; revoking it again changes nothing, but asks the other nodes again. When this
/// returns, no verification on this node accepts it. Every token may revoke itself.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`, below an account without `service_accounts:admin`;
/// [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
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
    let wanted = match target {
        Target::Myself => Needs::nothing(),
        Target::Id(_) | Target::OfAccount(..) => target.to_change()?,
    };
    let (Change { mut tx, grantor, now, .. }, before) = target.begin(authority, call, &wanted).await?;
    let id = before.id;
    call.expects(before.version)?;
    if service_tokens::revoke(tx.conn(), id, now, reason).await? {
        let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
        let event =
            Event::new("token.revoked", grantor.actor, Some(call), Subject::token(&after)).reason(reason);
        let event = event.publisher(after.publisher_id);
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    // Also when another node revoked it a moment ago: what that one told may still be on its way here,
    // and a caller that asks again wants to know who has heard of it.
    authority.commit(tx, Invalidation::of(id), call.confirm).await
}
