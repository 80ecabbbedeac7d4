//! Bounds, and what frees what is bounded.

use super::*;

#[tokio::test]
async fn a_full_journal_refuses_and_heals_when_the_store_takes_records() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::generate(Timestamp::EPOCH, entropy());
    let journal =
        Journal::open(JournalOptions { max_bytes: 1 << 20, ..options(dir.path()) }, node, entropy).unwrap();
    let writer = journal.writer();
    let mut written = 0;
    let refused = loop {
        match writer.append(&record(&format!("{written:06}"))) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
    assert!(!journal.status(Timestamp::EPOCH).writable);
    let sink = Sink::default();
    drain(&journal, &sink).await;
    writer.append(&record("after")).unwrap();
    assert!(journal.status(Timestamp::EPOCH).writable);
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids().len(), written + 1);
}

/// A writer takes room for more than a record at once, but never so much that there is none for another's.
#[test]
fn room_that_is_taken_ahead_is_no_more_than_there_is_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let held = || journal.inner().bytes.load(Ordering::Relaxed);
    let (one, other) = (journal.writer(), journal.writer());
    one.append(&record("r")).unwrap();
    let files = || journal.status(Timestamp::EPOCH).bytes;
    assert!(held() > files(), "{} {}", held(), files());
    while one.append(&record("r")).is_ok() {}
    // But for the header of a segment that was begun last, all of it is taken, and no more.
    let max = options(dir.path()).max_bytes;
    assert!(held() <= max + HEADER_BYTES as u64, "{} of {max}", held());
    assert!(max - held().min(max) < 100, "{} of {max}: room is left unused", held());
    assert!(matches!(other.append(&record("r")), Err(JournalError::Full { .. })));
    drop((one, other));
    assert_eq!(held(), files());
}

/// More writers than there is room for segments, each of which stops half-way.
#[tokio::test]
async fn segments_that_nobody_fills_any_more_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writers: Vec<Writer> = (0..40).map(|_| journal.writer()).collect();
    let mut written = 0;
    while writers.iter().all(|writer| writer.append(&record(&format!("{written:06}"))).is_ok()) {
        written += 1;
    }
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(journal.status(Timestamp::EPOCH).pending_bytes, 0);
    for writer in &writers {
        writer.append(&record("after")).unwrap();
    }
}

#[tokio::test]
async fn a_journal_with_room_again_says_so_though_nobody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    while writer.append(&record("r")).is_ok() {}
    journal.inner().look_again();
    assert!(!journal.status(Timestamp::EPOCH).writable);
    drain(&journal, &Sink::default()).await;
    journal.inner().look_again();
    assert!(journal.status(Timestamp::EPOCH).writable);
}

#[tokio::test]
async fn a_directory_that_is_back_is_written_to_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b/journal");
    let journal = open(&dir);
    fs::rename(&dir, parent.path().join("away")).unwrap();
    assert!(matches!(journal.writer().append(&record("r")), Err(JournalError::Io(_))));
    journal.inner().look_again();
    assert!(!journal.status(Timestamp::EPOCH).writable);
    fs::rename(parent.path().join("away"), &dir).unwrap();
    journal.inner().look_again();
    assert!(journal.status(Timestamp::EPOCH).writable);
    journal.writer().append(&record("r")).unwrap();
}

#[tokio::test]
async fn the_lag_is_the_age_of_the_oldest_record_that_is_not_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let (one, other) = (journal.writer(), journal.writer());
    let at = |micros| RecordRef { occurred_at: Timestamp::from_micros(micros), ..record("r") };
    let lag = |now| journal.status(Timestamp::from_micros(now)).lag_micros;
    assert_eq!(lag(1_000), 0);
    one.append(&at(300)).unwrap();
    other.append(&at(200)).unwrap();
    assert_eq!(lag(1_000), 800);
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(lag(1_000), 0);
    one.append(&at(5_000)).unwrap();
    assert_eq!(lag(6_000), 1_000);
}
