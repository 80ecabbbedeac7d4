//! Event subscriptions: who is told of which events, of one publisher each or of the platform.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for subscriptions that were read
//! in the same transaction.

use keywright_core::{ActorRef, EventTypes, Name, PublisherId, SubscriptionId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

macro_rules! subscription_columns {
    () => {
        "SELECT id, publisher_id, name, destination_hint, event_types, is_enabled, after_seq, created_by_type, \
         created_by_id, created_by_name, created_at, updated_at, version \
         FROM event_subscriptions WHERE deleted_at IS NULL"
    };
}

statements! {
    INSERT = [
        "INSERT INTO event_subscriptions (id, publisher_id, name, destination_hint, sealed, event_types, \
         is_enabled, after_seq, created_by_type, created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1)"
    ];
    BY_ID = [subscription_columns!(), " AND id = $1 AND (publisher_id = $2 OR $2 IS NULL)"];
    /// Whoever changes it waits for whoever does so now.
    LOCK = [subscription_columns!(), " AND id = $1 AND (publisher_id = $2 OR $2 IS NULL)"] + "FOR UPDATE";
    EVER = [
        "SELECT COUNT(*) FROM event_subscriptions s \
         WHERE s.id = $1 AND (s.publisher_id = $2 OR $2 IS NULL)"
    ];
    /// Those that hear of a publisher's events, or of the platform's.
    LISTENING = [
        subscription_columns!(), " AND is_enabled AND (publisher_id = $1 OR publisher_id IS NULL)"
    ];
    UPDATE = [
        "UPDATE event_subscriptions SET name = COALESCE($3, name), \
         destination_hint = COALESCE($4, destination_hint), sealed = COALESCE($5, sealed), \
         event_types = COALESCE($6, event_types), is_enabled = COALESCE($7, is_enabled), \
         updated_at = $8, version = version + 1 \
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE event_subscriptions SET deleted_at = $2, sealed = NULL, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    SEALED_BY_ID = ["SELECT sealed FROM event_subscriptions WHERE id = $1 AND deleted_at IS NULL"];
    SEALED = [
        "SELECT id, sealed FROM event_subscriptions WHERE sealed IS NOT NULL AND id > $1 ORDER BY id LIMIT $2"
    ];
    RESEAL = ["UPDATE event_subscriptions SET sealed = $3 WHERE id = $1 AND sealed = $2"];
}

/// A subscription to insert.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// As it will be.
    pub row: SubscriptionRow,
    /// Where it leads, sealed.
    pub sealed: Vec<u8>,
}

/// A subscription as it is stored, without what is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRow {
    /// Its id.
    pub id: SubscriptionId,
    /// The publisher that it belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// Its name, free among its live siblings.
    pub name: Name,
    /// Where it leads, without what is secret.
    pub destination_hint: String,
    /// Which events it is told of.
    pub event_types: EventTypes,
    /// Whether it is on.
    pub is_enabled: bool,
    /// The place in the audit trail after which it hears of events.
    pub after_seq: u64,
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
struct RawSubscription {
    id: Uuid,
    publisher_id: Option<Uuid>,
    name: String,
    destination_hint: String,
    event_types: Json<Vec<String>>,
    is_enabled: bool,
    after_seq: i64,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawSubscription> for SubscriptionRow {
    type Error = StoreError;

    fn try_from(raw: RawSubscription) -> Result<Self, StoreError> {
        Ok(Self {
            id: SubscriptionId(raw.id),
            publisher_id: raw.publisher_id.map(PublisherId),
            name: Name::from_stored(raw.name),
            destination_hint: raw.destination_hint,
            event_types: EventTypes::from_stored(raw.event_types.0),
            is_enabled: raw.is_enabled,
            after_seq: to_u64(raw.after_seq),
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a subscription.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one of the same publisher, or of the platform, bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewSubscription) -> Result<(), StoreError> {
    let row = &new.row;
    change!(conn, INSERT; row.id.0, row.publisher_id.map(|id| id.0), row.name.as_str(), row.destination_hint.as_str(), new.sealed.as_slice(), Json(row.event_types.as_slice()), row.is_enabled, to_i64(row.after_seq), row.created_by.kind.as_str(), row.created_by.id, row.created_by.name.as_str(), Time(row.created_at))?;
    Ok(())
}

async fn one(
    conn: Conn<'_>,
    statement: &crate::dialect::Statement,
    within: Option<PublisherId>,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawSubscription>(statement.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// A subscription by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, StoreError> {
    one(conn, &BY_ID, within, id).await
}

/// The same, held until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn lock(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, StoreError> {
    one(conn, &LOCK, within, id).await
}

/// Whether there is, or ever was, a subscription with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: SubscriptionId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// The subscriptions that are on and hear of the events of a publisher, or of the platform's own.
///
/// # Errors
/// As any query.
pub async fn listening(
    conn: Conn<'_>,
    publisher: Option<PublisherId>,
) -> Result<Vec<SubscriptionRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawSubscription>(LISTENING.text::<DB>())
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Which subscriptions to list, newest first; `None` is all that are not deleted.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, SubscriptionId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists subscriptions, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<SubscriptionRow>, StoreError> {
    let mut sql = Sql::new(subscription_columns!());
    sql.filter(" AND publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND name = ", filter.name.as_deref());
    sql.newest_first("created_at", "id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawSubscription>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Another name.
    pub name: Option<Name>,
    /// Another destination: how it is shown, and sealed.
    pub destination: Option<(String, Vec<u8>)>,
    /// Other events.
    pub event_types: Option<EventTypes>,
    /// On or off.
    pub is_enabled: Option<bool>,
    /// When.
    pub updated_at: Timestamp,
}

/// Changes a subscription that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: SubscriptionId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let (hint, sealed) =
        changes.destination.as_ref().map(|(hint, sealed)| (hint.as_str(), sealed.as_slice())).unzip();
    let types = changes.event_types.as_ref().map(|types| Json(types.as_slice()));
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), changes.name.as_ref().map(Name::as_str), hint, sealed, types, changes.is_enabled, Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Marks a subscription as deleted, which frees its name and erases where it led; false when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: SubscriptionId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now))? == 1)
}

/// Where a subscription leads, sealed.
///
/// # Errors
/// As any query.
pub async fn sealed_by_id(conn: Conn<'_>, id: SubscriptionId) -> Result<Option<Vec<u8>>, StoreError> {
    let found = on!(conn, |c| sqlx::query_scalar::<DB, Option<Vec<u8>>>(SEALED_BY_ID.text::<DB>())
        .bind(id.0)
        .fetch_optional(c))?;
    Ok(found.flatten())
}

/// What is sealed, in the order of its ids, after `after`.
///
/// # Errors
/// As any query.
pub async fn sealed(conn: Conn<'_>, after: Uuid, limit: u32) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    on!(conn, |c| sqlx::query_as::<DB, (Uuid, Vec<u8>)>(SEALED.text::<DB>())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Exchanges what is sealed for the same under another master key; false when it is another by now.
///
/// # Errors
/// As any query.
pub async fn reseal(conn: Conn<'_>, id: Uuid, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    Ok(change!(conn, RESEAL; id, old, new)? == 1)
}
