//! Lists of alerts.

use keywright_core::{AlertId, AlertKind, AlertState, PublisherId, Severity, Timestamp};
use uuid::Uuid;

use super::row::{AlertRow, RawAlert};
use super::{alert_columns, columns};
use crate::conn::{Conn, on};
use crate::error::StoreError;
use crate::sql::{Sql, builder};

/// Which alerts to list, newest first; `None` is all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those that concern this publisher.
    pub within: Option<PublisherId>,
    /// Only those in this state.
    pub state: Option<AlertState>,
    /// Only those of this severity.
    pub severity: Option<Severity>,
    /// Only those of this kind.
    pub kind: Option<AlertKind>,
    /// Only those about this object.
    pub subject_id: Option<Uuid>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, AlertId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists alerts, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<AlertRow>, StoreError> {
    let mut sql = Sql::new(concat!(alert_columns!(), " WHERE 1 = 1"));
    sql.filter(" AND publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND severity = ", filter.severity.map(Severity::as_str))
        .filter(" AND kind = ", filter.kind.map(AlertKind::as_str))
        .filter(" AND subject_id = ", filter.subject_id);
    if let Some(state) = filter.state {
        sql.text(match state {
            AlertState::Open => " AND resolved_at IS NULL AND acknowledged_at IS NULL",
            AlertState::Acknowledged => " AND resolved_at IS NULL AND acknowledged_at IS NOT NULL",
            AlertState::Resolved => " AND resolved_at IS NOT NULL",
        });
    }
    sql.newest_first("opened_at", "id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawAlert>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}
