//! Journals across nodes: each is registered, beats, and is missed when it falls silent unclosed
//! (verification.md, The journal). What a silent one holds are answered decisions that nobody can see.

use std::sync::atomic::{AtomicUsize, Ordering};

use keywright_core::id::JournalId;
use keywright_core::{ActorRef, AlertKind, AlertSubjectKind, Severity, Timestamp};
use keywright_store::alerts::AlertSubject;
use keywright_store::journals::{self, JournalRow};
use keywright_verify::Journal;
use keywright_verify::journal::{Damage, JournalStatus};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::{error, info};

use crate::alerts::{self, NewAlert};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// A journal that was not heard of for so long is missed, in seconds.
pub const SILENT_SECONDS: i64 = 60;
/// A node whose last beat is older than this was away itself, and does not judge others for a while.
const STEADY_SECONDS: i64 = 30;
/// A decision whose record is not written yet is younger than this, in seconds: no request takes so long.
const RECORDED_WITHIN_SECONDS: i64 = 60;
/// Journals that were closed are forgotten after so many days.
const FORGET_DAYS: i64 = 30;
/// The actor of what is noticed by itself.
pub(crate) const WATCH: &str = "journal_watch";

/// The journal that this node writes.
pub(crate) struct OwnJournal {
    journal: Journal,
    address: String,
    /// Damaged segments that have been told.
    told: AtomicUsize,
    beats: Mutex<Beats>,
}

/// When this node's beats arrived, by the clock that nobody steps.
#[derive(Clone, Copy, Default)]
struct Beats {
    /// The first since when none was late.
    steady_since: Option<i64>,
    last: i64,
}

impl OwnJournal {
    /// Where its node listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it holds.
    pub(crate) fn status(&self, now: Timestamp) -> JournalStatus {
        self.journal.status(now)
    }

    /// Notes a beat; tells for how long none was late, in microseconds.
    fn note_beat(&self, now: i64) -> i64 {
        let mut beats = self.beats.lock();
        let late = now - beats.last > STEADY_SECONDS * 1_000_000;
        let since = beats.steady_since.filter(|_| !late).unwrap_or(now);
        *beats = Beats { steady_since: Some(since), last: now };
        now - since
    }
}

impl Authority {
    /// Registers the journal that this node, which listens at `address`, writes from now on.
    ///
    /// # Errors
    /// As the store.
    pub async fn open_journal(&self, journal: &Journal, address: &str) -> Result<(), Fault> {
        let own = OwnJournal {
            journal: journal.clone(),
            address: address.to_owned(),
            told: AtomicUsize::new(0),
            beats: Mutex::default(),
        };
        register(self, self.own_journal().get_or_init(|| own)).await
    }

    /// The journal that is this node's is left with nothing in it.
    ///
    /// # Errors
    /// As the store.
    pub async fn close_journal(&self) -> Result<(), Fault> {
        match self.own_journal().get() {
            Some(own) => close(self, own.journal.id(), ActorRef::system(WATCH)).await.map(drop),
            None => Ok(()),
        }
    }
}

fn subject(id: JournalId, dir: &str) -> Subject {
    Subject { kind: "journal", id: Some(id.0), name: Some(dir.to_owned()) }
}

/// Its directory, as somebody else has to name it.
fn whole_path(journal: &Journal) -> String {
    let dir = journal.dir();
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

fn details(row: &JournalRow) -> Value {
    json!({
        "journal_id": row.id,
        "node_id": row.node,
        "address": row.address,
        "dir": row.dir,
        "last_beat_at": row.last_beat_at,
        "what_to_do": what_to_do(&row.dir),
    })
}

/// What brings in what a silent journal holds.
pub fn what_to_do(dir: &str) -> String {
    format!("start the node on {dir} again, or run: keywright journal replay {dir}")
}

async fn register(authority: &Authority, own: &OwnJournal) -> Result<(), Fault> {
    let (journal, now) = (&own.journal, authority.now());
    let dir = whole_path(journal);
    let mut tx = authority.store().begin().await?;
    recover(authority, &mut tx, journal.id(), ActorRef::system(WATCH)).await?;
    journals::open(tx.conn(), journal.id(), authority.node(), &own.address, &dir, now).await?;
    journals::forget(tx.conn(), now.plus_days(-FORGET_DAYS)).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(())
}

/// Takes back that a journal is missed, and tells so.
async fn recover(
    authority: &Authority,
    tx: &mut keywright_store::Tx,
    id: JournalId,
    actor: ActorRef,
) -> Result<(), Fault> {
    let Some(row) = journals::by_id(tx.conn(), id).await? else { return Ok(()) };
    if !journals::recover(tx.conn(), id).await? {
        return Ok(());
    }
    let about = (AlertKind::JournalGap, Some(id.0));
    alerts::resolve_by_subject(authority, tx, about, WATCH, "the journal is back").await?;
    let told = json!({
        "journal_id": row.id, "dir": row.dir, "last_beat_at": row.last_beat_at, "gap_at": row.gap_at,
    });
    info!(journal = %id, dir = row.dir, "a journal that was missed is back");
    Event::new("journal.recovered", actor, None, subject(id, &row.dir))
        .details(told)
        .write(authority, tx.conn())
        .await?;
    Ok(())
}

/// Notes that nothing is left in a journal, and that nobody writes it; false when it is not known, or
/// was closed before.
///
/// # Errors
/// As the store.
pub async fn close(authority: &Authority, id: JournalId, actor: ActorRef) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    recover(authority, &mut tx, id, actor).await?;
    let closed = journals::close(tx.conn(), id, authority.now()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(closed)
}

/// Beats for the journal of this node, and looks for those that have fallen silent. A node that writes
/// none has nothing to say about others.
///
/// # Errors
/// As the store.
pub async fn watch(authority: &Authority) -> Result<u64, Fault> {
    let Some(own) = authority.own_journal().get() else { return Ok(0) };
    beat(authority, own).await?;
    let mut told = tell_damage(authority, own).await?;
    // After an outage of the store all are late, and who comes back first must not miss the others.
    if own.note_beat(authority.clock().boot_micros()) < SILENT_SECONDS * 1_000_000 {
        return Ok(told);
    }
    let silent_since = authority.now().plus_seconds(-SILENT_SECONDS);
    let silent = journals::silent(authority.store().read().await?.conn(), silent_since).await?;
    for row in silent {
        told += u64::from(tell_gap(authority, &row, silent_since).await?);
    }
    Ok(told)
}

async fn beat(authority: &Authority, own: &OwnJournal) -> Result<(), Fault> {
    let id = own.journal.id();
    let now = authority.now();
    // Looked at before the transaction: what is moved meanwhile is told by the next beat.
    let behind = own.journal.status(now).lag_micros;
    let moved_through = now.plus_micros(-behind).plus_seconds(-RECORDED_WITHIN_SECONDS);
    let mut tx = authority.store().begin().await?;
    let known = journals::beat(tx.conn(), id, authority.node(), now, moved_through).await?;
    if !known {
        // The database was put back to an earlier state.
        drop(tx);
        return register(authority, own).await;
    }
    recover(authority, &mut tx, id, ActorRef::system(WATCH)).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(())
}

/// Tells that a journal is missed. Of all nodes that look, one does.
async fn tell_gap(authority: &Authority, row: &JournalRow, silent_since: Timestamp) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    if !journals::tell_gap(tx.conn(), row.id, authority.now(), silent_since).await? {
        return Ok(false);
    }
    Event::new("journal.gap", ActorRef::system(WATCH), None, subject(row.id, &row.dir))
        .details(details(row))
        .write(authority, tx.conn())
        .await?;
    alerts::open(authority, &mut tx, alert(authority, row)).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    error!(
        journal = %row.id, node = %row.node, address = row.address, dir = row.dir,
        last_beat_at = %row.last_beat_at, what_to_do = what_to_do(&row.dir),
        "a journal has fallen silent: decisions that it holds are not in the audit trail"
    );
    Ok(true)
}

/// The moment is in the key: a journal that is back, and falls silent again, is missed anew.
fn alert(authority: &Authority, row: &JournalRow) -> NewAlert {
    NewAlert {
        publisher_id: None,
        kind: AlertKind::JournalGap,
        severity: Severity::Critical,
        subject: AlertSubject {
            kind: AlertSubjectKind::Journal,
            id: Some(row.id.0),
            name: Some(row.dir.clone()),
        },
        summary: "A journal fell silent: decisions that it holds are not in the audit trail.".to_owned(),
        evidence: details(row).as_object().cloned().unwrap_or_default(),
        dedupe_key: format!("journal_gap:{}:{}", row.id, authority.now().as_micros()),
        noticed_by: WATCH,
    }
}

/// Tells of the segments that were found damaged when the journal was opened.
async fn tell_damage(authority: &Authority, own: &OwnJournal) -> Result<u64, Fault> {
    let damaged = own.journal.damaged();
    let untold = damaged.get(own.told.load(Ordering::Relaxed)..).unwrap_or_default();
    if untold.is_empty() {
        return Ok(0);
    }
    let mut tx = authority.store().begin().await?;
    for Damage { segment, kept_as, bytes } in untold {
        let dir = whole_path(&own.journal);
        let told = json!({
            "journal_id": own.journal.id(), "segment_id": segment, "kept_as": kept_as, "damaged_bytes": bytes,
        });
        Event::new("journal.damaged", ActorRef::system(WATCH), None, subject(own.journal.id(), &dir))
            .details(told)
            .write(authority, tx.conn())
            .await?;
    }
    authority.commit(tx, Invalidation::None, false).await?;
    own.told.store(damaged.len(), Ordering::Relaxed);
    Ok(untold.len() as u64)
}
