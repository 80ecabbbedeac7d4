use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use keywright_core::EventId;

use super::codec::HEADER_BYTES;
use super::mover::pass;
use super::record::{DecisionRecord, EventKind, RecordCode, RecordRef};
use super::writer::Written;
use super::*;
use crate::source::{Appended, EventSink, Piece, Reject, SourceError};

mod damage;
mod faults;
mod floods;
mod moving;
mod room;

fn entropy() -> IdEntropy {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    [NEXT.fetch_add(1, Ordering::Relaxed); 10]
}

fn options(dir: &Path) -> JournalOptions {
    JournalOptions {
        dir: dir.to_owned(),
        max_bytes: 1 << 20,
        sync_interval: Duration::from_millis(1),
        allow_ephemeral: true,
    }
}

fn open(dir: &Path) -> Journal {
    Journal::open(options(dir), NodeId::generate(Timestamp::EPOCH, entropy()), entropy).unwrap()
}

fn record(request_id: &str) -> RecordRef<'_> {
    let bare =
        RecordRef::bare(Timestamp::from_micros(1_000_000), EventKind::Verify, RecordCode::Valid, request_id);
    RecordRef { latency_micros: 1, ..bare }
}

/// A store in memory with the two properties that matter: the compare-and-set, and failing at will
/// before or after it has stored a batch.
#[derive(Default)]
struct Sink {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    positions: HashMap<SegmentId, u64>,
    events: Vec<DecisionRecord>,
    fail_before: usize,
    fail_after: usize,
    /// The store fails on whatever is of this one.
    failing: Option<SegmentId>,
    /// The store refuses whatever holds one of these.
    refused: BTreeSet<String>,
    rejects: Vec<Reject>,
    /// How many records each transaction stored, of how many segments.
    transactions: Vec<(usize, usize)>,
}

impl EventSink for Sink {
    async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
        let mut state = self.state.lock();
        if state.fail_before > 0 {
            state.fail_before -= 1;
            return Err(SourceError::Unavailable("before".to_owned()));
        }
        for piece in pieces {
            if state.failing == Some(piece.segment) {
                return Err(SourceError::Failed("no partition".to_owned()));
            }
            let position = state.positions.get(&piece.segment).copied().unwrap_or(0);
            if position != piece.from {
                return Ok(Appended::Elsewhere { segment: piece.segment, position });
            }
        }
        let all = || pieces.iter().flat_map(|piece| &piece.records);
        if all().any(|record| state.refused.contains(&*record.request_id)) {
            return Err(SourceError::Refused("value out of range".to_owned()));
        }
        state.transactions.push((all().count(), pieces.len()));
        for piece in pieces {
            state.positions.insert(piece.segment, piece.to);
            state.events.extend(piece.records.iter().cloned());
        }
        if state.fail_after > 0 {
            state.fail_after -= 1;
            return Err(SourceError::Unavailable("the answer was lost".to_owned()));
        }
        Ok(Appended::Done)
    }

    async fn reject(&self, reject: &Reject) -> Result<Appended, SourceError> {
        let mut state = self.state.lock();
        let position = state.positions.get(&reject.segment).copied().unwrap_or(0);
        if position != reject.from {
            return Ok(Appended::Elsewhere { segment: reject.segment, position });
        }
        state.positions.insert(reject.segment, reject.to);
        state.rejects.push(reject.clone());
        Ok(Appended::Done)
    }

    async fn position(&self, segment: SegmentId) -> Result<u64, SourceError> {
        Ok(self.state.lock().positions.get(&segment).copied().unwrap_or(0))
    }

    async fn forget(&self, segment: SegmentId) -> Result<(), SourceError> {
        self.state.lock().positions.remove(&segment);
        Ok(())
    }
}

impl Sink {
    fn request_ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.state.lock().events.iter().map(|e| e.request_id.to_string()).collect();
        ids.sort();
        ids
    }
}

async fn drain<S: EventSink>(journal: &Journal, sink: &S) {
    journal.inner().sync_all();
    for _ in 0..20 {
        let _ = pass(journal, sink).await;
    }
}

#[tokio::test]
async fn a_crashed_process_leaves_every_answered_record() {
    let dir = tempfile::tempdir().unwrap();
    let crashed = open(dir.path());
    let writers = [crashed.writer(), crashed.writer()];
    for n in 0..10 {
        writers[n % 2].append(&record(&format!("r{n}"))).unwrap();
    }
    // As a kill leaves it: bytes in the kernel, nothing closed, half a record at the end.
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|e| e == segment::EXTENSION) {
            bytes.extend_from_slice(&[40, 0, 0, 0, 1, 2, 3]);
        }
        fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let (journal, sink) = (open(copy.path()), Sink::default());
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), (0..10).map(|n| format!("r{n}")).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 2, "only the lock and the id are left");
    assert_eq!(journal.id(), crashed.id());
    assert_eq!(journal.status(Timestamp::EPOCH).bytes, 0);
}

#[tokio::test]
async fn a_batch_is_stored_once_whatever_fails() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    let sink = Sink::default();
    for n in 0..3 {
        writer.append(&record(&format!("a{n}"))).unwrap();
        {
            let mut state = sink.state.lock();
            (state.fail_before, state.fail_after) = (1, 1);
        }
        drain(&journal, &sink).await;
    }
    assert_eq!(sink.request_ids(), ["a0", "a1", "a2"]);
    let ids: std::collections::BTreeSet<EventId> = sink.state.lock().events.iter().map(|e| e.id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(journal.status(Timestamp::EPOCH).pending_bytes, 0);
}

#[tokio::test]
async fn half_moved_segments_are_taken_up_where_the_store_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let writer = first.writer();
    let sink = Sink::default();
    writer.append(&record("moved")).unwrap();
    drain(&first, &sink).await;
    writer.append(&record("left")).unwrap();
    drop(writer);
    first.close();
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    drain(&open(copy.path()), &sink).await;
    assert_eq!(sink.request_ids(), ["left", "moved"]);
}

#[tokio::test]
async fn a_record_that_must_be_durable_is_on_disk_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::generate(Timestamp::EPOCH, entropy());
    let options = JournalOptions { sync_interval: Duration::ZERO, ..options(dir.path()) };
    let journal = Journal::open(options, node, entropy).unwrap();
    let writer = journal.writer();
    writer.append_durably(&record("durable")).await.unwrap();
    let segment = journal.inner().segments().remove(0);
    assert_eq!(segment.synced(), segment.written());
    assert!(segment.synced() > HEADER_BYTES as u64);
}

#[tokio::test]
async fn a_directory_that_was_left_is_adopted_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::generate(Timestamp::EPOCH, entropy());
    let adopt = |dir: &Path| Journal::adopt(dir, node, entropy);
    for other in [dir.path(), &dir.path().join("missing")] {
        assert!(matches!(adopt(other), Err(JournalError::NotAJournal(_))));
    }
    let left = open(dir.path());
    left.writer().append(&record("left")).unwrap();
    assert!(matches!(adopt(dir.path()), Err(JournalError::Locked(_))));
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let (adopted, sink) = (adopt(copy.path()).unwrap(), Sink::default());
    drain(&adopted, &sink).await;
    assert_eq!((sink.request_ids(), adopted.id()), (vec!["left".to_owned()], left.id()));
}

#[test]
fn an_id_that_cannot_be_read_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.id"), "half an").unwrap();
    let id = open(dir.path()).id();
    assert_eq!(fs::read_to_string(dir.path().join("journal.id")).unwrap(), format!("{id}\n"));
}

#[test]
fn one_directory_has_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let try_open =
        || Journal::open(options(dir.path()), NodeId::generate(Timestamp::EPOCH, [0; 10]), entropy);
    assert!(matches!(try_open(), Err(JournalError::Locked(_))));
    let writer = first.writer();
    drop(first);
    assert!(matches!(try_open(), Err(JournalError::Locked(_))), "somebody writes yet");
    drop(writer);
    // The syncer ends by itself, a moment later.
    let opened = (0..100_000).any(|_| {
        std::thread::yield_now();
        try_open().is_ok()
    });
    assert!(opened);
}
