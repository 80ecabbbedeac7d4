//! Notification channels: ways by which alerts leave, of one publisher each or of the platform.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for channels that were read
//! in the same transaction.

use keywright_core::{
    ActorRef, AlertKind, ChannelId, ChannelKind, DigestPeriod, Name, PublisherId, Severity, Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

macro_rules! channel_columns {
    () => {
        "SELECT id, publisher_id, name, kind, destination_hint, minimum_severity, alert_kinds, all_publishers, \
         digest, is_enabled, created_by_type, created_by_id, created_by_name, created_at, updated_at, version \
         FROM notification_channels WHERE deleted_at IS NULL"
    };
}

statements! {
    INSERT = [
        "INSERT INTO notification_channels (id, publisher_id, name, kind, destination_hint, sealed, \
         minimum_severity, alert_kinds, all_publishers, digest, is_enabled, created_by_type, created_by_id, \
         created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, 1)"
    ];
    BY_ID = [channel_columns!(), " AND id = $1 AND (publisher_id = $2 OR $2 IS NULL)"];
    /// Whoever changes it waits for whoever does so now.
    LOCK = [channel_columns!(), " AND id = $1 AND (publisher_id = $2 OR $2 IS NULL)"] + "FOR UPDATE";
    EVER = [
        "SELECT COUNT(*) FROM notification_channels c \
         WHERE c.id = $1 AND (c.publisher_id = $2 OR $2 IS NULL)"
    ];
    /// Those that hear of a publisher's alerts, or of the platform's.
    LISTENING = [
        channel_columns!(),
        " AND is_enabled AND (publisher_id = $1 OR (publisher_id IS NULL AND (all_publishers OR $1 IS NULL)))"
    ];
    UPDATE = [
        "UPDATE notification_channels SET name = COALESCE($3, name), \
         destination_hint = COALESCE($4, destination_hint), sealed = COALESCE($5, sealed), \
         minimum_severity = COALESCE($6, minimum_severity), \
         alert_kinds = CASE WHEN $7 THEN $8 ELSE alert_kinds END, \
         all_publishers = COALESCE($9, all_publishers), digest = COALESCE($10, digest), \
         is_enabled = COALESCE($11, is_enabled), updated_at = $12, version = version + 1 \
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE notification_channels SET deleted_at = $2, sealed = NULL, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    SEALED_BY_ID = ["SELECT sealed FROM notification_channels WHERE id = $1 AND deleted_at IS NULL"];
    SEALED = [
        "SELECT id, sealed FROM notification_channels WHERE sealed IS NOT NULL AND id > $1 ORDER BY id LIMIT $2"
    ];
    RESEAL = ["UPDATE notification_channels SET sealed = $3 WHERE id = $1 AND sealed = $2"];
}

/// A channel to insert.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// As it will be.
    pub row: ChannelRow,
    /// Where it leads, sealed; none of a log.
    pub sealed: Option<Vec<u8>>,
}

/// A channel as it is stored, without what is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Its id.
    pub id: ChannelId,
    /// The publisher that it belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// Its name, free among its live siblings.
    pub name: Name,
    /// By which way.
    pub kind: ChannelKind,
    /// Where it leads, without what is secret.
    pub destination_hint: String,
    /// Alerts below this are not told.
    pub minimum_severity: Severity,
    /// The kinds that are told; `None` is all.
    pub alert_kinds: Option<Vec<AlertKind>>,
    /// At platform level: alerts of all publishers too.
    pub all_publishers: bool,
    /// How it gathers what it tells.
    pub digest: DigestPeriod,
    /// Whether it is on.
    pub is_enabled: bool,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl ChannelRow {
    /// Whether it tells alerts of this kind and severity.
    pub fn tells(&self, kind: AlertKind, severity: Severity) -> bool {
        severity.is_at_least(self.minimum_severity)
            && self.alert_kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

#[derive(sqlx::FromRow)]
struct RawChannel {
    id: Uuid,
    publisher_id: Option<Uuid>,
    name: String,
    kind: String,
    destination_hint: String,
    minimum_severity: String,
    alert_kinds: Option<Json<Vec<AlertKind>>>,
    all_publishers: bool,
    digest: String,
    is_enabled: bool,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

fn word<T>(word: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    parse(word).ok_or_else(|| StoreError::corrupt(format_args!("a notification channel says {word:?}")))
}

impl TryFrom<RawChannel> for ChannelRow {
    type Error = StoreError;

    fn try_from(raw: RawChannel) -> Result<Self, StoreError> {
        Ok(Self {
            id: ChannelId(raw.id),
            publisher_id: raw.publisher_id.map(PublisherId),
            name: Name::from_stored(raw.name),
            kind: word(&raw.kind, ChannelKind::parse)?,
            destination_hint: raw.destination_hint,
            minimum_severity: word(&raw.minimum_severity, Severity::parse)?,
            alert_kinds: raw.alert_kinds.map(|kinds| kinds.0),
            all_publishers: raw.all_publishers,
            digest: word(&raw.digest, DigestPeriod::parse)?,
            is_enabled: raw.is_enabled,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a channel.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live one of the same publisher, or of the platform, bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewChannel) -> Result<(), StoreError> {
    let row = &new.row;
    change!(conn, INSERT; row.id.0, row.publisher_id.map(|id| id.0), row.name.as_str(), row.kind.as_str(), row.destination_hint.as_str(), new.sealed.as_deref(), row.minimum_severity.as_str(), row.alert_kinds.as_ref().map(Json), row.all_publishers, row.digest.as_str(), row.is_enabled, row.created_by.kind.as_str(), row.created_by.id, row.created_by.name.as_str(), Time(row.created_at))?;
    Ok(())
}

async fn one(
    conn: Conn<'_>,
    statement: &crate::dialect::Statement,
    within: Option<PublisherId>,
    id: ChannelId,
) -> Result<Option<ChannelRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawChannel>(statement.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// A channel by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: ChannelId,
) -> Result<Option<ChannelRow>, StoreError> {
    one(conn, &BY_ID, within, id).await
}

/// The same, held until the transaction ends.
///
/// # Errors
/// As any query.
pub async fn lock(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: ChannelId,
) -> Result<Option<ChannelRow>, StoreError> {
    one(conn, &LOCK, within, id).await
}

/// Whether there is, or ever was, a channel with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: ChannelId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// The channels that are on and hear of the alerts of a publisher, or of the platform's own.
///
/// # Errors
/// As any query.
pub async fn listening(
    conn: Conn<'_>,
    publisher: Option<PublisherId>,
) -> Result<Vec<ChannelRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawChannel>(LISTENING.text::<DB>())
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Which channels to list, newest first; `None` is all that are not deleted.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only those of this kind.
    pub kind: Option<ChannelKind>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, ChannelId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists channels, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<ChannelRow>, StoreError> {
    let mut sql = Sql::new(channel_columns!());
    sql.filter(" AND publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND kind = ", filter.kind.map(ChannelKind::as_str))
        .filter(" AND name = ", filter.name.as_deref());
    sql.newest_first("created_at", "id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawChannel>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Another name.
    pub name: Option<Name>,
    /// Another destination: how it is shown, and sealed.
    pub destination: Option<(String, Vec<u8>)>,
    /// Another least severity.
    pub minimum_severity: Option<Severity>,
    /// Other kinds; `Some(None)` is all.
    pub alert_kinds: Option<Option<Vec<AlertKind>>>,
    /// Whether it tells the alerts of all publishers.
    pub all_publishers: Option<bool>,
    /// Another way of gathering.
    pub digest: Option<DigestPeriod>,
    /// On or off.
    pub is_enabled: Option<bool>,
    /// When.
    pub updated_at: Timestamp,
}

/// Changes a channel that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when a live sibling bears the new name.
pub async fn update(
    conn: Conn<'_>,
    id: ChannelId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let (hint, sealed) =
        changes.destination.as_ref().map(|(hint, sealed)| (hint.as_str(), sealed.as_slice())).unzip();
    let kinds = changes.alert_kinds.as_ref().and_then(|kinds| kinds.as_ref()).map(Json);
    let done = change!(conn, UPDATE; id.0, to_i64(expected_version), changes.name.as_ref().map(Name::as_str), hint, sealed, changes.minimum_severity.map(Severity::as_str), changes.alert_kinds.is_some(), kinds, changes.all_publishers, changes.digest.map(DigestPeriod::as_str), changes.is_enabled, Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Marks a channel as deleted, which frees its name and erases where it led; false when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: ChannelId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now))? == 1)
}

/// Where a channel leads, sealed.
///
/// # Errors
/// As any query.
pub async fn sealed_by_id(conn: Conn<'_>, id: ChannelId) -> Result<Option<Vec<u8>>, StoreError> {
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
