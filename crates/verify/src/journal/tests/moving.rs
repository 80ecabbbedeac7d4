//! What the mover puts into a transaction, and what it does with one that is not taken.

use super::*;

fn fill(journal: &Journal, writers: usize, records: usize) -> Vec<Writer> {
    let writers: Vec<Writer> = (0..writers).map(|_| journal.writer()).collect();
    for at in 0..records {
        for (n, writer) in writers.iter().enumerate() {
            writer.append(&record(&format!("{n}-{at:05}"))).unwrap();
        }
    }
    journal.inner().sync_all();
    writers
}

fn written(writers: usize, records: usize) -> Vec<String> {
    let mut ids: Vec<_> =
        (0..writers).flat_map(|n| (0..records).map(move |at| format!("{n}-{at:05}"))).collect();
    ids.sort();
    ids
}

fn large(dir: &Path) -> Journal {
    let node = NodeId::generate(Timestamp::EPOCH, entropy());
    Journal::open(JournalOptions { max_bytes: 1 << 30, ..options(dir) }, node, entropy).unwrap()
}

#[tokio::test]
async fn one_transaction_takes_what_all_segments_hold() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let _writers = fill(&journal, 5, 20);
    let sink = Sink::default();
    let moved = pass(&journal, &sink).await.unwrap();
    assert_eq!((moved.records, moved.more), (100, false));
    assert_eq!(sink.state.lock().transactions, [(100, 5)]);
    assert_eq!(sink.request_ids(), written(5, 20));
}

#[tokio::test]
async fn a_transaction_is_bounded_and_every_segment_has_its_share() {
    let dir = tempfile::tempdir().unwrap();
    let journal = large(dir.path());
    let (_busy, _calm) = (fill(&journal, 2, 30_000), fill(&journal, 1, 10));
    let sink = Sink::default();
    assert!(pass(&journal, &sink).await.unwrap().more);
    assert_eq!(sink.state.lock().transactions, [(40_000, 3)]);
    let segments = journal.inner().segments();
    let left: Vec<u64> = segments.iter().map(|segment| segment.written() - segment.moved()).collect();
    assert!(left[0].abs_diff(left[1]) < 1_000 && left[0] > 0 && left[2] == 0, "{left:?}");
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids().len(), 60_010);
}

#[tokio::test]
async fn more_segments_than_one_transaction_takes_are_moved_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = large(dir.path());
    let writers = fill(&journal, 150, 1);
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), written(150, 1));
    let sizes: Vec<_> = sink.state.lock().transactions.iter().map(|(_, segments)| *segments).collect();
    assert_eq!(sizes, [64, 64, 22]);
    drop(writers);
}

/// Tells how many transactions were under way together: each waits for so many.
struct Together {
    sink: Sink,
    expected: tokio::sync::Barrier,
    at_once: usize,
}

impl EventSink for Together {
    async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
        self.expected.wait().await;
        self.sink.append(pieces).await
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn reject(&self, reject: &Reject) -> Result<Appended, SourceError> {
        self.sink.reject(reject).await
    }

    async fn position(&self, segment: SegmentId) -> Result<u64, SourceError> {
        self.sink.position(segment).await
    }

    async fn forget(&self, segment: SegmentId) -> Result<(), SourceError> {
        self.sink.forget(segment).await
    }
}

fn fill_much(journal: &Journal, writers: usize, records: usize) -> Vec<Writer> {
    let user_agent = "x".repeat(480);
    let writers: Vec<Writer> = (0..writers).map(|_| journal.writer()).collect();
    for at in 0..records {
        for (n, writer) in writers.iter().enumerate() {
            let id = format!("{n}-{at:05}");
            writer.append(&RecordRef { user_agent: Some(&user_agent), ..record(&id) }).unwrap();
        }
    }
    journal.inner().sync_all();
    writers
}

#[tokio::test]
async fn when_much_waits_several_transactions_go_at_once_each_with_other_segments() {
    let dir = tempfile::tempdir().unwrap();
    let journal = large(dir.path());
    let writers = fill_much(&journal, 3, 12_000);
    assert!(journal.inner().pending_bytes() > 2 * 8 * 1024 * 1024);
    let sink = Together { sink: Sink::default(), expected: tokio::sync::Barrier::new(2), at_once: 2 };
    assert!(pass(&journal, &sink).await.unwrap().more);
    let segments: Vec<_> =
        sink.sink.state.lock().transactions.iter().map(|(_, segments)| *segments).collect();
    assert_eq!(segments.iter().sum::<usize>(), 3);
    assert_eq!(segments.len(), 2);
    // What is left is little, and goes in one.
    let alone = Together { expected: tokio::sync::Barrier::new(1), ..sink };
    drain(&journal, &alone).await;
    assert_eq!(alone.sink.request_ids(), written(3, 12_000));
    drop(writers);
}

#[tokio::test]
async fn of_several_at_once_one_that_fails_takes_nothing_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let journal = large(dir.path());
    let writers = fill_much(&journal, 2, 17_000);
    let sink = Together { sink: Sink::default(), expected: tokio::sync::Barrier::new(2), at_once: 2 };
    sink.sink.state.lock().fail_before = 1;
    assert!(matches!(pass(&journal, &sink).await, Err(SourceError::Unavailable(_))));
    let stored = sink.sink.request_ids().len();
    assert!(stored > 0 && stored < 34_000, "{stored}");
    let alone = Together { expected: tokio::sync::Barrier::new(1), ..sink };
    drain(&journal, &alone).await;
    assert_eq!(alone.sink.request_ids(), written(2, 17_000));
    drop(writers);
}

#[tokio::test]
async fn a_refused_record_is_kept_raw_and_all_others_are_stored() {
    for refused in [&["0-00000"][..], &["1-00019"], &["0-00007", "0-00008", "2-00000", "1-00019"]] {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let _writers = fill(&journal, 3, 20);
        let sink = Sink::default();
        let refused: BTreeSet<String> = refused.iter().map(|id| (*id).to_owned()).collect();
        sink.state.lock().refused = refused.clone();
        drain(&journal, &sink).await;
        let mut expected = written(3, 20);
        expected.retain(|id| !refused.contains(id));
        assert_eq!(sink.request_ids(), expected);
        let rejects = sink.state.lock().rejects.clone();
        let kept: BTreeSet<String> = rejects
            .iter()
            .map(|reject| codec::decode(reject.segment, reject.from, &reject.raw).unwrap().request_id.into())
            .collect();
        assert_eq!(kept, refused);
        assert!(rejects.iter().all(|reject| reject.reason == "value out of range"));
        let status = journal.status(Timestamp::EPOCH);
        assert_eq!((status.rejected, status.pending_bytes), (refused.len() as u64, 0));
    }
}

#[tokio::test]
async fn finding_a_refused_record_takes_few_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let journal = large(dir.path());
    let _writers = fill(&journal, 1, 1_000);
    let sink = Sink::default();
    sink.state.lock().refused.insert("0-00600".to_owned());
    drain(&journal, &sink).await;
    assert!(sink.state.lock().transactions.len() <= 11, "{:?}", sink.state.lock().transactions);
}

#[tokio::test]
async fn a_store_that_goes_away_while_a_record_is_searched_for_gets_the_rest_later() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let _writers = fill(&journal, 2, 20);
    let sink = Sink::default();
    sink.state.lock().refused.insert("1-00010".to_owned());
    for n in 0..10 {
        // Each pass finds the store away at another step, before or after it has stored something.
        {
            let mut state = sink.state.lock();
            (state.fail_before, state.fail_after) = (n % 2, (n + 1) % 2);
        }
        let _ = pass(&journal, &sink).await;
    }
    drain(&journal, &sink).await;
    let mut expected = written(2, 20);
    expected.retain(|id| id != "1-00010");
    assert_eq!(sink.request_ids(), expected);
    assert_eq!(sink.state.lock().rejects.len(), 1);
}

#[tokio::test]
async fn a_segment_that_another_has_moved_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let _writers = fill(&journal, 3, 20);
    let sink = Sink::default();
    let segment = Arc::clone(&journal.inner().segments()[1]);
    let middle = HEADER_BYTES as u64 + (segment.written() - HEADER_BYTES as u64) / 2;
    sink.state.lock().positions.insert(segment.id(), middle);
    let moved = pass(&journal, &sink).await.unwrap();
    assert_eq!((moved.records, moved.more, segment.moved()), (40, true, middle));
    drain(&journal, &sink).await;
    let mut expected = written(3, 20);
    expected.retain(|id| !id.starts_with('1') || &**id >= "1-00010");
    assert_eq!(sink.request_ids(), expected);
}
