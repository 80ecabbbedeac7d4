//! Service accounts: the identities of external systems, of one publisher each or of the platform.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for accounts that were read
//! in the same transaction.

mod list;
mod row;

use keywright_core::{
    Allowlist, EmailAddress, Metadata, Name, PublisherId, RateLimits, ScopeSet, ServiceAccountId,
    ServiceType, Timestamp,
};
use sqlx::types::Json;
use uuid::Uuid;

pub use self::list::{ListFilter, list};
pub use self::row::{NewServiceAccount, ServiceAccountRow};
use crate::conn::{Conn, change, on};
use crate::dialect::{fold, statements};
use crate::error::StoreError;
use crate::types::{Time, to_i64};
use row::RawAccount;

/// Of an account that is there: neither deleted itself nor with its publisher.
macro_rules! account_columns {
    () => {
        "SELECT a.id, a.publisher_id, a.name, a.description, a.service_type, a.owner_email, a.scopes, \
         a.rate_per_minute, a.rate_per_hour, a.ip_allowlist, a.metadata, a.epoch, a.disabled_at, \
         a.disabled_reason, a.created_by_type, a.created_by_id, a.created_by_name, a.created_at, a.updated_at, \
         a.version FROM service_accounts a WHERE a.deleted_at IS NULL"
    };
}
use account_columns;

statements! {
    INSERT = [
        "INSERT INTO service_accounts (id, publisher_id, name, name_folded, description, service_type, \
         owner_email, scopes, rate_per_minute, rate_per_hour, ip_allowlist, metadata, epoch, created_by_type, \
         created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15, $16, $16, 1)"
    ];
    BY_ID = [account_columns!(), " AND a.id = $1 AND (a.publisher_id = $2 OR $2 IS NULL)"];
    EVER = ["SELECT COUNT(*) FROM service_accounts a WHERE a.id = $1 AND (a.publisher_id = $2 OR $2 IS NULL)"];
    UPDATE = [
        "UPDATE service_accounts SET name = COALESCE($3, name), name_folded = COALESCE($4, name_folded), \
         description = COALESCE($5, description), service_type = COALESCE($6, service_type), \
         owner_email = CASE WHEN $7 THEN $8 ELSE owner_email END, scopes = COALESCE($9, scopes), \
         rate_per_minute = CASE WHEN $10 THEN $11 ELSE rate_per_minute END, \
         rate_per_hour = CASE WHEN $10 THEN $12 ELSE rate_per_hour END, \
         ip_allowlist = COALESCE($13, ip_allowlist), metadata = COALESCE($14, metadata), updated_at = $15, \
         version = version + 1 WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    DISABLE = [
        "UPDATE service_accounts SET disabled_at = $2, disabled_reason = $3, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL"
    ];
    ENABLE = [
        "UPDATE service_accounts SET disabled_at = NULL, disabled_reason = NULL, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND disabled_at IS NOT NULL AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE service_accounts SET deleted_at = $2, owner_email = NULL, epoch = $3, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    DELETE_ALL = [
        "UPDATE service_accounts SET deleted_at = $2, owner_email = NULL, epoch = $3, updated_at = $2, \
         version = version + 1 WHERE publisher_id = $1 AND deleted_at IS NULL RETURNING id"
    ];
    RAISE_EPOCH = ["UPDATE service_accounts SET epoch = $2 WHERE id = $1 AND epoch < $2 AND deleted_at IS NULL"];
}

/// Inserts an account and gives its row.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one of the same publisher, or of the platform, bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewServiceAccount) -> Result<ServiceAccountRow, StoreError> {
    let limit = |limit: Option<u32>| limit.map(i64::from);
    change!(conn, INSERT; new.id.0, new.publisher_id.map(|id| id.0), new.name.as_str(), fold(new.name.as_str()), new.description.as_str(), new.service_type.as_str(), new.owner_email.as_ref().map(EmailAddress::as_str), Json(&new.scopes), limit(new.limits.per_minute), limit(new.limits.per_hour), Json(&new.allowlist), Json(&new.metadata), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(new.to_row())
}

/// An account by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: ServiceAccountId,
) -> Result<Option<ServiceAccountRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAccount>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Whether there is, or ever was, an account with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: ServiceAccountId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Another name.
    pub name: Option<Name>,
    /// Another description.
    pub description: Option<String>,
    /// Another kind.
    pub service_type: Option<ServiceType>,
    /// Another owner; `Some(None)` is none.
    pub owner_email: Option<Option<EmailAddress>>,
    /// All that it may do.
    pub scopes: Option<ScopeSet>,
    /// Both of its limits.
    pub limits: Option<RateLimits>,
    /// All of its networks.
    pub allowlist: Option<Allowlist>,
    /// All of the metadata.
    pub metadata: Option<Metadata>,
    /// When.
    pub updated_at: Timestamp,
}

impl Changes {
    /// No change, made at `updated_at`.
    pub const fn none(updated_at: Timestamp) -> Self {
        Self {
            name: None,
            description: None,
            service_type: None,
            owner_email: None,
            scopes: None,
            limits: None,
            allowlist: None,
            metadata: None,
            updated_at,
        }
    }
}

/// Changes an account that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: ServiceAccountId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let name = changes.name.as_ref().map(Name::as_str);
    let owner = changes.owner_email.as_ref().and_then(Option::as_ref).map(EmailAddress::as_str);
    let limits = changes.limits.unwrap_or_default();
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), name, name.map(fold), changes.description.as_deref(), changes.service_type.map(ServiceType::as_str), changes.owner_email.is_some(), owner, changes.scopes.as_ref().map(Json), changes.limits.is_some(), limits.per_minute.map(i64::from), limits.per_hour.map(i64::from), changes.allowlist.as_ref().map(Json), changes.metadata.as_ref().map(Json), Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Switches an account off; false when it is off already, or gone.
///
/// # Errors
/// As any query.
pub async fn disable(
    conn: Conn<'_>,
    id: ServiceAccountId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, DISABLE; id.0, Time(now), reason)? == 1)
}

/// Switches an account on again; false when it is on already, or gone.
///
/// # Errors
/// As any query.
pub async fn enable(conn: Conn<'_>, id: ServiceAccountId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, ENABLE; id.0, Time(now))? == 1)
}

/// Marks an account as deleted, which frees its name, and revokes its tokens: all that were minted under a
/// number below `epoch`, which [`crate::platform::next_epoch`] gave. False when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(
    conn: Conn<'_>,
    id: ServiceAccountId,
    epoch: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now), to_i64(epoch))? == 1)
}

/// The same of all accounts of a publisher; gives those that were there.
///
/// # Errors
/// As any query.
pub async fn delete_all(
    conn: Conn<'_>,
    publisher: PublisherId,
    epoch: u64,
    now: Timestamp,
) -> Result<Vec<ServiceAccountId>, StoreError> {
    let ids = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(DELETE_ALL.text::<DB>())
        .bind(publisher.0)
        .bind(Time(now))
        .bind(to_i64(epoch))
        .fetch_all(c))?;
    Ok(ids.into_iter().map(ServiceAccountId).collect())
}

/// Revokes all tokens of an account that were minted under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave; false when there is no such account.
///
/// # Errors
/// As any query.
pub async fn raise_epoch(conn: Conn<'_>, id: ServiceAccountId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_EPOCH; id.0, to_i64(epoch))? == 1)
}
