//! Lists of personal tokens. The conditions say in SQL what [`PersonalTokenRow::status`] and approvals say in
//! Rust; a test holds them together.

use keywright_core::{CredentialId, PublisherId, Status, Timestamp, UserId};

use super::row::{PersonalTokenRow, RawRow};
use super::{in_reach, listed, token_columns, token_reaches, token_rows};
use crate::conn::{Conn, on};
use crate::dialect::{contains_pattern, fold};
use crate::error::StoreError;
use crate::sql::{Sql, builder};

/// A publisher in which tokens of a user may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The publisher.
    pub publisher: PublisherId,
    /// Whether tokens must be approved there.
    pub needs_approval: bool,
    /// Whether only tokens that name it may be: their owner is no member, but acts by a role of the platform.
    pub if_named: bool,
}

/// Which tokens of a user to list, newest first.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Whose.
    pub user: UserId,
    /// Only those that are for this publisher: the list of its administrators.
    pub within: Option<PublisherId>,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only the one of exactly this name.
    pub name: Option<String>,
    /// Only those whose name contains this, in either case.
    pub q: Option<String>,
    /// Only those that are for this publisher.
    pub publisher: Option<PublisherId>,
    /// Only usable ones whose life ends before, or at, this moment.
    pub expiring_before: Option<Timestamp>,
    /// Only those that were never used, or only those that were.
    pub never_used: Option<bool>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, CredentialId)>,
    /// Most rows to give.
    pub limit: u32,
    /// The moment that statuses are told for.
    pub now: Timestamp,
    /// Where tokens of the user may be used, as far as whoever asks is concerned.
    pub places: Vec<Place>,
}

pub(super) fn push_is_for(sql: &mut Sql, publisher: PublisherId) {
    let pattern = listed(publisher);
    sql.text("(t.publisher_ids IS NULL OR CAST(t.publisher_ids AS TEXT) LIKE ").bind(pattern.as_str());
    sql.text(") AND CAST(t.excluded_publisher_ids AS TEXT) NOT LIKE ").bind(pattern.as_str());
}

/// That a token may be used in a place, as far as that is the token's own.
fn push_is_in(sql: &mut Sql, place: Place) {
    push_is_for(sql, place.publisher);
    if place.if_named {
        sql.text(" AND t.publisher_ids IS NOT NULL");
    }
}

fn push_in_life(sql: &mut Sql, now: Timestamp) {
    sql.text(" AND (t.expires_at IS NULL OR t.expires_at > ").bind(now).text(")");
    sql.text(" AND (t.grace_expires_at IS NULL OR t.grace_expires_at > ").bind(now).text(")");
}

/// `(…)`: approval is waited for wherever the token is for.
fn push_awaiting(sql: &mut Sql, places: &[Place]) {
    if !places.iter().any(|place| place.needs_approval) {
        sql.text("(1 = 0)");
        return;
    }
    sql.text("((1 = 0");
    for place in places {
        sql.text(" OR (");
        push_is_in(sql, *place);
        sql.text(")");
    }
    sql.text(") AND NOT (1 = 0");
    for place in places {
        sql.text(" OR (");
        push_is_in(sql, *place);
        if place.needs_approval {
            sql.text(
                " AND EXISTS (SELECT 1 FROM personal_token_approvals y \
                 WHERE y.lineage_id = t.lineage_id AND y.publisher_id = ",
            );
            sql.bind(place.publisher.0).text(")");
        }
        sql.text(")");
    }
    sql.text("))");
}

/// What a status demands of a row.
fn push_status(sql: &mut Sql, filter: &ListFilter, status: Status) {
    let now = filter.now;
    if status == Status::Revoked {
        sql.text(
            " AND (t.revoked_at IS NOT NULL OR t.epoch < p.personal_epoch OR t.epoch < u.personal_epoch \
             OR t.epoch < q.personal_epoch OR t.epoch < m.personal_epoch OR t.epoch < f.personal_epoch)",
        );
        return;
    }
    sql.text(in_reach!());
    if status == Status::Expired {
        sql.text(" AND (t.expires_at <= ").bind(now).text(" OR t.grace_expires_at <= ").bind(now).text(")");
        return;
    }
    push_in_life(sql, now);
    if status == Status::Inactive {
        sql.text(" AND (NOT t.is_active OR ");
        push_awaiting(sql, &filter.places);
        sql.text(")");
        return;
    }
    sql.text(" AND t.is_active AND NOT ");
    push_awaiting(sql, &filter.places);
    sql.text(if status == Status::Superseded {
        " AND t.superseded_by_id IS NOT NULL"
    } else {
        " AND t.superseded_by_id IS NULL"
    });
}

fn list_sql(filter: &ListFilter) -> Sql {
    let mut sql = Sql::new(token_rows!());
    sql.bind(filter.user.0);
    for publisher in filter.within.into_iter().chain(filter.publisher) {
        sql.text(" AND ");
        push_is_for(&mut sql, publisher);
    }
    if let Some(status) = filter.status {
        push_status(&mut sql, filter, status);
    }
    if let Some(end) = filter.expiring_before {
        if filter.status.is_none() {
            sql.text(in_reach!());
            push_in_life(&mut sql, filter.now);
            sql.text(" AND t.is_active");
        }
        sql.text(" AND t.expires_at <= ").bind(end);
    }
    sql.filter(" AND t.name = ", filter.name.as_deref());
    if let Some(q) = &filter.q {
        sql.text(" AND t.name_folded LIKE ").bind(contains_pattern(&fold(q)).as_str()).text(" ESCAPE '\\'");
    }
    match filter.never_used {
        Some(true) => sql.text(" AND COALESCE(c.usage_count, 0) = 0"),
        Some(false) => sql.text(" AND c.usage_count > 0"),
        None => &mut sql,
    };
    sql.newest_first("t.created_at", "t.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    sql
}

/// Lists tokens of a user, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<PersonalTokenRow>, StoreError> {
    let sql = list_sql(filter);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawRow>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}
