//! Lists of service accounts.

use keywright_core::{PublisherId, ServiceAccountId, ServiceType, Timestamp};

use super::account_columns;
use super::row::{RawAccount, ServiceAccountRow};
use crate::conn::{Conn, on};
use crate::dialect::{contains_pattern, fold};
use crate::error::StoreError;
use crate::sql::{Sql, builder};

/// Which accounts to list, newest first; `None` is all that are not deleted.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only those that are switched off, or only those that are on.
    pub disabled: Option<bool>,
    /// Only those of this kind.
    pub service_type: Option<ServiceType>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those whose name contains this, in either case.
    pub q: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, ServiceAccountId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists accounts, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<ServiceAccountRow>, StoreError> {
    let mut sql = Sql::new(account_columns!());
    sql.filter(" AND a.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND a.service_type = ", filter.service_type.map(ServiceType::as_str))
        .filter(" AND a.name = ", filter.name.as_deref());
    if let Some(q) = &filter.q {
        sql.text(" AND a.name_folded LIKE ").bind(contains_pattern(&fold(q)).as_str()).text(" ESCAPE '\\'");
    }
    match filter.disabled {
        Some(true) => sql.text(" AND a.disabled_at IS NOT NULL"),
        Some(false) => sql.text(" AND a.disabled_at IS NULL"),
        None => &mut sql,
    };
    sql.newest_first("a.created_at", "a.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawAccount>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}
