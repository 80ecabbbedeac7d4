//! Looking at the members of a publisher.

use keywright_core::{PublisherId, UserId};
use keywright_store::memberships::{self, ListFilter, MemberRow};
use keywright_store::publishers;

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::publishers::must_see;

/// One member.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`].
pub async fn get(
    authority: &Authority,
    call: &Call,
    publisher: PublisherId,
    user: UserId,
) -> Result<MemberRow, Fault> {
    call.require(READ)?;
    must_see(call, publisher)?;
    memberships::get(authority.store().read().await?.conn(), publisher, user).await?.ok_or(Fault::NotFound)
}

/// A page of members, those who joined last first.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`] when there is no such publisher.
pub async fn list(authority: &Authority, call: &Call, filter: &ListFilter) -> Result<Vec<MemberRow>, Fault> {
    call.require(READ)?;
    must_see(call, filter.publisher)?;
    let mut reader = authority.store().read().await?;
    publishers::by_id(reader.conn(), filter.publisher).await?.ok_or(Fault::NotFound)?;
    Ok(memberships::list(reader.conn(), filter).await?)
}
