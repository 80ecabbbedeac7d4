//! Verification within a process, for each core: sort, hash, look up, decide, record.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use keywright_core::{
    Bearer, CredentialId, CredentialKind, Epochs, Facts, Grant, NodeId, PrincipalKind, Requirements,
    ScopeSet, Timestamp, TokenHash, Wanted,
};
use keywright_verify::{
    Clock, EventKind, Freshness, GrantSource, Journal, JournalOptions, Loaded, Lookup, RecordCode, RecordRef,
    SourceError, Verifier, VerifierOptions,
};

use crate::context::Context;
use crate::load::thread_cpu;
use crate::report::{Bound, Row, Section, Unit};
use crate::stats::Samples;
use crate::tokens::token;

const HOW: &str = "Without HTTP: look at the form, hash, look up in a cache of so many grants, decide, append \
    to the journal on disk. Verifications for each second of CPU time of one thread; the journal's syncs run \
    beside it. Then the same by what services in Rust have in their own process, over PostgreSQL: a node \
    (`Embedded`), and a cache that hears of changes by a stream (`Cached`); by itself, and as a request that the \
    layer lets pass.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Verification in the process, for each core", HOW);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for count in [1_000, context.pick(1_000_000, 100_000)] {
        let dir = tempfile::Builder::new().prefix("keywright-bench.").tempdir()?;
        let bench = Bench::new(count, dir.path())?;
        for (depth, threads, what) in [
            (Depth::Hash, 1, "form and hash alone".to_owned()),
            (Depth::Decide, 1, "decided, not recorded".to_owned()),
            (Depth::Record, 1, "decided and recorded".to_owned()),
            (Depth::Record, cores, format!("decided and recorded, {cores} threads at once")),
        ] {
            let time = context.pick(Duration::from_secs(1), Duration::from_millis(300));
            let rates = (0..context.rounds())
                .map(|_| bench.rate(depth, threads, time))
                .collect::<Result<Vec<_>>>()?;
            let bound = if depth == Depth::Record { Bound::AtLeast(1e6, 1.5e6) } else { Bound::None };
            let rates: Samples = rates.into_iter().collect();
            section.row(Row::absolute(format!("{count} tokens, {what}"), Unit::PerSecond, rates, bound));
        }
    }
    super::layer::measure(context, &mut section)?;
    Ok(section)
}

/// Between two looks at the clock.
pub(super) const BATCH: usize = 1024;

/// How much of the path is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The form is looked at, the hash made.
    Hash,
    /// The grant is looked up and decided on.
    Decide,
    /// The decision is in the journal.
    Record,
}

/// Grants for the first so many tokens.
struct Source(HashMap<[u8; 32], u32>);

impl GrantSource for Source {
    async fn load(&self, wanted: &Wanted) -> Result<Option<Loaded>, SourceError> {
        let loaded = self
            .0
            .get(wanted.key().as_bytes())
            .map(|n| Loaded { grant: grant(*n), epochs: Epochs { service: 1, ..Epochs::default() } });
        Ok(loaded)
    }
}

fn grant(n: u32) -> Grant {
    let mut entropy = [7; 10];
    entropy[..4].copy_from_slice(&n.to_be_bytes());
    entropy[4..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_be_bytes());
    Grant {
        credential_id: CredentialId::generate(Timestamp::from_micros(1_800_000_000_000_000), entropy),
        kind: CredentialKind::Service,
        name: format!("bench-{n}").into_boxed_str(),
        principal: PrincipalKind::ServiceToken,
        scopes: ScopeSet::parse(["catalog:read", "works:read"]).unwrap_or_default(),
        metadata: None,
        expires_at: None,
        is_active: true,
        revoked: false,
        superseded: false,
        grace_expires_at: None,
        epoch: 1,
        bonds: None,
        bounds: None,
    }
}

/// A verifier that knows so many tokens, and its journal.
struct Bench {
    verifier: Verifier<Source>,
    journal: Journal,
    tokens: Vec<[u8; 67]>,
    _runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// Fills the cache of a new verifier with so many tokens; its journal lies in `dir`.
    fn new(count: u32, dir: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut tokens = Vec::with_capacity(count as usize);
        for n in 0..count {
            tokens.push(<[u8; 67]>::try_from(token(n).as_bytes())?);
        }
        let source =
            Source((0..count).zip(&tokens).map(|(n, t)| (*TokenHash::of(t).as_bytes(), n)).collect());
        let clock = Arc::new(Clock::from_wall_clock());
        let options = VerifierOptions {
            cache_capacity: tokens.len() * 2,
            unknown_capacity: 1000,
            max_loads: 4,
            max_waiting: 100,
            stale_grace_micros: 0,
        };
        let verifier = runtime.block_on(async {
            let verifier = Verifier::new(source, clock, Freshness::alone(), &options);
            for token in &tokens {
                verifier.resolve(&Wanted::token(TokenHash::of(token)), None).await;
            }
            verifier
        });
        let options = JournalOptions {
            dir: dir.to_owned(),
            max_bytes: 1 << 36,
            sync_interval: Duration::from_secs(1),
            allow_ephemeral: true,
        };
        let node = NodeId::generate(verifier.clock().now(), keywright_authority::entropy::id());
        let journal = Journal::open(options, node, keywright_authority::entropy::id)?;
        Ok(Self { verifier, journal, tokens, _runtime: runtime })
    }

    /// Verifications a second on each of so many threads.
    fn rate(&self, depth: Depth, threads: usize, time: Duration) -> Result<f64> {
        let rates: Vec<Result<f64>> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|n| scope.spawn(move || self.worker(depth, n, time))).collect();
            workers.into_iter().map(|w| w.join().unwrap_or_else(|_| bail!("a worker died"))).collect()
        });
        let mut sum = 0.0;
        for rate in rates {
            sum += rate?;
        }
        #[expect(clippy::cast_precision_loss, reason = "threads are few")]
        Ok(sum / threads as f64)
    }

    fn worker(&self, depth: Depth, number: usize, time: Duration) -> Result<f64> {
        let writer = self.journal.writer();
        let wanted = Requirements::none();
        // In a row, so that the tokens come from the processor's caches as those of requests do. Their
        // hashes are strewn all over the grant cache.
        let mut at = number * 7_919 % self.tokens.len();
        let mut done = 0u32;
        let (start, cpu) = (Instant::now(), thread_cpu());
        while start.elapsed() < time {
            for _ in 0..BATCH {
                at = if at + 1 == self.tokens.len() { 0 } else { at + 1 };
                let Bearer::Service(hash) = Bearer::sort(black_box(&self.tokens[at])) else {
                    bail!("a token of the benchmark is malformed")
                };
                if depth == Depth::Hash {
                    black_box(hash);
                    continue;
                }
                // One reading of the clock serves a decision that hits the cache, as it does in a node.
                let read_at = self.verifier.clock().boot_micros();
                let Some(Lookup::Known(known)) = self.verifier.peek_at(&hash.into(), read_at) else {
                    bail!("a token is not cached")
                };
                let now = self.verifier.clock().at(read_at);
                let decided = known.admit(Facts::at(now)).and_then(|()| known.carries(&wanted));
                ensure!(decided.is_ok(), "a token is denied");
                if depth == Depth::Record {
                    writer.append(&record(known.grant(), now))?;
                }
            }
            done += 1024;
        }
        Ok(f64::from(done) / thread_cpu().saturating_sub(cpu).as_secs_f64())
    }
}

fn record(grant: &Grant, now: Timestamp) -> RecordRef<'_> {
    RecordRef {
        occurred_at: now,
        kind: EventKind::Verify,
        code: RecordCode::Valid,
        credential_id: Some(grant.credential_id),
        token_name: Some(&grant.name),
        principal_kind: Some(PrincipalKind::ServiceToken),
        principal_id: Some(grant.credential_id.0),
        asked_by: Some(grant.credential_id),
        ip_address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user_agent: Some("curl/8.5.0"),
        method: Some("GET"),
        endpoint: Some("/api/v1/works"),
        cloudflare_ray_id: None,
        request_id: "0123456789abcdef",
        latency_micros: 5,
        stale: false,
        error_details: None,
        publisher_id: None,
        user_email: None,
        occurrences: 1,
    }
}
