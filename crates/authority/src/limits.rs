//! How much of its limits a credential has left.

use keywright_core::{CredentialId, Grant};
use keywright_store::grants;

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::{service_tokens, sessions};

/// A service token as it is decided on, with the budgets that its uses take from.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn of_service_token(authority: &Authority, call: &Call, id: CredentialId) -> Result<Grant, Fault> {
    service_tokens::get(authority, call, id).await?;
    let mut reader = authority.store().read().await?;
    grants::of_service_token(reader.conn(), id).await?.ok_or(Fault::NotFound)
}

/// One of the caller's own personal tokens as it is decided on where it acts by itself.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`].
pub async fn of_own_token(authority: &Authority, call: &Call, id: CredentialId) -> Result<Grant, Fault> {
    let user = sessions::caller(call).ok_or(Fault::UserRequired)?;
    let mut reader = authority.store().read().await?;
    grants::of_personal_token(reader.conn(), user, id).await?.ok_or(Fault::NotFound)
}
