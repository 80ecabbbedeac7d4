//! Personal tokens: the rows, and the changes of their state. Every function takes the user whose tokens they
//! are; where an administrator of a publisher asks, that publisher too.

pub(crate) mod approvals;
mod list;
mod row;
pub(crate) mod sweep;

use std::collections::BTreeSet;

use keywright_core::{CredentialId, CredentialName, PublisherId, Timestamp, UserId};
use sqlx::types::Json;
use uuid::Uuid;

pub use self::approvals::{Approval, approvals_of, approve, forget_approvals};
pub use self::list::{ListFilter, Place, list};
pub use self::row::{NewPersonalToken, PersonalTokenRow, Terms};
pub use self::sweep::{
    count_reached, deactivate_expired, deactivate_expired_of_all, delete_dead, delete_dead_of_all,
    erase_of_user, mark_revoked_by_epoch, set_epoch,
};
use crate::conn::{Conn, change, on};
use crate::dialect::{fold, statements};
use crate::error::StoreError;
use crate::types::{Time, to_i64, to_u64};
use row::RawRow;

macro_rules! token_columns {
    () => {
        "SELECT t.id, t.user_id, t.name, t.token_hint, t.scopes, t.inherit_user_permissions, t.publisher_ids, \
         t.excluded_publisher_ids, t.rate_per_minute, t.rate_per_hour, t.ip_allowlist, t.is_active, t.expires_at, \
         t.epoch, t.lineage_id, t.rotated_from_id, t.superseded_by_id, t.superseded_at, t.grace_expires_at, \
         t.revoked_at, t.revoked_reason, t.created_by_type, t.created_by_id, t.created_by_name, t.created_at, \
         t.updated_at, t.version, u.personal_epoch AS user_epoch, q.personal_epoch AS publisher_epoch, \
         m.personal_epoch AS membership_epoch, f.personal_epoch AS floor_epoch, c.usage_count, c.last_used_at"
    };
}

/// Tokens `t`, joined with every reach that all of one lies in: the platform `p`, the user `u`, and where there
/// is but one publisher that one `q`, the membership `m` there, and what an earlier one left, `f`.
macro_rules! token_reaches {
    () => {
        " FROM personal_tokens t JOIN platform p ON p.id = 1 JOIN users u ON u.id = t.user_id \
         LEFT JOIN publishers q ON q.id = t.home_publisher_id \
         LEFT JOIN memberships m ON m.user_id = t.user_id AND m.publisher_id = t.home_publisher_id \
         LEFT JOIN membership_floors f ON f.user_id = t.user_id AND f.publisher_id = t.home_publisher_id"
    };
}

macro_rules! token_rows {
    () => {
        concat!(
            token_columns!(),
            token_reaches!(),
            " LEFT JOIN credential_usage c ON c.credential_id = t.id WHERE t.user_id = "
        )
    };
}

/// That a token `t` is revoked neither by itself nor with any of its reaches.
macro_rules! in_reach {
    () => {
        " AND t.revoked_at IS NULL AND t.epoch >= p.personal_epoch AND t.epoch >= u.personal_epoch \
         AND t.epoch >= COALESCE(q.personal_epoch, 0) AND t.epoch >= COALESCE(m.personal_epoch, 0) \
         AND t.epoch >= COALESCE(f.personal_epoch, 0)"
    };
}
use {in_reach, token_columns, token_reaches, token_rows};

/// Of the user $1 the token $2; with $3, the quoted id of a publisher, only if it is for that one.
macro_rules! one_token {
    () => {
        concat!(
            token_rows!(),
            "$1 AND t.id = $2 AND (CAST($3 AS TEXT) IS NULL OR ((t.publisher_ids IS NULL \
             OR CAST(t.publisher_ids AS TEXT) LIKE $3) AND CAST(t.excluded_publisher_ids AS TEXT) NOT LIKE $3))"
        )
    };
}

statements! {
    INSERT = [
        "INSERT INTO personal_tokens (id, user_id, name, name_folded, token_hash, token_hint, scopes, \
         inherit_user_permissions, publisher_ids, excluded_publisher_ids, home_publisher_id, rate_per_minute, \
         rate_per_hour, ip_allowlist, is_active, expires_at, epoch, lineage_id, rotated_from_id, created_by_type, \
         created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         $22, $23, $23, 1)"
    ];
    OF_USER = [one_token!()];
    OF_USER_FOR_CHANGE = [one_token!()] + "FOR UPDATE OF t";
    OWNER = ["SELECT user_id FROM personal_tokens WHERE id = $1"];
    LIVE_BY_NAME = [token_rows!(), "$1 AND t.name = $2 AND t.revoked_at IS NULL"];
    /// What a rotation has replaced takes no place of its own.
    COUNT_LIVE = [
        "SELECT COUNT(*)", token_reaches!(), " WHERE t.user_id = $1", in_reach!(),
        " AND t.superseded_by_id IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)"
    ];
    NAMED_PUBLISHERS = [
        "SELECT publisher_ids FROM personal_tokens WHERE user_id = $1 AND revoked_at IS NULL \
         AND publisher_ids IS NOT NULL"
    ];
    IDS_OF_LINEAGE = ["SELECT id FROM personal_tokens WHERE user_id = $1 AND lineage_id = $2 AND revoked_at IS NULL"];
    UPDATE = [
        "UPDATE personal_tokens SET name = $3, name_folded = $4, scopes = $5, inherit_user_permissions = $6, \
         publisher_ids = $7, excluded_publisher_ids = $8, home_publisher_id = $9, rate_per_minute = $10, \
         rate_per_hour = $11, ip_allowlist = $12, is_active = $13, expires_at = $14, updated_at = $15, \
         version = version + 1 WHERE id = $1 AND version = $2 AND revoked_at IS NULL"
    ];
    SUPERSEDE = [
        "UPDATE personal_tokens SET superseded_by_id = $2, name = $3, name_folded = $4, grace_expires_at = $5, \
         superseded_at = $6, updated_at = $6, version = version + 1 \
         WHERE id = $1 AND superseded_by_id IS NULL AND revoked_at IS NULL"
    ];
    REVOKE = [
        "UPDATE personal_tokens SET revoked_at = $3, revoked_reason = $4, updated_at = $3, version = version + 1 \
         WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL"
    ];
}

/// What finds a publisher in a list of ids.
fn listed(publisher: PublisherId) -> String {
    format!("%\"{publisher}\"%")
}

/// Inserts a token and gives its row.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one of the same user bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewPersonalToken) -> Result<PersonalTokenRow, StoreError> {
    let terms = &new.terms;
    let (name, limits) = (terms.name.as_str(), terms.rate_limits);
    change!(conn, INSERT; new.id.0, new.user_id.0, name, fold(name), new.token_hash.as_bytes().as_slice(), new.token_hint.0.as_str(), Json(&terms.scopes), terms.inherit_user_permissions, terms.publisher_ids.as_ref().map(Json), Json(&terms.excluded_publisher_ids), terms.home().map(|id| id.0), limits.per_minute.map(i64::from), limits.per_hour.map(i64::from), Json(&terms.ip_allowlist), terms.is_active, Time::optional(terms.expires_at), to_i64(new.epoch), new.lineage_id, new.rotated_from_id.map(|id| id.0), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(new.to_row())
}

/// A token of a user; with `within`, only if it is for that publisher.
///
/// # Errors
/// As any query.
pub async fn of_user(
    conn: Conn<'_>,
    user: UserId,
    id: CredentialId,
    within: Option<PublisherId>,
) -> Result<Option<PersonalTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawRow>(OF_USER.text::<DB>())
        .bind(user.0)
        .bind(id.0)
        .bind(within.map(listed))
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// The same, locked until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn of_user_for_change(
    conn: Conn<'_>,
    user: UserId,
    id: CredentialId,
    within: Option<PublisherId>,
) -> Result<Option<PersonalTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawRow>(OF_USER_FOR_CHANGE.text::<DB>())
        .bind(user.0)
        .bind(id.0)
        .bind(within.map(listed))
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// The token of a user that bears a name now: not revoked by itself; at most one.
///
/// # Errors
/// As any query.
pub async fn live_by_name(
    conn: Conn<'_>,
    user: UserId,
    name: &str,
) -> Result<Option<PersonalTokenRow>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, RawRow>(LIVE_BY_NAME.text::<DB>())
        .bind(user.0)
        .bind(name)
        .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// How many live tokens a user has: neither revoked nor over, nor replaced by a rotation.
///
/// # Errors
/// As any query.
pub async fn count_live(conn: Conn<'_>, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT_LIVE.text::<DB>())
        .bind(user.0)
        .bind(Time(now))
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// The publishers that tokens of a user name which are not revoked.
///
/// # Errors
/// As any query.
pub async fn named_publishers(conn: Conn<'_>, user: UserId) -> Result<BTreeSet<PublisherId>, StoreError> {
    let lists =
        on!(conn, |c| sqlx::query_scalar::<DB, Json<Vec<PublisherId>>>(NAMED_PUBLISHERS.text::<DB>())
            .bind(user.0)
            .fetch_all(c))?;
    Ok(lists.into_iter().flat_map(|list| list.0).collect())
}

/// The tokens of one line of rotations that are not revoked.
///
/// # Errors
/// As any query.
pub async fn ids_of_lineage(conn: Conn<'_>, user: UserId, lineage: Uuid) -> Result<Vec<Uuid>, StoreError> {
    on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(IDS_OF_LINEAGE.text::<DB>())
        .bind(user.0)
        .bind(lineage)
        .fetch_all(c))
}

/// Changes a token that is still at `expected_version`, and not revoked; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one of the same user bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: CredentialId,
    expected_version: u64,
    terms: &Terms,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (name, limits) = (terms.name.as_str(), terms.rate_limits);
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), name, fold(name), Json(&terms.scopes), terms.inherit_user_permissions, terms.publisher_ids.as_ref().map(Json), Json(&terms.excluded_publisher_ids), terms.home().map(|id| id.0), limits.per_minute.map(i64::from), limits.per_hour.map(i64::from), Json(&terms.ip_allowlist), terms.is_active, Time::optional(terms.expires_at), Time(now))?;
    Ok(done == 1)
}

/// Marks a token as replaced by `by`, under its new name and with its grace; false when it was replaced or
/// revoked already. Of two rotations at once one sees true.
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
    let name = new_name.as_str();
    let done = change!(conn, SUPERSEDE; id.0, by.0, name, fold(name), Time(grace_expires_at), Time(now))?;
    Ok(done == 1)
}

/// Revokes a token of a user; false when it was revoked already.
///
/// # Errors
/// As any query.
pub async fn revoke(
    conn: Conn<'_>,
    user: UserId,
    id: CredentialId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, REVOKE; user.0, id.0, Time(now), reason)? == 1)
}

/// The user whose token it is.
///
/// # Errors
/// As any query.
pub async fn owner(conn: Conn<'_>, id: CredentialId) -> Result<Option<UserId>, StoreError> {
    let user =
        on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(OWNER.text::<DB>()).bind(id.0).fetch_optional(c))?;
    Ok(user.map(UserId))
}
