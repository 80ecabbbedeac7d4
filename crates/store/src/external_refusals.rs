//! Tokens of other issuers within a reach: refused from an emergency on, until they are allowed again.

use keywright_core::{PublisherId, Timestamp, UserId};

use crate::conn::{Conn, change};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

statements! {
    OF_PLATFORM = ["UPDATE platform SET external_refused_at = $1 WHERE id = 1"];
    OF_PUBLISHER = ["UPDATE publishers SET external_refused_at = $2 WHERE id = $1 AND deleted_at IS NULL"];
    OF_USER = ["UPDATE users SET external_refused_at = $2 WHERE id = $1 AND deleted_at IS NULL"];
}

/// Refuses all tokens of other issuers since a moment; `None` allows them again.
///
/// # Errors
/// As any query.
pub async fn of_platform(conn: Conn<'_>, since: Option<Timestamp>) -> Result<(), StoreError> {
    change!(conn, OF_PLATFORM; Time::optional(since))?;
    Ok(())
}

/// The same of those that act for a publisher; false when there is none.
///
/// # Errors
/// As any query.
pub async fn of_publisher(
    conn: Conn<'_>,
    id: PublisherId,
    since: Option<Timestamp>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, OF_PUBLISHER; id.0, Time::optional(since))? == 1)
}

/// The same of those that speak for a user; false when there is none.
///
/// # Errors
/// As any query.
pub async fn of_user(conn: Conn<'_>, id: UserId, since: Option<Timestamp>) -> Result<bool, StoreError> {
    Ok(change!(conn, OF_USER; id.0, Time::optional(since))? == 1)
}
