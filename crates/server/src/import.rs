//! Moving in from other systems, with the store itself: as the local operator, and on SQLite without a server.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use keywright_authority::Authority;
use keywright_authority::imports::{
    Auth2Options, CsvOptions, CsvTokens, ImportError, Listener, Outcome, Stage, Summary, TokenCounts, Told,
    take_auth2, take_csv,
};
use keywright_store::auth2::Auth2;

use crate::advice;
use crate::config::Loaded;
use crate::node::{self, Node, Part};

/// Takes over an AUTH-2 database.
///
/// # Errors
/// When either database cannot be worked on; what was taken until then stays.
pub async fn auth2(
    loaded: &Loaded,
    url: &str,
    options: &Auth2Options,
    listener: &mut dyn Listener,
) -> anyhow::Result<Summary> {
    let mut source = Auth2::open(url).await.context("the source cannot be opened")?;
    let summary =
        with_authority(loaded, async |authority| take_auth2(authority, &mut source, options, listener).await)
            .await;
    source.close().await;
    summary
}

/// Takes over the tokens of a file, or of standard input where the path is `-`. `strict`: none, unless all of them
/// can be taken.
///
/// # Errors
/// When the file or the store cannot be worked on; what was taken until then stays.
pub async fn csv(
    loaded: &Loaded,
    path: &Path,
    strict: bool,
    options: &CsvOptions,
    listener: &mut dyn Listener,
) -> anyhow::Result<Summary> {
    with_authority(loaded, async |authority| {
        if path == Path::new("-") {
            return take_csv(authority, &mut CsvTokens::open(std::io::stdin())?, options, listener).await;
        }
        if strict && !options.dry_run {
            let looked = CsvOptions { dry_run: true, ..options.clone() };
            let mut first = RefusedAlone(listener);
            let seen = take_csv(authority, &mut CsvTokens::open(open(path)?)?, &looked, &mut first).await?;
            if seen.tokens.all_refused() > 0 || !seen.complete {
                // None of those that could have been taken was.
                let tokens = TokenCounts { taken: 0, noted: 0, ..seen.tokens };
                return Ok(Summary { dry_run: false, complete: false, tokens, ..seen });
            }
        }
        take_csv(authority, &mut CsvTokens::open(open(path)?)?, options, listener).await
    })
    .await
}

fn open(path: &Path) -> Result<File, ImportError> {
    File::open(path).map_err(|error| {
        let told = std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        keywright_authority::imports::CsvError::Read(told).into()
    })
}

/// Hears of those that would be refused: the others are told when they are taken.
struct RefusedAlone<'a>(&'a mut dyn Listener);

impl Listener for RefusedAlone<'_> {
    fn begin(&mut self, stage: Stage, total: u64) {
        self.0.begin(stage, total);
    }

    fn advance(&mut self, done: u64) {
        self.0.advance(done);
    }

    fn told(&mut self, told: &Told) -> std::io::Result<()> {
        if told.outcome == Outcome::Refused { self.0.told(told) } else { Ok(()) }
    }

    fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}

async fn with_authority(
    loaded: &Loaded,
    work: impl AsyncFnOnce(&Authority) -> Result<Summary, ImportError>,
) -> anyhow::Result<Summary> {
    let config = loaded.config.as_ref().context("the configuration has mistakes")?;
    let lock = node::lock(config).map_err(|error| {
        advice::alone(config, error, "a SQLite database has one process: stop the server, then import")
    })?;
    let keys = node::keys(config)?;
    let store = node::connect(config).await?;
    node::check_schema(&store).await?;
    let node = Node::open(config, store, lock, keys, Part::Operator).await?;
    let summary = work(node.app().authority()).await;
    let closed = node.close().await;
    let summary = summary?;
    closed?;
    Ok(summary)
}
