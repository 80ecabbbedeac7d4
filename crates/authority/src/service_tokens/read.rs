//! Looking at service tokens.

use keywright_core::{Epochs, ServiceAccountId};
use keywright_store::service_tokens::{self, ListFilter, ServiceTokenRow};
use keywright_store::{platform, service_accounts as account_rows};

use super::{READ, Target};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::service_accounts;

/// One token, with the epochs that its status is judged by.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`, below an account without `service_accounts:read`;
/// [`Fault::NotFound`].
pub async fn get(
    authority: &Authority,
    call: &Call,
    target: impl Into<Target>,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    let target = target.into();
    call.require(target.to_read())?;
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    Ok((target.look(reader.conn(), call).await?, epochs))
}

/// A page of tokens, newest first; to whoever belongs to a publisher, or acts for one, of those of its
/// accounts.
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
    let filter = ListFilter { within: call.within(), ..filter(epochs) };
    Ok((service_tokens::list(reader.conn(), &filter).await?, epochs))
}

/// A page of the tokens of an account, newest first.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`].
pub async fn list_of_account(
    authority: &Authority,
    call: &Call,
    account: ServiceAccountId,
    filter: impl FnOnce(Epochs) -> ListFilter,
) -> Result<(Vec<ServiceTokenRow>, Epochs), Fault> {
    call.require(service_accounts::READ)?;
    let mut reader = authority.store().read().await?;
    account_rows::by_id(reader.conn(), call.within(), account).await?.ok_or(Fault::NotFound)?;
    let epochs = platform::epochs(reader.conn()).await?;
    let filter = ListFilter { within: call.within(), account: Some(account), ..filter(epochs) };
    Ok((service_tokens::list(reader.conn(), &filter).await?, epochs))
}

/// The calling credential's own row; none for the local operator. Every token may see itself.
///
/// # Errors
/// [`Fault::NotFound`] when it is gone.
pub async fn myself(authority: &Authority, call: &Call) -> Result<Option<(ServiceTokenRow, Epochs)>, Fault> {
    if call.actor.credential_id().is_none() {
        return Ok(None);
    }
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    Ok(Some((Target::Myself.look(reader.conn(), call).await?, epochs)))
}
