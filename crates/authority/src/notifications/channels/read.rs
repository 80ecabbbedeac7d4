//! Looking at channels.

use keywright_core::ChannelId;
use keywright_store::notification_channels::{self, ChannelRow, ListFilter};

use super::super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One channel.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: ChannelId) -> Result<ChannelRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    notification_channels::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of channels, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<ChannelRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(notification_channels::list(authority.store().read().await?.conn(), &filter).await?)
}
