//! Looking at roles.

use keywright_core::RoleId;
use keywright_store::roles::{self, ListFilter, RoleRow};

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One role.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: RoleId) -> Result<RoleRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    roles::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of roles, newest first: those of the publisher that the call is about, or of all.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<RoleRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(roles::list(authority.store().read().await?.conn(), &filter).await?)
}
