//! Tokens that automated rotation may have to replace, and what it does to their rows.

use keywright_core::{CredentialId, CredentialName, Timestamp};

use super::row::{RawRow, ServiceTokenRow};
use super::token_columns;
use crate::conn::{Conn, change, on};
use crate::dialect::{fold, statements};
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::Time;

statements! {
    SUPERSEDE_UNCONFIRMED = [
        "UPDATE service_tokens SET superseded_by_id = $2, token_name = $3, name_folded = $4, superseded_at = $5, \
         updated_at = $5, version = version + 1 \
         WHERE id = $1 AND superseded_by_id IS NULL AND revoked_at IS NULL"
    ];
    END_GRACE = [
        "UPDATE service_tokens SET grace_expires_at = $3, updated_at = $4, version = version + 1 \
         WHERE id = $1 AND superseded_by_id = $2 AND revoked_at IS NULL"
    ];
    REINSTATE = [
        "UPDATE service_tokens SET superseded_by_id = NULL, superseded_at = NULL, grace_expires_at = NULL, \
         token_name = $3, name_folded = $4, updated_at = $5, version = version + 1 \
         WHERE id = $1 AND superseded_by_id = $2"
    ];
    RENAME = [
        "UPDATE service_tokens SET token_name = $2, name_folded = $3, updated_at = $4, version = version + 1 \
         WHERE id = $1"
    ];
}

/// Which tokens to look at.
#[derive(Clone, Copy, Debug)]
pub struct DueFilter {
    /// Those that were made at or before this moment.
    pub made_before: Timestamp,
    /// Those whose life ends at or before this moment.
    pub ends_before: Timestamp,
    /// None that was rotated by itself and came out of that after this moment.
    pub not_tried_since: Timestamp,
    /// Only those after this one.
    pub after: Option<(Timestamp, CredentialId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Tokens that are switched on, not replaced, and may be due; the oldest first.
///
/// # Errors
/// As any query.
pub async fn maybe_due(conn: Conn<'_>, filter: &DueFilter) -> Result<Vec<ServiceTokenRow>, StoreError> {
    let mut sql = Sql::new(concat!("SELECT ", token_columns!()));
    sql.text(" WHERE t.revoked_at IS NULL AND t.superseded_by_id IS NULL AND t.is_active = ").bind(true);
    sql.text(" AND (t.created_at <= ").bind(filter.made_before);
    sql.text(" OR t.expires_at <= ").bind(filter.ends_before);
    sql.text(
        ") AND NOT EXISTS (SELECT 1 FROM rotations o WHERE o.successor_id = t.id AND o.closed_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM rotations r WHERE r.credential_id = t.id \
         AND (r.closed_at IS NULL OR r.closed_at > ",
    );
    sql.bind(filter.not_tried_since).text("))");
    if let Some((created_at, id)) = filter.after {
        sql.text(" AND (t.created_at, t.id) > (").bind(created_at).text(", ").bind(id.0).text(")");
    }
    sql.text(" ORDER BY t.created_at, t.id LIMIT ").bind(filter.limit);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawRow>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Marks a token as replaced by `by`, without an end: its grace begins when the new one is used. False when it was
/// replaced or revoked already.
///
/// # Errors
/// As any query.
pub async fn supersede_unconfirmed(
    conn: Conn<'_>,
    id: CredentialId,
    by: CredentialId,
    new_name: &CredentialName,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = change!(conn, SUPERSEDE_UNCONFIRMED; id.0, by.0, new_name.as_str(), fold(new_name.as_str()), Time(now))?;
    Ok(done == 1)
}

/// Sets when the grace of a token that was replaced by `by` ends; false when it is revoked, or was not.
///
/// # Errors
/// As any query.
pub async fn end_grace(
    conn: Conn<'_>,
    id: CredentialId,
    by: CredentialId,
    grace_expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, END_GRACE; id.0, by.0, Time(grace_expires_at), Time(now))? == 1)
}

/// Takes back that a token was replaced by `by`, and gives it its name; false when it was not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the name.
pub async fn reinstate(
    conn: Conn<'_>,
    id: CredentialId,
    by: CredentialId,
    name: &CredentialName,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, REINSTATE; id.0, by.0, name.as_str(), fold(name.as_str()), Time(now))? == 1)
}

/// Gives a token another name.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the name.
pub async fn rename(
    conn: Conn<'_>,
    id: CredentialId,
    name: &CredentialName,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, RENAME; id.0, name.as_str(), fold(name.as_str()), Time(now))? == 1)
}
