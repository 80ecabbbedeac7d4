//! Imports: how far the events of another system were taken, and taking more of them.

mod turns;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::RangeInclusive;

use keywright_core::id::SegmentId;
use keywright_core::{NodeId, Timestamp};
use keywright_verify::{DecisionRecord, Piece};
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder, Sqlite};
use uuid::Uuid;

pub use self::turns::{Turn, Turns};
use crate::authentication_events::append_batch;
use crate::conn::{Conn, call, change, on};
use crate::dialect::statements;
use crate::engine::SuccessEvents;
use crate::error::StoreError;
use crate::places::FoundPlaces;
use crate::store::{Engines, Store};
use crate::types::Time;
use crate::usage::{self, Labels, Tally};

statements! {
    ALL = ["SELECT source, run_from, run_at, events_from, events_at, events_id FROM imports ORDER BY source"];
    FIRST_USE = [
        "SELECT MIN(day) FROM usage_daily WHERE day >= $1 \
         AND EXISTS (SELECT 1 FROM imported_tokens WHERE imported_tokens.credential_id = usage_daily.credential_id)"
    ];
    KEEP = [
        "INSERT INTO imports (source, run_from, run_at, events_from, events_at, events_id, started_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (source) DO UPDATE SET \
         run_from = excluded.run_from, run_at = excluded.run_at, events_from = excluded.events_from, events_at = excluded.events_at, events_id = excluded.events_id, \
         updated_at = excluded.updated_at"
    ];
}

const LOCK: &str = "SELECT pg_try_advisory_lock(1265922894, 3)";
/// Those before may take as long as they do: what waits holds nothing but rows of its own.
const WAIT: &str = "SET LOCAL idle_in_transaction_session_timeout = '10min'";
/// Two pages, who reads meanwhile, and who seals.
const CONNECTIONS_TO_WAIT: usize = 4;
/// Places asked for at once on SQLite.
const ASKED_AT_ONCE: usize = 500;

/// Where an event stands among all of its source: its moment there, in microseconds, and its id.
pub type SourcePlace = (i64, Uuid);

/// How far the events of a source were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The source, without a password.
    pub source: String,
    /// Where the run that is under way began; `None` when the last one came to its end.
    pub run_from: Option<i64>,
    /// How far that run is.
    pub run_at: Option<i64>,
    /// From here on all events were taken.
    pub events_from: Option<i64>,
    /// The last one that was taken.
    pub last: Option<SourcePlace>,
}

impl Progress {
    /// Nothing.
    pub fn none(source: &str) -> Self {
        Self { source: source.to_owned(), run_from: None, run_at: None, events_from: None, last: None }
    }
}

#[derive(sqlx::FromRow)]
struct RawProgress {
    source: String,
    run_from: Option<i64>,
    run_at: Option<i64>,
    events_from: Option<i64>,
    events_at: Option<i64>,
    events_id: Option<Uuid>,
}

/// How far each source was taken.
///
/// # Errors
/// As any query.
pub async fn all(conn: Conn<'_>) -> Result<Vec<Progress>, StoreError> {
    let rows = on!(conn, |c| sqlx::query_as::<DB, RawProgress>(ALL.text::<DB>()).fetch_all(c))?;
    let progress = |raw: RawProgress| Progress {
        source: raw.source,
        run_from: raw.run_from,
        run_at: raw.run_at,
        events_from: raw.events_from,
        last: raw.events_at.zip(raw.events_id),
    };
    Ok(rows.into_iter().map(progress).collect())
}

/// The first day, from one on, of which anything is stored about a token that was taken over.
///
/// # Errors
/// As any query.
pub async fn first_use(conn: Conn<'_>, from: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let day = on!(conn, |c| sqlx::query_scalar::<DB, Option<Time>>(FIRST_USE.text::<DB>())
        .bind(Time(from))
        .fetch_one(c))?;
    Ok(day.map(Into::into))
}

/// Keeps how far a source was taken.
///
/// # Errors
/// As any statement.
pub async fn keep(conn: Conn<'_>, progress: &Progress, now: Timestamp) -> Result<(), StoreError> {
    let (at, id) = progress.last.unzip();
    change!(conn, KEEP; progress.source.as_str(), progress.run_from, progress.run_at, progress.events_from, at, id, Time(now))?;
    Ok(())
}

/// What is remembered of the events that a run has taken, so that the store need not be asked for it.
#[derive(Debug)]
pub struct Memory(Labels);

impl Memory {
    /// Nobody else has stored, or stores, anything about the source's credentials from one day on and before another.
    pub fn of_days(from: Timestamp, before: Timestamp) -> Self {
        Self(Labels::of_history(from, before))
    }
}

/// Events of another system that are to be taken in one transaction.
#[derive(Debug)]
pub struct EventsToTake {
    /// The events, in the order of their source, and what stands for the node that decided.
    piece: Piece,
    /// So many at the begin may have been taken before.
    unsure: usize,
    /// How far this brings it.
    progress: Progress,
}

impl EventsToTake {
    /// Events in the order of their source, of which so many at the begin may have been taken before; what stands for
    /// the node that decided on them, and how far they bring it.
    pub fn new(node: NodeId, events: Vec<DecisionRecord>, unsure: usize, progress: Progress) -> Self {
        let unsure = unsure.min(events.len());
        Self { piece: piece(node, events), unsure, progress }
    }

    /// All of them may have been taken before: the outcome of a try is not known.
    pub fn doubt(&mut self) {
        self.unsure = self.piece.records.len();
    }

    /// Those that were not taken before.
    async fn new_ones(&self, conn: Conn<'_>) -> Result<Cow<'_, [Piece]>, StoreError> {
        let taken = taken_before(conn, &self.piece.records[..self.unsure]).await?;
        if taken.is_empty() {
            return Ok(Cow::Borrowed(std::slice::from_ref(&self.piece)));
        }
        let new = self.piece.records.iter().filter(|event| !taken.contains(&event.id.0)).cloned();
        Ok(Cow::Owned(vec![piece(self.piece.node, new.collect())]))
    }
}

/// Of no journal, and so at no place of a segment.
fn piece(node: NodeId, records: Vec<DecisionRecord>) -> Piece {
    Piece { node, segment: SegmentId(Uuid::nil()), from: 0, to: 0, records }
}

/// Held by the only import, until it is dropped or its process ends.
#[derive(Debug)]
pub struct ImportLock {
    _connection: Option<PgConnection>,
}

impl Store {
    /// Lets nobody else import; `None` while another process does. SQLite has but one process.
    ///
    /// # Errors
    /// As any query.
    pub async fn lock_imports(&self) -> Result<Option<ImportLock>, StoreError> {
        let Engines::Postgres { pool, .. } = self.engines() else {
            return Ok(Some(ImportLock { _connection: None }));
        };
        // Of a connection of its own: the lock ends with it, however the process ends.
        let mut connection = pool.manager().connect().await?;
        let taken: bool = sqlx::query_scalar(LOCK).fetch_one(&mut connection).await?;
        Ok(taken.then_some(ImportLock { _connection: Some(connection) }))
    }

    /// Takes events and adds them to the roll-ups, and commits; gives how many were not there before. They are
    /// kept whatever is kept of our own successes: what was taken is told by what is there.
    ///
    /// On PostgreSQL the events themselves are written before their turn has come, which is the time of those before to
    /// write what these add up to.
    ///
    /// # Errors
    /// As any statement, and when the turn never comes. Nothing has changed then, unless the outcome of the commit is
    /// unknown.
    pub async fn take_events(
        &self,
        wanted: &EventsToTake,
        turn: &mut Turn,
        memory: &Memory,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if !self.has_connections_to_wait_with() {
            turn.comes().await?;
        }
        let mut tx = self.begin().await?;
        let pieces = wanted.new_ones(tx.conn()).await?;
        let events = || pieces.iter().flat_map(|piece| &piece.records);
        let found = FoundPlaces::look_up(self.places(), events());
        append_batch(tx.conn(), &pieces, SuccessEvents::All, &found).await?;
        let tally = Tally::of(events(), &found).of_another_system();
        if !turn.has_come() {
            if let Conn::Postgres(link) = tx.conn() {
                call!(link, |c| sqlx::query(WAIT).execute(c))?;
            }
            turn.comes().await?;
        }
        keep(tx.conn(), &wanted.progress, now).await?;
        // Last, as it holds rows that nodes count in as well.
        let news = usage::record(tx.conn(), &memory.0, &tally).await?;
        tx.commit().await?;
        memory.0.remember(news);
        Ok(events().count() as u64)
    }
}

impl Store {
    /// Whether somebody who waits for a turn may have a connection. Of a few, and of the one writer of SQLite, it would be
    /// the one that those before need.
    fn has_connections_to_wait_with(&self) -> bool {
        match self.engines() {
            Engines::Sqlite { .. } => false,
            Engines::Postgres { pool, .. } => pool.status().max_size >= CONNECTIONS_TO_WAIT,
        }
    }
}

/// How many of these events were taken before.
///
/// # Errors
/// As any query.
pub async fn count_taken(conn: Conn<'_>, events: &[DecisionRecord]) -> Result<u64, StoreError> {
    Ok(taken_before(conn, events).await?.len() as u64)
}

fn span(events: &[DecisionRecord]) -> Option<RangeInclusive<Timestamp>> {
    let moments = || events.iter().map(|event| event.occurred_at);
    Some(moments().min()?..=moments().max()?)
}

/// The ids of those that are stored.
async fn taken_before(conn: Conn<'_>, events: &[DecisionRecord]) -> Result<HashSet<Uuid>, StoreError> {
    // The bounds spare the months that none of them lies in.
    const STORED: &str = "SELECT e.id FROM UNNEST($1::TIMESTAMPTZ[], $2::UUID[]) AS w (occurred_at, id) \
         JOIN authentication_events e ON e.occurred_at = w.occurred_at AND e.id = w.id \
         WHERE e.occurred_at >= $3 AND e.occurred_at <= $4";
    let Some(span) = span(events) else { return Ok(HashSet::new()) };
    match conn {
        Conn::Postgres(link) => {
            let moments: Vec<Time> = events.iter().map(|event| Time(event.occurred_at)).collect();
            let ids: Vec<Uuid> = events.iter().map(|event| event.id.0).collect();
            let stored: Vec<Uuid> = call!(link, |c| sqlx::query_scalar::<Postgres, Uuid>(STORED)
                .bind(moments)
                .bind(ids)
                .bind(Time(*span.start()))
                .bind(Time(*span.end()))
                .persistent(false)
                .fetch_all(c))?;
            Ok(stored.into_iter().collect())
        }
        Conn::Sqlite(link) => {
            let mut stored = HashSet::new();
            for slice in events.chunks(ASKED_AT_ONCE) {
                let ids: Vec<Uuid> = call!(&mut *link, |c| async {
                    let text = "SELECT id FROM authentication_events WHERE (occurred_at, id) IN (";
                    let mut query = QueryBuilder::<Sqlite>::new(text);
                    query.push_values(slice, |mut row, event| {
                        row.push_bind(Time(event.occurred_at)).push_bind(event.id.0);
                    });
                    query.push(")");
                    query.build_query_scalar().persistent(false).fetch_all(c).await
                })?;
                stored.extend(ids);
            }
            Ok(stored)
        }
    }
}
