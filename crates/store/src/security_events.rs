//! Security events: written in the transaction of the change that they tell of, numbered and sealed
//! into a chain afterwards.

mod row;

use std::collections::HashMap;
use std::net::IpAddr;

use keywright_core::{EventId, ServiceAccountId, Timestamp};
use uuid::Uuid;

use self::row::RawEvent;
pub use self::row::{NewSecurityEvent, SecurityEventRow};
use crate::bulk::{Bulk, Column};
use crate::conn::{Conn, call, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Ip, Time, to_i64, to_u64};

macro_rules! event_columns {
    () => {
        "id, seq, key_id, mac, occurred_at, type, actor_type, actor_id, actor_name, subject_type, subject_id, \
         subject_name, publisher_id, ip_address, user_agent, request_id, reason, before, after, details, node_id"
    };
}

statements! {
    INSERT = [
        "INSERT INTO security_events (id, occurred_at, type, actor_type, actor_id, actor_name, subject_type, \
         subject_id, subject_name, publisher_id, ip_address, user_agent, request_id, reason, before, after, \
         details, node_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
    ];
    BY_ID = ["SELECT ", event_columns!(), " FROM security_events WHERE id = $1"];
    UNSEALED = [
        "SELECT ", event_columns!(), " FROM security_events WHERE seq IS NULL ORDER BY occurred_at, id LIMIT $1"
    ];
    IS_UNSEALED = ["SELECT id FROM security_events WHERE seq IS NULL LIMIT 1"];
    UNSEALED_COUNT = ["SELECT COUNT(*) FROM security_events WHERE seq IS NULL"];
    SEAL = ["UPDATE security_events SET seq = $2, key_id = $3, mac = $4 WHERE id = $1 AND seq IS NULL"];
    SEALED_RANGE = [
        "SELECT ", event_columns!(), " FROM security_events WHERE seq >= $1 ORDER BY seq LIMIT $2"
    ];
    HEAD = ["SELECT seq, mac, key_id, sealed_at FROM audit_chain WHERE id = 1"];
    ADVANCE_HEAD = [
        "UPDATE audit_chain SET seq = $2, mac = $3, key_id = $4, sealed_at = $5 WHERE id = 1 AND seq = $1"
    ];
}

/// The member of an event's details that names the event that it is a copy of, in the trail of another publisher.
pub const COPY_OF: &str = "copy_of";

fn rows(raw: Vec<RawEvent>) -> Result<Vec<SecurityEventRow>, StoreError> {
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Inserts an event, unsealed.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, event: &NewSecurityEvent) -> Result<(), StoreError> {
    change!(conn, INSERT; event.id.0, Time(event.occurred_at), event.type_.as_str(), event.actor.kind.as_str(), event.actor.id, event.actor.name.as_str(), event.subject_type.as_deref(), event.subject_id, event.subject_name.as_deref(), event.publisher_id, Ip::optional(event.ip_address), event.user_agent.as_deref(), event.request_id.as_deref(), event.reason.as_deref(), event.before.as_deref(), event.after.as_deref(), event.details.as_deref(), event.node_id.map(|id| id.0))?;
    Ok(())
}

/// Inserts many events that nobody asked for, unsealed: their address, user agent and request are not kept.
///
/// # Errors
/// As any query.
pub async fn insert_all(conn: Conn<'_>, events: &[NewSecurityEvent]) -> Result<(), StoreError> {
    let ids = |of: fn(&NewSecurityEvent) -> Option<Uuid>| Column::IdsOrNone(events.iter().map(of).collect());
    let texts =
        |of: fn(&NewSecurityEvent) -> Option<String>| Column::TextsOrNone(events.iter().map(of).collect());
    let bulk = Bulk {
        into: "security_events (id, occurred_at, type, actor_type, actor_id, actor_name, subject_type, subject_id, \
               subject_name, publisher_id, reason, before, after, details, node_id)",
        conflict: "",
        columns: vec![
            Column::Ids(events.iter().map(|event| event.id.0).collect()),
            Column::Times(events.iter().map(|event| Time(event.occurred_at)).collect()),
            texts(|event| Some(event.type_.clone())),
            texts(|event| Some(event.actor.kind.as_str().to_owned())),
            ids(|event| event.actor.id),
            texts(|event| Some(event.actor.name.clone())),
            texts(|event| event.subject_type.clone()),
            ids(|event| event.subject_id),
            texts(|event| event.subject_name.clone()),
            ids(|event| event.publisher_id),
            texts(|event| event.reason.clone()),
            texts(|event| event.before.clone()),
            texts(|event| event.after.clone()),
            texts(|event| event.details.clone()),
            ids(|event| event.node_id.map(|id| id.0)),
        ],
        rows: events.len(),
    };
    bulk.write(conn).await.map(drop)
}

/// In which order a list comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which security events to list; `None` is all.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Done by this principal.
    pub principal_id: Option<Uuid>,
    /// Done to this object.
    pub subject_id: Option<Uuid>,
    /// Done to this service account or to a token of it.
    pub account: Option<ServiceAccountId>,
    /// Concerning this publisher.
    pub publisher_id: Option<Uuid>,
    /// Of this type.
    pub type_: Option<String>,
    /// From this address.
    pub ip_address: Option<IpAddr>,
    /// Each change once, and not again as a copy in the trail of another publisher. For events of ours: what a
    /// pipeline tells has details of its own.
    pub without_copies: bool,
    /// In this order.
    pub order: SortOrder,
    /// After this one in the list.
    pub after: Option<(Timestamp, EventId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// The end of a list of events: after the last one given, in order, no more than so many.
pub(crate) fn push_order(sql: &mut Sql, order: SortOrder, after: Option<(Timestamp, EventId)>, limit: u32) {
    let (beyond, sorted) = match order {
        SortOrder::Descending => (" AND (occurred_at, id) < (", " ORDER BY occurred_at DESC, id DESC LIMIT "),
        SortOrder::Ascending => (" AND (occurred_at, id) > (", " ORDER BY occurred_at, id LIMIT "),
    };
    if let Some((occurred_at, EventId(id))) = after {
        sql.text(beyond).bind(occurred_at).text(", ").bind(id).text(")");
    }
    sql.text(sorted).bind(limit);
}

/// Lists security events.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &EventFilter) -> Result<Vec<SecurityEventRow>, StoreError> {
    let mut sql = Sql::new(concat!("SELECT ", event_columns!(), " FROM security_events WHERE 1 = 1"));
    sql.filter(" AND occurred_at >= ", filter.since)
        .filter(" AND occurred_at < ", filter.until)
        .filter(" AND publisher_id = ", filter.publisher_id)
        .filter(" AND actor_id = ", filter.principal_id)
        .filter(" AND subject_id = ", filter.subject_id)
        .filter(" AND type = ", filter.type_.as_deref())
        .filter(" AND ip_address = ", filter.ip_address);
    if let Some(ServiceAccountId(account)) = filter.account {
        sql.text(" AND subject_id IN (SELECT id FROM service_accounts WHERE id = ").bind(account);
        sql.text(" UNION ALL SELECT id FROM service_tokens WHERE service_account_id = ")
            .bind(account)
            .text(")");
    }
    if filter.without_copies {
        sql.text(" AND COALESCE(details, '') NOT LIKE ").bind(format!("%\"{COPY_OF}\":%").as_str());
    }
    push_order(&mut sql, filter.order, filter.after, filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawEvent>().fetch_all(c).await })?;
    rows(raw)
}

/// An event.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: EventId) -> Result<Option<SecurityEventRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawEvent>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Committed events that have no place in the chain yet, oldest first.
///
/// # Errors
/// As any query.
pub async fn unsealed(conn: Conn<'_>, limit: u32) -> Result<Vec<SecurityEventRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawEvent>(UNSEALED.text::<DB>())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows(raw)
}

/// Whether any event has no place in the chain yet.
///
/// # Errors
/// As any query.
pub async fn is_any_unsealed(conn: Conn<'_>) -> Result<bool, StoreError> {
    let found = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(IS_UNSEALED.text::<DB>()).fetch_optional(c))?;
    Ok(found.is_some())
}

/// How many events have no place in the chain yet.
///
/// # Errors
/// As any query.
pub async fn unsealed_count(conn: Conn<'_>) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(UNSEALED_COUNT.text::<DB>()).fetch_one(c))?;
    Ok(to_u64(count))
}

/// An event's place in the chain.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The event.
    pub id: EventId,
    /// Its place.
    pub seq: u64,
    /// Which key made the MAC.
    pub key_id: String,
    /// The MAC over the event and the one before.
    pub mac: Vec<u8>,
}

/// All places of a slice at once, on PostgreSQL, where a question costs more than its answer.
const SEAL_ALL: &str = "UPDATE security_events e SET seq = s.seq, key_id = s.key_id, mac = s.mac \
    FROM UNNEST($1::UUID[], $2::BIGINT[], $3::TEXT[], $4::BYTEA[]) AS s (id, seq, key_id, mac) \
    WHERE e.id = s.id AND e.seq IS NULL";

/// Gives events their places and MACs; tells how many had none.
///
/// # Errors
/// [`StoreError::Duplicate`] when a place is taken.
pub async fn seal(mut conn: Conn<'_>, seals: &[Seal]) -> Result<u64, StoreError> {
    let Conn::Postgres(link) = conn.reborrow() else {
        let mut sealed = 0;
        for seal in seals {
            let (key_id, mac) = (seal.key_id.as_str(), seal.mac.as_slice());
            sealed += change!(conn.reborrow(), SEAL; seal.id.0, to_i64(seal.seq), key_id, mac)?;
        }
        return Ok(sealed);
    };
    let ids: Vec<Uuid> = seals.iter().map(|seal| seal.id.0).collect();
    let places: Vec<i64> = seals.iter().map(|seal| to_i64(seal.seq)).collect();
    let key_ids: Vec<&str> = seals.iter().map(|seal| seal.key_id.as_str()).collect();
    let macs: Vec<&[u8]> = seals.iter().map(|seal| seal.mac.as_slice()).collect();
    let done =
        call!(link, |c| sqlx::query(SEAL_ALL).bind(ids).bind(places).bind(key_ids).bind(macs).execute(c))?;
    Ok(done.rows_affected())
}

/// The chain from a place on, in order.
///
/// # Errors
/// As any query.
pub async fn sealed_range(
    conn: Conn<'_>,
    from_seq: u64,
    limit: u32,
) -> Result<Vec<SecurityEventRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawEvent>(SEALED_RANGE.text::<DB>())
        .bind(to_i64(from_seq))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows(raw)
}

/// What seals the events at these places.
///
/// # Errors
/// As any query.
pub async fn macs(
    conn: Conn<'_>,
    places: impl IntoIterator<Item = u64>,
) -> Result<HashMap<u64, Vec<u8>>, StoreError> {
    let places: Vec<_> = places.into_iter().map(to_i64).collect();
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new("SELECT seq, mac FROM security_events WHERE mac IS NOT NULL AND seq IN ");
    sql.bind_list(places);
    let rows: Vec<(i64, Vec<u8>)> =
        on!(conn, |c| async { builder!(sql).build_query_as::<(i64, Vec<u8>)>().fetch_all(c).await })?;
    Ok(rows.into_iter().map(|(seq, mac)| (to_u64(seq), mac)).collect())
}

/// The head of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The place of the last sealed event; 0 of an empty chain.
    pub seq: u64,
    /// Its MAC; empty of an empty chain.
    pub mac: Vec<u8>,
    /// The key of that MAC.
    pub key_id: Option<String>,
    /// When it was sealed.
    pub sealed_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawHead {
    seq: i64,
    mac: Vec<u8>,
    key_id: Option<String>,
    sealed_at: Option<Time>,
}

/// The head of the chain.
///
/// # Errors
/// As any query.
pub async fn head(conn: Conn<'_>) -> Result<Head, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawHead>(HEAD.text::<DB>()).fetch_optional(c))?;
    let raw = raw.ok_or_else(|| StoreError::corrupt("the head of the chain is missing"))?;
    Ok(Head {
        seq: to_u64(raw.seq),
        mac: raw.mac,
        key_id: raw.key_id,
        sealed_at: raw.sealed_at.map(Into::into),
    })
}

/// Moves the head from `from_seq` on to `head`; false when it is elsewhere by now.
///
/// # Errors
/// As any query.
pub async fn advance_head(conn: Conn<'_>, from_seq: u64, head: &Head) -> Result<bool, StoreError> {
    let done = change!(conn, ADVANCE_HEAD; to_i64(from_seq), to_i64(head.seq), head.mac.as_slice(), head.key_id.as_deref(), Time::optional(head.sealed_at))?;
    Ok(done == 1)
}
