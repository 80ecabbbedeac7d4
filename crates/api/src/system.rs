//! Health and status. What is public says little; the rest needs `system_status`.

use crate::{Time, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// How something fares.
    pub enum HealthStatus {
        /// As it should.
        Ok = "ok",
        /// It works, but something needs attention.
        Degraded = "degraded",
        /// It does not work.
        Unavailable = "unavailable",
    }
}

wire_enum! {
    /// Where everything is kept.
    pub enum StoreEngine {
        /// Embedded.
        Sqlite = "sqlite",
        /// A PostgreSQL server.
        Postgresql = "postgresql",
    }
}

wire_enum! {
    /// What the journal survives.
    pub enum JournalMode {
        /// Power failure: each record is on the disk before its answer leaves.
        Synced = "synced",
        /// Power failure, but for the records since the last sync; every crash of the process.
        Interval = "interval",
        /// A crash of the process: its directory does not outlive the machine.
        Ephemeral = "ephemeral",
    }
}

wire_enum! {
    /// How a job's last run ended.
    pub enum JobOutcome {
        /// It did all it had to.
        Done = "done",
        /// It failed and will be tried again.
        Failed = "failed",
    }
}

/// The answer of `GET /auth/health`, which is public.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuthHealth {
    /// All in all.
    pub status: HealthStatus,
    /// Whether a verification would be answered: known credentials at least.
    pub verification_able: bool,
    /// Whether the store can be reached.
    pub store_reachable: bool,
    /// Age of the oldest record that the journal still has to move to the store.
    pub journal_lag_seconds: f64,
    /// What a recorded decision survives.
    pub journal_mode: JournalMode,
}

/// The answer of `GET /system/health`, which is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemHealth {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// Answering verifications.
    pub verification: HealthStatus,
    /// Reaching the store.
    pub store: HealthStatus,
    /// Writing and moving the journal.
    pub journal: HealthStatus,
}

/// The answer of `GET /healthz/live` and `GET /healthz/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probe {
    /// `ok`, or `unavailable` together with status 503.
    pub status: HealthStatus,
    /// What it waits for.
    pub waiting_for: Vec<String>,
}

/// The answer of `GET /system/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SystemStatus {
    /// All in all.
    pub status: HealthStatus,
    /// Version of the answering node.
    pub version: String,
    /// The answering node.
    pub node_id: Uuid,
    /// The time by which it decides.
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// How far its own clock is from the store's; positive when it is ahead.
    pub clock_skew_seconds: f64,
    /// Its verifications.
    pub verification: VerificationStatus,
    /// The store.
    pub store: StoreStatus,
    /// Its journal.
    pub journal: JournalStatus,
    /// The journals of all nodes; null while the store cannot be reached.
    #[schema(required = true)]
    pub journals: Option<JournalsStatus>,
    /// Its cache.
    pub cache: CacheStatus,
    /// How it counts uses against limits.
    pub rate_limits: RateLimitStatus,
    /// The database of places; null where none is configured.
    #[schema(required = true)]
    pub places: Option<PlacesStatus>,
    /// All registered nodes.
    pub nodes: Vec<NodeStatus>,
    /// The recurring jobs, wherever they run.
    pub jobs: Vec<JobStatus>,
    /// Service tokens by state; null while the store cannot be reached.
    #[schema(required = true)]
    pub service_tokens: Option<TokenTotals>,
}

/// How a node verifies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerificationStatus {
    /// Whether it answers: known credentials at least.
    pub able: bool,
    /// Age of the latest confirmation that its cache is up to date.
    pub confirmed_seconds: f64,
    /// How old that may become while the store is away before it refuses to answer.
    pub stale_grace_seconds: u32,
}

/// The store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Whether it can be reached.
    pub reachable: bool,
    /// Its engine.
    pub engine: StoreEngine,
    /// How long its latest answer took; null before the first.
    #[schema(required = true)]
    pub latency_seconds: Option<f64>,
    /// Version of its schema; null before it is known.
    #[schema(required = true)]
    pub schema_version: Option<i64>,
    /// Connections in use.
    pub connections_in_use: u32,
    /// Connections at most.
    pub connections_max: u32,
}

/// A node's journal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalStatus {
    /// Whether records can be written. While not, nothing is answered.
    pub writable: bool,
    /// What it survives.
    pub mode: JournalMode,
    /// Age of the oldest record that it still has to move to the store.
    pub lag_seconds: f64,
    /// Bytes of records that it still has to move.
    pub pending_bytes: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// Its size on disk at most.
    pub max_bytes: u64,
    /// The id of its directory.
    pub id: Uuid,
    /// Records that the store refused since the start.
    pub rejected: u64,
    /// Decisions about nobody known that were only counted since the start, as the store was far behind.
    pub counted: u64,
    /// Segments that could not be synced to disk since the start.
    pub sync_failures: u64,
    /// Segments with a record that cannot be read: of an unknown version, or damaged since the start.
    pub stuck_segments: u64,
    /// Segments that were found damaged between their records at the start.
    pub damaged_segments: u64,
}

/// The journals of all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalsStatus {
    /// Those that fell silent with records that may not be in the store.
    pub gaps: Vec<JournalGap>,
    /// Records that could not be stored as events, and are kept raw.
    pub rejects: u64,
}

/// A journal that fell silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalGap {
    /// The id of its directory.
    pub id: Uuid,
    /// The node that had it last.
    pub node_id: Uuid,
    /// The address that that node listened on.
    pub address: String,
    /// The directory there.
    pub dir: String,
    /// When it was heard of last.
    #[schema(value_type = String, format = DateTime)]
    pub last_beat_at: Time,
    /// What to do about it.
    pub what_to_do: String,
}

/// A node's cache of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheStatus {
    /// Credentials in it.
    pub entries: u64,
    /// Verifications that it answered since the start.
    pub hits: u64,
    /// Verifications that had to ask the store since the start.
    pub misses: u64,
}

/// How a node counts uses against limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimitStatus {
    /// Whether all nodes count together, as long as they can.
    pub shared: bool,
    /// Whether this node counts by itself, as what they share cannot be reached.
    pub away: bool,
    /// How often that gave no answer since the start.
    pub failures: u64,
    /// Budgets that this node keeps.
    pub budgets: u64,
}

/// A database of places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacesStatus {
    /// When the one in use was built; null while none could be read.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub built_at: Option<Time>,
    /// Why the file as it is now could not be read; null where it could.
    #[schema(required = true)]
    pub fault: Option<String>,
}

/// A registered node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its id.
    pub id: Uuid,
    /// The address it listens on.
    pub address: String,
    /// Its version.
    pub version: String,
    /// Its latest sign of life.
    #[schema(value_type = String, format = DateTime)]
    pub last_beat_at: Time,
    /// Whether that is recent enough.
    pub live: bool,
}

/// A recurring job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// The node that does it now, of a job that one node does at a time; else this one.
    #[schema(required = true)]
    pub node_id: Option<Uuid>,
    /// When it ran last on this node.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_run_at: Option<Time>,
    /// How that ended.
    #[schema(required = true)]
    pub last_outcome: Option<JobOutcome>,
    /// How long that took.
    #[schema(required = true)]
    pub last_duration_seconds: Option<f64>,
    /// Pieces of work that it did.
    #[schema(required = true)]
    pub last_done: Option<u64>,
    /// How much waits for it now; null where nothing waits for it, or the store cannot be reached.
    #[schema(required = true)]
    pub backlog: Option<u64>,
    /// When it runs next on this node, unless it is woken.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub next_run_at: Option<Time>,
    /// Runs on this node since the start that went through.
    pub successes: u64,
    /// Runs on this node since the start that did not.
    pub failures: u64,
}

/// Tokens by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenTotals {
    /// All of them.
    pub total: u64,
    /// Those that work and were not rotated.
    pub active: u64,
    /// Those in their grace period.
    pub superseded: u64,
    /// Those switched off.
    pub inactive: u64,
    /// Those whose life is over.
    pub expired: u64,
    /// Those revoked.
    pub revoked: u64,
}
