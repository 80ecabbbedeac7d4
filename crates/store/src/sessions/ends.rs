//! How sessions end, one by one and many at a time.

use keywright_core::{PublisherId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use super::session_reaches;
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, change_each};
use crate::types::{Time, to_i64};

statements! {
    REVOKE = [
        "UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL"
    ];
    REVOKE_OF_USER = [
        "UPDATE sessions SET revoked_at = $3, revoked_reason = $4 \
         WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL RETURNING id"
    ];
    REVOKE_WITHIN = [
        "UPDATE sessions SET revoked_at = $3, revoked_reason = $4 \
         WHERE user_id = $1 AND publisher_id = $2 AND revoked_at IS NULL RETURNING id"
    ];
    SET_EPOCH = ["UPDATE sessions SET epoch = $2 WHERE id = $1"];
    /// Rows that are being changed by somebody are left for the next slice.
    BELOW_EPOCH = [
        "SELECT s.id FROM sessions s", session_reaches!(),
        " WHERE s.revoked_at IS NULL AND s.epoch < p.epoch_counter \
         AND (s.epoch < p.session_epoch OR s.epoch < u.session_epoch \
         OR s.epoch < q.session_epoch OR s.epoch < m.session_epoch) ORDER BY s.id LIMIT $1"
    ] + "FOR UPDATE OF s SKIP LOCKED";
    ENDED = [
        "SELECT id FROM sessions WHERE revoked_at <= $1 OR expires_at <= $1 OR idle_expires_at <= $1 \
         ORDER BY id LIMIT $2"
    ] + "FOR UPDATE SKIP LOCKED";
}

/// Ends a session; false when it was ended already.
///
/// # Errors
/// As any query.
pub async fn revoke(
    conn: Conn<'_>,
    id: SessionId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    let done = change!(conn, REVOKE; id.0, Time(now), reason)?;
    Ok(done == 1)
}

/// Ends all sessions of a user, but for the one that is spared; gives those that it ended.
///
/// # Errors
/// As any query.
pub async fn revoke_of_user(
    conn: Conn<'_>,
    user: UserId,
    spared: Option<SessionId>,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<Vec<SessionId>, StoreError> {
    let ids = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(REVOKE_OF_USER.text::<DB>())
        .bind(user.0)
        .bind(spared.map_or(Uuid::nil(), |id| id.0))
        .bind(Time(now))
        .bind(reason)
        .fetch_all(c))?;
    Ok(ids.into_iter().map(SessionId).collect())
}

/// Ends all sessions of a user that act for a publisher; gives those that it ended.
///
/// # Errors
/// As any query.
pub async fn revoke_within(
    conn: Conn<'_>,
    user: UserId,
    publisher: PublisherId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<Vec<SessionId>, StoreError> {
    let ids = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(REVOKE_WITHIN.text::<DB>())
        .bind(user.0)
        .bind(publisher.0)
        .bind(Time(now))
        .bind(reason)
        .fetch_all(c))?;
    Ok(ids.into_iter().map(SessionId).collect())
}

/// Lifts a session into another epoch, so that it survives an emergency; false when there is none.
///
/// # Errors
/// As any query.
pub async fn set_epoch(conn: Conn<'_>, id: SessionId, epoch: u64) -> Result<bool, StoreError> {
    let done = change!(conn, SET_EPOCH; id.0, to_i64(epoch))?;
    Ok(done == 1)
}

/// Marks at most `limit` sessions below the number of a reach that they lie in, which are revoked by that
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
    let mut sql = Sql::new("UPDATE sessions SET revoked_at = ");
    sql.bind(now).text(", revoked_reason = ").bind(reason);
    sql.text(" WHERE id IN ");
    change_each(conn, &sql, &ids).await
}

/// Removes at most `limit` sessions that ended at or before `ended_before`, with their refresh tokens; tells
/// how many.
///
/// # Errors
/// As any query.
pub async fn delete_ended(
    mut conn: Conn<'_>,
    ended_before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(ENDED.text::<DB>())
        .bind(Time(ended_before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    for text in ["DELETE FROM refresh_tokens WHERE session_id IN ", "DELETE FROM sessions WHERE id IN "] {
        change_each(conn.reborrow(), &Sql::new(text), &ids).await?;
    }
    Ok(ids.len() as u64)
}
