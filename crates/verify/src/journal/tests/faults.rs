//! What goes wrong: closing under way, a store that refuses or forgets, records that cannot be read.

use super::codec::FRAME_BYTES;
use super::*;

/// The files of segments in a directory.
fn segment_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == segment::EXTENSION)).collect()
}

#[tokio::test]
async fn nothing_is_appended_after_the_end_and_nothing_is_lost_at_it() {
    for round in 0..50 {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let writers: Vec<_> = (0..2)
            .map(|n| {
                let writer = journal.writer();
                std::thread::spawn(move || {
                    let ids = (0..).map(|at| format!("{n}-{at}"));
                    ids.take_while(|id| writer.append(&record(id)).is_ok()).collect::<Vec<_>>()
                })
            })
            .collect();
        // The mover takes away what is sealed and moved while the writers still write.
        let sink = Sink::default();
        for _ in 0..round % 5 {
            pass(&journal, &sink).await.unwrap();
        }
        journal.close();
        drain(&journal, &sink).await;
        let answered: BTreeSet<String> =
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        drain(&journal, &sink).await;
        assert_eq!(sink.request_ids(), answered.into_iter().collect::<Vec<_>>());
        assert!(segment_files(dir.path()).is_empty());
        assert_eq!(journal.status(Timestamp::EPOCH).bytes, 0);
        assert_eq!(journal.inner().bytes.load(Ordering::Relaxed), 0, "nobody has taken room any more");
    }
}

#[tokio::test]
async fn a_closed_journal_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let (used, new) = (journal.writer(), journal.writer());
    used.append(&record("before")).unwrap();
    journal.close();
    journal.close();
    assert!(used.append(&record("after")).is_err());
    assert!(new.append_durably(&record("after")).await.is_err());
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["before"]);
}

#[tokio::test]
async fn a_segment_that_the_store_fails_on_keeps_no_other_from_moving() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writers = [journal.writer(), journal.writer(), journal.writer()];
    for (n, writer) in writers.iter().enumerate() {
        writer.append(&record(&n.to_string())).unwrap();
    }
    let sink = Sink::default();
    sink.state.lock().failing = Some(journal.inner().segments()[0].id());
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["1", "2"]);
    assert!(pass(&journal, &sink).await.is_err());
    sink.state.lock().failing = None;
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_store_put_back_to_an_earlier_state_gets_its_records_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    let sink = Sink::default();
    writer.append(&record("a")).unwrap();
    drain(&journal, &sink).await;
    let backup = sink.state.lock().positions.clone();
    writer.append(&record("b")).unwrap();
    drain(&journal, &sink).await;
    for (positions, events) in [(backup, 1), (HashMap::new(), 0)] {
        {
            let mut state = sink.state.lock();
            state.positions = positions;
            state.events.truncate(events);
        }
        writer.append(&record("c")).unwrap();
        drain(&journal, &sink).await;
        let ids = sink.request_ids();
        assert_eq!(ids[..3], ["a", "b", "c"]);
        assert!(ids[3..].iter().all(|id| id == "c"));
    }
}

#[tokio::test]
async fn a_store_that_contradicts_itself_is_not_asked_without_end() {
    struct Liar;
    impl EventSink for Liar {
        async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
            Ok(Appended::Elsewhere { segment: pieces[0].segment, position: pieces[0].from })
        }
        async fn reject(&self, _: &Reject) -> Result<Appended, SourceError> {
            unreachable!("nothing is refused here")
        }
        async fn position(&self, _: SegmentId) -> Result<u64, SourceError> {
            Ok(0)
        }
        async fn forget(&self, _: SegmentId) -> Result<(), SourceError> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    journal.writer().append(&record("a")).unwrap();
    journal.inner().sync_all();
    assert!(matches!(pass(&journal, &Liar).await, Err(SourceError::Failed(_))));
}

/// Puts a whole frame that nobody of this version wrote behind a segment's records.
fn append_foreign_record(path: &Path) {
    let payload = [200, 1, 2, 3];
    let mut frame = Vec::with_capacity(FRAME_BYTES + payload.len());
    frame.extend_from_slice(&4u32.to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    let before = fs::read(path).unwrap();
    fs::write(path, [before, frame].concat()).unwrap();
}

#[tokio::test]
async fn a_record_of_an_unknown_version_is_kept_and_what_lies_before_it_moved() {
    let dir = tempfile::tempdir().unwrap();
    let newer = open(dir.path());
    newer.writer().append(&record("known")).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let path = segment_files(dir.path()).remove(0);
    let left = copy.path().join(path.file_name().unwrap());
    fs::copy(&path, &left).unwrap();
    append_foreign_record(&left);
    let before = fs::read(&left).unwrap();
    let journal = open(copy.path());
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["known"]);
    assert_eq!(fs::read(&left).unwrap(), before);
    assert!(journal.inner().segments()[0].is_stuck(), "it is told once, and not read again and again");
    assert!(journal.status(Timestamp::EPOCH).pending_bytes > 0);
}

#[tokio::test]
async fn a_position_beyond_the_end_of_a_file_is_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let writer = first.writer();
    for id in ["moved", "moved as well"] {
        writer.append(&record(id)).unwrap();
    }
    let sink = Sink::default();
    let copy = tempfile::tempdir().unwrap();
    let path = segment_files(dir.path()).remove(0);
    let left = copy.path().join(path.file_name().unwrap());
    // A power failure took the end of what had been moved.
    fs::copy(&path, &left).unwrap();
    let torn = fs::metadata(&left).unwrap().len() - 1;
    fs::OpenOptions::new().write(true).open(&left).unwrap().set_len(torn).unwrap();
    drain(&first, &sink).await;
    sink.state.lock().positions.insert(first_id(&left), torn + 1);
    drain(&open(copy.path()), &sink).await;
    assert!(segment_files(copy.path()).is_empty());
    assert_eq!(sink.request_ids(), ["moved", "moved as well"]);
}

fn first_id(path: &Path) -> SegmentId {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn whatever_else_lies_in_the_directory_keeps_no_journal_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("directory.kwj")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("link.kwj")).unwrap();
    fs::write(dir.path().join("notes.kwj"), "not a segment, and long enough to be one by its length alone")
        .unwrap();
    fs::write(dir.path().join("other.txt"), "").unwrap();
    let journal = open(dir.path());
    journal.writer().append(&record("r")).unwrap();
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["r"]);
    assert_eq!(segment_files(dir.path()).len(), 3);
}

#[tokio::test]
async fn a_segment_file_that_somebody_deleted_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    journal.writer().append(&record("r")).unwrap();
    fs::remove_file(segment_files(dir.path()).remove(0)).unwrap();
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["r"]);
    assert!(journal.inner().segments().is_empty());
}

#[tokio::test]
async fn a_record_that_could_not_be_synced_is_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    let written: Written = writer.append_and_keep(&record("r")).unwrap();
    let writer::Place::Appended { segment, .. } = &written.0 else { panic!("it was only counted") };
    segment.doubt();
    assert!(journal.inner().until_synced(&written).await.is_err());
    journal.inner().sync_all();
    assert!(journal.inner().until_synced(&written).await.is_err(), "a later sync proves nothing");
    writer.append_durably(&record("next")).await.unwrap();
}
