//! Deciding from what the authority lets a cache keep (docs/decisions/0026-remote-caches-hear-marks.md).

mod entry;
mod follow;
mod report;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use keywright_api::verify::Decision;
use keywright_core::id::IdEntropy;
use keywright_core::{GrantKey, NodeId, PublisherId, TokenHash, Wanted as WantedGrant};
use keywright_verify::clock::{boot_micros, wall_clock};
use keywright_verify::journal::{Writers, mover};
use keywright_verify::striped::{Striped, count};
use keywright_verify::{Journal, JournalOptions};
use quick_cache::sync::Cache;
use tokio::task::AbortHandle;

use self::entry::Entry;
use self::follow::Follow;
use self::report::Reporter;
use crate::client::Client;
use crate::entropy;
use crate::error::ClientError;
use crate::layer::{Decide, Deciding, Question, Undecided, Verdict, remote};

/// How a cache is set up.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// Decisions kept at most.
    pub capacity: usize,
    /// A folder of its own, for the journal of what was decided and not reported yet. One process at a time has it, and
    /// the next one reports what was left there.
    pub journal_dir: PathBuf,
    /// Most bytes of that; then the authority decides.
    pub journal_max_bytes: u64,
    /// Whether a folder that a restart of the machine empties will do: what was not reported is lost with it.
    pub journal_allow_ephemeral: bool,
}

impl CacheOptions {
    /// Room for 10,000 decisions, and 64 MiB of journal in this folder.
    pub fn new(journal_dir: impl Into<PathBuf>) -> Self {
        Self {
            capacity: 10_000,
            journal_dir: journal_dir.into(),
            journal_max_bytes: 64 << 20,
            journal_allow_ephemeral: false,
        }
    }
}

/// What a cache did since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Decided here.
    pub hits: u64,
    /// Asked of the authority.
    pub asked: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    asked: AtomicU64,
}

/// Decides on what it keeps, and asks the authority about all else. What changes is heard by a stream, within the bounds
/// that hold between nodes: without a beat of it for 1.5 s the authority is asked again.
pub struct Cached {
    shared: Arc<Shared>,
    journal: Journal,
    tasks: [AbortHandle; 2],
}

/// What the tasks share.
struct Shared {
    client: Client,
    entries: Cache<GrantKey, Arc<Entry>>,
    follow: Follow,
    writers: Writers,
    counters: Striped<Counters>,
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

impl Cached {
    /// A cache with nothing in it, which begins to listen. Its tasks run on the runtime that this is called on, and end
    /// when it is dropped.
    ///
    /// # Errors
    /// [`ClientError::Journal`] when the folder cannot be used.
    pub fn start(client: Client, options: &CacheOptions) -> Result<Self, ClientError> {
        let journal_options = JournalOptions {
            dir: options.journal_dir.clone(),
            max_bytes: options.journal_max_bytes,
            sync_interval: Duration::from_secs(1),
            allow_ephemeral: options.journal_allow_ephemeral,
        };
        let node = NodeId::generate(wall_clock(), entropy::of_id());
        let journal = Journal::open(journal_options, node, entropy::of_id as fn() -> IdEntropy)
            .map_err(|error| ClientError::Journal(error.to_string()))?;
        let shared = Arc::new(Shared {
            client: client.clone(),
            entries: Cache::new(options.capacity.max(1)),
            follow: Follow::default(),
            writers: Writers::new(journal.clone()),
            counters: Striped::default(),
        });
        let listening = Arc::clone(&shared);
        let listener =
            tokio::spawn(async move { follow::follow(&listening.client, &listening.follow).await });
        let reporter = Arc::new(Reporter::new(client, journal.dir()));
        let reporter = tokio::spawn(mover::run(journal.clone(), reporter));
        Ok(Self { shared, journal, tasks: [listener.abort_handle(), reporter.abort_handle()] })
    }

    /// What it did since its start.
    pub fn statistics(&self) -> CacheStatistics {
        let counters = &self.shared.counters;
        CacheStatistics { hits: counters.sum(|own| &own.hits), asked: counters.sum(|own| &own.asked) }
    }

    /// Whether it may decide at this moment: it hears of changes.
    pub fn is_following(&self) -> bool {
        self.shared.follow.is_fresh(boot_micros())
    }

    /// Decides no more, and reports what was not reported yet, for at most so long. False where something is left: the
    /// next start with the same folder reports it.
    pub async fn close(self, patience: Duration) -> bool {
        self.journal.close();
        for task in &self.tasks {
            task.abort();
        }
        let reporter = Reporter::new(self.shared.client.clone(), self.journal.dir());
        let reporting = async {
            while self.journal.status(wall_clock()).pending_bytes > 0 {
                if mover::pass(&self.journal, &reporter).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        tokio::time::timeout(patience, reporting).await.is_ok()
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Decide for Cached {
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a> {
        let publisher = question.publisher_id.map(PublisherId);
        let key = WantedGrant::Token { hash: TokenHash::of(question.token.as_bytes()), publisher }.key();
        match self.shared.by_what_is_kept(&key, &question) {
            Some(verdict) => Deciding::made(Ok(verdict)),
            None => Deciding::awaited(self.shared.ask(key, question)),
        }
    }
}

impl Shared {
    /// Decides by what is kept, if it holds, and can be recorded.
    fn by_what_is_kept(&self, key: &GrantKey, question: &Question<'_>) -> Option<Verdict> {
        // One reading of the clock serves all of it.
        let now = boot_micros();
        let entry = self.entries.get(key).filter(|entry| self.follow.holds(entry, now))?;
        let verdict = entry.decide(question, now, self.writers.own())?;
        count(&self.counters.own().hits);
        Some(verdict)
    }

    /// Asks the authority, and keeps what may be kept.
    async fn ask(&self, key: GrantKey, question: Question<'_>) -> Result<Verdict, Undecided> {
        count(&self.counters.own().asked);
        // Before it is asked: what is told from now on ends what is about to be answered.
        let (noted, asked_at) = (self.follow.note(), boot_micros());
        let mut decision = self.client.ask(&question, self.follow.is_fresh(asked_at)).await?;
        let keepable = match &mut decision {
            Decision::Valid(valid) => valid.cache.take(),
            Decision::Denied(_) => None,
        };
        let verdict = remote::verdict(decision)?;
        if let (Verdict::Valid(principal, None), Some(keepable)) = (&verdict, keepable)
            && self.follow.is_of(keepable.node)
            && let Some(entry) = Entry::new(principal, &keepable, noted, asked_at)
        {
            self.entries.insert(key, Arc::new(entry));
        }
        Ok(verdict)
    }
}
