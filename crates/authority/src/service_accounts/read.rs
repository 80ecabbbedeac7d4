//! Looking at service accounts, and at what was done to them.

use keywright_core::ServiceAccountId;
use keywright_store::security_events::{self, EventFilter, SecurityEventRow};
use keywright_store::service_accounts::{self, ListFilter, ServiceAccountRow};

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One account.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`].
pub async fn get(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
) -> Result<ServiceAccountRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    service_accounts::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of accounts, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`.
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: ListFilter,
) -> Result<Vec<ServiceAccountRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(service_accounts::list(authority.store().read().await?.conn(), &filter).await?)
}

/// A page of what was done to an account and to its tokens.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`].
pub async fn events(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    filter: EventFilter,
) -> Result<Vec<SecurityEventRow>, Fault> {
    get(authority, call, id).await?;
    let filter = EventFilter { account: Some(id), ..filter };
    Ok(security_events::list(authority.store().read().await?.conn(), &filter).await?)
}
