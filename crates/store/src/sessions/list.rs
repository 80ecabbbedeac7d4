//! Lists and counts of the sessions that are alive.

use keywright_core::{PublisherId, ServiceAccountId, SessionId, Timestamp, UserId};

use super::{RawSession, SessionRow, session_columns, session_reaches};
use crate::conn::{Conn, on};
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::to_u64;

/// Which sessions to list, newest first: those alone that are alive.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Whose.
    pub user: Option<UserId>,
    /// Only those that act for this publisher.
    pub publisher: Option<PublisherId>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, SessionId)>,
    /// Most rows to give.
    pub limit: u32,
    /// The moment that they are alive at.
    pub now: Timestamp,
}

/// What an emergency reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of the platform.
    Platform,
    /// Whatever acts for a publisher.
    Publisher(PublisherId),
    /// Whatever a user has.
    User(UserId),
    /// Whatever a user has within one publisher.
    Membership(UserId, PublisherId),
    /// The tokens of a service account, and no session.
    Account(ServiceAccountId),
}

impl Reach {
    pub(crate) const fn parts(self) -> (Option<UserId>, Option<PublisherId>) {
        match self {
            // An account has no session.
            Self::Platform | Self::Account(_) => (None, None),
            Self::Publisher(publisher) => (None, Some(publisher)),
            Self::User(user) => (Some(user), None),
            Self::Membership(user, publisher) => (Some(user), Some(publisher)),
        }
    }
}

/// Alive: neither ended, nor over, nor below the number of a reach that it lies in.
fn push_alive(sql: &mut Sql, now: Timestamp, user: Option<UserId>, publisher: Option<PublisherId>) {
    sql.text(" WHERE s.revoked_at IS NULL AND s.expires_at > ").bind(now);
    sql.text(" AND s.idle_expires_at > ").bind(now);
    sql.text(
        " AND s.epoch >= p.session_epoch AND s.epoch >= u.session_epoch \
         AND s.epoch >= COALESCE(q.session_epoch, 0) AND s.epoch >= COALESCE(m.session_epoch, 0)",
    );
    sql.filter(" AND s.user_id = ", user.map(|id| id.0));
    sql.filter(" AND s.publisher_id = ", publisher.map(|id| id.0));
}

/// Lists sessions that are alive, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<SessionRow>, StoreError> {
    let mut sql = Sql::new(concat!(session_columns!(), session_reaches!()));
    push_alive(&mut sql, filter.now, filter.user, filter.publisher);
    sql.newest_first("s.created_at", "s.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawSession>().fetch_all(c).await })?;
    Ok(raw.into_iter().map(Into::into).collect())
}

/// How many sessions are alive within a reach.
///
/// # Errors
/// As any query.
pub async fn count_reached(conn: Conn<'_>, reach: Reach, now: Timestamp) -> Result<u64, StoreError> {
    if let Reach::Account(_) = reach {
        return Ok(0);
    }
    let (user, publisher) = reach.parts();
    let mut sql = Sql::new(concat!("SELECT COUNT(*) FROM sessions s", session_reaches!()));
    push_alive(&mut sql, now, user, publisher);
    let count = on!(conn, |c| async { builder!(sql).build_query_scalar::<i64>().fetch_one(c).await })?;
    Ok(to_u64(count))
}
