use proptest::prelude::*;
use tempfile::TempDir;

use super::super::codec;
use super::super::record::{EventKind, RecordCode, RecordRef};
use super::super::scan::SCAN_BYTES;
use super::*;

fn id() -> SegmentId {
    SegmentId::generate(Timestamp::EPOCH, [3; 10])
}

fn bytes(request_id: &str) -> Vec<u8> {
    let record = RecordRef {
        token_name: Some("ci"),
        ..RecordRef::bare(Timestamp::from_micros(5), EventKind::Gate, RecordCode::Expired, request_id)
    };
    let mut out = Vec::new();
    codec::encode(&record, &mut out);
    out
}

/// A segment with these records, as a process that was killed leaves it.
fn left_behind(dir: &TempDir, request_ids: &[String]) -> (PathBuf, Vec<u64>) {
    let segment =
        Segment::create(dir.path(), NodeId::generate(Timestamp::EPOCH, [1; 10]), id(), Timestamp::EPOCH);
    let segment = segment.unwrap();
    let append = |id: &String| segment.append(&bytes(id), Timestamp::EPOCH).unwrap().unwrap();
    let ends = request_ids.iter().map(append).collect();
    (segment.path().to_owned(), ends)
}

fn request_ids(segment: &Segment) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), HEADER_BYTES as u64);
    while segment.next_readable(at) < segment.written() {
        let rest = segment.read_synced(segment.next_readable(at), usize::MAX).unwrap();
        at = segment.next_readable(at);
        for frame in codec::frames(&rest) {
            found.push(codec::decode(segment.id(), at, frame.payload).unwrap().request_id.into());
            at += frame.bytes as u64;
        }
    }
    assert_eq!(at, segment.written());
    found
}

fn numbered(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("r{n}")).collect()
}

/// A segment whose file takes, or refuses, bytes in its own way.
fn on_device(device: &str) -> Segment {
    let file = OpenOptions::new().read(true).write(true).open(device).unwrap();
    let header = Header {
        node: NodeId::generate(Timestamp::EPOCH, [1; 10]),
        segment: id(),
        made_at: Timestamp::EPOCH,
    };
    Segment::new(header, device.into(), file, HEADER_BYTES as u64, HEADER_BYTES as u64)
}

#[test]
fn records_are_found_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(60);
    let written: Vec<String> =
        (0..4 * SCAN_BYTES / 100).map(|n| format!("{n}{long}")[..60].to_owned()).collect();
    let (path, ends) = left_behind(&dir, &written);
    assert!(*ends.last().unwrap() > 3 * SCAN_BYTES as u64, "they are read in several parts");
    let segment = Segment::recover(&path).unwrap().unwrap();
    assert_eq!(request_ids(&segment), written);
}

#[test]
fn recovery_reads_no_further_than_the_records_go() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = left_behind(&dir, &numbered(3));
    // A hole of 64 GiB, which takes neither memory nor time unless it is read.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 30).unwrap();
    let segment = Segment::recover(&path).unwrap().unwrap();
    assert_eq!(request_ids(&segment), numbered(3));
    assert_eq!(fs::metadata(&path).unwrap().len(), *ends.last().unwrap());
}

#[test]
fn a_header_that_never_arrived_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{}.{EXTENSION}", id()));
    for torn in [&b""[..], b"KWJRNL", &[0; HEADER_BYTES], &[0; 300]] {
        fs::write(&path, torn).unwrap();
        assert!(Segment::recover(&path).unwrap().is_none());
        assert!(!path.exists());
    }
}

#[test]
fn what_is_none_of_ours_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = left_behind(&dir, &numbered(2));
    let ours = fs::read(&path).unwrap();
    let copy = dir.path().join("copy.kwj");
    let other = dir.path().join(format!("{}.{EXTENSION}", SegmentId::generate(Timestamp::EPOCH, [4; 10])));
    let mut damaged = ours.clone();
    damaged[20] ^= 1;
    for (path, content) in
        [(&copy, &ours[..]), (&copy, b"notes"), (&other, &ours), (&path, &damaged), (&other, &[b'x'; 300])]
    {
        fs::write(path, content).unwrap();
        assert!(Segment::recover(path).unwrap().is_none());
        assert_eq!(fs::read(path).unwrap(), content, "{}", path.display());
    }
}

#[test]
fn a_sealed_segment_takes_nothing_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = left_behind(&dir, &numbered(1));
    let segment = Segment::recover(&path).unwrap().unwrap();
    let before = fs::metadata(&path).unwrap().len();
    assert_eq!(segment.append(&bytes("late"), Timestamp::EPOCH).unwrap(), None);
    assert_eq!((segment.written(), fs::metadata(&path).unwrap().len()), (before, before));
}

#[test]
fn no_record_is_added_once_a_segment_is_sealed() {
    for _ in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let node = NodeId::generate(Timestamp::EPOCH, [1; 10]);
        let segment = Segment::create(dir.path(), node, id(), Timestamp::EPOCH).unwrap();
        let (appended, sealed_at) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let record = bytes("r");
                let mut end = HEADER_BYTES as u64;
                while let Some(next) = segment.append(&record, Timestamp::EPOCH).unwrap() {
                    end = next;
                }
                end
            });
            while segment.written() == HEADER_BYTES as u64 {
                std::hint::spin_loop();
            }
            segment.seal();
            // From here on the mover may take the file away.
            let sealed_at = segment.written();
            (writer.join().unwrap(), sealed_at)
        });
        assert_eq!(appended, sealed_at);
        assert_eq!((segment.is_sealed(), fs::metadata(segment.path()).unwrap().len()), (true, sealed_at));
    }
}

#[test]
fn a_segment_that_cannot_take_back_what_it_wrote_in_part_is_sealed() {
    let full = on_device("/dev/full");
    let refused = full.append(&bytes("r"), Timestamp::EPOCH).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert_eq!((full.is_sealed(), full.written()), (true, HEADER_BYTES as u64));
}

#[test]
fn what_a_sync_failed_to_bring_to_disk_never_counts_as_durable() {
    // A device that takes every byte and has no disk to sync.
    let segment = on_device("/dev/null");
    let end = segment.append(&bytes("r"), Timestamp::EPOCH).unwrap().unwrap();
    assert_eq!(segment.is_durable(end), None);
    segment.sync();
    assert_eq!(segment.is_durable(end), Some(false));
    assert!(segment.is_sealed());
    // The kernel tells of a failure once; the next sync succeeds without the bytes.
    segment.synced.store(end, Ordering::Release);
    assert_eq!(segment.is_durable(end), Some(false));
    assert_eq!(segment.is_durable(HEADER_BYTES as u64), Some(true));
}

#[test]
fn the_oldest_record_that_is_pending_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let at = Timestamp::from_micros;
    let segment = Segment::create(dir.path(), NodeId::generate(at(0), [1; 10]), id(), at(100)).unwrap();
    let first = segment.append(&bytes("a"), at(100)).unwrap().unwrap();
    let second = segment.append(&bytes("b"), at(200)).unwrap().unwrap();
    assert_eq!((segment.is_pending(), segment.oldest_pending()), (true, at(100)));
    segment.set_moved(first, at(100));
    assert_eq!((segment.is_pending(), segment.oldest_pending()), (true, at(100)));
    segment.set_moved(second, at(200));
    assert!(!segment.is_pending());
    segment.append(&bytes("c"), at(9_000)).unwrap();
    assert_eq!((segment.is_pending(), segment.oldest_pending()), (true, at(9_000)));
    // While that is moved another one comes.
    let third = segment.written();
    segment.append(&bytes("d"), at(9_500)).unwrap();
    segment.set_moved(third, at(9_000));
    assert_eq!(segment.oldest_pending(), at(9_000));
    segment.set_position(0);
    assert_eq!(segment.oldest_pending(), at(100));
}

fn contains(content: &[u8], record: &[u8]) -> bool {
    content.windows(record.len()).any(|window| window == record)
}

#[test]
fn what_lies_behind_a_damaged_record_is_found_and_its_place_told() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = left_behind(&dir, &numbered(6));
    let mut content = fs::read(&path).unwrap();
    // A flipped bit in one record, and a lost length in another.
    content[usize::try_from(ends[1]).unwrap() - 1] ^= 1;
    content[usize::try_from(ends[3]).unwrap()] = 0;
    fs::write(&path, &content).unwrap();
    let segment = Segment::recover(&path).unwrap().unwrap();
    assert_eq!(request_ids(&segment), ["r0", "r2", "r3", "r5"]);
    let holes = [Hole { from: ends[0], to: ends[1] }, Hole { from: ends[3], to: ends[4] }];
    assert_eq!(segment.holes(), holes);
    for (at, next) in [(ends[0], ends[1]), (ends[0] + 5, ends[1]), (ends[1], ends[1]), (ends[2], ends[2])] {
        assert_eq!(segment.next_readable(at), next);
    }
    assert_eq!(fs::read(&path).unwrap(), content, "nothing of it is altered");
}

#[test]
fn a_record_is_found_however_much_before_it_is_damaged() {
    for damaged in [1, SCAN_BYTES - 1, SCAN_BYTES, 2 * SCAN_BYTES + 17] {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = left_behind(&dir, &numbered(1));
        let mut content = fs::read(&path).unwrap();
        content.extend((0..damaged).map(|n| u8::try_from(n % 251).unwrap()));
        content.extend(bytes("behind"));
        fs::write(&path, &content).unwrap();
        let segment = Segment::recover(&path).unwrap().unwrap();
        assert_eq!(request_ids(&segment), ["r0", "behind"]);
        assert_eq!(segment.holes(), [Hole { from: ends[0], to: ends[0] + damaged as u64 }]);
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Cut,
    Flip(u8),
    Zero(usize),
    Insert(Vec<u8>),
}

fn damage() -> impl Strategy<Value = (Damage, prop::sample::Index)> {
    let kind = prop_oneof![
        Just(Damage::Cut),
        (1u8..).prop_map(Damage::Flip),
        (1usize..200).prop_map(Damage::Zero),
        prop::collection::vec(any::<u8>(), 1..100).prop_map(Damage::Insert),
    ];
    (kind, any::<prop::sample::Index>())
}

proptest! {
    #[test]
    fn whatever_is_damaged_only_what_was_written_is_found(
        count in 0usize..12, damages in prop::collection::vec(damage(), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let written = numbered(count);
        let (path, _) = left_behind(&dir, &written);
        let mut content = fs::read(&path).unwrap();
        for (kind, at) in damages {
            let at = at.index(content.len().max(1)).min(content.len());
            match kind {
                Damage::Cut => content.truncate(at),
                Damage::Flip(bits) => content.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
                Damage::Zero(n) => content.iter_mut().skip(at).take(n).for_each(|byte| *byte = 0),
                Damage::Insert(bytes) => drop(content.splice(at..at, bytes)),
            }
        }
        fs::write(&path, &content).unwrap();
        let found = Segment::recover(&path).unwrap().map(|segment| request_ids(&segment)).unwrap_or_default();
        // In the order in which they were written, each that is whole, and nothing else.
        let mut left = written.iter();
        prop_assert!(found.iter().all(|id| left.any(|other| other == id)), "{:?}", found);
        if content.get(..HEADER_BYTES).is_some_and(|header| Header::decode(header).is_some()) {
            let whole = written.iter().filter(|id| contains(&content[HEADER_BYTES..], &bytes(id)));
            prop_assert_eq!(&found, &whole.cloned().collect::<Vec<_>>());
        }
        // What was cut once is whole: the next start finds the same.
        let again = if path.exists() { Segment::recover(&path).unwrap() } else { None };
        prop_assert_eq!(again.map(|segment| request_ids(&segment)).unwrap_or_default(), found);
    }
}
