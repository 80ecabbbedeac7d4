//! Damage between records, and what is left of a file afterwards.

use super::*;

/// Appends `r0` to `r5`, and tells where each ends.
fn append_six(writer: &Writer) -> Vec<u64> {
    let end = |written: Written| match written.0 {
        writer::Place::Appended { end, .. } => end,
        writer::Place::Counted { .. } => panic!("it was only counted"),
    };
    (0..6).map(|n| end(writer.append_and_keep(&record(&format!("r{n}"))).unwrap())).collect()
}

#[tokio::test]
async fn records_around_a_damaged_one_are_moved_and_the_file_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let crashed = open(dir.path());
    let writer = crashed.writer();
    let ends = append_six(&writer);
    let copy = tempfile::tempdir().unwrap();
    let segment = crashed.inner().segments().remove(0);
    let left = copy.path().join(segment.path().file_name().unwrap());
    let mut bytes = fs::read(segment.path()).unwrap();
    bytes[usize::try_from(ends[1]).unwrap() - 3] ^= 8;
    fs::write(&left, &bytes).unwrap();
    let journal = open(copy.path());
    let kept_as = left.with_extension("kwj.damaged");
    let damage = Damage { segment: segment.id(), kept_as: kept_as.clone(), bytes: ends[1] - ends[0] };
    assert_eq!(journal.damaged(), [damage]);
    let sink = Sink::default();
    // The middle is refused by the store as well: its bytes are found behind the damaged place.
    sink.state.lock().refused.insert("r2".to_owned());
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["r0", "r3", "r4", "r5"]);
    let reject = sink.state.lock().rejects.remove(0);
    assert_eq!(&*codec::decode(reject.segment, 0, &reject.raw).unwrap().request_id, "r2");
    assert_eq!(fs::read(&kept_as).unwrap(), bytes, "for somebody to look at");
    assert!(!left.exists() && journal.inner().segments().is_empty());
    assert_eq!(journal.status(Timestamp::EPOCH).damaged_segments, 1);
    drop(journal);
}

#[tokio::test]
async fn a_half_moved_segment_that_is_damaged_is_taken_up_behind_what_was_moved() {
    let dir = tempfile::tempdir().unwrap();
    let crashed = open(dir.path());
    let writer = crashed.writer();
    let ends = append_six(&writer);
    let segment = crashed.inner().segments().remove(0);
    let mut bytes = fs::read(segment.path()).unwrap();
    // One that had been moved and the next one, which had not.
    for end in &ends[1..3] {
        bytes[usize::try_from(*end).unwrap() - 3] ^= 8;
    }
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join(segment.path().file_name().unwrap()), &bytes).unwrap();
    let journal = open(copy.path());
    let sink = Sink::default();
    sink.state.lock().positions.insert(segment.id(), ends[1]);
    drain(&journal, &sink).await;
    assert_eq!(sink.request_ids(), ["r3", "r4", "r5"]);
}

#[tokio::test]
async fn what_lies_in_a_directory_is_told_without_touching_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(inspect(&dir.path().join("missing")).is_err());
    assert_eq!(inspect(dir.path()).unwrap(), Inspected::default());
    let journal = open(dir.path());
    let writer = journal.writer();
    let ends = append_six(&writer);
    let other = RecordRef {
        code: RecordCode::Expired,
        occurred_at: Timestamp::from_micros(9),
        occurrences: 3,
        ..record("x")
    };
    writer.append(&other).unwrap();
    let segment = journal.inner().segments().remove(0);
    let mut bytes = fs::read(segment.path()).unwrap();
    bytes[usize::try_from(ends[1]).unwrap() - 3] ^= 8;
    bytes.extend([9, 0, 0, 0, 1]);
    fs::write(segment.path(), &bytes).unwrap();
    fs::copy(segment.path(), segment.path().with_extension("kwj.damaged")).unwrap();
    fs::write(dir.path().join("notes.kwj"), "notes").unwrap();
    let found = inspect(dir.path()).unwrap();
    assert_eq!((found.id, found.segments.len()), (Some(journal.id()), 2));
    assert_eq!(found.unreadable, [dir.path().join("notes.kwj")]);
    let told = found.segments.iter().find(|segment| !segment.is_kept).unwrap();
    assert_eq!((told.id, told.node), (segment.id(), segment.node()));
    assert_eq!((told.records, told.decisions, told.unknown_records), (6, 8, 0));
    assert_eq!((told.damaged_bytes, told.torn_bytes), (ends[1] - ends[0], 5));
    assert_eq!((told.bytes, told.end), (bytes.len() as u64, bytes.len() as u64 - 5));
    assert_eq!(told.codes, [("expired", 3), ("valid", 5)].into());
    assert_eq!(told.first_at, Some(Timestamp::from_micros(9)));
    assert_eq!(told.last_at, Some(Timestamp::from_micros(1_000_000)));
    assert_eq!(fs::read(segment.path()).unwrap(), bytes);
}
