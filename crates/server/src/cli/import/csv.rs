//! `keywright import csv`.

use std::path::{Path, PathBuf};

use clap::Args;
use keywright_authority::imports::{CsvOptions, MOST_TOKENS, Permissions};

use super::report::Report;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::config::Loaded;

/// Take over tokens from a file of comma-separated values.
///
/// The first line names the columns: `name`, `hash`, `scopes`, `expires_at`, and if wanted `metadata`,
/// `service_account` and `created_at`. The hash is the SHA-256 of the whole token, in hexadecimal digits or base64. Only tokens of the form
/// `sk_` and 64 hexadecimal digits can be used afterwards, and no hash tells whether it is of one. Run again, rows that
/// are there already stay as they are. Exit code 1 when a row was refused: the report says why.
#[derive(Args, Debug)]
pub(crate) struct Csv {
    /// The file, or - for standard input
    file: PathBuf,

    /// What a permission of the old system is here: `OLD=NEW,NEW`; with nothing behind the `=` it is left away. May be
    /// given again
    #[arg(long, value_name = "OLD=NEW")]
    map: Vec<String>,

    /// Take over nothing unless every row can be; needs a file that can be read twice
    #[arg(long)]
    strict: bool,

    /// Rows of one transaction
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    batch_size: Option<u32>,

    /// Change nothing, only tell what would be done
    #[arg(long)]
    dry_run: bool,

    /// A file for what became of each row, one JSON object on each line
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Csv {
    pub(super) async fn run(&self, loaded: &Loaded, output: &Output) -> Outcome {
        if self.strict && self.file == Path::new("-") {
            let why = "--strict: standard input cannot be read twice; give a file";
            return Err(Failure::Usage(why.to_owned()));
        }
        let permissions =
            Permissions::parse(&self.map).map_err(|error| Failure::Usage(format!("--map: {error}")))?;
        let tokens_at_once = self.batch_size.unwrap_or(MOST_TOKENS);
        let options = CsvOptions { permissions, tokens_at_once, dry_run: self.dry_run };
        let mut report = Report::open(self.report.as_deref(), output)?;
        let done = crate::import::csv(loaded, &self.file, self.strict, &options, &mut report).await;
        report.finish(done, output)
    }
}
