//! What an actor changed and made, as the security events tell it.

use keywright_core::{PublisherId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_u64};

statements! {
    DONE_BY = [
        "SELECT type, COUNT(*) AS changes, MAX(occurred_at) AS last_at FROM security_events \
         WHERE actor_id = $1 AND occurred_at >= $2 AND (publisher_id = $3 OR $3 IS NULL) GROUP BY type \
         ORDER BY changes DESC, type LIMIT $4"
    ];
    MADE_BY = [
        "SELECT subject_type, subject_id, subject_name, occurred_at FROM security_events \
         WHERE actor_id = $1 AND occurred_at >= $2 AND (publisher_id = $3 OR $3 IS NULL) \
         AND type IN ('token.created', 'personal_token.created', 'service_account.created') \
         ORDER BY occurred_at DESC, id DESC LIMIT $4"
    ];
}

/// Changes of one type by one actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCount {
    /// The type of their events.
    pub type_: String,
    /// How many.
    pub changes: u64,
    /// The last of them.
    pub last_at: Timestamp,
}

/// What an actor changed from a moment on, by type, the most frequent first; with `within`, only what concerns
/// that publisher.
///
/// # Errors
/// As any query.
pub async fn done_by(
    conn: Conn<'_>,
    actor: Uuid,
    since: Timestamp,
    within: Option<PublisherId>,
    limit: u32,
) -> Result<Vec<ChangeCount>, StoreError> {
    let rows: Vec<(String, i64, Time)> = on!(conn, |c| sqlx::query_as::<DB, _>(DONE_BY.text::<DB>())
        .bind(actor)
        .bind(Time(since))
        .bind(within.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let count = |(type_, changes, last_at): (_, _, Time)| ChangeCount {
        type_,
        changes: to_u64(changes),
        last_at: last_at.into(),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// Something that can be used or holds what can, and that an actor made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeObject {
    /// `service_token`, `personal_token` or `service_account`.
    pub kind: String,
    /// Its id.
    pub id: Option<Uuid>,
    /// Its name then.
    pub name: Option<String>,
    /// When.
    pub made_at: Timestamp,
}

/// The tokens and accounts that an actor made from a moment on, the latest first; with `within`, only those of that
/// publisher.
///
/// # Errors
/// As any query.
pub async fn made_by(
    conn: Conn<'_>,
    actor: Uuid,
    since: Timestamp,
    within: Option<PublisherId>,
    limit: u32,
) -> Result<Vec<MadeObject>, StoreError> {
    type Row = (Option<String>, Option<Uuid>, Option<String>, Time);
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as::<DB, _>(MADE_BY.text::<DB>())
        .bind(actor)
        .bind(Time(since))
        .bind(within.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let made = |(kind, id, name, at): Row| MadeObject {
        kind: kind.unwrap_or_default(),
        id,
        name,
        made_at: at.into(),
    };
    Ok(rows.into_iter().map(made).collect())
}
