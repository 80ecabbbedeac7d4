//! What is done to many personal tokens at a time: by jobs, emergencies, and cleanups.

use keywright_core::{CredentialId, PublisherId, Timestamp, UserId};
use uuid::Uuid;

use super::token_reaches;
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sessions::Reach;
use crate::sql::{Sql, builder, change_each};
use crate::types::{Time, to_i64, to_u64};

statements! {
    /// Rows that are being changed by somebody are left for the next slice.
    BELOW_EPOCH = [
        "SELECT t.id", token_reaches!(), " WHERE t.revoked_at IS NULL AND t.epoch < p.epoch_counter \
         AND (t.epoch < p.personal_epoch OR t.epoch < u.personal_epoch OR t.epoch < q.personal_epoch \
         OR t.epoch < m.personal_epoch OR t.epoch < f.personal_epoch) ORDER BY t.id LIMIT $1"
    ] + "FOR UPDATE OF t SKIP LOCKED";
    SET_EPOCH = ["UPDATE personal_tokens SET epoch = $2 WHERE id = $1"];
    EXPIRED = [
        "SELECT id FROM personal_tokens WHERE user_id = $1 AND is_active AND revoked_at IS NULL \
         AND (expires_at <= $2 OR grace_expires_at <= $2) ORDER BY id LIMIT $3"
    ] + "FOR UPDATE SKIP LOCKED";
    DEAD = [
        "SELECT id FROM personal_tokens WHERE user_id = $1 AND (revoked_at <= $2 OR expires_at <= $2 \
         OR grace_expires_at <= $2) ORDER BY id LIMIT $3"
    ] + "FOR UPDATE SKIP LOCKED";
    EXPIRED_OF_ALL = [
        "SELECT id FROM personal_tokens WHERE is_active AND revoked_at IS NULL \
         AND (expires_at <= $1 OR grace_expires_at <= $1) ORDER BY id LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
    DEAD_OF_ALL = [
        "SELECT id FROM personal_tokens WHERE revoked_at <= $1 OR expires_at <= $1 OR grace_expires_at <= $1 \
         ORDER BY id LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
    /// What names a person goes; what records refer to stays.
    ERASE = [
        "UPDATE personal_tokens SET name = '', name_folded = '', created_by_name = '', ip_allowlist = '[]', \
         revoked_at = COALESCE(revoked_at, $2), revoked_reason = NULL, updated_at = $2, version = version + 1 \
         WHERE user_id = $1"
    ];
}

/// Marks at most `limit` tokens below the number of a reach that all of them lie in, which are revoked by that
/// alone, as revoked in their own rows too; tells how many.
///
/// # Errors
/// As any query.
pub async fn mark_revoked_by_epoch(
    mut conn: Conn<'_>,
    now: Timestamp,
    reason: Option<&str>,
    limit: u32,
) -> Result<u64, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(BELOW_EPOCH.text::<DB>())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let mut sql = Sql::new("UPDATE personal_tokens SET revoked_at = ");
    sql.bind(now).text(", revoked_reason = ").bind(reason);
    sql.text(", version = version + 1, updated_at = ").bind(now);
    sql.text(" WHERE id IN ");
    change_each(conn, &sql, &ids).await
}

/// Lifts a token into another epoch, so that it survives an emergency; false when there is none.
///
/// # Errors
/// As any query.
pub async fn set_epoch(conn: Conn<'_>, id: CredentialId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, SET_EPOCH; id.0, to_i64(epoch))? == 1)
}

/// How many tokens can be used within a reach, as far as that is the reach's own: neither revoked, nor over.
///
/// # Errors
/// As any query.
pub async fn count_reached(conn: Conn<'_>, reach: Reach, now: Timestamp) -> Result<u64, StoreError> {
    let (user, publisher) = reach.parts();
    let mut sql = Sql::new(
        "SELECT COUNT(*) FROM personal_tokens t JOIN platform p ON p.id = 1 JOIN users u ON u.id = t.user_id",
    );
    if let Some(PublisherId(id)) = publisher {
        sql.text(" JOIN publishers q ON q.id = ").bind(id);
        sql.text(" JOIN memberships m ON m.user_id = t.user_id AND m.publisher_id = q.id");
    }
    sql.text(" WHERE t.revoked_at IS NULL AND t.epoch >= p.personal_epoch AND t.epoch >= u.personal_epoch");
    sql.text(" AND (t.expires_at IS NULL OR t.expires_at > ").bind(now);
    sql.text(") AND (t.grace_expires_at IS NULL OR t.grace_expires_at > ").bind(now).text(")");
    if let Some(publisher) = publisher {
        sql.text(" AND t.epoch >= q.personal_epoch AND t.epoch >= m.personal_epoch AND ");
        super::list::push_is_for(&mut sql, publisher);
    }
    sql.filter(" AND t.user_id = ", user.map(|id| id.0));
    let count = on!(conn, |c| async { builder!(sql).build_query_scalar::<i64>().fetch_one(c).await })?;
    Ok(to_u64(count))
}

/// Switches off tokens of a user whose life, or grace, ended at or before `expired_before`.
///
/// # Errors
/// As any query.
pub async fn deactivate_expired(
    mut conn: Conn<'_>,
    user: UserId,
    expired_before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(EXPIRED.text::<DB>())
        .bind(user.0)
        .bind(Time(expired_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    switch_off(conn, ids, now).await
}

/// The same of all users.
///
/// # Errors
/// As any query.
pub async fn deactivate_expired_of_all(
    mut conn: Conn<'_>,
    expired_before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(EXPIRED_OF_ALL.text::<DB>())
        .bind(Time(expired_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    switch_off(conn, ids, now).await
}

async fn switch_off(conn: Conn<'_>, ids: Vec<Uuid>, now: Timestamp) -> Result<Vec<CredentialId>, StoreError> {
    let mut sql = Sql::new("UPDATE personal_tokens SET is_active = ");
    sql.bind(false).text(", version = version + 1, updated_at = ").bind(now);
    sql.text(" WHERE id IN ");
    change_each(conn, &sql, &ids).await?;
    Ok(ids.into_iter().map(CredentialId).collect())
}

/// Removes tokens of a user that were revoked, or ended, at or before `dead_before`, with their counters.
///
/// # Errors
/// As any query.
pub async fn delete_dead(
    mut conn: Conn<'_>,
    user: UserId,
    dead_before: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(DEAD.text::<DB>())
        .bind(user.0)
        .bind(Time(dead_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    remove(conn, ids).await
}

/// The same of all users.
///
/// # Errors
/// As any query.
pub async fn delete_dead_of_all(
    mut conn: Conn<'_>,
    dead_before: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialId>, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(DEAD_OF_ALL.text::<DB>())
        .bind(Time(dead_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    remove(conn, ids).await
}

async fn remove(mut conn: Conn<'_>, ids: Vec<Uuid>) -> Result<Vec<CredentialId>, StoreError> {
    for text in
        ["DELETE FROM credential_usage WHERE credential_id IN ", "DELETE FROM personal_tokens WHERE id IN "]
    {
        change_each(conn.reborrow(), &Sql::new(text), &ids).await?;
    }
    Ok(ids.into_iter().map(CredentialId).collect())
}

/// Erases what the tokens of a deleted user tell of the person, and revokes those that were not.
///
/// # Errors
/// As any query.
pub async fn erase_of_user(conn: Conn<'_>, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
    change!(conn, ERASE; user.0, Time(now))
}
