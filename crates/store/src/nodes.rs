//! Nodes: each boot of a process that serves.

use keywright_core::{NodeId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

macro_rules! node_columns {
    () => {
        "SELECT id, address, version, started_at, last_beat_at, stopped_at FROM nodes"
    };
}

statements! {
    REGISTER = [
        "INSERT INTO nodes (id, address, version, started_at, last_beat_at) VALUES ($1, $2, $3, $4, $4)"
    ];
    BEAT = ["UPDATE nodes SET last_beat_at = $2 WHERE id = $1"];
    STOPPED = ["UPDATE nodes SET stopped_at = $2 WHERE id = $1 AND stopped_at IS NULL"];
    LIVE = [node_columns!(), " WHERE stopped_at IS NULL AND last_beat_at >= $1 ORDER BY started_at, id"];
    LIST = [node_columns!(), " ORDER BY started_at, id"];
    FORGET = ["DELETE FROM nodes WHERE last_beat_at < $1"];
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Made at its start.
    pub id: NodeId,
    /// Where it listens.
    pub address: String,
    /// Of the binary.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was heard of last.
    pub last_beat_at: Timestamp,
    /// When it left in order.
    pub stopped_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawNode {
    id: Uuid,
    address: String,
    version: String,
    started_at: Time,
    last_beat_at: Time,
    stopped_at: Option<Time>,
}

fn rows(raw: Vec<RawNode>) -> Vec<NodeRow> {
    let row = |raw: RawNode| NodeRow {
        id: NodeId(raw.id),
        address: raw.address,
        version: raw.version,
        started_at: raw.started_at.into(),
        last_beat_at: raw.last_beat_at.into(),
        stopped_at: raw.stopped_at.map(Into::into),
    };
    raw.into_iter().map(row).collect()
}

/// Registers a node that starts now.
///
/// # Errors
/// As any query.
pub async fn register(
    conn: Conn<'_>,
    id: NodeId,
    address: &str,
    version: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    change!(conn, REGISTER; id.0, address, version, Time(now))?;
    Ok(())
}

/// Notes that a node is alive; false when it is not registered.
///
/// # Errors
/// As any query.
pub async fn beat(conn: Conn<'_>, id: NodeId, now: Timestamp) -> Result<bool, StoreError> {
    let done = change!(conn, BEAT; id.0, Time(now))?;
    Ok(done == 1)
}

/// Notes that a node left in order; false when it was not running.
///
/// # Errors
/// As any query.
pub async fn stopped(conn: Conn<'_>, id: NodeId, now: Timestamp) -> Result<bool, StoreError> {
    let done = change!(conn, STOPPED; id.0, Time(now))?;
    Ok(done == 1)
}

/// The nodes that have not left and were heard of since a moment.
///
/// # Errors
/// As any query.
pub async fn live(conn: Conn<'_>, since: Timestamp) -> Result<Vec<NodeRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawNode>(LIVE.text::<DB>()).bind(Time(since)).fetch_all(c))?;
    Ok(rows(raw))
}

/// All nodes that are remembered.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>) -> Result<Vec<NodeRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawNode>(LIST.text::<DB>()).fetch_all(c))?;
    Ok(rows(raw))
}

/// Forgets nodes that have not been heard of since a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before))
}
