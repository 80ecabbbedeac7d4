//! How much of its limits a credential, or a service account, has left.

use keywright_core::{Budget, CredentialId, Grant, ServiceAccountId};
use keywright_store::{grants, publishers};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::{personal_tokens, service_accounts, service_tokens};

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
    let user = personal_tokens::in_person(call)?;
    let mut reader = authority.store().read().await?;
    grants::of_personal_token(reader.conn(), user, id).await?.ok_or(Fault::NotFound)
}

/// The budgets that each use of a token of an account takes from, whichever token: the account's, and those of
/// its publisher.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`].
pub async fn of_account(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
) -> Result<Vec<Budget>, Fault> {
    let account = service_accounts::get(authority, call, id).await?;
    let mut budgets: Vec<_> = account.limits.budgets(id.0).collect();
    if let Some(publisher) = account.publisher_id {
        let row = publishers::by_id(authority.store().read().await?.conn(), publisher).await?;
        let limits = row.and_then(|row| row.settings.rate_limits).unwrap_or_default();
        budgets.extend(limits.budgets(publisher.0));
    }
    Ok(budgets)
}
