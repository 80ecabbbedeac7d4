//! What is told of an import: while it runs, and afterwards.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use keywright_authority::imports::{Listener, Outcome as Became, Reason, Stage, Summary, Told};
use serde_json::json;

use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::table::{Table, Tone, Value};
use crate::cli::output::text::escape;
use crate::cli::output::{Output, progress};

/// Refusals, and notes, that are shown; the file has all.
const SAMPLES: usize = 10;

/// Hears of an import.
pub(super) struct Report {
    bar: ProgressBar,
    file: Option<(PathBuf, BufWriter<File>)>,
    refused: Vec<Told>,
    noted: Vec<Told>,
    stopped: Arc<AtomicBool>,
    watching: tokio::task::JoinHandle<()>,
}

impl Report {
    /// Begins to listen: for the import, and for Ctrl-C.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the file cannot be made.
    pub(super) fn open(path: Option<&Path>, output: &Output) -> Result<Self, Failure> {
        let open = |path: &Path| {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            let file = file.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
            Ok::<_, Failure>((path.to_owned(), BufWriter::new(file)))
        };
        let stopped = Arc::new(AtomicBool::new(false));
        Ok(Self {
            bar: progress::rows(output),
            file: path.map(open).transpose()?,
            refused: Vec::new(),
            noted: Vec::new(),
            watching: tokio::spawn(watch(Arc::clone(&stopped))),
            stopped,
        })
    }

    /// Prints what was done.
    ///
    /// # Errors
    /// [`Failure::Found`] when a token was refused, or it did not come to its end.
    pub(super) fn finish(mut self, done: anyhow::Result<Summary>, output: &Output) -> Outcome {
        self.bar.finish_and_clear();
        self.watching.abort();
        if let Some((path, file)) = &mut self.file {
            let told = |error: io::Error| Failure::Failed(format!("{}: {error}", path.display()));
            file.flush().map_err(told)?;
        }
        let again = "what was taken until then stays: run the same command again to go on";
        let summary = done.map_err(|error| Failure::Failed(format!("{error:#}; {again}")))?;
        if output.json {
            let mut told = json!(summary);
            told["refused"] = json!(self.refused);
            told["notes"] = json!(self.noted);
            output.value(&told)?;
        } else {
            self.print(&summary, output)?;
        }
        if self.stopped.load(Ordering::Relaxed) {
            output.tell("stopped: run the same command again to go on");
        }
        let sound = summary.complete && summary.tokens.all_refused() == 0;
        if sound { Ok(()) } else { Err(Failure::Found) }
    }

    fn print(&self, summary: &Summary, output: &Output) -> Outcome {
        let mut table = Table::with_header(&["", "TOKENS", "EVENTS"]);
        let events = summary.events.clone().unwrap_or_default();
        let tokens = &summary.tokens;
        for (what, of_tokens, of_events) in [
            ("seen", tokens.seen, events.seen),
            (if summary.dry_run { "would be taken" } else { "taken" }, tokens.taken, events.taken),
            ("already there", tokens.already_there, events.already_there),
            ("brought up to date", tokens.updated, 0),
        ] {
            table.row(vec![what.into(), of_tokens.to_string().into(), of_events.to_string().into()]);
        }
        let mut reasons: BTreeMap<Reason, (u64, u64)> = BTreeMap::new();
        for (reason, count) in &tokens.refused {
            reasons.entry(*reason).or_default().0 = *count;
        }
        for (reason, count) in &events.refused {
            reasons.entry(*reason).or_default().1 = *count;
        }
        for (reason, (of_tokens, of_events)) in reasons {
            table.row(vec![
                Value::toned(&format!("refused: {}", reason.as_str()), Tone::Warning),
                of_tokens.to_string().into(),
                of_events.to_string().into(),
            ]);
        }
        output.table(&table)?;
        self.samples("refused", &self.refused, tokens.all_refused(), output);
        self.samples("to know", &self.noted, tokens.noted, output);
        if events.unattributed > 0 {
            output.note(&format!("{} events are of tokens that are not there any more", events.unattributed));
        }
        Ok(())
    }

    fn samples(&self, what: &str, told: &[Told], all: u64, output: &Output) {
        for told in told {
            let place = told.line.map(|line| format!("line {line}, ")).unwrap_or_default();
            let notes =
                told.detail.iter().chain(&told.notes).map(String::as_str).collect::<Vec<_>>().join("; ");
            output.tell(&format!("{what}: {place}{}: {}", escape(&told.name), escape(&notes)));
        }
        let more = all.saturating_sub(told.len() as u64);
        if more > 0 && self.file.is_none() {
            output.tell(&format!("{what}: {more} more; --report FILE tells each of them"));
        }
    }
}

/// The first Ctrl-C leaves after the page that is being written, the second at once: nothing is lost by either.
async fn watch(stopped: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stopped.store(true, Ordering::Relaxed);
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

impl Listener for Report {
    fn begin(&mut self, stage: Stage, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_message(match stage {
            Stage::Tokens => "tokens",
            Stage::Events => "events",
        });
    }

    fn advance(&mut self, done: u64) {
        self.bar.inc(done);
    }

    fn told(&mut self, told: &Told) -> io::Result<()> {
        if told.outcome == Became::Refused && self.refused.len() < SAMPLES {
            self.refused.push(told.clone());
        }
        if told.outcome != Became::Refused && !told.notes.is_empty() && self.noted.len() < SAMPLES {
            self.noted.push(told.clone());
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        serde_json::to_writer(&mut *file, told)?;
        file.write_all(b"\n")
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
