//! Windows in which rotations begin, of one publisher each or of the platform.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for windows that were read in the
//! same transaction.

use keywright_core::{ActorRef, MaintenanceWindowId, Name, PublisherId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

macro_rules! window_columns {
    () => {
        "SELECT w.id, w.publisher_id, w.name, w.cron, w.duration_minutes, w.time_zone, w.created_by_type, \
         w.created_by_id, w.created_by_name, w.created_at, w.updated_at, w.version \
         FROM maintenance_windows w WHERE w.deleted_at IS NULL"
    };
}

statements! {
    INSERT = [
        "INSERT INTO maintenance_windows (id, publisher_id, name, cron, duration_minutes, time_zone, \
         created_by_type, created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 1)"
    ];
    BY_ID = [window_columns!(), " AND w.id = $1 AND (w.publisher_id = $2 OR $2 IS NULL)"];
    EVERY = [window_columns!()];
    EVER = [
        "SELECT COUNT(*) FROM maintenance_windows w WHERE w.id = $1 AND (w.publisher_id = $2 OR $2 IS NULL)"
    ];
    UPDATE = [
        "UPDATE maintenance_windows SET name = $3, cron = $4, duration_minutes = $5, time_zone = $6, \
         updated_at = $7, version = version + 1 WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE maintenance_windows SET deleted_at = $2, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND deleted_at IS NULL"
    ];
    IN_USE = [
        "SELECT COUNT(*) FROM rotation_policies WHERE maintenance_window_id = $1 AND deleted_at IS NULL"
    ];
}

/// A window as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Its id.
    pub id: MaintenanceWindowId,
    /// The publisher that it belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// Its name, free among its live siblings.
    pub name: Name,
    /// When it opens.
    pub cron: String,
    /// How long it is open.
    pub duration_minutes: u32,
    /// By the clock of which place.
    pub time_zone: String,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

#[derive(sqlx::FromRow)]
struct RawWindow {
    id: Uuid,
    publisher_id: Option<Uuid>,
    name: String,
    cron: String,
    duration_minutes: i64,
    time_zone: String,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawWindow> for WindowRow {
    type Error = StoreError;

    fn try_from(raw: RawWindow) -> Result<Self, StoreError> {
        Ok(Self {
            id: MaintenanceWindowId(raw.id),
            publisher_id: raw.publisher_id.map(PublisherId),
            name: Name::from_stored(raw.name),
            cron: raw.cron,
            duration_minutes: u32::try_from(raw.duration_minutes).unwrap_or(0),
            time_zone: raw.time_zone,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a window.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the name.
pub async fn insert(conn: Conn<'_>, new: &WindowRow) -> Result<(), StoreError> {
    change!(conn, INSERT; new.id.0, new.publisher_id.map(|id| id.0), new.name.as_str(), new.cron.as_str(), i64::from(new.duration_minutes), new.time_zone.as_str(), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(())
}

/// A window by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: MaintenanceWindowId,
) -> Result<Option<WindowRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawWindow>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// All windows of all publishers, for what rotates by itself.
///
/// # Errors
/// As any query.
pub async fn every(conn: Conn<'_>) -> Result<Vec<WindowRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawWindow>(EVERY.text::<DB>()).fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Whether there is, or ever was, a window with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: MaintenanceWindowId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// Writes what can be changed of a window that is still at the row's version; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the new name.
pub async fn update(conn: Conn<'_>, row: &WindowRow, now: Timestamp) -> Result<bool, StoreError> {
    let done = change!(conn, UPDATE; row.id.0, to_i64(row.version), row.name.as_str(), row.cron.as_str(), i64::from(row.duration_minutes), row.time_zone.as_str(), Time(now))?;
    Ok(done == 1)
}

/// Marks a window as deleted, which frees its name; false when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: MaintenanceWindowId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now))? == 1)
}

/// How many policies name a window.
///
/// # Errors
/// As any query.
pub async fn count_policies(conn: Conn<'_>, id: MaintenanceWindowId) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(IN_USE.text::<DB>()).bind(id.0).fetch_one(c))?;
    Ok(to_u64(count))
}

/// Which windows to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only the ones of exactly this name.
    pub name: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, MaintenanceWindowId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists windows, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<WindowRow>, StoreError> {
    let mut sql = Sql::new(window_columns!());
    sql.filter(" AND w.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND w.name = ", filter.name.as_deref());
    sql.newest_first("w.created_at", "w.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawWindow>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}
