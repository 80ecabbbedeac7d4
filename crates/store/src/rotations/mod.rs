//! Automated rotations: where each stands, and how it came there.
//!
//! A rotation is changed as a whole and by compare-and-set of its version; each change leaves a step with the same
//! number. So of two who want to go on with one, one does, and nothing is done that is not told.

pub(crate) mod evidence;
mod row;

use std::collections::HashMap;

use keywright_core::rotation::RotationState;
use keywright_core::{CredentialId, PublisherId, RotationId, Timestamp};
use sqlx::types::Json;
use uuid::Uuid;

pub use self::evidence::{Caller, Traces, callers, recent_uses, traces};
pub use self::row::{RotationRow, StepRow};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Time, to_i64, to_u64};
use row::{RawRotation, RawStep};

macro_rules! rotation_columns {
    () => {
        "SELECT r.id, r.credential_id, r.token_name, r.lineage_id, r.successor_id, r.publisher_id, \
         r.service_account_id, r.policy_id, r.rule, r.state, r.delivery, r.grace_seconds, r.quiet_hours, \
         r.confirm_within_hours, r.sealed_secret, r.attempts, r.next_attempt_at, r.may_have_sent, r.told_of_use, \
         r.last_answer, r.confirm_by, r.delivered_at, r.confirmed_at, r.grace_expires_at, r.closed_at, \
         r.created_at, r.updated_at, r.version FROM rotations r WHERE 1 = 1"
    };
}

statements! {
    INSERT = [
        "INSERT INTO rotations (id, credential_id, token_name, lineage_id, publisher_id, service_account_id, \
         policy_id, rule, state, delivery, grace_seconds, quiet_hours, confirm_within_hours, attempts, \
         next_attempt_at, may_have_sent, told_of_use, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $15, $14, $14, 1)"
    ];
    STEP = [
        "INSERT INTO rotation_steps (rotation_id, version, kind, details, occurred_at) \
         VALUES ($1, $2, $3, $4, $5)"
    ];
    BY_ID = [rotation_columns!(), " AND r.id = $1 AND (r.publisher_id = $2 OR $2 IS NULL)"];
    OPEN = [
        rotation_columns!(), " AND r.closed_at IS NULL AND (r.next_attempt_at, r.id) > ($1, $2) \
         ORDER BY r.next_attempt_at, r.id LIMIT $3"
    ];
    /// Whose new secret is under way and not used yet.
    UNDER_WAY = [
        "SELECT publisher_id, COUNT(*) FROM rotations WHERE closed_at IS NULL \
         AND state IN ('scheduled', 'delivering', 'awaiting_confirmation') GROUP BY publisher_id"
    ];
    OPEN_OF_SUCCESSOR = [rotation_columns!(), " AND r.closed_at IS NULL AND r.successor_id = $1"];
    ADVANCE = [
        "UPDATE rotations SET successor_id = $3, state = $4, sealed_secret = $5, attempts = $6, \
         next_attempt_at = $7, may_have_sent = $8, told_of_use = $9, last_answer = $10, confirm_by = $11, \
         delivered_at = $12, confirmed_at = $13, grace_expires_at = $14, closed_at = $15, updated_at = $16, \
         version = version + 1 WHERE id = $1 AND version = $2"
    ];
    STEPS = [
        "SELECT version, kind, details, occurred_at FROM rotation_steps WHERE rotation_id = $1 ORDER BY version"
    ];
    SEALED = [
        "SELECT id, sealed_secret FROM rotations WHERE sealed_secret IS NOT NULL AND id > $1 ORDER BY id LIMIT $2"
    ];
    RESEAL = ["UPDATE rotations SET sealed_secret = $3 WHERE id = $1 AND sealed_secret = $2"];
}

/// Inserts a rotation that was decided on, with its first step.
///
/// # Errors
/// [`StoreError::Duplicate`] when one of the same token is open.
pub async fn insert(mut conn: Conn<'_>, new: &RotationRow, details: &str) -> Result<(), StoreError> {
    change!(conn.reborrow(), INSERT; new.id.0, new.credential_id.0, new.token_name.as_str(), new.lineage_id.0, new.publisher_id.map(|id| id.0), new.service_account_id.map(|id| id.0), new.policy_id.0, new.rule.as_str(), new.state.as_str(), Json(&new.delivery), i64::from(new.grace_seconds), i64::from(new.quiet_hours), i64::from(new.confirm_within_hours), Time(new.created_at), false)?;
    change!(conn, STEP; new.id.0, 1_i64, new.state.as_str(), details, Time(new.created_at))?;
    Ok(())
}

/// Writes a rotation that is still at the row's version, and the step that brought it there; false when it is not.
///
/// # Errors
/// As any query.
pub async fn advance(
    mut conn: Conn<'_>,
    row: &RotationRow,
    kind: &str,
    details: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = change!(conn.reborrow(), ADVANCE; row.id.0, to_i64(row.version), row.successor_id.map(|id| id.0), row.state.as_str(), row.sealed_secret.as_deref(), to_i64(row.attempts), Time(row.next_attempt_at), row.may_have_sent, row.told_of_use, row.last_answer.as_deref(), Time::optional(row.confirm_by), Time::optional(row.delivered_at), Time::optional(row.confirmed_at), Time::optional(row.grace_expires_at), Time::optional(row.closed_at), Time(now))?;
    if done == 0 {
        return Ok(false);
    }
    change!(conn, STEP; row.id.0, to_i64(row.version + 1), kind, details, Time(now))?;
    Ok(true)
}

/// A rotation by its id.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: RotationId,
) -> Result<Option<RotationRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRotation>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Where [`open`] begins.
pub const FIRST: (Timestamp, RotationId) = (Timestamp::EPOCH, RotationId(Uuid::nil()));

/// Rotations that are not over, those first that wait longest, after the one of this moment and id.
///
/// # Errors
/// As any query.
pub async fn open(
    conn: Conn<'_>,
    after: (Timestamp, RotationId),
    limit: u32,
) -> Result<Vec<RotationRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRotation>(OPEN.text::<DB>())
        .bind(Time(after.0))
        .bind(after.1.0)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// How many rotations each publisher has whose new secret is under way and not used yet; those of tokens that belong to
/// none are the platform's.
///
/// # Errors
/// As any query.
pub async fn under_way(conn: Conn<'_>) -> Result<HashMap<Option<PublisherId>, u64>, StoreError> {
    let rows: Vec<(Option<Uuid>, i64)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(UNDER_WAY.text::<DB>()).fetch_all(c))?;
    Ok(rows.into_iter().map(|(publisher, count)| (publisher.map(PublisherId), to_u64(count))).collect())
}

/// The rotation that made a token and is not over.
///
/// # Errors
/// As any query.
pub async fn open_of_successor(
    conn: Conn<'_>,
    successor: CredentialId,
) -> Result<Option<RotationRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRotation>(OPEN_OF_SUCCESSOR.text::<DB>())
        .bind(successor.0)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// How a rotation came to where it is, the first step first.
///
/// # Errors
/// As any query.
pub async fn steps(conn: Conn<'_>, id: RotationId) -> Result<Vec<StepRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawStep>(STEPS.text::<DB>()).bind(id.0).fetch_all(c))?;
    Ok(raw.into_iter().map(Into::into).collect())
}

/// Which rotations to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only those in this state.
    pub state: Option<RotationState>,
    /// Only those of this token, or that made it.
    pub credential: Option<CredentialId>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, RotationId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists rotations, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<RotationRow>, StoreError> {
    let mut sql = Sql::new(rotation_columns!());
    sql.filter(" AND r.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND r.state = ", filter.state.map(RotationState::as_str));
    if let Some(credential) = filter.credential {
        sql.text(" AND (r.credential_id = ").bind(credential.0);
        sql.text(" OR r.successor_id = ").bind(credential.0).text(")");
    }
    sql.newest_first("r.created_at", "r.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawRotation>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// What is sealed, in the order of its ids, after `after`.
///
/// # Errors
/// As any query.
pub async fn sealed(conn: Conn<'_>, after: Uuid, limit: u32) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    on!(conn, |c| sqlx::query_as::<DB, (Uuid, Vec<u8>)>(SEALED.text::<DB>())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Exchanges what is sealed for the same under another master key; false when it is settled by now.
///
/// # Errors
/// As any query.
pub async fn reseal(conn: Conn<'_>, id: Uuid, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    Ok(change!(conn, RESEAL; id, old, new)? == 1)
}
