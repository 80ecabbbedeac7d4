//! Looking at service tokens.

use keywright_core::{CredentialId, Epochs};
use keywright_store::platform;
use keywright_store::service_tokens::{self, ListFilter, ServiceTokenRow};

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One token, with the epochs that its status is judged by.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn get(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    call.require(READ)?;
    if call.home().is_some() {
        return Err(Fault::NotFound);
    }
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let row = service_tokens::by_id(reader.conn(), id).await?.ok_or(Fault::NotFound)?;
    Ok((row, epochs))
}

/// A page of tokens, newest first.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`.
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: impl FnOnce(Epochs) -> ListFilter,
) -> Result<(Vec<ServiceTokenRow>, Epochs), Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    if call.home().is_some() {
        return Ok((Vec::new(), epochs));
    }
    Ok((service_tokens::list(reader.conn(), &filter(epochs)).await?, epochs))
}

/// The calling credential's own row; none for the local operator. Every token may see itself.
///
/// # Errors
/// [`Fault::NotFound`] when it is gone.
pub async fn myself(authority: &Authority, call: &Call) -> Result<Option<(ServiceTokenRow, Epochs)>, Fault> {
    let Some(id) = call.actor.credential_id() else { return Ok(None) };
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let row = service_tokens::by_id(reader.conn(), id).await?.ok_or(Fault::NotFound)?;
    Ok(Some((row, epochs)))
}
