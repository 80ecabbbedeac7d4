//! `keywright events export`.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::filter::{Filter, Order, Window};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::progress;
use crate::cli::session::Session;
use crate::cli::transport::{CSV, NDJSON, Streamed};

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object on each line; what `events verify --file` reads
    Ndjson,
    /// A table with a header row; what a spreadsheet would run has an apostrophe before it
    Csv,
}

/// Write all events that match.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    window: Window,

    /// Newest first, or oldest first
    #[arg(long, value_enum, default_value_t = Order::Asc)]
    order: Order,

    /// The form
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,

    /// The file to write, which appears when it is complete; without it standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let media = match self.format {
            Format::Ndjson => NDJSON,
            Format::Csv => CSV,
        };
        let request = self.window.apply(self.filter.request(), output.now)?;
        let request = request.with("order", self.order.as_str()).accepting(media);
        let mut stream = session.stream(&request).await?;
        // On the same terminal the bar would stand between the rows.
        let bar = match &self.output {
            None if output.look.terminal => ProgressBar::hidden(),
            _ => progress::counter(output),
        };
        let lines = match &self.output {
            None => copy(&mut stream, &bar, |chunk| output.raw(chunk)).await?,
            Some(path) => to_file(&mut stream, &bar, path).await?,
        };
        bar.finish_and_clear();
        let header = u64::from(self.format == Format::Csv);
        if let Some(path) = &self.output {
            output.note(&format!("{} events in {}", lines.saturating_sub(header), path.display()));
        }
        Ok(())
    }
}

/// Passes everything on, and tells how many lines there were.
async fn copy(
    stream: &mut Streamed,
    bar: &ProgressBar,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Failure> {
    let mut lines = 0;
    while let Some(chunk) = stream.chunk().await? {
        match write(&chunk) {
            // A reader that left (`keywright … | head`) has what it wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            other => other?,
        }
        let count = chunk.split(|byte| *byte == b'\n').count().saturating_sub(1) as u64;
        lines += count;
        bar.inc(count);
    }
    Ok(lines)
}

/// Into a file beside it first: whoever finds the file finds all of it.
async fn to_file(stream: &mut Streamed, bar: &ProgressBar, path: &Path) -> Result<u64, Failure> {
    let name = path.file_name().ok_or_else(|| Failure::Usage("--output: is no file".to_owned()))?;
    let part = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let wrong = |error: io::Error| Failure::Failed(format!("{}: {error}", part.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(wrong)?;
    let mut writer = BufWriter::new(file);
    let written = async {
        let lines = copy(stream, bar, |chunk| writer.write_all(chunk)).await?;
        writer.flush().map_err(wrong)?;
        writer.get_ref().sync_all().map_err(wrong)?;
        fs::rename(&part, path).map_err(wrong)?;
        Ok(lines)
    }
    .await;
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}
