//! The outbox: what is to be delivered, written in the transaction that makes it due.
//!
//! Whoever delivers takes a row first, which counts an attempt and puts the next one off. The number of
//! the attempt is a fence: who was overtaken, because its time was up, settles nothing.

use keywright_core::{Timestamp, UserId};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_i64, to_u64};

macro_rules! delivery_columns {
    () => {
        "SELECT id, channel, template, user_id, sealed, created_at, next_attempt_at, expires_at, attempts, \
         last_error, delivered_at, dead_at FROM outbox"
    };
}

statements! {
    INSERT = [
        "INSERT INTO outbox (id, channel, template, user_id, sealed, created_at, next_attempt_at, expires_at, \
         attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)"
    ];
    BY_ID = [delivery_columns!(), " WHERE id = $1"];
    DUE = [
        delivery_columns!(),
        " WHERE delivered_at IS NULL AND dead_at IS NULL AND next_attempt_at <= $1 \
         ORDER BY next_attempt_at, id LIMIT $2"
    ];
    TAKE = [
        "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = $3 \
         WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL AND dead_at IS NULL"
    ];
    DELIVERED = [
        "UPDATE outbox SET delivered_at = $3, sealed = NULL, last_error = NULL \
         WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL AND dead_at IS NULL"
    ];
    POSTPONE = [
        "UPDATE outbox SET next_attempt_at = $3, last_error = $4 \
         WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL AND dead_at IS NULL"
    ];
    GIVE_UP = [
        "UPDATE outbox SET dead_at = $3, sealed = NULL, last_error = $4 \
         WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL AND dead_at IS NULL"
    ];
    DROP_OF_USER = [
        "UPDATE outbox SET dead_at = $2, sealed = NULL \
         WHERE user_id = $1 AND delivered_at IS NULL AND dead_at IS NULL"
    ];
    FORGET = ["DELETE FROM outbox WHERE created_at < $1 AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL)"];
    WAITING =
        ["SELECT COUNT(*), MIN(created_at) FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL"];
    SEALED = ["SELECT id, sealed FROM outbox WHERE sealed IS NOT NULL AND id > $1 ORDER BY id LIMIT $2"];
    RESEAL = ["UPDATE outbox SET sealed = $3 WHERE id = $1 AND sealed = $2"];
}

/// A delivery to insert.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id, which goes along with each attempt.
    pub id: Uuid,
    /// By which way: `mail`.
    pub channel: &'static str,
    /// Which template.
    pub template: &'static str,
    /// Whom it is about.
    pub user_id: Option<UserId>,
    /// Recipient and values, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is of no use.
    pub expires_at: Timestamp,
}

/// A delivery as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: Uuid,
    /// By which way.
    pub channel: String,
    /// Which template.
    pub template: String,
    /// Whom it is about.
    pub user_id: Option<UserId>,
    /// Recipient and values, sealed; `None` once settled.
    pub sealed: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is due.
    pub next_attempt_at: Timestamp,
    /// From when on it is of no use.
    pub expires_at: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
}

impl std::fmt::Debug for DeliveryRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryRow")
            .field("id", &self.id)
            .field("template", &self.template)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct RawDelivery {
    id: Uuid,
    channel: String,
    template: String,
    user_id: Option<Uuid>,
    sealed: Option<Vec<u8>>,
    created_at: Time,
    next_attempt_at: Time,
    expires_at: Time,
    attempts: i64,
    last_error: Option<String>,
    delivered_at: Option<Time>,
    dead_at: Option<Time>,
}

impl From<RawDelivery> for DeliveryRow {
    fn from(raw: RawDelivery) -> Self {
        Self {
            id: raw.id,
            channel: raw.channel,
            template: raw.template,
            user_id: raw.user_id.map(UserId),
            sealed: raw.sealed,
            created_at: raw.created_at.into(),
            next_attempt_at: raw.next_attempt_at.into(),
            expires_at: raw.expires_at.into(),
            attempts: to_u64(raw.attempts),
            last_error: raw.last_error,
            delivered_at: raw.delivered_at.map(Into::into),
            dead_at: raw.dead_at.map(Into::into),
        }
    }
}

/// Inserts a delivery that is due at once.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, new: &NewDelivery) -> Result<(), StoreError> {
    change!(conn, INSERT; new.id, new.channel, new.template, new.user_id.map(|id| id.0), new.sealed.as_slice(), Time(new.created_at), Time(new.created_at), Time(new.expires_at))?;
    Ok(())
}

/// A delivery.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: Uuid) -> Result<Option<DeliveryRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawDelivery>(BY_ID.text::<DB>()).bind(id).fetch_optional(c))?;
    Ok(raw.map(Into::into))
}

/// What is due, the oldest first.
///
/// # Errors
/// As any query.
pub async fn due(conn: Conn<'_>, now: Timestamp, limit: u32) -> Result<Vec<DeliveryRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawDelivery>(DUE.text::<DB>())
        .bind(Time(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    Ok(raw.into_iter().map(Into::into).collect())
}

/// Takes a delivery for the attempt after `attempts`, until `until`; false when another took it.
///
/// # Errors
/// As any query.
pub async fn take(conn: Conn<'_>, id: Uuid, attempts: u64, until: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, TAKE; id, to_i64(attempts), Time(until))? == 1)
}

/// Notes that the attempt with this number delivered it; false when it was overtaken.
///
/// # Errors
/// As any query.
pub async fn delivered(conn: Conn<'_>, id: Uuid, attempt: u64, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELIVERED; id, to_i64(attempt), Time(now))? == 1)
}

/// Notes that the attempt with this number failed, and when the next one is due; false when it was
/// overtaken.
///
/// # Errors
/// As any query.
pub async fn postpone(
    conn: Conn<'_>,
    id: Uuid,
    attempt: u64,
    next_attempt_at: Timestamp,
    error: &str,
) -> Result<bool, StoreError> {
    Ok(change!(conn, POSTPONE; id, to_i64(attempt), Time(next_attempt_at), error)? == 1)
}

/// Gives a delivery up after the attempt with this number; false when it was overtaken.
///
/// # Errors
/// As any query.
pub async fn give_up(
    conn: Conn<'_>,
    id: Uuid,
    attempt: u64,
    now: Timestamp,
    error: &str,
) -> Result<bool, StoreError> {
    Ok(change!(conn, GIVE_UP; id, to_i64(attempt), Time(now), error)? == 1)
}

/// Gives up all that is still to be delivered about a user.
///
/// # Errors
/// As any query.
pub async fn drop_of_user(conn: Conn<'_>, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
    change!(conn, DROP_OF_USER; user.0, Time(now))
}

/// Forgets settled deliveries that were made before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before))
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that are not settled.
    pub count: u64,
    /// When the oldest of them was made.
    pub oldest_at: Option<Timestamp>,
}

/// How much waits, and since when.
///
/// # Errors
/// As any query.
pub async fn waiting(conn: Conn<'_>) -> Result<Waiting, StoreError> {
    let (count, oldest_at) =
        on!(conn, |c| sqlx::query_as::<DB, (i64, Option<Time>)>(WAITING.text::<DB>()).fetch_one(c))?;
    Ok(Waiting { count: to_u64(count), oldest_at: oldest_at.map(Into::into) })
}

/// What is sealed, in the order of its ids, after `after`.
///
/// # Errors
/// As any query.
pub async fn sealed(conn: Conn<'_>, after: Uuid, limit: u32) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    on!(conn, |c| sqlx::query_as::<DB, (Uuid, Vec<u8>)>(SEALED.text::<DB>())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Exchanges what is sealed for the same under another master key; false when it is settled, or another, by
/// now.
///
/// # Errors
/// As any query.
pub async fn reseal(conn: Conn<'_>, id: Uuid, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    Ok(change!(conn, RESEAL; id, old, new)? == 1)
}
