//! Tokens that were sent by mail: each is for one purpose, proves one address, and is used once.

use keywright_core::{EmailAddress, Timestamp, TokenHash, UserId};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

statements! {
    INSERT = [
        "INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    ];
    BY_HASH = [
        "SELECT user_id, email, created_at, expires_at, used_at FROM mailed_tokens \
         WHERE token_hash = $1 AND purpose = $2"
    ];
    USE = [
        "UPDATE mailed_tokens SET used_at = $3 \
         WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3"
    ];
    SINCE = [
        "SELECT COUNT(*) FROM mailed_tokens WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL \
         AND created_at > $3"
    ];
    VOID = ["DELETE FROM mailed_tokens WHERE user_id = $1 AND purpose = $2"];
    VOID_ALL = ["DELETE FROM mailed_tokens WHERE user_id = $1"];
    FORGET = ["DELETE FROM mailed_tokens WHERE expires_at < $1"];
}

/// What a mailed token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To accept an invitation and set the first password.
    Invitation,
    /// To set a new password.
    PasswordReset,
    /// To prove an address.
    EmailVerification,
    /// To prove the address that is to be the new one.
    EmailChange,
}

impl Purpose {
    /// The text in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
            Self::EmailChange => "email_change",
        }
    }

    /// From the text in the store.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Invitation, Self::PasswordReset, Self::EmailVerification, Self::EmailChange];
        all.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// A token to insert.
#[derive(Clone, Debug)]
pub struct NewMailedToken {
    /// What it is found by.
    pub token_hash: TokenHash,
    /// What for.
    pub purpose: Purpose,
    /// Whose.
    pub user_id: UserId,
    /// The address that it proves.
    pub email: EmailAddress,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// A token as stored, but for its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedTokenRow {
    /// Whose.
    pub user_id: UserId,
    /// The address that it proves.
    pub email: EmailAddress,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl MailedTokenRow {
    /// Whether it can be used at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && !now.has_reached(Some(self.expires_at))
    }
}

#[derive(sqlx::FromRow)]
struct RawToken {
    user_id: Uuid,
    email: String,
    created_at: Time,
    expires_at: Time,
    used_at: Option<Time>,
}

/// Inserts a token; those of its purpose that its user had are void from then on.
///
/// # Errors
/// As any query.
pub async fn insert(mut conn: Conn<'_>, new: &NewMailedToken) -> Result<(), StoreError> {
    change!(conn.reborrow(), VOID; new.user_id.0, new.purpose.as_str())?;
    change!(conn, INSERT; new.token_hash.as_bytes().as_slice(), new.purpose.as_str(), new.user_id.0, new.email.as_str(), Time(new.created_at), Time(new.expires_at))?;
    Ok(())
}

/// The token with this hash, if it is for `purpose`. Looking uses nothing up.
///
/// # Errors
/// As any query.
pub async fn by_hash(
    conn: Conn<'_>,
    hash: &TokenHash,
    purpose: Purpose,
) -> Result<Option<MailedTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawToken>(BY_HASH.text::<DB>())
        .bind(hash.as_bytes().as_slice())
        .bind(purpose.as_str())
        .fetch_optional(c))?;
    Ok(row.map(|raw| MailedTokenRow {
        user_id: UserId(raw.user_id),
        email: EmailAddress::from_stored(raw.email),
        created_at: raw.created_at.into(),
        expires_at: raw.expires_at.into(),
        used_at: raw.used_at.map(Into::into),
    }))
}

/// Uses a token; false when it was used, has expired, or is not known. Of many at once one sees true.
///
/// # Errors
/// As any query.
pub async fn use_up(
    conn: Conn<'_>,
    hash: &TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, USE; hash.as_bytes().as_slice(), purpose.as_str(), Time(now))? == 1)
}

/// Voids the tokens of one purpose that a user has.
///
/// # Errors
/// As any query.
pub async fn void(conn: Conn<'_>, user: UserId, purpose: Purpose) -> Result<u64, StoreError> {
    change!(conn, VOID; user.0, purpose.as_str())
}

/// Voids all tokens that a user has.
///
/// # Errors
/// As any query.
pub async fn void_all(conn: Conn<'_>, user: UserId) -> Result<u64, StoreError> {
    change!(conn, VOID_ALL; user.0)
}

/// Forgets tokens that ended before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before))
}

/// Whether a token that was not used yet was made after a moment.
///
/// # Errors
/// As any query.
pub async fn made_since(
    conn: Conn<'_>,
    user: UserId,
    purpose: Purpose,
    since: Timestamp,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(SINCE.text::<DB>())
        .bind(user.0)
        .bind(purpose.as_str())
        .bind(Time(since))
        .fetch_one(c))?;
    Ok(count > 0)
}
