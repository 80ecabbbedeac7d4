//! Looking at publishers.

use keywright_core::PublisherId;
use keywright_store::publishers::{self, ListFilter, PublisherRow};

use super::{ADMIN, must_see};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One publisher.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: PublisherId) -> Result<PublisherRow, Fault> {
    call.require(ADMIN)?;
    must_see(call, id)?;
    publishers::by_id(authority.store().read().await?.conn(), id).await?.ok_or(Fault::NotFound)
}

/// A page of publishers, newest first: all, or the one that the caller belongs to.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin`.
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: ListFilter,
) -> Result<Vec<PublisherRow>, Fault> {
    call.require(ADMIN)?;
    let filter = ListFilter { only: call.within(), ..filter };
    Ok(publishers::list(authority.store().read().await?.conn(), &filter).await?)
}
