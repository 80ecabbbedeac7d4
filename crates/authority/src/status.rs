//! How the authority is doing: for people and probes.

use keywright_core::Timestamp;
use keywright_store::journals::{self, JournalRow};
use keywright_store::nodes::NodeRow;
use keywright_store::service_tokens::{self, TokenTotals};
use keywright_store::{PoolStatus, platform};
use keywright_verify::VerifierStatistics;
use keywright_verify::clock::boot_micros;

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::jobs::{self, JobReport};

/// What lets its bearer see it.
pub const PERMISSION: &str = "system_status";

/// What the store answered, when it did.
#[derive(Clone, Debug)]
pub struct StoreAnswer {
    /// How long it took, in microseconds.
    pub latency_micros: i64,
    /// The schema's newest migration.
    pub schema_version: Option<i64>,
    /// The nodes that it knows.
    pub nodes: Vec<NodeRow>,
    /// How many tokens there are, by status.
    pub totals: TokenTotals,
    /// The journals that fell silent.
    pub gaps: Vec<JournalRow>,
    /// How many records could not be stored.
    pub rejects: u64,
    jobs: Vec<JobReport>,
}

/// How the authority is doing.
#[derive(Clone, Debug)]
pub struct Report {
    /// The authority time.
    pub now: Timestamp,
    /// How far it is ahead of this machine's clock, in microseconds.
    pub skew_micros: i64,
    /// How long ago the cache was last confirmed, in microseconds.
    pub unconfirmed_micros: Option<i64>,
    /// The cache.
    pub verifier: VerifierStatistics,
    /// The pool.
    pub pool: PoolStatus,
    /// The store; none when it cannot be reached.
    pub store: Option<StoreAnswer>,
    /// The jobs that are on.
    pub jobs: Vec<JobReport>,
}

/// Looks at everything. A store that is away is an answer, not an error.
///
/// # Errors
/// [`Fault::Denied`] without `system_status`.
pub async fn report(authority: &Authority, call: &Call) -> Result<Report, Fault> {
    call.require(PERMISSION)?;
    let verifier = authority.verifier();
    let mut store = ask_store(authority).await.ok();
    let jobs = store.as_mut().map(|answer| std::mem::take(&mut answer.jobs));
    Ok(Report {
        now: authority.now(),
        skew_micros: authority.clock().skew_micros(),
        unconfirmed_micros: verifier.freshness().lag_micros(boot_micros()),
        verifier: verifier.statistics(),
        pool: authority.store().pool(),
        store,
        jobs: jobs.unwrap_or_else(|| jobs::report_alone(authority)),
    })
}

async fn ask_store(authority: &Authority) -> Result<StoreAnswer, Fault> {
    let began = boot_micros();
    let store = authority.store();
    let mut reader = store.read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let latency_micros = boot_micros() - began;
    let totals = service_tokens::totals(reader.conn(), authority.now(), epochs.service).await?;
    let nodes = keywright_store::nodes::list(reader.conn()).await?;
    let gaps = journals::gaps(reader.conn()).await?;
    let rejects = journals::count_rejects(reader.conn()).await?;
    let jobs = jobs::report(authority, reader.conn()).await?;
    drop(reader);
    let schema_version = match store.schema_state().await? {
        keywright_store::SchemaState::Current { version } => Some(version),
        _ => None,
    };
    Ok(StoreAnswer { latency_micros, schema_version, nodes, totals, gaps, rejects, jobs })
}

/// Whether the store answers at all: one small query.
pub async fn store_answers(authority: &Authority) -> bool {
    let ask = async {
        let mut reader = authority.store().read().await?;
        platform::epochs(reader.conn()).await
    };
    matches!(tokio::time::timeout(std::time::Duration::from_millis(500), ask).await, Ok(Ok(_)))
}
