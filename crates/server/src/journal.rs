//! Journals of a node: its own, those that local commands left beside it, and one that is replayed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use keywright_authority::{Authority, entropy, journals};
use keywright_core::id::{JournalId, SegmentId};
use keywright_core::{ActorRef, NodeId};
use keywright_store::Store;
use keywright_verify::clock::wall_clock;
use keywright_verify::journal::{Damage, mover};
use keywright_verify::{EventSink, Journal, JournalError, JournalOptions};
use serde::Serialize;
use tracing::{info, warn};

use crate::advice;
use crate::config::{Config, Loaded};
use crate::node::{self, Node, Part};

/// Between two tries of a store that did not take what was left.
const RETRY: Duration = Duration::from_secs(5);
/// How long somebody who only looks waits for the store.
const ASK: Duration = Duration::from_secs(3);

/// Opens the journal that a node writes.
///
/// # Errors
/// With what to do about it.
pub(crate) fn open(config: &Config, part: &Part, node: NodeId) -> anyhow::Result<Journal> {
    let dir = match part {
        Part::Serves(_) => config.journal.dir.clone(),
        // A directory of its own beside the server's, which may be running.
        Part::Operator => {
            let mut name = operator_prefix(&config.journal.dir);
            name.push_str(&node.to_string());
            config.journal.dir.with_file_name(name)
        }
    };
    let options = JournalOptions {
        dir,
        max_bytes: config.journal.max_bytes.bytes(),
        sync_interval: Duration::from_millis(config.journal.sync_interval_ms),
        allow_ephemeral: config.journal.allow_ephemeral,
    };
    Journal::open(options, node, entropy::id).map_err(advice::journal)
}

fn operator_prefix(dir: &Path) -> String {
    format!("{}-operator-", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Moves what a journal holds, for as long as that takes.
pub(crate) async fn drain(journal: &Journal, store: &Store) {
    loop {
        match mover::pass(journal, store).await {
            Ok(moved) if moved.more => {}
            Ok(_) => return,
            Err(error) => {
                warn!(%error, "authentication events stay in the journal");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// The directories that commands of the local operator made beside the journal's.
fn left_beside(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = operator_prefix(dir);
    let mut left = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with(&prefix) {
            left.push(entry.path());
        }
    }
    Ok(left)
}

/// Brings in what commands of the local operator left that were killed. What the store does not take
/// now is tried for as long as this is polled, and again at the next start.
pub(crate) async fn adopt_left(dir: PathBuf, authority: Authority) {
    let left = match left_beside(&dir) {
        Ok(left) => left,
        Err(error) => return warn!(%error, "what lies beside the journal cannot be looked at"),
    };
    for dir in left {
        match Journal::adopt(&dir, authority.node(), entropy::id) {
            Ok(journal) => adopt(&journal, authority.store()).await,
            // Its command is running, or has not begun to write.
            Err(JournalError::Locked(_) | JournalError::NotAJournal(_)) => {}
            Err(error) => warn!(%error, dir = %dir.display(), "a journal that was left cannot be opened"),
        }
    }
}

async fn adopt(journal: &Journal, store: &Store) {
    let dir = journal.dir();
    journal.close();
    loop {
        match mover::pass(journal, store).await {
            Ok(moved) if moved.more => {}
            Ok(_) => break,
            Err(error) => {
                warn!(%error, dir = %dir.display(), "a journal that was left stays where it is");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
    let status = journal.status(wall_clock());
    if status.pending_bytes > 0 || status.damaged_segments > 0 {
        return warn!(dir = %dir.display(), "not all of a journal that was left can be read; it is kept");
    }
    match std::fs::remove_dir_all(dir) {
        Ok(()) => info!(dir = %dir.display(), "brought in what a command of the local operator had left"),
        Err(error) => warn!(%error, dir = %dir.display(), "an empty journal cannot be removed"),
    }
}

/// What a replay did.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The journal.
    pub journal_id: JournalId,
    /// Its directory.
    pub dir: PathBuf,
    /// Records that are in the store now and were not before.
    pub records: u64,
    /// Records that the store refused; it keeps them raw.
    pub rejected: u64,
    /// Bytes that could not be moved, as they are of a version that this one does not know.
    pub left_bytes: u64,
    /// Files that are kept because they are damaged between their records.
    pub damaged: Vec<PathBuf>,
}

/// Moves what a journal holds that a node left, and closes it. `progress` is told how many bytes of
/// how many are done.
///
/// # Errors
/// When the directory is none of a journal or somebody has it, or the store does not take the records;
/// what it did not take stays where it is.
pub async fn replay(
    loaded: &Loaded,
    dir: &Path,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Replayed> {
    let config = loaded.config.as_ref().context("the configuration has mistakes")?;
    let journal = Journal::adopt(dir, NodeId::generate(wall_clock(), entropy::id()), entropy::id)?;
    let lock = node::lock(config).map_err(|error| {
        advice::alone(config, error, "a SQLite database has one process: stop the server, then replay")
    })?;
    let keys = node::keys(config)?;
    let store = node::connect(config).await?;
    node::check_schema(&store).await?;
    let node = Node::open(config, store, lock, keys, Part::Operator).await?;
    let replayed = bring_in(&journal, node.app().authority(), progress).await;
    let closed = node.close().await;
    let replayed = replayed?;
    closed?;
    Ok(replayed)
}

async fn bring_in(
    journal: &Journal,
    authority: &Authority,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Replayed> {
    journal.close();
    let pending = || journal.status(authority.now()).pending_bytes;
    let (total, mut records) = (pending(), 0);
    loop {
        progress(total.saturating_sub(pending()), total);
        let moved = mover::pass(journal, authority.store())
            .await
            .with_context(|| format!("{} bytes stay in {}", pending(), journal.dir().display()))?;
        records += moved.records as u64;
        if !moved.more {
            break;
        }
    }
    progress(total.saturating_sub(pending()), total);
    let status = journal.status(authority.now());
    if status.pending_bytes == 0 {
        journals::close(authority, journal.id(), ActorRef::operator()).await?;
    }
    Ok(Replayed {
        journal_id: journal.id(),
        dir: journal.dir().to_owned(),
        records,
        rejected: status.rejected,
        left_bytes: status.pending_bytes,
        damaged: journal.damaged().iter().map(|Damage { kept_as, .. }| kept_as.clone()).collect(),
    })
}

/// How far the store has these segments; an error when it cannot be asked.
///
/// # Errors
/// With the reason: a server holds the SQLite database, say.
pub async fn positions(loaded: &Loaded, segments: &[SegmentId]) -> anyhow::Result<HashMap<SegmentId, u64>> {
    let config = loaded.config.as_ref().context("the configuration has mistakes")?;
    if config.database.url.sqlite_path().is_some_and(|path| !path.exists()) {
        bail!("there is no database yet");
    }
    let _lock = node::lock(config)?;
    let ask = async {
        let store = Store::connect(&node::store_options(config)).await?;
        let mut positions = HashMap::new();
        for segment in segments {
            positions.insert(*segment, store.position(*segment).await?);
        }
        store.close().await;
        anyhow::Ok(positions)
    };
    tokio::time::timeout(ASK, ask).await.context("the store does not answer")?
}
