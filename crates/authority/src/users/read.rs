//! Looking at users.

use std::collections::HashMap;

use keywright_core::UserId;
use keywright_store::users::{self, Belonging, ListFilter, UserRow};

use super::{READ, User, seen};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// One user; within a publisher one of its members.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: UserId) -> Result<User, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let row = users::by_id(reader.conn(), id, call.within()).await?.ok_or(Fault::NotFound)?;
    User::of(reader.conn(), row, call.within()).await
}

/// A page of users, newest first; within a publisher its members.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<User>, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let rows = users::list(reader.conn(), &ListFilter { within: call.within(), ..filter }).await?;
    let mut of: HashMap<UserId, Vec<Belonging>> = HashMap::new();
    for belonging in users::belongings(reader.conn(), rows.iter().map(|row| row.id), call.within()).await? {
        of.entry(belonging.user_id).or_default().push(belonging);
    }
    let user = |row: UserRow| User {
        publishers: of.remove(&row.id).unwrap_or_default(),
        row: seen(row, call.within()),
    };
    Ok(rows.into_iter().map(user).collect())
}
