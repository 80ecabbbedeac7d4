//! The journal of a process that is killed, and of one that hits a limit: each answered decision has
//! exactly one record afterwards. The process is this test program itself, started again.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::id::{IdEntropy, SegmentId};
use keywright_core::{NodeId, Timestamp};
use keywright_verify::journal::mover::pass;
use keywright_verify::{
    Appended, DecisionRecord, EventKind, EventSink, Journal, JournalError, JournalOptions, Piece, RecordCode,
    RecordRef, Reject, SourceError,
};
use parking_lot::Mutex;

const DIRECTORY: &str = "KEYWRIGHT_TEST_JOURNAL";
const WRITERS: usize = 3;
/// Of each writer, unless it is killed before.
const ANSWERS: usize = 5_000;
/// Garbage of which fills a journal of this size many times.
const FLOODED_BYTES: u64 = 1 << 20;

/// Unique in all processes of a test: the process's id and a counter.
fn entropy() -> IdEntropy {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut entropy = [0; 10];
    entropy[..4].copy_from_slice(&std::process::id().to_le_bytes());
    entropy[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes()[..6]);
    entropy
}

fn open(dir: &Path) -> Journal {
    open_with(dir, 256 << 20)
}

fn open_with(dir: &Path, max_bytes: u64) -> Journal {
    let options = JournalOptions {
        dir: dir.to_owned(),
        max_bytes,
        sync_interval: Duration::from_millis(1),
        allow_ephemeral: true,
    };
    Journal::open(options, NodeId::generate(Timestamp::EPOCH, entropy()), entropy).unwrap()
}

/// The part of the process that is started again: it answers on standard output, after the record.
#[test]
#[ignore = "it is started by the others"]
fn child_records_and_answers() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let journal = open(Path::new(&dir));
    // The test runner has begun a line.
    println!();
    std::thread::scope(|scope| {
        for n in 0..WRITERS {
            let writer = journal.writer();
            scope.spawn(move || {
                for at in 0..ANSWERS {
                    let request_id = format!("{}-{n}-{at}", std::process::id());
                    let answer = match writer.append(&record(&request_id)) {
                        Ok(()) => "recorded",
                        Err(_) => "refused",
                    };
                    // Nobody reads any more once the parent has failed.
                    if writeln!(std::io::stdout().lock(), "{answer} {request_id}").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// As the one above, under a flood: each fifth decision is about a known credential, the others come
/// from as many networks as there are.
#[test]
#[ignore = "it is started by the others"]
fn child_is_flooded_and_answers() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let journal = open_with(Path::new(&dir), FLOODED_BYTES);
    println!();
    std::thread::scope(|scope| {
        for n in 0..WRITERS {
            let writer = journal.writer();
            scope.spawn(move || {
                for at in 0..ANSWERS {
                    let request_id = format!("{}-{n}-{at}", std::process::id());
                    let address = IpAddr::from(u32::try_from(at << 8).unwrap().to_be_bytes());
                    let record = match at % 5 {
                        0 => record(&request_id),
                        _ => RecordRef {
                            code: RecordCode::NotFound,
                            ip_address: Some(address),
                            ..record(&request_id)
                        },
                    };
                    let answer = match writer.append(&record) {
                        Ok(()) if record.code == RecordCode::Valid => "recorded",
                        Ok(()) => "counted",
                        Err(_) => "refused",
                    };
                    if writeln!(std::io::stdout().lock(), "{answer} {request_id}").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// In a mount namespace of its own: a disk of 1 MiB that fills, and is emptied by nobody but the mover.
#[tokio::test]
#[ignore = "it is started by the others"]
async fn child_fills_its_disk() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let (journal, sink) = (open_with(Path::new(&dir), 64 << 20), Sink::default());
    let (writer, mut answered) = (journal.writer(), BTreeSet::new());
    for round in 0..3 {
        let refused = loop {
            let request_id = format!("{round}-{}", answered.len());
            match writer.append(&record(&request_id)) {
                Ok(()) => answered.insert(request_id),
                Err(error) => break error,
            };
        };
        assert!(
            matches!(&refused, JournalError::Io(error) if error.kind() == ErrorKind::StorageFull),
            "{refused}"
        );
        assert!(answered.len() > 1_000 && !journal.status(Timestamp::EPOCH).writable);
        // The syncer goes on by itself, and finds that there is room once the mover has made some.
        while !journal.status(Timestamp::EPOCH).writable {
            pass(&journal, &sink).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    journal.close();
    while journal.status(Timestamp::EPOCH).bytes > 0 {
        pass(&journal, &sink).await.unwrap();
    }
    let stored: Vec<_> = sink.stored.into_inner();
    let distinct: BTreeSet<String> = stored.iter().map(|record| record.request_id.to_string()).collect();
    assert_eq!((distinct.len(), &distinct), (stored.len(), &answered));
    println!("\nhealed {}", answered.len());
}

fn record(request_id: &str) -> RecordRef<'_> {
    RecordRef {
        token_name: Some("ci"),
        user_agent: Some("curl/8"),
        latency_micros: 1,
        ..RecordRef::bare(Timestamp::from_micros(1_000_000), EventKind::Verify, RecordCode::Valid, request_id)
    }
}

fn start(command: &mut Command, dir: &Path) -> Child {
    command.env(DIRECTORY, dir).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

const CHILD_TEST: [&str; 4] = ["--exact", "child_records_and_answers", "--ignored", "--nocapture"];
const FLOODED_TEST: [&str; 4] = ["--exact", "child_is_flooded_and_answers", "--ignored", "--nocapture"];

/// Reads what the child answered, and kills it after `kill_after` answers.
fn answers(child: &mut Child, kill_after: usize) -> BTreeMap<String, bool> {
    let answers = words(child, kill_after);
    answers.into_iter().map(|(id, answer)| (id, answer == "recorded")).collect()
}

/// What the child said of each request.
fn words(child: &mut Child, kill_after: usize) -> BTreeMap<String, String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = BTreeMap::new();
    // The last line may be cut off by the kill.
    while let Some(Ok(line)) = lines.next() {
        let (answer, request_id) = line.split_once(' ').unwrap_or_default();
        if matches!(answer, "recorded" | "counted" | "refused" | "healed") {
            answers.insert(request_id.to_owned(), answer.to_owned());
        }
        if answers.len() == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    answers
}

#[derive(Default)]
struct Sink {
    positions: Mutex<BTreeMap<SegmentId, u64>>,
    stored: Mutex<Vec<DecisionRecord>>,
}

impl EventSink for Sink {
    async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
        let mut positions = self.positions.lock();
        for Piece { segment, from, .. } in pieces {
            let position = positions.get(segment).copied().unwrap_or(0);
            if position != *from {
                return Ok(Appended::Elsewhere { segment: *segment, position });
            }
        }
        for piece in pieces {
            positions.insert(piece.segment, piece.to);
            self.stored.lock().extend(piece.records.iter().cloned());
        }
        Ok(Appended::Done)
    }

    async fn reject(&self, reject: &Reject) -> Result<Appended, SourceError> {
        unreachable!("nothing is refused here: {reject:?}")
    }

    async fn position(&self, segment: SegmentId) -> Result<u64, SourceError> {
        Ok(self.positions.lock().get(&segment).copied().unwrap_or(0))
    }

    async fn forget(&self, segment: SegmentId) -> Result<(), SourceError> {
        self.positions.lock().remove(&segment);
        Ok(())
    }
}

/// The requests that the next process finds and stores; each once.
async fn recovered(dir: &Path) -> BTreeSet<String> {
    let stored = recovered_records(dir).await;
    let distinct: BTreeSet<String> = stored.iter().map(|record| record.request_id.to_string()).collect();
    assert_eq!(distinct.len(), stored.len(), "a record was stored twice");
    distinct
}

async fn recovered_records(dir: &Path) -> Vec<DecisionRecord> {
    let (journal, sink) = (open(dir), Sink::default());
    journal.close();
    while journal.status(Timestamp::EPOCH).bytes > 0 {
        pass(&journal, &sink).await.unwrap();
    }
    sink.stored.into_inner()
}

#[tokio::test]
async fn a_killed_process_leaves_each_answered_record_once() {
    let dir = tempfile::tempdir().unwrap();
    for kill_after in [1, 100, 3_000] {
        let mut child = start(Command::new(std::env::current_exe().unwrap()).args(CHILD_TEST), dir.path());
        let answered = answers(&mut child, kill_after);
        assert!(answered.len() >= kill_after && answered.values().all(|recorded| *recorded));
        let found = recovered(dir.path()).await;
        let unrecorded: Vec<_> = answered.keys().filter(|id| !found.contains(*id)).collect();
        assert!(unrecorded.is_empty(), "answered and not recorded: {unrecorded:?}");
        // Those beyond were under way at the kill: at most one of each writer, plus the cut-off line.
        assert!(found.len() - answered.len() <= WRITERS + 1, "{} of {}", found.len(), answered.len());
    }
}

#[tokio::test]
async fn a_killed_process_that_was_flooded_leaves_each_answered_decision_counted_once() {
    for kill_after in [2_000, 9_000, usize::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let answered = words(&mut start(command.args(FLOODED_TEST), dir.path()), kill_after);
        assert!(answered.values().all(|answer| answer != "refused"), "the flood filled the journal");
        let (known, garbage): (Vec<_>, Vec<_>) =
            recovered_records(dir.path()).await.into_iter().partition(DecisionRecord::success);
        let recorded: BTreeSet<&str> = known.iter().map(|record| &*record.request_id).collect();
        assert_eq!(recorded.len(), known.len(), "a record was stored twice");
        let missing: Vec<_> = answered
            .iter()
            .filter(|(id, answer)| *answer == "recorded" && !recorded.contains(&***id))
            .collect();
        assert!(missing.is_empty(), "answered and not recorded: {missing:?}");
        let counted = garbage.iter().map(|record| record.occurrences as usize).sum::<usize>();
        let of_garbage = answered.values().filter(|answer| *answer == "counted").count();
        let under_way = if kill_after == usize::MAX { 0 } else { WRITERS + 1 };
        assert!((of_garbage..=of_garbage + under_way).contains(&counted), "{counted} of {of_garbage}");
        assert!(kill_after == 2_000 || garbage.iter().any(|record| record.occurrences > 1));
    }
}

/// A file system of its own takes a mount namespace, which a user may make for himself on most Linux
/// systems; where not, the limit on files below is what is left.
#[tokio::test]
async fn a_full_disk_refuses_and_heals_once_the_store_has_taken_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = r#"mount -t tmpfs -o size=1m none "$0" && exec "$@""#;
    let may_mount = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(dir.path());
        unshare
    };
    let allowed = may_mount(mounted).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return;
    }
    let mut command = may_mount(mounted);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "child_fills_its_disk", "--ignored", "--nocapture"]);
    let said = words(&mut start(&mut command, dir.path()), usize::MAX);
    assert_eq!(said.values().collect::<Vec<_>>(), ["healed"]);
}

#[tokio::test]
async fn what_does_not_fit_into_a_file_is_refused_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // The limit cuts a write in the middle of a record, as a full disk does.
    let limited = r#"trap '' XFSZ; ulimit -f 100; exec "$0" "$@""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", limited]).arg(std::env::current_exe().unwrap()).args(CHILD_TEST);
    let answered = answers(&mut start(&mut shell, dir.path()), usize::MAX);
    assert_eq!(answered.len(), WRITERS * ANSWERS);
    let recorded: BTreeSet<_> =
        answered.iter().filter(|(_, recorded)| **recorded).map(|(id, _)| id.clone()).collect();
    let refused = answered.len() - recorded.len();
    assert!((1..1_000).contains(&refused), "{refused} were refused");
    assert_eq!(recovered(dir.path()).await, recorded);
}
