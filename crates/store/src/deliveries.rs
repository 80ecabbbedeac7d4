//! Deliveries to notification channels and event subscriptions: what is told to whom, and what became of it.
//!
//! They are written in the transaction that moves the cursor over the audit trail past what they tell, so that
//! each thing is enqueued once. Whoever delivers takes a row first, which counts an attempt and puts the next one
//! off. The number of the attempt is a fence: who was overtaken, because its time was up, settles nothing.

mod row;

use keywright_core::{AlertKind, DeliveryId, DeliveryState, Severity, Timestamp};
use uuid::Uuid;

use self::row::RawDelivery;
pub use self::row::{Counted, DeliveryRow, NewDelivery, Told, Waiting};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Time, to_i64, to_u64};

macro_rules! delivery_columns {
    () => {
        "SELECT id, target_id, event_type, payload, state, digest_id, created_at, next_attempt_at, expires_at, \
         attempts, status_code, last_error, answer, settled_at FROM deliveries"
    };
}

statements! {
    INSERT = [
        "INSERT INTO deliveries (id, target_id, dedupe_key, event_type, severity, alert_kind, payload, immediate, \
         state, created_at, next_attempt_at, expires_at, attempts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0) \
         ON CONFLICT (target_id, dedupe_key) DO NOTHING"
    ];
    BY_ID = [delivery_columns!(), " WHERE target_id = $1 AND id = $2"];
    ANYBODY = [
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM notification_channels WHERE is_enabled AND deleted_at IS NULL) \
         OR EXISTS (SELECT 1 FROM event_subscriptions WHERE is_enabled AND deleted_at IS NULL) THEN 1 ELSE 0 END"
    ];
    /// One look into the index for each target for which something waits.
    TARGETS_WAITING = [
        "WITH RECURSIVE targets (id) AS (SELECT (SELECT target_id FROM deliveries WHERE state = 'waiting' \
         ORDER BY target_id LIMIT 1) UNION ALL SELECT (SELECT d.target_id FROM deliveries d \
         WHERE d.state = 'waiting' AND d.target_id > targets.id ORDER BY d.target_id LIMIT 1) FROM targets \
         WHERE targets.id IS NOT NULL) SELECT id FROM targets WHERE id IS NOT NULL"
    ];
    DUE = [
        delivery_columns!(),
        " WHERE target_id = $1 AND state = 'waiting' AND next_attempt_at <= $2 \
         ORDER BY next_attempt_at, id LIMIT $3"
    ];
    TAKE = [
        "UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = $3 \
         WHERE id = $1 AND attempts = $2 AND state = 'waiting'"
    ];
    DELIVERED = [
        "UPDATE deliveries SET state = 'delivered', settled_at = $3, status_code = $4, last_error = NULL, \
         answer = NULL WHERE id = $1 AND attempts = $2 AND state = 'waiting'"
    ];
    POSTPONE = [
        "UPDATE deliveries SET next_attempt_at = $3, status_code = $4, last_error = $5, answer = $6 \
         WHERE id = $1 AND attempts = $2 AND state = 'waiting'"
    ];
    GIVE_UP = [
        "UPDATE deliveries SET state = 'dead', settled_at = $3, status_code = $4, last_error = $5, answer = $6 \
         WHERE id = $1 AND attempts = $2 AND state = 'waiting'"
    ];
    REVIVE = [
        "UPDATE deliveries SET state = 'waiting', settled_at = NULL, next_attempt_at = $3, expires_at = $4 \
         WHERE target_id = $1 AND id = $2 AND state = 'dead'"
    ];
    DROP_OF_TARGET = [
        "UPDATE deliveries SET state = 'dead', settled_at = $2, last_error = $3 \
         WHERE target_id = $1 AND state IN ('waiting', 'collecting')"
    ];
    IMMEDIATE_SINCE = [
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM deliveries WHERE target_id = $1 AND immediate \
         AND created_at > $2 LIMIT $3) d"
    ];
    COLLECTING_DUE = [
        "SELECT DISTINCT target_id FROM deliveries WHERE state = 'collecting' AND next_attempt_at <= $1 LIMIT $2"
    ];
    COLLECT = [
        "UPDATE deliveries SET state = 'collected', digest_id = $3, settled_at = $2 WHERE state = 'collecting' \
         AND id IN (SELECT d.id FROM deliveries d WHERE d.target_id = $1 AND d.state = 'collecting' \
         AND d.next_attempt_at <= $2 ORDER BY d.next_attempt_at, d.id LIMIT $4)"
    ];
    COLLECTED_COUNTS = [
        "SELECT event_type, severity, alert_kind, COUNT(*), MIN(created_at), MAX(created_at) FROM deliveries \
         WHERE digest_id = $1 GROUP BY event_type, severity, alert_kind"
    ];
    COLLECTED_WORST = [
        "SELECT payload FROM deliveries WHERE digest_id = $1 ORDER BY CASE severity WHEN 'critical' THEN 0 \
         WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, event_type, id LIMIT $2"
    ];
    FORGET = ["DELETE FROM deliveries WHERE settled_at < $1"];
    WAITING = ["SELECT COUNT(*), MIN(created_at) FROM deliveries WHERE state = 'waiting'"];
    DEAD_SINCE = ["SELECT COUNT(*) FROM deliveries WHERE state = 'dead' AND settled_at > $1"];
    CURSOR = ["SELECT seq FROM delivery_cursor WHERE id = 1"];
    ADVANCE = ["UPDATE delivery_cursor SET seq = $2 WHERE id = 1 AND seq = $1"];
}

/// Inserts a delivery; false when the target has one with its key.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, new: &NewDelivery) -> Result<bool, StoreError> {
    let done = change!(conn, INSERT; new.id.0, new.target_id, new.dedupe_key.as_str(), new.event_type.as_str(), new.severity.map(Severity::as_str), new.alert_kind.map(AlertKind::as_str), new.payload.as_str(), new.immediate, new.state.as_str(), Time(new.created_at), Time(new.next_attempt_at), Time(new.expires_at))?;
    Ok(done == 1)
}

/// A delivery of a channel or a subscription.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, target: Uuid, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawDelivery>(BY_ID.text::<DB>())
        .bind(target)
        .bind(id.0)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Which deliveries of a channel or a subscription to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// The channel or the subscription.
    pub target: Uuid,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, DeliveryId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists deliveries, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut sql = Sql::new(concat!(delivery_columns!(), " WHERE target_id = "));
    sql.bind(filter.target).filter(" AND state = ", filter.state.map(DeliveryState::as_str));
    sql.newest_first("created_at", "id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawDelivery>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// The targets for which something waits.
///
/// # Errors
/// As any query.
pub async fn targets_waiting(conn: Conn<'_>) -> Result<Vec<Uuid>, StoreError> {
    on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(TARGETS_WAITING.text::<DB>()).fetch_all(c))
}

/// What is due of a target, the longest first.
///
/// # Errors
/// As any query.
pub async fn due(
    conn: Conn<'_>,
    target: Uuid,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawDelivery>(DUE.text::<DB>())
        .bind(target)
        .bind(Time(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Takes a delivery for the attempt after `attempts`, until `until`; false when another took it.
///
/// # Errors
/// As any query.
pub async fn take(
    conn: Conn<'_>,
    id: DeliveryId,
    attempts: u64,
    until: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, TAKE; id.0, to_i64(attempts), Time(until))? == 1)
}

/// Notes that the attempt with this number delivered it; false when it was overtaken.
///
/// # Errors
/// As any query.
pub async fn delivered(
    conn: Conn<'_>,
    id: DeliveryId,
    attempt: u64,
    now: Timestamp,
    status_code: Option<u16>,
) -> Result<bool, StoreError> {
    let done = change!(conn, DELIVERED; id.0, to_i64(attempt), Time(now), status_code.map(i64::from))?;
    Ok(done == 1)
}

/// Notes that the attempt with this number failed, and when the next one is due; false when it was overtaken.
///
/// # Errors
/// As any query.
pub async fn postpone(
    conn: Conn<'_>,
    id: DeliveryId,
    attempt: u64,
    next_attempt_at: Timestamp,
    told: &Told,
) -> Result<bool, StoreError> {
    let done = change!(conn, POSTPONE; id.0, to_i64(attempt), Time(next_attempt_at), told.status_code.map(i64::from), told.error.as_str(), told.answer.as_deref())?;
    Ok(done == 1)
}

/// Gives a delivery up after the attempt with this number; false when it was overtaken.
///
/// # Errors
/// As any query.
pub async fn give_up(
    conn: Conn<'_>,
    id: DeliveryId,
    attempt: u64,
    now: Timestamp,
    told: &Told,
) -> Result<bool, StoreError> {
    let done = change!(conn, GIVE_UP; id.0, to_i64(attempt), Time(now), told.status_code.map(i64::from), told.error.as_str(), told.answer.as_deref())?;
    Ok(done == 1)
}

/// Has a delivery that was given up tried again, from now until `expires_at`; false when it was not.
///
/// # Errors
/// As any query.
pub async fn revive(
    conn: Conn<'_>,
    target: Uuid,
    id: DeliveryId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, REVIVE; target, id.0, Time(now), Time(expires_at))? == 1)
}

/// Gives up all that waits for a target; tells how many.
///
/// # Errors
/// As any query.
pub async fn drop_of_target(
    conn: Conn<'_>,
    target: Uuid,
    now: Timestamp,
    reason: &str,
) -> Result<u64, StoreError> {
    change!(conn, DROP_OF_TARGET; target, Time(now), reason)
}

/// How many messages a target was sent by themselves since a moment; counts no further than `limit`.
///
/// # Errors
/// As any query.
pub async fn immediate_since(
    conn: Conn<'_>,
    target: Uuid,
    since: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(IMMEDIATE_SINCE.text::<DB>())
        .bind(target)
        .bind(Time(since))
        .bind(i64::from(limit))
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// The targets whose digest is due.
///
/// # Errors
/// As any query.
pub async fn collecting_due(conn: Conn<'_>, now: Timestamp, limit: u32) -> Result<Vec<Uuid>, StoreError> {
    on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(COLLECTING_DUE.text::<DB>())
        .bind(Time(now))
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Collects what is due of a target into a digest; tells how many.
///
/// # Errors
/// As any query.
pub async fn collect(
    conn: Conn<'_>,
    target: Uuid,
    now: Timestamp,
    digest: DeliveryId,
    limit: u32,
) -> Result<u64, StoreError> {
    change!(conn, COLLECT; target, Time(now), digest.0, i64::from(limit))
}

type RawCounted = (String, Option<String>, Option<String>, i64, Time, Time);

/// What a digest tells, counted.
///
/// # Errors
/// As any query.
pub async fn collected_counts(conn: Conn<'_>, digest: DeliveryId) -> Result<Vec<Counted>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawCounted>(COLLECTED_COUNTS.text::<DB>())
        .bind(digest.0)
        .fetch_all(c))?;
    let counted = |(event_type, severity, kind, count, first, last): RawCounted| Counted {
        event_type,
        severity: severity.as_deref().and_then(Severity::parse),
        alert_kind: kind.as_deref().and_then(AlertKind::parse),
        count: to_u64(count),
        first_at: first.into(),
        last_at: last.into(),
    };
    Ok(raw.into_iter().map(counted).collect())
}

/// The payloads of what weighs most in a digest.
///
/// # Errors
/// As any query.
pub async fn collected_worst(
    conn: Conn<'_>,
    digest: DeliveryId,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    on!(conn, |c| sqlx::query_scalar::<DB, String>(COLLECTED_WORST.text::<DB>())
        .bind(digest.0)
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Forgets deliveries that were settled before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before))
}

/// How much waits, and since when; and what was given up since a moment.
///
/// # Errors
/// As any query.
pub async fn waiting(mut conn: Conn<'_>, dead_since: Timestamp) -> Result<Waiting, StoreError> {
    let (count, oldest_at) =
        on!(conn.reborrow(), |c| sqlx::query_as::<DB, (i64, Option<Time>)>(WAITING.text::<DB>())
            .fetch_one(c))?;
    let dead = on!(conn, |c| sqlx::query_scalar::<DB, i64>(DEAD_SINCE.text::<DB>())
        .bind(Time(dead_since))
        .fetch_one(c))?;
    Ok(Waiting { count: to_u64(count), oldest_at: oldest_at.map(Into::into), dead: to_u64(dead) })
}

/// Whether there is any channel or subscription that is on.
///
/// # Errors
/// As any query.
pub async fn anybody_listens(conn: Conn<'_>) -> Result<bool, StoreError> {
    Ok(on!(conn, |c| sqlx::query_scalar::<DB, i32>(ANYBODY.text::<DB>()).fetch_one(c))? == 1)
}

/// Up to which place in the audit trail events were looked at.
///
/// # Errors
/// As any query.
pub async fn cursor(conn: Conn<'_>) -> Result<u64, StoreError> {
    let seq = on!(conn, |c| sqlx::query_scalar::<DB, i64>(CURSOR.text::<DB>()).fetch_one(c))?;
    Ok(to_u64(seq))
}

/// Moves the cursor on; false when it is elsewhere by now.
///
/// # Errors
/// As any query.
pub async fn advance(conn: Conn<'_>, from: u64, to: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, ADVANCE; to_i64(from), to_i64(to))? == 1)
}
