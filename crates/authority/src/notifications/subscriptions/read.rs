//! Looking at subscriptions.

use keywright_core::SubscriptionId;
use keywright_store::event_subscriptions::{self, ListFilter, SubscriptionRow};

use super::super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One subscription.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: SubscriptionId) -> Result<SubscriptionRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    event_subscriptions::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of subscriptions, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: ListFilter,
) -> Result<Vec<SubscriptionRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(event_subscriptions::list(authority.store().read().await?.conn(), &filter).await?)
}
