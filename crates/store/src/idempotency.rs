//! Idempotency records: the first answer to a key, kept to be given again.

use keywright_core::Timestamp;
use sqlx::Postgres;
use uuid::Uuid;

use crate::conn::{Conn, call, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

statements! {
    FIND = [
        "SELECT key_hash, body_hash, actor_id, answer, sealed_secret, created_at \
         FROM idempotency_records WHERE key_hash = $1"
    ];
    INSERT = [
        "INSERT INTO idempotency_records (key_hash, body_hash, actor_id, answer, sealed_secret, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    ];
    FORGET = ["DELETE FROM idempotency_records WHERE key_hash = $1"];
    ERASE_SECRETS = [
        "UPDATE idempotency_records SET sealed_secret = NULL WHERE key_hash IN \
         (SELECT key_hash FROM idempotency_records \
         WHERE sealed_secret IS NOT NULL AND created_at < $1 ORDER BY created_at LIMIT $2)"
    ];
    DELETE_OLDER = [
        "DELETE FROM idempotency_records WHERE key_hash IN \
         (SELECT key_hash FROM idempotency_records WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
    ];
}

/// A key's first answer.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Hash over the caller and its key; the key itself is not stored.
    pub key_hash: Vec<u8>,
    /// Hash of the body that came with it.
    pub body_hash: Vec<u8>,
    /// The calling credential; `None` for the local operator.
    pub actor_id: Option<Uuid>,
    /// The answer, as JSON without the secret.
    pub answer: String,
    /// The secret, sealed; `None` when there is none, or none any more.
    pub sealed_secret: Option<Vec<u8>>,
    /// When it was given.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for IdempotencyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdempotencyRow")
            .field("actor_id", &self.actor_id)
            .field("sealed_secret", &self.sealed_secret.as_ref().map(|_| "redacted"))
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct RawRecord {
    key_hash: Vec<u8>,
    body_hash: Vec<u8>,
    actor_id: Option<Uuid>,
    answer: String,
    sealed_secret: Option<Vec<u8>>,
    created_at: Time,
}

/// The record of a key.
///
/// # Errors
/// As any query.
pub async fn find(conn: Conn<'_>, key_hash: &[u8]) -> Result<Option<IdempotencyRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawRecord>(FIND.text::<DB>()).bind(key_hash).fetch_optional(c))?;
    Ok(raw.map(|raw| IdempotencyRow {
        key_hash: raw.key_hash,
        body_hash: raw.body_hash,
        actor_id: raw.actor_id,
        answer: raw.answer,
        sealed_secret: raw.sealed_secret,
        created_at: raw.created_at.into(),
    }))
}

/// Keeps a first answer.
///
/// # Errors
/// [`StoreError::Duplicate`] when the key has one.
pub async fn insert(conn: Conn<'_>, record: &IdempotencyRow) -> Result<(), StoreError> {
    change!(conn, INSERT; record.key_hash.as_slice(), record.body_hash.as_slice(), record.actor_id, record.answer.as_str(), record.sealed_secret.as_deref(), Time(record.created_at))?;
    Ok(())
}

/// Forgets the answer to one key; false when there is none.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, key_hash: &[u8]) -> Result<bool, StoreError> {
    let done = change!(conn, FORGET; key_hash)?;
    Ok(done == 1)
}

/// Erases the sealed secrets of at most `limit` answers given before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn erase_secrets(conn: Conn<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    change!(conn, ERASE_SECRETS; Time(before), i64::from(limit))
}

/// Forgets at most `limit` answers given before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn delete_older(conn: Conn<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    change!(conn, DELETE_OLDER; Time(before), i64::from(limit))
}

/// Holds a key until the transaction ends; false when its twin holds it. SQLite has one writer, so
/// that a transaction there has no twin.
///
/// # Errors
/// As any query.
pub async fn try_lock(conn: Conn<'_>, key_hash: &[u8]) -> Result<bool, StoreError> {
    let Conn::Postgres(link) = conn else { return Ok(true) };
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(key_hash) {
        *to = *from;
    }
    let query = sqlx::query_scalar::<Postgres, bool>("SELECT pg_try_advisory_xact_lock($1)");
    call!(link, |c| query.bind(i64::from_be_bytes(number)).fetch_one(c))
}
