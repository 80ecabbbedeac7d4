//! Memberships: which user belongs to which publisher, with which role.

mod row;
pub(crate) mod scopes;

use keywright_core::{Name, PublisherId, RoleId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::row::RawMember;
pub use self::row::{MemberRow, NewMembership};
pub use self::scopes::{Scope, scopes_of_user};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::publishers;
use crate::sql::{Sql, builder};
use crate::types::{Time, to_i64, to_u64};

macro_rules! member_columns {
    () => {
        "SELECT m.user_id, m.publisher_id, m.role_id, m.session_epoch, m.created_by_type, m.created_by_id, \
         m.created_by_name, m.created_at, m.updated_at, m.version, u.email, u.display_name, u.disabled_at, \
         r.name AS role_name, r.built_in AS role_built_in FROM memberships m \
         JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL \
         JOIN publishers q ON q.id = m.publisher_id AND q.deleted_at IS NULL \
         JOIN roles r ON r.id = m.role_id WHERE m.publisher_id = "
    };
}

/// Whether a user `u` can log in: neither disabled nor deleted, and more than invited.
macro_rules! can_log_in {
    () => {
        "u.disabled_at IS NULL AND u.deleted_at IS NULL AND (u.password_hash IS NOT NULL \
         OR EXISTS (SELECT 1 FROM external_identities x WHERE x.user_id = u.id))"
    };
}

/// The administrators of publishers who can log in.
macro_rules! administrators {
    () => {
        concat!(
            " FROM memberships m JOIN roles r ON r.id = m.role_id AND r.built_in = 'publisher_admin' \
             JOIN users u ON u.id = m.user_id AND ",
            can_log_in!()
        )
    };
}

statements! {
    INSERT = [
        "INSERT INTO memberships (user_id, publisher_id, role_id, session_epoch, personal_epoch, created_by_type, \
         created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1)"
    ];
    GET = [member_columns!(), "$1 AND m.user_id = $2"];
    OF_USER = [
        "SELECT q.id, q.name, q.suspended_at, r.id AS role_id, r.name AS role_name, r.built_in AS role_built_in, \
         m.created_at FROM memberships m JOIN publishers q ON q.id = m.publisher_id AND q.deleted_at IS NULL \
         JOIN roles r ON r.id = m.role_id WHERE m.user_id = $1 ORDER BY m.created_at, q.id"
    ];
    SET_ROLE = [
        "UPDATE memberships SET role_id = $4, updated_at = $5, version = version + 1 \
         WHERE publisher_id = $1 AND user_id = $2 AND version = $3"
    ];
    FLOOR = [
        "SELECT session_epoch, personal_epoch FROM membership_floors WHERE publisher_id = $1 AND user_id = $2"
    ];
    KEEP_FLOOR = [
        "INSERT INTO membership_floors (user_id, publisher_id, session_epoch, personal_epoch) \
         SELECT user_id, publisher_id, session_epoch, CAST($3 AS BIGINT) FROM memberships \
         WHERE publisher_id = $1 AND user_id = $2 \
         ON CONFLICT (user_id, publisher_id) DO UPDATE SET session_epoch = excluded.session_epoch, \
         personal_epoch = excluded.personal_epoch"
    ];
    REMOVE = ["DELETE FROM memberships WHERE publisher_id = $1 AND user_id = $2"];
    REMOVE_ALL = ["DELETE FROM memberships WHERE user_id = $1"];
    RAISE_SESSION_EPOCH = [
        "UPDATE memberships SET session_epoch = $3 WHERE publisher_id = $1 AND user_id = $2 AND session_epoch < $3"
    ];
    RAISE_PERSONAL_EPOCH = [
        "UPDATE memberships SET personal_epoch = $3 \
         WHERE publisher_id = $1 AND user_id = $2 AND personal_epoch < $3"
    ];
    OTHER_ADMINISTRATORS =
        ["SELECT COUNT(*)", administrators!(), " WHERE m.publisher_id = $1 AND m.user_id <> $2"];
    LOCK_PLATFORM = ["SELECT epoch_counter FROM platform WHERE id = 1"] + "FOR UPDATE";
    OTHER_PLATFORM_ADMINISTRATORS = [
        "SELECT COUNT(*) FROM users u WHERE u.platform_role = 'platform_admin' AND u.id <> $1 AND ", can_log_in!()
    ];
    ADMINISTRATORS = [
        "SELECT u.id, u.email", administrators!(), " WHERE m.publisher_id = $1 ORDER BY u.id LIMIT $2"
    ];
    PLATFORM_ADMINISTRATORS = [
        "SELECT u.id, u.email FROM users u WHERE u.platform_role = 'platform_admin' AND ", can_log_in!(),
        " ORDER BY u.id LIMIT $1"
    ];
    ADMINISTERED_BY = [
        "SELECT m.publisher_id", administrators!(),
        " JOIN publishers q ON q.id = m.publisher_id AND q.deleted_at IS NULL WHERE m.user_id = $1 \
         ORDER BY m.publisher_id"
    ];
}

/// Inserts a membership. What was revoked within an earlier one of the same user stays revoked.
///
/// # Errors
/// [`StoreError::Duplicate`] when the user is a member already.
pub async fn insert(mut conn: Conn<'_>, new: &NewMembership) -> Result<(), StoreError> {
    let floor = on!(conn.reborrow(), |c| sqlx::query_as::<DB, (i64, i64)>(FLOOR.text::<DB>())
        .bind(new.publisher_id.0)
        .bind(new.user_id.0)
        .fetch_optional(c))?;
    let (session_floor, personal_epoch) = floor.unwrap_or_default();
    let session_epoch = to_i64(new.session_epoch).max(session_floor);
    change!(conn, INSERT; new.user_id.0, new.publisher_id.0, new.role_id.0, session_epoch, personal_epoch, new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(())
}

/// A member of a publisher; `None` when user or publisher are deleted.
///
/// # Errors
/// As any query.
pub async fn get(
    conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
) -> Result<Option<MemberRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawMember>(GET.text::<DB>())
        .bind(publisher.0)
        .bind(user.0)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Which members of a publisher to list, those who joined last first.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// The publisher.
    pub publisher: PublisherId,
    /// Only those who hold this role.
    pub role: Option<RoleId>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, UserId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists members of a publisher, those who joined last first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<MemberRow>, StoreError> {
    let mut sql = Sql::new(member_columns!());
    sql.bind(filter.publisher.0).filter(" AND m.role_id = ", filter.role.map(|id| id.0));
    sql.newest_first("m.created_at", "m.user_id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawMember>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// A publisher that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPublisher {
    /// The publisher.
    pub id: PublisherId,
    /// Its name.
    pub name: Name,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// The role there.
    pub role_id: RoleId,
    /// Its name.
    pub role_name: Name,
    /// The built-in role that it is.
    pub role_built_in: Option<String>,
    /// Since when.
    pub joined_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawUserPublisher {
    id: Uuid,
    name: String,
    suspended_at: Option<Time>,
    role_id: Uuid,
    role_name: String,
    role_built_in: Option<String>,
    created_at: Time,
}

/// The publishers that a user belongs to and that are not deleted, in the order of joining.
///
/// # Errors
/// As any query.
pub async fn list_of_user(conn: Conn<'_>, user: UserId) -> Result<Vec<UserPublisher>, StoreError> {
    let rows = on!(conn, |c| sqlx::query_as::<DB, RawUserPublisher>(OF_USER.text::<DB>())
        .bind(user.0)
        .fetch_all(c))?;
    let publisher = |raw: RawUserPublisher| UserPublisher {
        id: PublisherId(raw.id),
        name: Name::from_stored(raw.name),
        is_suspended: raw.suspended_at.is_some(),
        role_id: RoleId(raw.role_id),
        role_name: Name::from_stored(raw.role_name),
        role_built_in: raw.role_built_in,
        joined_at: raw.created_at.into(),
    };
    Ok(rows.into_iter().map(publisher).collect())
}

/// Gives a member of a publisher another role; false when the membership is not at `expected_version`.
///
/// # Errors
/// As any query.
pub async fn set_role(
    conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
    expected_version: u64,
    role: RoleId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let version = to_i64(expected_version);
    Ok(change!(conn, SET_ROLE; publisher.0, user.0, version, role.0, Time(now))? == 1)
}

/// Removes a member from a publisher; false when there is none. Personal tokens that were made before the
/// number that [`crate::platform::next_epoch`] gave stay revoked there, whether the user comes back or not.
///
/// # Errors
/// As any query.
pub async fn remove(
    mut conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
    epoch: u64,
) -> Result<bool, StoreError> {
    change!(conn.reborrow(), KEEP_FLOOR; publisher.0, user.0, to_i64(epoch))?;
    Ok(change!(conn, REMOVE; publisher.0, user.0)? == 1)
}

/// Removes a user from all publishers; tells from how many.
///
/// # Errors
/// As any query.
pub async fn remove_all(conn: Conn<'_>, user: UserId) -> Result<u64, StoreError> {
    change!(conn, REMOVE_ALL; user.0)
}

/// Revokes a user's sessions within a publisher that began under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave.
///
/// # Errors
/// As any query.
pub async fn raise_session_epoch(
    conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
    epoch: u64,
) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_SESSION_EPOCH; publisher.0, user.0, to_i64(epoch))? == 1)
}

/// Revokes a user's personal tokens within a publisher that were made under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave.
///
/// # Errors
/// As any query.
pub async fn raise_personal_epoch(
    conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
    epoch: u64,
) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_PERSONAL_EPOCH; publisher.0, user.0, to_i64(epoch))? == 1)
}

/// How many enabled administrators a publisher has beside this user. Those who ask come one after the other
/// until their transactions end: of two who remove each other, the second sees that nobody would be left.
///
/// # Errors
/// As any query.
pub async fn count_other_administrators(
    mut conn: Conn<'_>,
    publisher: PublisherId,
    user: UserId,
) -> Result<u64, StoreError> {
    publishers::lock(conn.reborrow(), publisher).await?;
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(OTHER_ADMINISTRATORS.text::<DB>())
        .bind(publisher.0)
        .bind(user.0)
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// How many enabled administrators the platform has beside this user; one asks after the other, as with
/// [`count_other_administrators`].
///
/// # Errors
/// As any query.
pub async fn count_other_platform_administrators(
    mut conn: Conn<'_>,
    user: UserId,
) -> Result<u64, StoreError> {
    on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, i64>(LOCK_PLATFORM.text::<DB>()).fetch_one(c))?;
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(OTHER_PLATFORM_ADMINISTRATORS.text::<DB>())
        .bind(user.0)
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// The publishers, not deleted ones, that an enabled user administers, in the order of their ids: whoever
/// disables or deletes the user asks each for its other administrators.
///
/// # Errors
/// As any query.
pub async fn administered_by(conn: Conn<'_>, user: UserId) -> Result<Vec<PublisherId>, StoreError> {
    let ids = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(ADMINISTERED_BY.text::<DB>())
        .bind(user.0)
        .fetch_all(c))?;
    Ok(ids.into_iter().map(PublisherId).collect())
}

/// Administrators that are told of something, at most.
const TOLD: i64 = 100;

/// The administrators of a publisher, or of the platform, who can log in, with their addresses; at most a
/// hundred.
///
/// # Errors
/// As any query.
pub async fn administrators(
    conn: Conn<'_>,
    publisher: Option<PublisherId>,
) -> Result<Vec<(UserId, String)>, StoreError> {
    let found = match publisher {
        Some(PublisherId(id)) => {
            on!(conn, |c| sqlx::query_as::<DB, (Uuid, String)>(ADMINISTRATORS.text::<DB>())
                .bind(id)
                .bind(TOLD)
                .fetch_all(c))?
        }
        None => on!(conn, |c| sqlx::query_as::<DB, (Uuid, String)>(PLATFORM_ADMINISTRATORS.text::<DB>())
            .bind(TOLD)
            .fetch_all(c))?,
    };
    Ok(found.into_iter().map(|(id, email)| (UserId(id), email)).collect())
}
