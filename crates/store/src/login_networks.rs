//! Networks from which users have logged in: strangers cannot lock a user out there.

use std::net::IpAddr;

use keywright_core::{Timestamp, UserId};

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Ip, Time};

statements! {
    /// By the address of the account, so that an unknown one costs the same query.
    KNOWN = [
        "SELECT COUNT(*) FROM login_networks n JOIN users u ON u.id = n.user_id AND u.deleted_at IS NULL \
         WHERE u.email_folded = $1 AND n.network = $2"
    ];
    NOTE = [
        "INSERT INTO login_networks (user_id, network, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (user_id, network) DO UPDATE SET last_seen_at = excluded.last_seen_at"
    ];
    FORGET_USER = ["DELETE FROM login_networks WHERE user_id = $1"];
    DELETE_QUIET = ["DELETE FROM login_networks WHERE last_seen_at < $1"];
}

/// Whether the user with this folded address has logged in from this network
/// ([`keywright_core::address::network`]) before.
///
/// # Errors
/// As any query.
pub async fn is_known(conn: Conn<'_>, email_folded: &str, network: IpAddr) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(KNOWN.text::<DB>())
        .bind(email_folded)
        .bind(Ip(network))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// Notes that a user has logged in from a network.
///
/// # Errors
/// As any query.
pub async fn note(conn: Conn<'_>, user: UserId, network: IpAddr, now: Timestamp) -> Result<(), StoreError> {
    change!(conn, NOTE; user.0, Ip(network), Time(now))?;
    Ok(())
}

/// Forgets all networks of a user.
///
/// # Errors
/// As any query.
pub async fn forget_user(conn: Conn<'_>, user: UserId) -> Result<(), StoreError> {
    change!(conn, FORGET_USER; user.0)?;
    Ok(())
}

/// Forgets networks that were not seen since `before`; tells how many.
///
/// # Errors
/// As any query.
pub async fn delete_quiet(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, DELETE_QUIET; Time(before))
}
