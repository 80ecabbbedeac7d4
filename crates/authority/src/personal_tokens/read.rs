//! Looking at one's own personal tokens.

use keywright_core::{CredentialId, Epochs, UserId, Wanted};
use keywright_store::memberships::{self, UserPublisher};
use keywright_store::personal_tokens::{self, ListFilter, PersonalTokenRow};
use keywright_store::platform;
use keywright_store::security_events::{self, EventFilter, SecurityEventRow};
use keywright_store::users::{self, UserRow};

use super::owner::Owner;
use super::{PersonalToken, in_person};
use crate::analytics::{self, TokenAnalytics, Used};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One of the caller's own tokens, with the epochs that its status is judged by.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`].
pub async fn get(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
) -> Result<(PersonalToken, Epochs), Fault> {
    let user = in_person(call)?;
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let row = personal_tokens::of_user(reader.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let mut owner = Owner::read(reader.conn(), user, None).await?;
    Ok((PersonalToken::of(reader.conn(), &mut owner, row).await?, epochs))
}

/// A page of the caller's own tokens, newest first.
///
/// # Errors
/// [`Fault::UserRequired`].
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: impl FnOnce(UserId) -> ListFilter,
) -> Result<(Vec<PersonalToken>, Epochs), Fault> {
    let user = in_person(call)?;
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let mut owner = Owner::read(reader.conn(), user, None).await?;
    Ok((PersonalToken::listed(reader.conn(), &mut owner, filter(user)).await?, epochs))
}

/// How one of the caller's own tokens was used in the last `days` days.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`].
pub async fn usage(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    days: u32,
) -> Result<TokenAnalytics, Fault> {
    let user = in_person(call)?;
    let mut reader = authority.store().read().await?;
    let row = personal_tokens::of_user(reader.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let token =
        Used { id, name: row.terms.name, usage_count: row.usage_count, last_used_at: row.last_used_at };
    analytics::of_credential(authority, reader, token, days).await
}

/// What was done to one of the caller's own tokens.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`].
pub async fn security_events(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    filter: EventFilter,
) -> Result<Vec<SecurityEventRow>, Fault> {
    let user = in_person(call)?;
    let mut reader = authority.store().read().await?;
    personal_tokens::of_user(reader.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let filter = EventFilter { subject_id: Some(id.0), without_copies: true, ..filter };
    Ok(security_events::list(reader.conn(), &filter).await?)
}

/// A personal token that calls, with whoever made it.
#[derive(Clone, Debug)]
pub struct Mine {
    /// The token.
    pub token: PersonalTokenRow,
    /// Its owner.
    pub user: UserRow,
    /// The owner's publishers that it is for.
    pub publishers: Vec<UserPublisher>,
    /// The epochs that its status is judged by.
    pub epochs: Epochs,
}

/// The personal token that calls; none when it is no such token that calls.
///
/// # Errors
/// [`Fault::NotFound`] when it is gone.
pub async fn myself(authority: &Authority, call: &Call) -> Result<Option<Mine>, Fault> {
    let Some((user, id)) = calling(call) else { return Ok(None) };
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let token = personal_tokens::of_user(reader.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let row = users::by_id(reader.conn(), user, None).await?.ok_or(Fault::NotFound)?;
    let mut publishers = memberships::list_of_user(reader.conn(), user).await?;
    publishers.retain(|publisher| token.terms.is_for(publisher.id));
    Ok(Some(Mine { token, user: row, publishers, epochs }))
}

/// The personal token that calls, and its owner.
pub(crate) fn calling(call: &Call) -> Option<(UserId, CredentialId)> {
    let bearing = call.actor.bearing()?;
    let personal = matches!(bearing.wanted, Wanted::Personal { .. });
    bearing.principal.id.filter(|_| personal).map(|user| (UserId(user), bearing.credential_id))
}
