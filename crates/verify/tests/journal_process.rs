//! The journal of a process that is killed, and of one that hits a limit: each answered decision has
//! exactly one record afterwards. The process is this test program itself, started again.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::id::{IdEntropy, SegmentId};
use keywright_core::{NodeId, Timestamp};
use keywright_verify::journal::mover::pass;
use keywright_verify::{
    Appended, EventKind, EventSink, Journal, JournalOptions, Piece, RecordCode, RecordRef, Reject,
    SourceError,
};
use parking_lot::Mutex;

const DIRECTORY: &str = "KEYWRIGHT_TEST_JOURNAL";
const WRITERS: usize = 3;
/// Of each writer, unless it is killed before.
const ANSWERS: usize = 5_000;

/// Unique in all processes of a test: the process's id and a counter.
fn entropy() -> IdEntropy {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut entropy = [0; 10];
    entropy[..4].copy_from_slice(&std::process::id().to_le_bytes());
    entropy[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes()[..6]);
    entropy
}

fn open(dir: &Path) -> Journal {
    let options = JournalOptions {
        dir: dir.to_owned(),
        max_bytes: 256 << 20,
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
                        Ok(_) => "recorded",
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

fn record(request_id: &str) -> RecordRef<'_> {
    RecordRef {
        occurred_at: Timestamp::from_micros(1_000_000),
        kind: EventKind::Verify,
        code: RecordCode::Valid,
        credential_id: None,
        token_name: Some("ci"),
        principal_kind: None,
        principal_id: None,
        asked_by: None,
        ip_address: None,
        user_agent: Some("curl/8"),
        method: None,
        endpoint: None,
        cloudflare_ray_id: None,
        request_id,
        latency_micros: 1,
        stale: false,
        error_details: None,
        publisher_id: None,
        user_email: None,
        occurrences: 1,
    }
}

fn start(command: &mut Command, dir: &Path) -> Child {
    command.env(DIRECTORY, dir).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

const CHILD_TEST: [&str; 4] = ["--exact", "child_records_and_answers", "--ignored", "--nocapture"];

/// Reads what the child answered, and kills it after `kill_after` answers.
fn answers(child: &mut Child, kill_after: usize) -> BTreeMap<String, bool> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = BTreeMap::new();
    // The last line may be cut off by the kill.
    while let Some(Ok(line)) = lines.next() {
        let (answer, request_id) = line.split_once(' ').unwrap_or_default();
        if matches!(answer, "recorded" | "refused") {
            answers.insert(request_id.to_owned(), answer == "recorded");
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
    stored: Mutex<Vec<String>>,
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
            let ids = piece.records.iter().map(|record| record.request_id.to_string());
            self.stored.lock().extend(ids);
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

/// What the next process finds and stores; each once.
async fn recovered(dir: &Path) -> BTreeSet<String> {
    let (journal, sink) = (open(dir), Sink::default());
    journal.close();
    while journal.status(Timestamp::EPOCH).bytes > 0 {
        pass(&journal, &sink).await.unwrap();
    }
    let stored = sink.stored.into_inner();
    let distinct: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!(distinct.len(), stored.len(), "a record was stored twice");
    distinct
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
