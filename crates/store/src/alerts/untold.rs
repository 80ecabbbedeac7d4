//! Alerts whose owners were not written to yet.

use keywright_core::{AlertId, PublisherId, Severity, Timestamp, UserId};
use uuid::Uuid;

use super::IDS_AT_ONCE;
use super::row::word;
use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::Time;

statements! {
    UNTOLD = [
        "SELECT a.id, a.publisher_id, a.severity, a.summary, a.opened_at, \
         CASE WHEN a.resolved_at IS NULL THEN 1 ELSE 0 END AS lasts, s.owner_email, u.id AS user_id FROM alerts a \
         LEFT JOIN service_tokens t ON a.subject_type = 'credential' AND t.id = a.subject_id \
         LEFT JOIN service_accounts s ON s.deleted_at IS NULL AND s.id = \
         CASE WHEN a.subject_type = 'service_account' THEN a.subject_id ELSE t.service_account_id END \
         LEFT JOIN personal_tokens p ON a.subject_type = 'credential' AND p.id = a.subject_id \
         LEFT JOIN sessions z ON a.subject_type = 'credential' AND z.id = a.subject_id \
         LEFT JOIN users u ON u.disabled_at IS NULL AND u.deleted_at IS NULL AND u.id = \
         CASE WHEN a.subject_type = 'user' THEN a.subject_id ELSE COALESCE(p.user_id, z.user_id) END \
         WHERE a.owner_told_at IS NULL AND (a.opened_at, a.id) > ($1, $2) ORDER BY a.opened_at, a.id LIMIT $3"
    ];
}

/// An alert, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The alert.
    pub id: AlertId,
    /// The publisher that it concerns.
    pub publisher_id: Option<PublisherId>,
    /// How soon somebody should look.
    pub severity: Severity,
    /// What it says.
    pub summary: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether it is not resolved.
    pub lasts: bool,
    /// The address that the service account names.
    pub owner_email: Option<String>,
    /// The user, who is not disabled.
    pub user_id: Option<UserId>,
}

/// Alerts whose owners were not written to, oldest first, after one.
///
/// # Errors
/// As any query.
pub async fn untold(
    conn: Conn<'_>,
    (opened_at, id): (Timestamp, AlertId),
    limit: u32,
) -> Result<Vec<Untold>, StoreError> {
    type Row = (Uuid, Option<Uuid>, String, String, Time, i32, Option<String>, Option<Uuid>);
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as::<DB, _>(UNTOLD.text::<DB>())
        .bind(Time(opened_at))
        .bind(id.0)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let untold = |(id, publisher, severity, summary, opened_at, lasts, owner_email, user): Row| {
        Ok(Untold {
            id: AlertId(id),
            publisher_id: publisher.map(PublisherId),
            severity: word(&severity, Severity::parse)?,
            summary,
            opened_at: opened_at.into(),
            lasts: lasts == 1,
            owner_email,
            user_id: user.map(UserId),
        })
    };
    rows.into_iter().map(untold).collect()
}

/// Notes that the owners of these were written to.
///
/// # Errors
/// As any query.
pub async fn mark_told(mut conn: Conn<'_>, ids: &[AlertId], now: Timestamp) -> Result<(), StoreError> {
    for slice in ids.chunks(IDS_AT_ONCE) {
        let mut sql = Sql::new("UPDATE alerts SET owner_told_at = ");
        sql.bind(now).text(" WHERE owner_told_at IS NULL AND id IN ");
        sql.bind_list(slice.iter().map(|id| id.0));
        on!(conn.reborrow(), |c| async {
            builder!(sql).build().persistent(false).execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}
