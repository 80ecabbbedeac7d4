//! Users: the rows and their changes. One that was deleted is gone for everything here; its row keeps its
//! id alone.

pub(crate) mod list;
mod row;

use keywright_core::{
    BuiltInRole, EmailAddress, Metadata, Name, PasswordHash, PublisherId, Timestamp, UserId,
};
use sqlx::types::Json;

pub use self::list::{Belonging, ListFilter, belongings, emails, list};
pub use self::row::{NewUser, UserRow, UserStatus};
use crate::conn::{Conn, change, on};
use crate::dialect::{fold, statements};
use crate::error::StoreError;
use crate::types::{Time, to_i64};
use row::{RawLogin, RawUser};

macro_rules! user_columns {
    () => {
        "u.id, u.email, u.email_verified_at, u.display_name, u.password_hash IS NOT NULL AS has_password, \
         u.password_changed_at, u.preferences, u.default_publisher_id, u.platform_role, u.disabled_at, \
         u.disabled_reason, u.session_epoch, u.external_refused_at, u.last_login_at, u.created_by_type, \
         u.created_by_id, u.created_by_name, u.created_at, u.updated_at, u.version"
    };
}
use user_columns;

statements! {
    INSERT = [
        "INSERT INTO users (id, email, email_folded, email_verified_at, display_name, name_folded, \
         password_hash, password_changed_at, preferences, default_publisher_id, platform_role, session_epoch, \
         created_by_type, created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, 1)"
    ];
    BY_ID = ["SELECT ", user_columns!(), " FROM users u WHERE u.id = $1 AND u.deleted_at IS NULL"];
    BY_ID_WITHIN = [
        "SELECT ", user_columns!(), " FROM users u \
         JOIN memberships m ON m.user_id = u.id AND m.publisher_id = $2 \
         WHERE u.id = $1 AND u.deleted_at IS NULL"
    ];
    BY_EMAIL =
        ["SELECT ", user_columns!(), " FROM users u WHERE u.email_folded = $1 AND u.deleted_at IS NULL"];
    FOR_LOGIN = [
        "SELECT ", user_columns!(), ", u.password_hash FROM users u \
         WHERE u.email_folded = $1 AND u.deleted_at IS NULL"
    ];
    PASSWORD_HASH = ["SELECT password_hash FROM users WHERE id = $1 AND deleted_at IS NULL"];
    UPDATE = [
        "UPDATE users SET display_name = CASE WHEN $3 THEN $4 ELSE display_name END, \
         name_folded = CASE WHEN $3 THEN $5 ELSE name_folded END, preferences = COALESCE($6, preferences), \
         default_publisher_id = CASE WHEN $7 THEN $8 ELSE default_publisher_id END, \
         platform_role = CASE WHEN $9 THEN $10 ELSE platform_role END, \
         updated_at = $11, version = version + 1 WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    SET_PASSWORD = [
        "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    REHASH = ["UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL"];
    VERIFY_EMAIL = [
        "UPDATE users SET email_verified_at = $3, updated_at = $3, version = version + 1 \
         WHERE id = $1 AND email_folded = $2 AND email_verified_at IS NULL AND deleted_at IS NULL"
    ];
    CHANGE_EMAIL = [
        "UPDATE users SET email = $2, email_folded = $3, email_verified_at = $4, updated_at = $5, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    DISABLE = [
        "UPDATE users SET disabled_at = $2, disabled_reason = $3, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL"
    ];
    ENABLE = [
        "UPDATE users SET disabled_at = NULL, disabled_reason = NULL, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND disabled_at IS NOT NULL AND deleted_at IS NULL"
    ];
    END_SESSIONS = ["UPDATE users SET session_epoch = $2 WHERE id = $1 AND deleted_at IS NULL"];
    END_PERSONAL_TOKENS = ["UPDATE users SET personal_epoch = $2 WHERE id = $1 AND deleted_at IS NULL"];
    NOTE_LOGIN = ["UPDATE users SET last_login_at = $2 WHERE id = $1 AND deleted_at IS NULL"];
    WAS_DELETED = ["SELECT COUNT(*) FROM users WHERE id = $1 AND deleted_at IS NOT NULL"];
    /// What names a person goes; what other rows refer to stays.
    DELETE = [
        "UPDATE users SET email = '', email_folded = '', email_verified_at = NULL, display_name = '', \
         name_folded = '', password_hash = NULL, password_changed_at = NULL, preferences = '{}', \
         default_publisher_id = NULL, platform_role = NULL, disabled_reason = NULL, last_login_at = NULL, \
         created_by_name = '', deleted_at = $2, session_epoch = $3, personal_epoch = $3, \
         updated_at = $2, version = version + 1 \
         WHERE id = $1 AND deleted_at IS NULL"
    ];
}

fn folded_name(name: Option<&Name>) -> String {
    name.map(|name| fold(name.as_str())).unwrap_or_default()
}

fn text_of(name: Option<&Name>) -> &str {
    name.map_or("", Name::as_str)
}

/// Inserts a user and gives its row.
///
/// # Errors
/// [`StoreError::EmailTaken`] when another account has the address, in any spelling.
pub async fn insert(conn: Conn<'_>, new: &NewUser) -> Result<UserRow, StoreError> {
    let name = new.display_name.as_ref();
    let password = new.password_hash.as_ref();
    change!(conn, INSERT; new.id.0, new.email.as_str(), new.email.folded(), Time::optional(new.email_verified_at), text_of(name), folded_name(name), password.map(PasswordHash::as_phc), Time::optional(password.map(|_| new.created_at)), Json(&new.preferences), new.default_publisher_id.map(|id| id.0), new.platform_role.map(BuiltInRole::as_str), to_i64(new.session_epoch), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(new.to_row())
}

/// A user by id: anybody, or, with `within`, a member of that publisher.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    id: UserId,
    within: Option<PublisherId>,
) -> Result<Option<UserRow>, StoreError> {
    let row = match within {
        None => {
            on!(conn, |c| sqlx::query_as::<DB, RawUser>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?
        }
        Some(publisher) => on!(conn, |c| sqlx::query_as::<DB, RawUser>(BY_ID_WITHIN.text::<DB>())
            .bind(id.0)
            .bind(publisher.0)
            .fetch_optional(c))?,
    };
    row.map(TryInto::try_into).transpose()
}

/// The user that an address belongs to, in whichever spelling.
///
/// # Errors
/// As any query.
pub async fn by_email(conn: Conn<'_>, email: &EmailAddress) -> Result<Option<UserRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawUser>(BY_EMAIL.text::<DB>())
        .bind(email.folded())
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// A user, and what their password is compared with.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who.
    pub user: UserRow,
    /// `None` as long as no password was set.
    pub password_hash: Option<PasswordHash>,
}

/// The user that an address belongs to, with what a login needs.
///
/// # Errors
/// As any query.
pub async fn for_login(conn: Conn<'_>, email: &EmailAddress) -> Result<Option<Login>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawLogin>(FOR_LOGIN.text::<DB>())
        .bind(email.folded())
        .fetch_optional(c))?;
    let Some(row) = row else { return Ok(None) };
    let password_hash = row.password_hash.map(PasswordHash::from_phc);
    Ok(Some(Login { user: row.user.try_into()?, password_hash }))
}

/// What a user's password is compared with.
///
/// # Errors
/// As any query.
pub async fn password_hash(conn: Conn<'_>, id: UserId) -> Result<Option<PasswordHash>, StoreError> {
    let hash = on!(conn, |c| sqlx::query_scalar::<DB, Option<String>>(PASSWORD_HASH.text::<DB>())
        .bind(id.0)
        .fetch_optional(c))?;
    Ok(hash.flatten().map(PasswordHash::from_phc))
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Another name; `Some(None)` is none.
    pub display_name: Option<Option<Name>>,
    /// All of the preferences.
    pub preferences: Option<Metadata>,
    /// Another publisher to act for by default.
    pub default_publisher_id: Option<Option<PublisherId>>,
    /// Another role of the platform.
    pub platform_role: Option<Option<BuiltInRole>>,
    /// When.
    pub updated_at: Timestamp,
}

impl Changes {
    /// No change, made at `updated_at`.
    pub const fn none(updated_at: Timestamp) -> Self {
        Self {
            display_name: None,
            preferences: None,
            default_publisher_id: None,
            platform_role: None,
            updated_at,
        }
    }
}

/// Changes a user who is still at `expected_version`; false when they are not.
///
/// # Errors
/// As any query.
pub async fn update(
    conn: Conn<'_>,
    id: UserId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let name = changes.display_name.as_ref().and_then(Option::as_ref);
    let publisher = changes.default_publisher_id.flatten().map(|id| id.0);
    let role = changes.platform_role.flatten().map(BuiltInRole::as_str);
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), changes.display_name.is_some(), text_of(name), folded_name(name), changes.preferences.as_ref().map(Json), changes.default_publisher_id.is_some(), publisher, changes.platform_role.is_some(), role, Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Sets a password; false when there is no such user.
///
/// # Errors
/// As any query.
pub async fn set_password(
    conn: Conn<'_>,
    id: UserId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, SET_PASSWORD; id.0, hash.as_phc(), Time(now))? == 1)
}

/// Keeps the same password under stronger parameters; false when another one was set meanwhile.
///
/// # Errors
/// As any query.
pub async fn rehash(
    conn: Conn<'_>,
    id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, StoreError> {
    Ok(change!(conn, REHASH; id.0, old.as_phc(), new.as_phc())? == 1)
}

/// Notes that an address is its user's; false when it is known, or no longer their address.
///
/// # Errors
/// As any query.
pub async fn verify_email(
    conn: Conn<'_>,
    id: UserId,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, VERIFY_EMAIL; id.0, email.folded(), Time(now))? == 1)
}

/// Gives a user another address; false when there is no such user.
///
/// # Errors
/// [`StoreError::EmailTaken`] when another account has it.
pub async fn change_email(
    conn: Conn<'_>,
    id: UserId,
    email: &EmailAddress,
    verified_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = change!(conn, CHANGE_EMAIL; id.0, email.as_str(), email.folded(), Time::optional(verified_at), Time(now))?;
    Ok(done == 1)
}

/// Locks a user out; false when they are.
///
/// # Errors
/// As any query.
pub async fn disable(
    conn: Conn<'_>,
    id: UserId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, DISABLE; id.0, Time(now), reason)? == 1)
}

/// Lets a user in again; false when they were not locked out.
///
/// # Errors
/// As any query.
pub async fn enable(conn: Conn<'_>, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, ENABLE; id.0, Time(now))? == 1)
}

/// Ends all sessions of a user that were begun before the number that
/// [`next_epoch`](crate::platform::next_epoch) gave.
///
/// # Errors
/// As any query.
pub async fn end_sessions(conn: Conn<'_>, id: UserId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, END_SESSIONS; id.0, to_i64(epoch))? == 1)
}

/// Revokes all personal tokens of a user that were made before the number that
/// [`next_epoch`](crate::platform::next_epoch) gave.
///
/// # Errors
/// As any query.
pub async fn end_personal_tokens(conn: Conn<'_>, id: UserId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, END_PERSONAL_TOKENS; id.0, to_i64(epoch))? == 1)
}

/// Notes a login.
///
/// # Errors
/// As any query.
pub async fn note_login(conn: Conn<'_>, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    change!(conn, NOTE_LOGIN; id.0, Time(now))?;
    Ok(())
}

/// Deletes a user: all that names the person is erased, all sessions and personal tokens end under the number that
/// [`next_epoch`](crate::platform::next_epoch) gave. False when that was done before.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: UserId, epoch: u64, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now), to_i64(epoch))? == 1)
}

/// Whether there was a user with this id who is deleted.
///
/// # Errors
/// As any query.
pub async fn was_deleted(conn: Conn<'_>, id: UserId) -> Result<bool, StoreError> {
    let count =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(WAS_DELETED.text::<DB>()).bind(id.0).fetch_one(c))?;
    Ok(count > 0)
}
