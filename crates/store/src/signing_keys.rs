//! Keys that sign access tokens. Each change of them raises the version that every node's key ring is held
//! against, in the same transaction.

use keywright_core::{SigningAlgorithm, SigningKeyId, Timestamp};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::platform::raise_keys_version;
use crate::types::Time;

macro_rules! key_columns {
    () => {
        "SELECT id, algorithm, public_jwk, sealed_key, created_at, active_from, retired_at, accepted_until, \
         revoked_at, revoked_reason FROM signing_keys"
    };
}

statements! {
    INSERT = [
        "INSERT INTO signing_keys (id, algorithm, public_jwk, sealed_key, created_at, active_from) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    ];
    ACCEPTED = [
        key_columns!(), " WHERE revoked_at IS NULL AND (accepted_until IS NULL OR accepted_until > $1) \
         ORDER BY created_at, id"
    ];
    SIGNING = [
        key_columns!(), " WHERE revoked_at IS NULL AND retired_at IS NULL AND sealed_key IS NOT NULL \
         AND active_from <= $1 ORDER BY active_from DESC, id DESC LIMIT 1"
    ];
    BY_ID = [key_columns!(), " WHERE id = $1"];
    LIST = [key_columns!(), " ORDER BY created_at DESC, id DESC LIMIT $1"];
    LIST_AFTER =
        [key_columns!(), " WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3"];
    RETIRE = [
        "UPDATE signing_keys SET retired_at = $2, accepted_until = $3, sealed_key = NULL \
         WHERE id = $1 AND retired_at IS NULL AND revoked_at IS NULL"
    ];
    REVOKE = [
        "UPDATE signing_keys SET revoked_at = $2, revoked_reason = $3, sealed_key = NULL \
         WHERE id = $1 AND revoked_at IS NULL"
    ];
    RESEAL = ["UPDATE signing_keys SET sealed_key = $3 WHERE id = $1 AND sealed_key = $2"];
    DELETE_OVER = ["DELETE FROM signing_keys WHERE accepted_until <= $1 OR revoked_at <= $1"];
}

/// A key to insert.
#[derive(Clone)]
pub struct NewSigningKey {
    /// Its id, which is the `kid` of its tokens.
    pub id: SigningKeyId,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// Its public half (RFC 7517).
    pub public_jwk: Map<String, Value>,
    /// Its private half, sealed.
    pub sealed_key: Vec<u8>,
    /// When it was made; it is published from here on.
    pub created_at: Timestamp,
    /// From when on it may sign.
    pub active_from: Timestamp,
}

impl std::fmt::Debug for NewSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key as it is stored.
#[derive(Clone, PartialEq)]
pub struct SigningKeyRow {
    /// Its id, which is the `kid` of its tokens.
    pub id: SigningKeyId,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// Its public half (RFC 7517).
    pub public_jwk: Map<String, Value>,
    /// Its private half, sealed; `None` once it is never to sign again.
    pub sealed_key: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it may sign.
    pub active_from: Timestamp,
    /// From when on it signs no more.
    pub retired_at: Option<Timestamp>,
    /// Until when what it signed is accepted; `None` while it may sign.
    pub accepted_until: Option<Timestamp>,
    /// When it was revoked: what it signed is refused from then on.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoked_reason: Option<String>,
}

impl std::fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRow")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("active_from", &self.active_from)
            .field("retired_at", &self.retired_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct RawKey {
    id: Uuid,
    algorithm: String,
    public_jwk: Json<Map<String, Value>>,
    sealed_key: Option<Vec<u8>>,
    created_at: Time,
    active_from: Time,
    retired_at: Option<Time>,
    accepted_until: Option<Time>,
    revoked_at: Option<Time>,
    revoked_reason: Option<String>,
}

impl TryFrom<RawKey> for SigningKeyRow {
    type Error = StoreError;

    fn try_from(raw: RawKey) -> Result<Self, StoreError> {
        let algorithm = SigningAlgorithm::parse(&raw.algorithm)
            .ok_or_else(|| StoreError::corrupt(format_args!("unknown algorithm {:?}", raw.algorithm)))?;
        Ok(Self {
            id: SigningKeyId(raw.id),
            algorithm,
            public_jwk: raw.public_jwk.0,
            sealed_key: raw.sealed_key,
            created_at: raw.created_at.into(),
            active_from: raw.active_from.into(),
            retired_at: raw.retired_at.map(Into::into),
            accepted_until: raw.accepted_until.map(Into::into),
            revoked_at: raw.revoked_at.map(Into::into),
            revoked_reason: raw.revoked_reason,
        })
    }
}

fn rows(raw: Vec<RawKey>) -> Result<Vec<SigningKeyRow>, StoreError> {
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Inserts a key; gives the version of the keys that this makes.
///
/// # Errors
/// As any query.
pub async fn insert(mut conn: Conn<'_>, new: &NewSigningKey) -> Result<u64, StoreError> {
    change!(conn.reborrow(), INSERT; new.id.0, new.algorithm.as_str(), Json(&new.public_jwk), new.sealed_key.as_slice(), Time(new.created_at), Time(new.active_from))?;
    raise_keys_version(conn).await
}

/// The keys whose tokens are accepted at `now`, oldest first: those of the JWKS, the next one included.
///
/// # Errors
/// As any query.
pub async fn accepted(conn: Conn<'_>, now: Timestamp) -> Result<Vec<SigningKeyRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawKey>(ACCEPTED.text::<DB>()).bind(Time(now)).fetch_all(c))?;
    rows(raw)
}

/// The key that signs at `now`: the newest one that may.
///
/// # Errors
/// As any query.
pub async fn signing(conn: Conn<'_>, now: Timestamp) -> Result<Option<SigningKeyRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawKey>(SIGNING.text::<DB>()).bind(Time(now)).fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// A key by its id.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: SigningKeyId) -> Result<Option<SigningKeyRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawKey>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// All keys that are kept, newest first, after the one that is named.
///
/// # Errors
/// As any query.
pub async fn list(
    conn: Conn<'_>,
    after: Option<(Timestamp, SigningKeyId)>,
    limit: u32,
) -> Result<Vec<SigningKeyRow>, StoreError> {
    let limit = i64::from(limit);
    rows(match after {
        None => on!(conn, |c| sqlx::query_as::<DB, RawKey>(LIST.text::<DB>()).bind(limit).fetch_all(c))?,
        Some((created_at, id)) => on!(conn, |c| sqlx::query_as::<DB, RawKey>(LIST_AFTER.text::<DB>())
            .bind(Time(created_at))
            .bind(id.0)
            .bind(limit)
            .fetch_all(c))?,
    })
}

/// A key signs no more from `now` on, and what it signed is accepted until `accepted_until`. Its private half
/// is erased. Gives the version of the keys that this makes; `None` when it was retired or revoked already.
///
/// # Errors
/// As any query.
pub async fn retire(
    mut conn: Conn<'_>,
    id: SigningKeyId,
    now: Timestamp,
    accepted_until: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let done = change!(conn.reborrow(), RETIRE; id.0, Time(now), Time(accepted_until))?;
    raised_if(conn, done == 1).await
}

/// What a key signed is refused once this commits, and its private half is erased. Gives the version of the
/// keys that this makes; `None` when it was revoked already.
///
/// # Errors
/// As any query.
pub async fn revoke(
    mut conn: Conn<'_>,
    id: SigningKeyId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<Option<u64>, StoreError> {
    let done = change!(conn.reborrow(), REVOKE; id.0, Time(now), reason)?;
    raised_if(conn, done == 1).await
}

/// Exchanges a sealed private half for the same under another master key; false when it is another by now.
///
/// # Errors
/// As any query.
pub async fn reseal(conn: Conn<'_>, id: SigningKeyId, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    let done = change!(conn, RESEAL; id.0, old, new)?;
    Ok(done == 1)
}

/// Removes keys that have not been accepted since `before`; tells how many.
///
/// # Errors
/// As any query.
pub async fn delete_over(mut conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let done = change!(conn.reborrow(), DELETE_OVER; Time(before))?;
    raised_if(conn, done > 0).await?;
    Ok(done)
}

async fn raised_if(conn: Conn<'_>, changed: bool) -> Result<Option<u64>, StoreError> {
    if changed { raise_keys_version(conn).await.map(Some) } else { Ok(None) }
}
