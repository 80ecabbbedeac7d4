//! Sessions: one login of a user each, with the refresh tokens and access tokens made from it.

pub(crate) mod ends;
mod list;

use std::net::IpAddr;

use keywright_core::{PublisherId, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::ends::{delete_ended, mark_revoked_by_epoch, revoke, revoke_of_user, revoke_within, set_epoch};
pub use self::list::{ListFilter, Reach, count_reached, list};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Ip, Time, to_i64, to_u64};

macro_rules! session_columns {
    () => {
        "SELECT s.id, s.user_id, s.publisher_id, s.epoch, s.ip_address, s.country, s.user_agent, s.created_at, \
         s.last_seen_at, s.expires_at, s.idle_expires_at, s.revoked_at, s.revoked_reason FROM sessions s"
    };
}

/// Every reach that a session lies in, joined: the platform `p`, the user `u`, the publisher `q` that it acts
/// for, and the membership `m` there.
macro_rules! session_reaches {
    () => {
        " JOIN platform p ON p.id = 1 JOIN users u ON u.id = s.user_id \
         LEFT JOIN publishers q ON q.id = s.publisher_id \
         LEFT JOIN memberships m ON m.user_id = s.user_id AND m.publisher_id = s.publisher_id"
    };
}
use {session_columns, session_reaches};

statements! {
    INSERT = [
        "INSERT INTO sessions (id, user_id, publisher_id, epoch, ip_address, country, user_agent, created_at, \
         last_seen_at, expires_at, idle_expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)"
    ];
    BY_ID = [session_columns!(), " WHERE s.id = $1"];
    OF_USER_BY_ID = [session_columns!(), " WHERE s.id = $1 AND s.user_id = $2"];
    SEEN = [
        "UPDATE sessions SET last_seen_at = $2, idle_expires_at = $3, ip_address = COALESCE($4, ip_address) \
         WHERE id = $1 AND revoked_at IS NULL"
    ];
    SET_PUBLISHER = ["UPDATE sessions SET publisher_id = $2 WHERE id = $1 AND revoked_at IS NULL"];
}

/// A session to insert.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The publisher that it acts for; `None` at platform level.
    pub publisher_id: Option<PublisherId>,
    /// The counter of epochs, read under a share lock in the same transaction.
    pub epoch: u64,
    /// From where the user logged in.
    pub ip_address: Option<IpAddr>,
    /// In which country that is, where it is known.
    pub country: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// Its end, however much it is used.
    pub expires_at: Timestamp,
    /// Its end when it is not used.
    pub idle_expires_at: Timestamp,
}

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The publisher that it acts for now; `None` at platform level.
    pub publisher_id: Option<PublisherId>,
    /// The counter of epochs at the login.
    pub epoch: u64,
    /// From where it was seen last.
    pub ip_address: Option<IpAddr>,
    /// In which country that is, where it is known.
    pub country: Option<String>,
    /// With what the user logged in.
    pub user_agent: Option<String>,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When tokens were made from it last.
    pub last_seen_at: Timestamp,
    /// Its end, however much it is used.
    pub expires_at: Timestamp,
    /// Its end when it is not used.
    pub idle_expires_at: Timestamp,
    /// When it was ended, or marked after an emergency.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoked_reason: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RawSession {
    id: Uuid,
    user_id: Uuid,
    publisher_id: Option<Uuid>,
    epoch: i64,
    ip_address: Option<Ip>,
    country: Option<String>,
    user_agent: Option<String>,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
    idle_expires_at: Time,
    revoked_at: Option<Time>,
    revoked_reason: Option<String>,
}

impl From<RawSession> for SessionRow {
    fn from(raw: RawSession) -> Self {
        Self {
            id: SessionId(raw.id),
            user_id: UserId(raw.user_id),
            publisher_id: raw.publisher_id.map(PublisherId),
            epoch: to_u64(raw.epoch),
            ip_address: raw.ip_address.map(Into::into),
            country: raw.country,
            user_agent: raw.user_agent,
            created_at: raw.created_at.into(),
            last_seen_at: raw.last_seen_at.into(),
            expires_at: raw.expires_at.into(),
            idle_expires_at: raw.idle_expires_at.into(),
            revoked_at: raw.revoked_at.map(Into::into),
            revoked_reason: raw.revoked_reason,
        }
    }
}

/// Inserts a session and gives its row.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, new: &NewSession) -> Result<SessionRow, StoreError> {
    change!(conn, INSERT; new.id.0, new.user_id.0, new.publisher_id.map(|id| id.0), to_i64(new.epoch), Ip::optional(new.ip_address), new.country.as_deref(), new.user_agent.as_deref(), Time(new.created_at), Time(new.expires_at), Time(new.idle_expires_at))?;
    Ok(SessionRow {
        id: new.id,
        user_id: new.user_id,
        publisher_id: new.publisher_id,
        epoch: new.epoch,
        ip_address: new.ip_address,
        country: new.country.clone(),
        user_agent: new.user_agent.clone(),
        created_at: new.created_at,
        last_seen_at: new.created_at,
        expires_at: new.expires_at,
        idle_expires_at: new.idle_expires_at,
        revoked_at: None,
        revoked_reason: None,
    })
}

/// A session by its id. Whoever answers a caller from it takes [`of_user`].
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawSession>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    Ok(raw.map(Into::into))
}

/// A session of a user.
///
/// # Errors
/// As any query.
pub async fn of_user(conn: Conn<'_>, id: SessionId, user: UserId) -> Result<Option<SessionRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawSession>(OF_USER_BY_ID.text::<DB>())
        .bind(id.0)
        .bind(user.0)
        .fetch_optional(c))?;
    Ok(raw.map(Into::into))
}

/// Notes that tokens were made from a session, from where, and when it ends unless that happens again; false
/// when it was ended.
///
/// # Errors
/// As any query.
pub async fn seen(
    conn: Conn<'_>,
    id: SessionId,
    now: Timestamp,
    idle_expires_at: Timestamp,
    ip_address: Option<IpAddr>,
) -> Result<bool, StoreError> {
    let done = change!(conn, SEEN; id.0, Time(now), Time(idle_expires_at), Ip::optional(ip_address))?;
    Ok(done == 1)
}

/// A session acts for another publisher from now on; false when it was ended.
///
/// # Errors
/// As any query.
pub async fn set_publisher(
    conn: Conn<'_>,
    id: SessionId,
    publisher: Option<PublisherId>,
) -> Result<bool, StoreError> {
    let done = change!(conn, SET_PUBLISHER; id.0, publisher.map(|id| id.0))?;
    Ok(done == 1)
}
