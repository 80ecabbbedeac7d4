//! Journals: each directory of segments that a node has opened, until all that it holds is stored.

use keywright_core::id::JournalId;
use keywright_core::{NodeId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_u64};

macro_rules! journal_columns {
    () => {
        "SELECT id, node_id, address, dir, opened_at, last_beat_at, closed_at, gap_at FROM journals"
    };
}

statements! {
    OPEN = [
        "INSERT INTO journals (id, node_id, address, dir, opened_at, last_beat_at) \
         VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (id) DO UPDATE SET node_id = excluded.node_id, \
         address = excluded.address, dir = excluded.dir, opened_at = excluded.opened_at, \
         last_beat_at = excluded.last_beat_at, closed_at = NULL"
    ];
    BEAT = [
        "UPDATE journals SET last_beat_at = $3, moved_through = $4 \
         WHERE id = $1 AND node_id = $2 AND closed_at IS NULL"
    ];
    MOVED_THROUGH = [
        "SELECT gap_at IS NOT NULL AS is_missed, COUNT(*) - COUNT(moved_through) AS unsaid, \
         MIN(moved_through) AS least FROM journals WHERE closed_at IS NULL GROUP BY gap_at IS NOT NULL"
    ];
    GAP = [
        "UPDATE journals SET gap_at = $2 \
         WHERE id = $1 AND closed_at IS NULL AND gap_at IS NULL AND last_beat_at < $3"
    ];
    RECOVER = ["UPDATE journals SET gap_at = NULL WHERE id = $1 AND gap_at IS NOT NULL"];
    CLOSE = ["UPDATE journals SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL"];
    FORGET = ["DELETE FROM journals WHERE closed_at < $1"];
    BY_ID = [journal_columns!(), " WHERE id = $1"];
    SILENT = [
        journal_columns!(),
        " WHERE closed_at IS NULL AND gap_at IS NULL AND last_beat_at < $1 ORDER BY last_beat_at, id"
    ];
    GAPS = [journal_columns!(), " WHERE closed_at IS NULL AND gap_at IS NOT NULL ORDER BY gap_at, id"];
    REJECTS = ["SELECT COUNT(*) FROM journal_rejects"];
}

/// A journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Of its directory.
    pub id: JournalId,
    /// The boot that had it last.
    pub node: NodeId,
    /// Where that listened.
    pub address: String,
    /// The directory there.
    pub dir: String,
    /// When that boot opened it.
    pub opened_at: Timestamp,
    /// When it was heard of last.
    pub last_beat_at: Timestamp,
    /// When it was left with nothing in it.
    pub closed_at: Option<Timestamp>,
    /// When its silence was told.
    pub gap_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawJournal {
    id: Uuid,
    node_id: Uuid,
    address: String,
    dir: String,
    opened_at: Time,
    last_beat_at: Time,
    closed_at: Option<Time>,
    gap_at: Option<Time>,
}

impl From<RawJournal> for JournalRow {
    fn from(raw: RawJournal) -> Self {
        Self {
            id: JournalId(raw.id),
            node: NodeId(raw.node_id),
            address: raw.address,
            dir: raw.dir,
            opened_at: raw.opened_at.into(),
            last_beat_at: raw.last_beat_at.into(),
            closed_at: raw.closed_at.map(Into::into),
            gap_at: raw.gap_at.map(Into::into),
        }
    }
}

/// Registers a journal that a boot has opened, or another boot opens again.
///
/// # Errors
/// As any query.
pub async fn open(
    conn: Conn<'_>,
    id: JournalId,
    node: NodeId,
    address: &str,
    dir: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    change!(conn, OPEN; id.0, node.0, address, dir, Time(now))?;
    Ok(())
}

/// Notes that a journal's node is alive, and up to which moment all that it decided is stored; false when it is
/// not registered as this node's.
///
/// # Errors
/// As any query.
pub async fn beat(
    conn: Conn<'_>,
    id: JournalId,
    node: NodeId,
    now: Timestamp,
    moved_through: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, BEAT; id.0, node.0, Time(now), Time(moved_through))? == 1)
}

/// Up to which moment decisions are stored. A journal that never said so holds both back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedThrough {
    /// Those of all nodes.
    pub all: Timestamp,
    /// Those of all nodes but the ones whose journal is missed: what that holds comes late, if it comes at all.
    pub heard: Timestamp,
}

/// Up to which moment decisions are stored; without any journal, all are.
///
/// # Errors
/// As any query.
pub async fn moved_through(conn: Conn<'_>) -> Result<MovedThrough, StoreError> {
    let groups: Vec<(bool, i64, Option<Time>)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(MOVED_THROUGH.text::<DB>()).fetch_all(c))?;
    let mut through = MovedThrough { all: Timestamp::MAX, heard: Timestamp::MAX };
    for (is_missed, unsaid, least) in groups {
        let least = least.filter(|_| unsaid == 0).map_or(Timestamp::EPOCH, Into::into);
        through.all = through.all.min(least);
        if !is_missed {
            through.heard = through.heard.min(least);
        }
    }
    Ok(through)
}

/// Notes that the silence of a journal is told; false when it is told already, was closed, or was heard
/// of since `silent_since`.
///
/// # Errors
/// As any query.
pub async fn tell_gap(
    conn: Conn<'_>,
    id: JournalId,
    now: Timestamp,
    silent_since: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, GAP; id.0, Time(now), Time(silent_since))? == 1)
}

/// Takes back that a journal is silent; false when that was not told.
///
/// # Errors
/// As any query.
pub async fn recover(conn: Conn<'_>, id: JournalId) -> Result<bool, StoreError> {
    Ok(change!(conn, RECOVER; id.0)? == 1)
}

/// Notes that a journal was left with nothing in it; false when that is known, or it is not.
///
/// # Errors
/// As any query.
pub async fn close(conn: Conn<'_>, id: JournalId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, CLOSE; id.0, Time(now))? == 1)
}

/// Forgets journals that were closed before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before))
}

/// A journal.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: JournalId) -> Result<Option<JournalRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawJournal>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    Ok(raw.map(Into::into))
}

/// The journals that were not closed, were last heard of before a moment, and have not been told.
///
/// # Errors
/// As any query.
pub async fn silent(conn: Conn<'_>, since: Timestamp) -> Result<Vec<JournalRow>, StoreError> {
    let raw =
        on!(conn, |c| sqlx::query_as::<DB, RawJournal>(SILENT.text::<DB>()).bind(Time(since)).fetch_all(c))?;
    Ok(raw.into_iter().map(Into::into).collect())
}

/// The journals whose silence was told and goes on.
///
/// # Errors
/// As any query.
pub async fn gaps(conn: Conn<'_>) -> Result<Vec<JournalRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawJournal>(GAPS.text::<DB>()).fetch_all(c))?;
    Ok(raw.into_iter().map(Into::into).collect())
}

/// How many records are kept raw because they could not be stored.
///
/// # Errors
/// As any query.
pub async fn count_rejects(conn: Conn<'_>) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(REJECTS.text::<DB>()).fetch_one(c))?;
    Ok(to_u64(count))
}
