//! Looking at alerts.

use keywright_core::AlertId;
use keywright_store::alerts::{self, AlertRow, ListFilter};

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One alert.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: AlertId) -> Result<AlertRow, Fault> {
    call.require(READ)?;
    alerts::by_id(authority.store().read().await?.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of alerts, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<AlertRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(alerts::list(authority.store().read().await?.conn(), &filter).await?)
}
