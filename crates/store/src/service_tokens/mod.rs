//! Service tokens: the rows, and the changes of their state. Each change tells whether it found the
//! row in the state that it needs; the caller decides what its absence means.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. A token that stands alone lies within no publisher.

pub(crate) mod accounts;
pub(crate) mod due;
mod imported;
pub(crate) mod list;
mod row;
pub(crate) mod sweep;

use keywright_core::{
    Allowlist, CredentialId, CredentialName, Metadata, PublisherId, RateLimits, ScopeSet, ServiceAccountId,
    Timestamp,
};
use sqlx::types::Json;

pub use self::accounts::{Reach, count_live, count_reached, mark_revoked_with_account};
pub use self::due::{DueFilter, end_grace, maybe_due, reinstate, rename, supersede_unconfirmed};
pub use self::imported::{
    ImportedToken, MoreUses, Seen, TakenToken, add_uses, bearers_of, hashes_of, insert_imported,
    names_in_use, remember, switch_off, taken_before,
};
pub use self::list::{ListFilter, TokenTotals, list, totals};
pub use self::row::{NewServiceToken, ServiceTokenRow};
pub use self::sweep::{count_below_epoch, deactivate_expired, delete_dead, mark_revoked_by_epoch, set_epoch};
use crate::conn::{Conn, change, on};
use crate::dialect::{fold, statements};
use crate::error::StoreError;
use crate::types::{Time, to_i64};
use row::RawRow;

macro_rules! token_columns {
    () => {
        "t.id, t.token_name, t.token_hint, t.permissions, t.metadata, t.is_active, t.expires_at, t.epoch, \
         t.rotated_from_id, t.superseded_by_id, t.superseded_at, t.grace_expires_at, t.revoked_at, \
         t.revoked_reason, t.created_by_type, t.created_by_id, t.created_by_name, t.created_at, t.updated_at, \
         t.version, t.service_account_id, t.publisher_id, t.rate_per_minute, t.rate_per_hour, t.ip_allowlist, \
         t.lineage_id, a.epoch AS account_epoch, q.service_epoch AS publisher_epoch, u.usage_count, \
         u.last_used_at FROM service_tokens t LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN publishers q ON q.id = t.publisher_id \
         LEFT JOIN credential_usage u ON u.credential_id = t.id"
    };
}
use token_columns;

statements! {
    INSERT = [
        "INSERT INTO service_tokens (id, token_name, name_folded, token_hash, token_hint, permissions, metadata, \
         is_active, expires_at, epoch, rotated_from_id, created_by_type, created_by_id, created_by_name, \
         created_at, updated_at, version, service_account_id, publisher_id, rate_per_minute, rate_per_hour, \
         ip_allowlist, lineage_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, 1, $16, $17, $18, $19, \
         $20, $21)"
    ];
    BY_ID = ["SELECT ", token_columns!(), " WHERE t.id = $1 AND (t.publisher_id = $2 OR $2 IS NULL)"];
    LOCK_FOR_CHANGE = [
        "SELECT ", token_columns!(), " WHERE t.id = $1 AND (t.publisher_id = $2 OR $2 IS NULL)"
    ] + "FOR UPDATE OF t";
    LIVE_BY_NAME = [
        "SELECT ", token_columns!(),
        " WHERE t.token_name = $1 AND t.service_account_id IS NULL AND t.revoked_at IS NULL"
    ];
    LIVE_OF_ACCOUNT_BY_NAME = [
        "SELECT ", token_columns!(),
        " WHERE t.token_name = $1 AND t.service_account_id = $2 AND t.revoked_at IS NULL"
    ];
    UPDATE = [
        "UPDATE service_tokens SET token_name = COALESCE($3, token_name), name_folded = COALESCE($4, name_folded), \
         is_active = COALESCE($5, is_active), metadata = COALESCE($6, metadata), \
         permissions = COALESCE($7, permissions), \
         expires_at = CASE WHEN $8 THEN $9 ELSE expires_at END, updated_at = $10, \
         rate_per_minute = CASE WHEN $11 THEN $12 ELSE rate_per_minute END, \
         rate_per_hour = CASE WHEN $11 THEN $13 ELSE rate_per_hour END, \
         ip_allowlist = COALESCE($14, ip_allowlist), version = version + 1 \
         WHERE id = $1 AND version = $2"
    ];
    SUPERSEDE = [
        "UPDATE service_tokens SET superseded_by_id = $2, token_name = $3, name_folded = $4, \
         grace_expires_at = $5, superseded_at = $6, updated_at = $6, version = version + 1 \
         WHERE id = $1 AND superseded_by_id IS NULL AND revoked_at IS NULL"
    ];
    REVOKE = [
        "UPDATE service_tokens SET revoked_at = $2, revoked_reason = $3, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND revoked_at IS NULL"
    ];
    /// `"*"` in quotes is the whole entry: no other entry has a quote before its star. What belongs to an
    /// account is bounded by it.
    ANY_WITH_ALL = [
        "SELECT COUNT(*) FROM service_tokens t JOIN platform p ON p.id = 1 \
         WHERE t.revoked_at IS NULL AND t.epoch >= p.service_epoch AND t.is_active \
         AND t.service_account_id IS NULL \
         AND (t.expires_at IS NULL OR t.expires_at > $1) \
         AND (t.grace_expires_at IS NULL OR t.grace_expires_at > $1) \
         AND CAST(t.permissions AS TEXT) LIKE '%\"*\"%'"
    ];
}

/// Inserts a token and gives its row.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewServiceToken) -> Result<ServiceTokenRow, StoreError> {
    change!(conn, INSERT; new.id.0, new.token_name.as_str(), fold(new.token_name.as_str()), new.token_hash.as_bytes().as_slice(), new.token_hint.0.as_str(), Json(&new.permissions), Json(&new.metadata), new.is_active, Time::optional(new.expires_at), to_i64(new.epoch), new.rotated_from_id.map(|id| id.0), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at), new.service_account_id.map(|id| id.0), new.publisher_id.map(|id| id.0), new.limits.per_minute.map(i64::from), new.limits.per_hour.map(i64::from), Json(&new.allowlist), new.lineage_id.map(|id| id.0))?;
    Ok(new.to_row())
}

/// A token by its id.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: CredentialId,
) -> Result<Option<ServiceTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawRow>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// A token by its id, locked until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn lock_for_change(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: CredentialId,
) -> Result<Option<ServiceTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawRow>(LOCK_FOR_CHANGE.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// The token that bears a name now, among those of an account or those that stand alone: not revoked by
/// itself; at most one.
///
/// # Errors
/// As any query.
pub async fn live_by_name(
    conn: Conn<'_>,
    account: Option<ServiceAccountId>,
    name: &str,
) -> Result<Option<ServiceTokenRow>, StoreError> {
    let row = match account {
        None => on!(conn, |c| sqlx::query_as::<DB, RawRow>(LIVE_BY_NAME.text::<DB>())
            .bind(name)
            .fetch_optional(c))?,
        Some(account) => on!(conn, |c| sqlx::query_as::<DB, RawRow>(LIVE_OF_ACCOUNT_BY_NAME.text::<DB>())
            .bind(name)
            .bind(account.0)
            .fetch_optional(c))?,
    };
    row.map(TryInto::try_into).transpose()
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Another name.
    pub token_name: Option<CredentialName>,
    /// Switched on or off.
    pub is_active: Option<bool>,
    /// All of the metadata.
    pub metadata: Option<Metadata>,
    /// Another end; `Some(None)` is never.
    pub expires_at: Option<Option<Timestamp>>,
    /// All of the permissions.
    pub permissions: Option<ScopeSet>,
    /// Both of its own limits.
    pub limits: Option<RateLimits>,
    /// All of its own networks.
    pub allowlist: Option<Allowlist>,
    /// When.
    pub updated_at: Timestamp,
}

impl Changes {
    /// No change, made at `updated_at`.
    pub const fn none(updated_at: Timestamp) -> Self {
        Self {
            token_name: None,
            is_active: None,
            metadata: None,
            expires_at: None,
            permissions: None,
            limits: None,
            allowlist: None,
            updated_at,
        }
    }
}

/// Changes a token that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: CredentialId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let name = changes.token_name.as_ref().map(CredentialName::as_str);
    let limits = changes.limits.unwrap_or_default();
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), name, name.map(fold), changes.is_active, changes.metadata.as_ref().map(Json), changes.permissions.as_ref().map(Json), changes.expires_at.is_some(), Time::optional(changes.expires_at.flatten()), Time(changes.updated_at), changes.limits.is_some(), limits.per_minute.map(i64::from), limits.per_hour.map(i64::from), changes.allowlist.as_ref().map(Json))?;
    Ok(done == 1)
}

/// Marks a token as replaced by `by`, under its new name and with its grace; false when it was
/// replaced or revoked already. Of two rotations at once one sees true.
///
/// # Errors
/// As any query.
pub async fn supersede(
    conn: Conn<'_>,
    id: CredentialId,
    by: CredentialId,
    new_name: &CredentialName,
    grace_expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = change!(conn, SUPERSEDE; id.0, by.0, new_name.as_str(), fold(new_name.as_str()), Time(grace_expires_at), Time(now))?;
    Ok(done == 1)
}

/// Revokes a token; false when it was revoked already.
///
/// # Errors
/// As any query.
pub async fn revoke(
    conn: Conn<'_>,
    id: CredentialId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    let done = change!(conn, REVOKE; id.0, Time(now), reason)?;
    Ok(done == 1)
}

/// Whether a usable token with `*` exists.
///
/// # Errors
/// As any query.
pub async fn any_exists_with_all(conn: Conn<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let count =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(ANY_WITH_ALL.text::<DB>()).bind(Time(now)).fetch_one(c))?;
    Ok(count > 0)
}
