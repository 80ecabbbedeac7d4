//! Publishers: the tenants. A deleted one stays as a row that only the audit knows.

use keywright_core::{ActorRef, Name, PublisherId, PublisherSettings, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::{contains_pattern, fold, statements};
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

macro_rules! publisher_columns {
    () => {
        "SELECT id, name, settings, suspended_at, suspended_reason, deleted_at, session_epoch, \
         created_by_type, created_by_id, created_by_name, created_at, updated_at, version FROM publishers"
    };
}

statements! {
    INSERT = [
        "INSERT INTO publishers (id, name, name_folded, settings, session_epoch, created_by_type, created_by_id, \
         created_by_name, created_at, updated_at, version) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $8, 1)"
    ];
    BY_ID = [publisher_columns!(), " WHERE id = $1 AND deleted_at IS NULL"];
    EVER = ["SELECT COUNT(*) FROM publishers WHERE id = $1"];
    UPDATE = [
        "UPDATE publishers SET name = COALESCE($3, name), name_folded = COALESCE($4, name_folded), \
         settings = COALESCE($5, settings), updated_at = $6, version = version + 1 \
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    SUSPEND = [
        "UPDATE publishers SET suspended_at = $2, suspended_reason = $3, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND suspended_at IS NULL AND deleted_at IS NULL"
    ];
    RESUME = [
        "UPDATE publishers SET suspended_at = NULL, suspended_reason = NULL, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND suspended_at IS NOT NULL AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE publishers SET deleted_at = $2, updated_at = $2, version = version + 1 \
         WHERE id = $1 AND deleted_at IS NULL"
    ];
    RAISE_SESSION_EPOCH = ["UPDATE publishers SET session_epoch = $2 WHERE id = $1 AND session_epoch < $2"];
    RAISE_SERVICE_EPOCH =
        ["UPDATE publishers SET service_epoch = $2 WHERE id = $1 AND service_epoch < $2 AND deleted_at IS NULL"];
    RAISE_PERSONAL_EPOCH = ["UPDATE publishers SET personal_epoch = $2 WHERE id = $1 AND personal_epoch < $2"];
    LOCK = ["SELECT id FROM publishers WHERE id = $1"] + "FOR UPDATE";
}

/// A publisher to insert.
#[derive(Clone, Debug)]
pub struct NewPublisher {
    /// Its id.
    pub id: PublisherId,
    /// Its name, free among live ones.
    pub name: Name,
    /// What it sets for itself.
    pub settings: PublisherSettings,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

/// A publisher as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherRow {
    /// Its id.
    pub id: PublisherId,
    /// Its name.
    pub name: Name,
    /// What it sets for itself.
    pub settings: PublisherSettings,
    /// Since when nobody may act for it.
    pub suspended_at: Option<Timestamp>,
    /// Why.
    pub suspended_reason: Option<String>,
    /// Since when it is gone.
    pub deleted_at: Option<Timestamp>,
    /// Below it sessions are revoked within it.
    pub session_epoch: u64,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

#[derive(sqlx::FromRow)]
struct RawPublisher {
    id: Uuid,
    name: String,
    settings: Json<PublisherSettings>,
    suspended_at: Option<Time>,
    suspended_reason: Option<String>,
    deleted_at: Option<Time>,
    session_epoch: i64,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawPublisher> for PublisherRow {
    type Error = StoreError;

    fn try_from(raw: RawPublisher) -> Result<Self, StoreError> {
        Ok(Self {
            id: PublisherId(raw.id),
            name: Name::from_stored(raw.name),
            settings: raw.settings.0,
            suspended_at: raw.suspended_at.map(Into::into),
            suspended_reason: raw.suspended_reason,
            deleted_at: raw.deleted_at.map(Into::into),
            session_epoch: to_u64(raw.session_epoch),
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a publisher and gives its row. Its roles are inserted by [`crate::roles::insert_built_in`].
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewPublisher) -> Result<PublisherRow, StoreError> {
    change!(conn, INSERT; new.id.0, new.name.as_str(), fold(new.name.as_str()), Json(&new.settings), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(PublisherRow {
        id: new.id,
        name: new.name.clone(),
        settings: new.settings.clone(),
        suspended_at: None,
        suspended_reason: None,
        deleted_at: None,
        session_epoch: 0,
        created_by: new.created_by.clone(),
        created_at: new.created_at,
        updated_at: new.created_at,
        version: 1,
    })
}

/// A publisher by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: PublisherId) -> Result<Option<PublisherRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawPublisher>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Whether there is, or ever was, a publisher with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(conn: Conn<'_>, id: PublisherId) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>()).bind(id.0).fetch_one(c))?;
    Ok(count > 0)
}

/// Which publishers to list, newest first; `None` is all that are not deleted.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only this one: the list of a caller that belongs to it.
    pub only: Option<PublisherId>,
    /// Only the one of exactly this name.
    pub name: Option<String>,
    /// Only those whose name contains this, in either case.
    pub q: Option<String>,
    /// Only those that are suspended, or only those that are not.
    pub suspended: Option<bool>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, PublisherId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists publishers, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<PublisherRow>, StoreError> {
    let mut sql = Sql::new(concat!(publisher_columns!(), " WHERE deleted_at IS NULL"));
    sql.filter(" AND id = ", filter.only.map(|id| id.0)).filter(" AND name = ", filter.name.as_deref());
    if let Some(q) = &filter.q {
        sql.text(" AND name_folded LIKE ").bind(contains_pattern(&fold(q)).as_str()).text(" ESCAPE '\\'");
    }
    match filter.suspended {
        Some(true) => sql.text(" AND suspended_at IS NOT NULL"),
        Some(false) => sql.text(" AND suspended_at IS NULL"),
        None => &mut sql,
    };
    sql.newest_first("created_at", "id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawPublisher>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Another name.
    pub name: Option<Name>,
    /// All of the settings.
    pub settings: Option<PublisherSettings>,
    /// When.
    pub updated_at: Timestamp,
}

/// Changes a publisher that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: PublisherId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let name = changes.name.as_ref().map(Name::as_str);
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), name, name.map(fold), changes.settings.as_ref().map(Json), Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Suspends a publisher; false when it is suspended already, or gone.
///
/// # Errors
/// As any query.
pub async fn suspend(
    conn: Conn<'_>,
    id: PublisherId,
    now: Timestamp,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(change!(conn, SUSPEND; id.0, Time(now), reason)? == 1)
}

/// Ends a suspension; false when there is none.
///
/// # Errors
/// As any query.
pub async fn resume(conn: Conn<'_>, id: PublisherId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, RESUME; id.0, Time(now))? == 1)
}

/// Marks a publisher as deleted, which frees its name; false when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: PublisherId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now))? == 1)
}

/// Revokes all sessions within a publisher that began under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave.
///
/// # Errors
/// As any query.
pub async fn raise_session_epoch(conn: Conn<'_>, id: PublisherId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_SESSION_EPOCH; id.0, to_i64(epoch))? == 1)
}

/// Revokes all tokens of the accounts of a publisher that were minted under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave.
///
/// # Errors
/// As any query.
pub async fn raise_service_epoch(conn: Conn<'_>, id: PublisherId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_SERVICE_EPOCH; id.0, to_i64(epoch))? == 1)
}

/// Revokes, within a publisher, all personal tokens that were made under a number below `epoch`, which
/// [`crate::platform::next_epoch`] gave.
///
/// # Errors
/// As any query.
pub async fn raise_personal_epoch(conn: Conn<'_>, id: PublisherId, epoch: u64) -> Result<bool, StoreError> {
    Ok(change!(conn, RAISE_PERSONAL_EPOCH; id.0, to_i64(epoch))? == 1)
}

/// Locks the row of a publisher until the transaction ends: changes that count what there is within it come
/// one after the other.
pub(crate) async fn lock(conn: Conn<'_>, id: PublisherId) -> Result<(), StoreError> {
    on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(LOCK.text::<DB>()).bind(id.0).fetch_optional(c))?;
    Ok(())
}
