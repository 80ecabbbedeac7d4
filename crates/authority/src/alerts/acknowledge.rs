//! Saying that somebody knows of an alert.

use keywright_core::AlertId;
use keywright_store::alerts::{self, AlertRow};

use super::{ADMIN, Step, tell};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Notes that the caller knows of an alert. Doing it again, whoever did it first, changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::AlertResolved`].
pub async fn acknowledge(
    authority: &Authority,
    call: Call,
    id: AlertId,
    reason: Option<String>,
) -> Result<AlertRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: AlertId,
    reason: Option<&str>,
) -> Result<AlertRow, Fault> {
    let Change { mut tx, grantor, now, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let before = alerts::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    if !before.state().may_be_acknowledged() {
        return Err(Fault::AlertResolved);
    }
    if !alerts::acknowledge(tx.conn(), id, now, &grantor.actor).await? {
        return Ok(before);
    }
    let after = alerts::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    tell(authority, &mut tx, Step::Acknowledged, (grantor.actor, Some(call)), &after, reason).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(after)
}
