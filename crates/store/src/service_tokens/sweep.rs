//! What jobs do to many tokens at a time: always a slice, so that no change locks the table.

use keywright_core::{CredentialId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, change_each};
use crate::types::{Time, to_i64, to_u64};

statements! {
    /// Rows that are being changed by somebody are left for the next slice.
    EXPIRED = [
        "SELECT id FROM service_tokens WHERE is_active AND revoked_at IS NULL \
         AND (expires_at <= $1 OR grace_expires_at <= $1) ORDER BY id LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
    DEAD = [
        "SELECT id FROM service_tokens WHERE revoked_at <= $1 OR expires_at <= $1 OR grace_expires_at <= $1 \
         ORDER BY id LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
    BELOW_EPOCH = [
        "SELECT id FROM service_tokens WHERE revoked_at IS NULL AND epoch < $1 ORDER BY epoch LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
    COUNT_BELOW_EPOCH = ["SELECT COUNT(*) FROM service_tokens WHERE revoked_at IS NULL AND epoch < $1"];
    SET_EPOCH = ["UPDATE service_tokens SET epoch = $2 WHERE id = $1"];
}

/// Switches off usable tokens whose life, or grace, ended at or before `expired_before`.
///
/// # Errors
/// As any query.
pub async fn deactivate_expired(
    mut conn: Conn<'_>,
    expired_before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(EXPIRED.text::<DB>())
        .bind(Time(expired_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let mut sql = Sql::new("UPDATE service_tokens SET is_active = ");
    sql.bind(false).text(", version = version + 1, updated_at = ").bind(now);
    sql.text(" WHERE id IN ");
    change_each(conn, &sql, &ids).await?;
    Ok(ids.into_iter().map(CredentialId).collect())
}

/// Removes tokens that were revoked, or ended, at or before `dead_before`, with their counters.
///
/// # Errors
/// As any query.
pub async fn delete_dead(
    mut conn: Conn<'_>,
    dead_before: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(DEAD.text::<DB>())
        .bind(Time(dead_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    for text in
        ["DELETE FROM credential_usage WHERE credential_id IN ", "DELETE FROM service_tokens WHERE id IN "]
    {
        change_each(conn.reborrow(), &Sql::new(text), &ids).await?;
    }
    Ok(ids.into_iter().map(CredentialId).collect())
}

/// Marks tokens of an epoch below `epoch`, which are revoked by that alone, as revoked in their own
/// rows too; tells how many. Zero may mean that others hold the last ones: [`count_below_epoch`]
/// knows.
///
/// # Errors
/// As any query.
pub async fn mark_revoked_by_epoch(
    mut conn: Conn<'_>,
    epoch: u64,
    now: Timestamp,
    reason: Option<&str>,
    limit: u32,
) -> Result<u64, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(BELOW_EPOCH.text::<DB>())
        .bind(to_i64(epoch))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    mark_each(conn, &ids, now, reason).await
}

/// Marks these tokens as revoked; tells how many.
pub(super) async fn mark_each(
    conn: Conn<'_>,
    ids: &[Uuid],
    now: Timestamp,
    reason: Option<&str>,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new("UPDATE service_tokens SET revoked_at = ");
    sql.bind(now).text(", revoked_reason = ").bind(reason);
    sql.text(", version = version + 1, updated_at = ").bind(now);
    sql.text(" WHERE id IN ");
    change_each(conn, &sql, ids).await
}

/// How many tokens of an epoch below `epoch` are not marked yet.
///
/// # Errors
/// As any query.
pub async fn count_below_epoch(conn: Conn<'_>, epoch: u64) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT_BELOW_EPOCH.text::<DB>())
        .bind(to_i64(epoch))
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// Lifts a token into another epoch, so that it survives an emergency; false when there is none.
///
/// # Errors
/// As any query.
pub async fn set_epoch(conn: Conn<'_>, id: CredentialId, epoch: u64) -> Result<bool, StoreError> {
    let done = change!(conn, SET_EPOCH; id.0, to_i64(epoch))?;
    Ok(done == 1)
}
