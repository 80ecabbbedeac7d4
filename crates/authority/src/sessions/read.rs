//! Looking at sessions.

use keywright_core::{SessionId, Timestamp, UserId};
use keywright_store::memberships::{self, UserPublisher};
use keywright_store::sessions::{self, ListFilter, SessionRow};
use keywright_store::users::{self, UserRow};

use super::{READ, caller, calling_session};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// Where a page begins, and how long it is.
type Page = (Option<(Timestamp, SessionId)>, u32);

/// The caller's own sessions that are alive, newest first, and which of them calls. Who is no user has none.
///
/// # Errors
/// As the store.
pub async fn list(
    authority: &Authority,
    call: &Call,
    (after, limit): Page,
) -> Result<(Vec<SessionRow>, Option<SessionId>), Fault> {
    let Some(user) = caller(call) else { return Ok((Vec::new(), None)) };
    let filter = ListFilter { user: Some(user), publisher: None, after, limit, now: authority.now() };
    let mut reader = authority.store().read().await?;
    Ok((sessions::list(reader.conn(), &filter).await?, calling_session(call)))
}

/// The sessions of a user that are alive, newest first; to a caller that belongs to a publisher, those that
/// act for it.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`] for a user who is not of the caller's publisher.
pub async fn list_of_user(
    authority: &Authority,
    call: &Call,
    user: UserId,
    (after, limit): Page,
) -> Result<(Vec<SessionRow>, Option<SessionId>), Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let found = match call.home() {
        Some(publisher) => memberships::get(reader.conn(), publisher, user).await?.is_some(),
        None => users::by_id(reader.conn(), user, None).await?.is_some(),
    };
    if !found {
        return Err(Fault::NotFound);
    }
    let filter = ListFilter { user: Some(user), publisher: call.home(), after, limit, now: authority.now() };
    Ok((sessions::list(reader.conn(), &filter).await?, calling_session(call)))
}

/// A user who calls, with everything that they may see of themselves.
#[derive(Clone, Debug)]
pub struct MySession {
    /// The user.
    pub user: UserRow,
    /// The publishers that they belong to.
    pub publishers: Vec<UserPublisher>,
    /// The session that calls; none when another issuer vouches for the user.
    pub session: Option<SessionRow>,
}

/// The user behind a call; none when it is no user's.
///
/// # Errors
/// [`Fault::NotFound`] when the user is gone.
pub async fn myself(authority: &Authority, call: &Call) -> Result<Option<MySession>, Fault> {
    let Some(user) = caller(call) else { return Ok(None) };
    let mut reader = authority.store().read().await?;
    let row = users::by_id(reader.conn(), user, None).await?.ok_or(Fault::NotFound)?;
    let publishers = memberships::list_of_user(reader.conn(), user).await?;
    let session = match calling_session(call) {
        Some(id) => sessions::of_user(reader.conn(), id, user).await?,
        None => None,
    };
    Ok(Some(MySession { user: row, publishers, session }))
}
