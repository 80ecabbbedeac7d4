//! Lists and counts of service tokens. The conditions say in SQL what
//! [`keywright_core::status::StatusFacts`] says in Rust; a test holds them together.

use keywright_core::{CredentialId, PublisherId, ServiceAccountId, Status, Timestamp};

use super::row::{RawRow, ServiceTokenRow};
use super::token_columns;
use crate::conn::{Conn, on};
use crate::dialect::{contains_pattern, fold, statements};
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Time, to_i64, to_u64};

/// Which tokens to list, newest first.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Only those of accounts of this publisher.
    pub within: Option<PublisherId>,
    /// Only those of this account.
    pub account: Option<ServiceAccountId>,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those whose name contains this, in either case.
    pub q: Option<String>,
    /// Only usable ones whose life ends before, or at, this moment.
    pub expiring_before: Option<Timestamp>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, CredentialId)>,
    /// Most rows to give.
    pub limit: u32,
    /// The moment that statuses are told for.
    pub now: Timestamp,
    /// The platform's epoch in force.
    pub epoch: u64,
}

impl ListFilter {
    /// All tokens.
    pub const fn all(limit: u32, now: Timestamp, epoch: u64) -> Self {
        Self {
            within: None,
            account: None,
            status: None,
            name: None,
            q: None,
            expiring_before: None,
            after: None,
            limit,
            now,
            epoch,
        }
    }
}

/// What a status demands of a row.
fn push_status(sql: &mut Sql, filter: &ListFilter, status: Status) {
    let (now, epoch) = (filter.now, to_i64(filter.epoch));
    if status == Status::Revoked {
        sql.text(" AND (t.revoked_at IS NOT NULL OR t.epoch < ").bind(epoch);
        sql.text(" OR t.epoch < COALESCE(a.epoch, 0) OR t.epoch < COALESCE(q.service_epoch, 0))");
        return;
    }
    push_not_revoked(sql, epoch);
    if status == Status::Expired {
        sql.text(" AND (t.expires_at <= ").bind(now).text(" OR t.grace_expires_at <= ").bind(now).text(")");
        return;
    }
    push_in_life(sql, now);
    sql.text(match status {
        Status::Inactive => " AND NOT t.is_active",
        Status::Superseded => " AND t.is_active AND t.superseded_by_id IS NOT NULL",
        _ => " AND t.is_active AND t.superseded_by_id IS NULL",
    });
}

fn push_not_revoked(sql: &mut Sql, epoch: i64) {
    sql.text(" AND t.revoked_at IS NULL AND t.epoch >= ").bind(epoch);
    sql.text(" AND t.epoch >= COALESCE(a.epoch, 0) AND t.epoch >= COALESCE(q.service_epoch, 0)");
}

fn push_in_life(sql: &mut Sql, now: Timestamp) {
    sql.text(" AND (t.expires_at IS NULL OR t.expires_at > ").bind(now).text(")");
    sql.text(" AND (t.grace_expires_at IS NULL OR t.grace_expires_at > ").bind(now).text(")");
}

fn list_sql(filter: &ListFilter) -> Sql {
    let mut sql = Sql::new(concat!("SELECT ", token_columns!(), " WHERE 1 = 1"));
    sql.filter(" AND t.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND t.service_account_id = ", filter.account.map(|id| id.0));
    if let Some(status) = filter.status {
        push_status(&mut sql, filter, status);
    }
    if let Some(end) = filter.expiring_before {
        if filter.status.is_none() {
            push_not_revoked(&mut sql, to_i64(filter.epoch));
            push_in_life(&mut sql, filter.now);
            sql.text(" AND t.is_active");
        }
        sql.text(" AND t.expires_at <= ").bind(end);
    }
    sql.filter(" AND t.token_name = ", filter.name.as_deref());
    if let Some(q) = &filter.q {
        sql.text(" AND t.name_folded LIKE ").bind(contains_pattern(&fold(q)).as_str()).text(" ESCAPE '\\'");
    }
    sql.newest_first("t.created_at", "t.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    sql
}

/// Lists tokens, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<ServiceTokenRow>, StoreError> {
    let sql = list_sql(filter);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawRow>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// How many tokens there are of each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTotals {
    /// All that are stored.
    pub total: u64,
    /// Usable, not replaced.
    pub active: u64,
    /// Replaced, in their grace.
    pub superseded: u64,
    /// Switched off.
    pub inactive: u64,
    /// Over.
    pub expired: u64,
    /// Revoked, marked or not.
    pub revoked: u64,
    /// Usable ones whose life ends within seven days.
    pub expiring_7_days: u64,
    /// Usable ones whose life ends within thirty days.
    pub expiring_30_days: u64,
}

#[derive(sqlx::FromRow)]
struct TotalsRow {
    status: String,
    tokens: i64,
    soon: i64,
    later: i64,
}

statements! {
    TOTALS = [
        "SELECT status, COUNT(*) AS tokens, COUNT(CASE WHEN expires_at <= $3 THEN 1 END) AS soon, \
         COUNT(CASE WHEN expires_at <= $4 THEN 1 END) AS later FROM (\
         SELECT t.expires_at, CASE WHEN t.revoked_at IS NOT NULL OR t.epoch < $2 \
         OR t.epoch < COALESCE(a.epoch, 0) OR t.epoch < COALESCE(q.service_epoch, 0) THEN 'revoked' \
         WHEN t.expires_at <= $1 OR t.grace_expires_at <= $1 THEN 'expired' \
         WHEN NOT t.is_active THEN 'inactive' \
         WHEN t.superseded_by_id IS NOT NULL THEN 'superseded' ELSE 'active' END AS status \
         FROM service_tokens t LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN publishers q ON q.id = t.publisher_id) s \
         GROUP BY status"
    ];
}

/// Counts tokens by status.
///
/// # Errors
/// As any query.
pub async fn totals(conn: Conn<'_>, now: Timestamp, epoch: u64) -> Result<TokenTotals, StoreError> {
    let rows = on!(conn, |c| sqlx::query_as::<DB, TotalsRow>(TOTALS.text::<DB>())
        .bind(Time(now))
        .bind(to_i64(epoch))
        .bind(Time(now.plus_days(7)))
        .bind(Time(now.plus_days(30)))
        .fetch_all(c))?;
    let mut totals = TokenTotals::default();
    for row in rows {
        let status = Status::parse(&row.status)
            .ok_or_else(|| StoreError::corrupt(format_args!("unknown status {:?}", row.status)))?;
        let tokens = to_u64(row.tokens);
        totals.total += tokens;
        match status {
            Status::Active => totals.active = tokens,
            Status::Superseded => totals.superseded = tokens,
            Status::Inactive => totals.inactive = tokens,
            Status::Expired => totals.expired = tokens,
            Status::Revoked => totals.revoked = tokens,
        }
        if status.is_usable() {
            totals.expiring_7_days += to_u64(row.soon);
            totals.expiring_30_days += to_u64(row.later);
        }
    }
    Ok(totals)
}
