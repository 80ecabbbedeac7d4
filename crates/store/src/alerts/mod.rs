//! Alerts: what somebody should look at.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for alerts that were read in
//! the same transaction.

mod list;
mod row;
pub(crate) mod untold;

use std::collections::HashSet;

use keywright_core::{ActorRef, AlertId, AlertKind, PublisherId, Timestamp};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

pub use self::list::{ListFilter, list};
pub use self::row::{AlertRow, AlertSubject, NewAlert, Said};
pub use self::untold::{Untold, mark_told, untold};
use crate::bulk::{Bulk, Column};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Time, clean, clean_json};
use row::RawAlert;

macro_rules! columns {
    () => {
        "id, publisher_id, kind, severity, subject_type, subject_id, subject_name, summary, evidence, \
         dedupe_key, opened_at, acknowledged_at, acknowledged_by_type, acknowledged_by_id, acknowledged_by_name, \
         resolved_at, resolved_by_type, resolved_by_id, resolved_by_name, resolved_reason, version"
    };
}

macro_rules! alert_columns {
    () => {
        concat!("SELECT ", columns!(), " FROM alerts")
    };
}
use {alert_columns, columns};

/// Ids that one statement names.
const IDS_AT_ONCE: usize = 1_000;

statements! {
    INSERT = [
        "INSERT INTO alerts (id, publisher_id, kind, severity, subject_type, subject_id, subject_name, summary, \
         evidence, dedupe_key, opened_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) \
         ON CONFLICT (dedupe_key) DO NOTHING"
    ];
    BY_ID = [alert_columns!(), " WHERE id = $1 AND (publisher_id = $2 OR $2 IS NULL)"];
    /// Whoever changes it waits for whoever does so now.
    LOCK = [alert_columns!(), " WHERE id = $1 AND (publisher_id = $2 OR $2 IS NULL)"] + "FOR UPDATE";
    LOCK_BY_KEY = [alert_columns!(), " WHERE dedupe_key = $1 AND resolved_at IS NULL"] + "FOR UPDATE";
    UNRESOLVED = [
        alert_columns!(),
        " WHERE kind = $1 AND resolved_at IS NULL AND (subject_id = $2 OR (subject_id IS NULL AND $2 IS NULL)) \
         ORDER BY opened_at, id LIMIT 1"
    ];
    UNRESOLVED_OF_KIND = [
        alert_columns!(), " WHERE kind = $1 AND resolved_at IS NULL ORDER BY opened_at, id LIMIT $2"
    ];
    UNRESOLVED_OF_NODES = [
        alert_columns!(), " WHERE subject_type = 'node' AND resolved_at IS NULL ORDER BY opened_at, id LIMIT $1"
    ];
    ACKNOWLEDGE = [
        "UPDATE alerts SET acknowledged_at = $2, acknowledged_by_type = $3, acknowledged_by_id = $4, \
         acknowledged_by_name = $5, version = version + 1 \
         WHERE id = $1 AND acknowledged_at IS NULL AND resolved_at IS NULL"
    ];
    RESOLVE = [
        "UPDATE alerts SET resolved_at = $2, resolved_by_type = $3, resolved_by_id = $4, resolved_by_name = $5, \
         resolved_reason = $6, version = version + 1 WHERE id = $1 AND resolved_at IS NULL"
    ];
    AMEND = ["UPDATE alerts SET summary = $2, evidence = $3, version = version + 1 WHERE id = $1"];
    /// Alerts for many credentials, of which none is left.
    UNMARKED = [
        alert_columns!(),
        " WHERE kind = $1 AND resolved_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM expiry_marks m WHERE m.alert_id = alerts.id) \
         ORDER BY opened_at, id LIMIT $2"
    ];
    FORGET = ["DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE resolved_at <= $1 LIMIT $2)"];
}

/// What was seen may hold anything.
fn evidence(evidence: &Map<String, Value>) -> Json<Value> {
    Json(clean_json(Value::Object(evidence.clone())))
}

/// Inserts an alert; false when there is, or was, one with its key.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, new: &NewAlert) -> Result<bool, StoreError> {
    let (summary, name) = (clean(&new.summary), new.subject.name.as_deref().map(clean));
    let evidence = evidence(&new.evidence);
    let done = change!(conn, INSERT; new.id.0, new.publisher_id.map(|id| id.0), new.kind.as_str(), new.severity.as_str(), new.subject.kind.as_str(), new.subject.id, name.as_deref(), &*summary, &evidence, new.dedupe_key.as_str(), Time(new.opened_at))?;
    Ok(done == 1)
}

/// Inserts many, but for those with whose key there is, or was, one; gives the ids of those that were inserted.
///
/// # Errors
/// As any query.
pub async fn insert_all(mut conn: Conn<'_>, new: &[NewAlert]) -> Result<HashSet<AlertId>, StoreError> {
    let optional = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    let word = |word: fn(&NewAlert) -> &'static str| {
        Column::Texts(new.iter().map(|alert| word(alert).to_owned()).collect())
    };
    let bulk = Bulk {
        into: "alerts (id, publisher_id, kind, severity, subject_type, subject_id, subject_name, summary, evidence, \
               dedupe_key, opened_at, version)",
        conflict: "ON CONFLICT (dedupe_key) DO NOTHING",
        columns: vec![
            Column::Ids(new.iter().map(|alert| alert.id.0).collect()),
            Column::IdsOrNone(new.iter().map(|alert| alert.publisher_id.map(|id| id.0)).collect()),
            word(|alert| alert.kind.as_str()),
            word(|alert| alert.severity.as_str()),
            word(|alert| alert.subject.kind.as_str()),
            Column::IdsOrNone(new.iter().map(|alert| alert.subject.id).collect()),
            Column::TextsOrNone(new.iter().map(|alert| optional(&alert.subject.name)).collect()),
            Column::Texts(new.iter().map(|alert| clean(&alert.summary).into_owned()).collect()),
            Column::Jsons(new.iter().map(|alert| evidence(&alert.evidence)).collect()),
            Column::Texts(new.iter().map(|alert| alert.dedupe_key.clone()).collect()),
            Column::Times(new.iter().map(|alert| Time(alert.opened_at)).collect()),
            Column::Numbers(vec![1; new.len()]),
        ],
        rows: new.len(),
    };
    if bulk.write(conn.reborrow()).await? == new.len() as u64 {
        return Ok(new.iter().map(|alert| alert.id).collect());
    }
    let mut inserted = HashSet::with_capacity(new.len());
    for slice in new.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new("SELECT id FROM alerts WHERE id IN ");
        sql.bind_list(slice.iter().map(|alert| alert.id.0));
        let ids: Vec<Uuid> = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_scalar::<Uuid>().persistent(false).fetch_all(c).await
        })?;
        inserted.extend(ids.into_iter().map(AlertId));
    }
    Ok(inserted)
}

/// An alert by its id.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: AlertId,
) -> Result<Option<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// The same, held until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn lock(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: AlertId,
) -> Result<Option<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(LOCK.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// The alert with this key that is not resolved, held until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn lock_by_key(conn: Conn<'_>, dedupe_key: &str) -> Result<Option<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(LOCK_BY_KEY.text::<DB>())
        .bind(dedupe_key)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// The oldest alert of a kind about an object, or about none, that is not resolved.
///
/// # Errors
/// As any query.
pub async fn unresolved(
    conn: Conn<'_>,
    kind: AlertKind,
    subject_id: Option<Uuid>,
) -> Result<Option<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(UNRESOLVED.text::<DB>())
        .bind(kind.as_str())
        .bind(subject_id)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Alerts of a kind that are not resolved, oldest first, at most so many.
///
/// # Errors
/// As any query.
pub async fn unresolved_of_kind(
    conn: Conn<'_>,
    kind: AlertKind,
    limit: u32,
) -> Result<Vec<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(UNRESOLVED_OF_KIND.text::<DB>())
        .bind(kind.as_str())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Alerts about nodes that are not resolved, oldest first, at most so many.
///
/// # Errors
/// As any query.
pub async fn unresolved_of_nodes(conn: Conn<'_>, limit: u32) -> Result<Vec<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(UNRESOLVED_OF_NODES.text::<DB>())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Notes that somebody knows; false when somebody did already, or it is resolved.
///
/// # Errors
/// As any query.
pub async fn acknowledge(
    conn: Conn<'_>,
    id: AlertId,
    now: Timestamp,
    by: &ActorRef,
) -> Result<bool, StoreError> {
    Ok(change!(conn, ACKNOWLEDGE; id.0, Time(now), by.kind.as_str(), by.id, by.name.as_str())? == 1)
}

/// Notes that it is over; false when it was already.
///
/// # Errors
/// As any query.
pub async fn resolve(
    conn: Conn<'_>,
    id: AlertId,
    now: Timestamp,
    by: &ActorRef,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, RESOLVE; id.0, Time(now), by.kind.as_str(), by.id, by.name.as_str(), reason)? == 1)
}

/// Resolves the alerts of a kind about these objects that are not resolved, in the name of a job; gives
/// them.
///
/// # Errors
/// As any query.
pub async fn resolve_about(
    mut conn: Conn<'_>,
    (kind, subjects): (AlertKind, &[Uuid]),
    now: Timestamp,
    by: &ActorRef,
    reason: Option<&str>,
) -> Result<Vec<AlertRow>, StoreError> {
    let mut resolved = Vec::new();
    for slice in subjects.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new("UPDATE alerts SET resolved_at = ");
        sql.bind(now).text(", resolved_by_type = ").bind(by.kind.as_str());
        // A job has no id.
        sql.text(", resolved_by_name = ").bind(by.name.as_str());
        sql.text(", resolved_reason = ").bind(reason).text(", version = version + 1");
        sql.text(" WHERE resolved_at IS NULL AND kind = ").bind(kind.as_str()).text(" AND subject_id IN ");
        sql.bind_list(slice.iter().copied());
        sql.text(" RETURNING ").text(columns!());
        let raw = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_as::<RawAlert>().persistent(false).fetch_all(c).await
        })?;
        for raw in raw {
            resolved.push(raw.try_into()?);
        }
    }
    Ok(resolved)
}

/// Alerts of a kind for many credentials that are not resolved and of which no credential is left.
///
/// # Errors
/// As any query.
pub async fn unmarked(conn: Conn<'_>, kind: AlertKind, limit: u32) -> Result<Vec<AlertRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawAlert>(UNMARKED.text::<DB>())
        .bind(kind.as_str())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Adds to what an alert says.
///
/// # Errors
/// As any query.
pub async fn amend(
    conn: Conn<'_>,
    id: AlertId,
    summary: &str,
    seen: &Map<String, Value>,
) -> Result<bool, StoreError> {
    let (summary, evidence) = (clean(summary), evidence(seen));
    Ok(change!(conn, AMEND; id.0, &*summary, &evidence)? == 1)
}

/// Forgets alerts that were resolved at or before a moment, at most so many; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before), i64::from(limit))
}
