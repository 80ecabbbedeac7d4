//! Refresh tokens: each that was ever given in a session, so that the use of an old one is noticed.

use keywright_core::{SessionId, Timestamp, TokenHash};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

statements! {
    INSERT = [
        "INSERT INTO refresh_tokens (token_hash, session_id, parent_hash, created_at) VALUES ($1, $2, $3, $4)"
    ];
    BY_HASH = [
        "SELECT token_hash, session_id, parent_hash, created_at, used_at FROM refresh_tokens \
         WHERE token_hash = $1"
    ];
    USE_ONCE = ["UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL"];
    COUNT_UNUSED = ["SELECT COUNT(*) FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL"];
}

/// A refresh token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRow {
    /// What it is found by.
    pub token_hash: TokenHash,
    /// The session whose family it is of.
    pub session_id: SessionId,
    /// The one whose use made this one; `None` of the first.
    pub parent_hash: Option<TokenHash>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawRefreshToken {
    token_hash: Vec<u8>,
    session_id: Uuid,
    parent_hash: Option<Vec<u8>>,
    created_at: Time,
    used_at: Option<Time>,
}

fn hash(bytes: Vec<u8>) -> Result<TokenHash, StoreError> {
    <[u8; 32]>::try_from(bytes)
        .map(TokenHash::from_bytes)
        .map_err(|_| StoreError::corrupt("the hash of a refresh token has not 32 bytes"))
}

impl TryFrom<RawRefreshToken> for RefreshTokenRow {
    type Error = StoreError;

    fn try_from(raw: RawRefreshToken) -> Result<Self, StoreError> {
        Ok(Self {
            token_hash: hash(raw.token_hash)?,
            session_id: SessionId(raw.session_id),
            parent_hash: raw.parent_hash.map(hash).transpose()?,
            created_at: raw.created_at.into(),
            used_at: raw.used_at.map(Into::into),
        })
    }
}

/// Inserts a token that was not used yet.
///
/// # Errors
/// [`StoreError::Duplicate`] when there is one with its hash.
pub async fn insert(
    conn: Conn<'_>,
    token: &TokenHash,
    session: SessionId,
    parent: Option<&TokenHash>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let parent = parent.map(|hash| hash.as_bytes().as_slice());
    change!(conn, INSERT; token.as_bytes().as_slice(), session.0, parent, Time(now))?;
    Ok(())
}

/// A token by its hash.
///
/// # Errors
/// As any query.
pub async fn by_hash(conn: Conn<'_>, token: &TokenHash) -> Result<Option<RefreshTokenRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRefreshToken>(BY_HASH.text::<DB>())
        .bind(token.as_bytes().as_slice())
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Uses a token; false when it was used already. Of many at once one sees true.
///
/// # Errors
/// As any query.
pub async fn use_once(conn: Conn<'_>, token: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
    let done = change!(conn, USE_ONCE; token.as_bytes().as_slice(), Time(now))?;
    Ok(done == 1)
}

/// How many tokens of a session could still be used: one, or none.
///
/// # Errors
/// As any query.
pub async fn count_unused(conn: Conn<'_>, session: SessionId) -> Result<u64, StoreError> {
    let count =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT_UNUSED.text::<DB>()).bind(session.0).fetch_one(c))?;
    Ok(crate::types::to_u64(count))
}
