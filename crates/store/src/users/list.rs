//! Lists of users. The conditions say in SQL what [`UserRow::status`](super::UserRow::status) says in Rust.

use std::collections::HashMap;

use keywright_core::{EmailAddress, Name, PublisherId, RoleId, Timestamp, UserId};
use uuid::Uuid;

use super::row::{RawUser, UserRow, UserStatus};
use super::user_columns;
use crate::conn::{Conn, on};
use crate::dialect::{contains_pattern, fold};
use crate::error::StoreError;
use crate::sql::{Sql, builder};

/// Which users to list, newest first.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Only members of this one; `None` lists everybody.
    pub within: Option<PublisherId>,
    /// Only those of this status.
    pub status: Option<UserStatus>,
    /// Only the one with this address.
    pub email: Option<EmailAddress>,
    /// Only those whose name or address contains this, in either case.
    pub q: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, UserId)>,
    /// Most rows to give.
    pub limit: u32,
}

impl ListFilter {
    /// Everybody within a publisher, or at all.
    pub const fn all(within: Option<PublisherId>, limit: u32) -> Self {
        Self { within, status: None, email: None, q: None, after: None, limit }
    }
}

fn list_sql(filter: &ListFilter) -> Sql {
    let mut sql = Sql::new(concat!("SELECT ", user_columns!(), " FROM users u"));
    if let Some(publisher) = filter.within {
        sql.text(" JOIN memberships m ON m.user_id = u.id AND m.publisher_id = ").bind(publisher.0);
    }
    sql.text(" WHERE u.deleted_at IS NULL");
    match filter.status {
        None => &mut sql,
        Some(UserStatus::Disabled) => sql.text(" AND u.disabled_at IS NOT NULL"),
        Some(UserStatus::Invited) => sql.text(" AND u.disabled_at IS NULL AND u.password_hash IS NULL"),
        Some(UserStatus::Active) => sql.text(" AND u.disabled_at IS NULL AND u.password_hash IS NOT NULL"),
    };
    sql.filter(
        " AND u.email_folded = ",
        filter.email.as_ref().map(EmailAddress::folded).as_deref().map(Some),
    );
    if let Some(q) = &filter.q {
        let pattern = contains_pattern(&fold(q));
        sql.text(" AND (u.name_folded LIKE ").bind(pattern.as_str()).text(" ESCAPE '\\'");
        sql.text(" OR u.email_folded LIKE ").bind(pattern.as_str()).text(" ESCAPE '\\')");
    }
    sql.newest_first("u.created_at", "u.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    sql
}

/// Lists users, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<UserRow>, StoreError> {
    let sql = list_sql(filter);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawUser>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// A publisher that a user belongs to, and with which role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The user.
    pub user_id: UserId,
    /// The publisher.
    pub publisher_id: PublisherId,
    /// Its name.
    pub publisher_name: Name,
    /// The role.
    pub role_id: RoleId,
    /// Its name.
    pub role_name: Name,
}

#[derive(sqlx::FromRow)]
struct RawBelonging {
    user_id: Uuid,
    publisher_id: Uuid,
    publisher_name: String,
    role_id: Uuid,
    role_name: String,
}

/// Which publishers these users belong to, or, with `within`, whether to that one.
///
/// # Errors
/// As any query.
pub async fn belongings(
    conn: Conn<'_>,
    users: impl IntoIterator<Item = UserId>,
    within: Option<PublisherId>,
) -> Result<Vec<Belonging>, StoreError> {
    let ids: Vec<Uuid> = users.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT m.user_id, q.id AS publisher_id, q.name AS publisher_name, r.id AS role_id, r.name AS role_name \
         FROM memberships m JOIN publishers q ON q.id = m.publisher_id AND q.deleted_at IS NULL \
         JOIN roles r ON r.id = m.role_id WHERE m.user_id IN ",
    );
    sql.bind_list(ids).filter(" AND q.id = ", within.map(|id| id.0)).text(" ORDER BY m.created_at, q.id");
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawBelonging>().fetch_all(c).await })?;
    let belonging = |raw: RawBelonging| Belonging {
        user_id: UserId(raw.user_id),
        publisher_id: PublisherId(raw.publisher_id),
        publisher_name: Name::from_stored(raw.publisher_name),
        role_id: RoleId(raw.role_id),
        role_name: Name::from_stored(raw.role_name),
    };
    Ok(rows.into_iter().map(belonging).collect())
}

/// The addresses of those of these users who are not deleted.
///
/// # Errors
/// As any query.
pub async fn emails(
    conn: Conn<'_>,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, String>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new("SELECT id, email FROM users WHERE deleted_at IS NULL AND id IN ");
    sql.bind_list(ids);
    let rows: Vec<(Uuid, String)> = on!(conn, |c| async {
        builder!(sql).build_query_as::<(Uuid, String)>().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(id, email)| (UserId(id), email)).collect())
}
