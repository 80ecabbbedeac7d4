//! Events into the store, as the mover takes them there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, EventId, NodeId, PrincipalKind, Timestamp};
use keywright_store::{Store, StoreOptions};
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode};

use crate::context::Context;
use crate::load::thread_cpu;
use crate::postgres::backend_cpu;
use crate::report::{Bound, Row, Section, Unit};
use crate::stats::Samples;

const CREDENTIALS: u64 = 1_000;
const EVENTS: u64 = 40_000;

const HOW: &str = "What the mover does with the journal's records, without the journal: 40,000 decisions about \
    1,000 credentials from two segments in each transaction, with their counters, roll-ups and positions.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Events into the store", HOW);
    let folder = tempfile::Builder::new().prefix("keywright-bench.").tempdir()?;
    let sqlite = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let database = context.postgres()?.database()?;
    for (engine, url, bound) in [
        ("SQLite", sqlite, Bound::AtLeast(30_000.0, 60_000.0)),
        ("PostgreSQL", database.url.clone(), Bound::None),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rounds = context.pick(20, 5);
        let measured = runtime.block_on(append(&url, rounds))?;
        section.row(Row::absolute(format!("{engine}: events"), Unit::PerSecond, measured.rates, bound));
        let cpu = format!("{engine}: CPU of one event in Keywright");
        section.row(Row::absolute(cpu, Unit::Micros, measured.own_cpu, Bound::None));
        if engine == "PostgreSQL" {
            let cpu = format!("{engine}: CPU of one event in PostgreSQL");
            section.row(Row::absolute(cpu, Unit::Micros, measured.postgres_cpu, Bound::None));
        }
    }
    Ok(section)
}

struct Measured {
    rates: Samples,
    own_cpu: Samples,
    postgres_cpu: Samples,
}

async fn append(url: &str, rounds: u64) -> Result<Measured> {
    let store = Arc::new(Store::connect(&StoreOptions::new(url)).await?);
    store.migrate(|_| {}).await?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let (mut rates, mut own_cpu, mut postgres_cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let pieces = [piece(round, 0), piece(round, 1)];
        let (start, own, backend) = (Instant::now(), thread_cpu(), backend_cpu(name)?);
        ensure!(store.append(&pieces).await? == Appended::Done, "the store took nothing");
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / 40_000.0;
        rates.push(40_000.0 / start.elapsed().as_secs_f64());
        own_cpu.push(micros(thread_cpu().saturating_sub(own)));
        postgres_cpu.push(micros(backend_cpu(name)?.saturating_sub(backend)));
    }
    store.close().await;
    let samples = |values: Vec<f64>| values.into_iter().collect();
    Ok(Measured { rates: samples(rates), own_cpu: samples(own_cpu), postgres_cpu: samples(postgres_cpu) })
}

/// A half of a round's events, in the order in which a worker would have written them.
fn piece(round: u64, half: u64) -> Piece {
    let number = |n: u64| (round * 2 + half) * EVENTS / 2 + n;
    Piece {
        node: NodeId::generate(Timestamp::EPOCH, [1; 10]),
        segment: SegmentId::generate(Timestamp::EPOCH, [half.to_le_bytes()[0]; 10]),
        from: round,
        to: round + 1,
        records: (0..EVENTS / 2).map(|n| record(number(n), round * EVENTS + n)).collect(),
    }
}

fn entropy(number: u64) -> [u8; 10] {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    entropy
}

fn record(number: u64, micros: u64) -> DecisionRecord {
    let start = 1_800_000_000_000_000_i64;
    let occurred_at = Timestamp::from_micros(start + 20 * i64::try_from(micros).unwrap_or(0));
    let credential = number % CREDENTIALS;
    let credential_id = CredentialId::generate(Timestamp::EPOCH, entropy(credential));
    DecisionRecord {
        id: EventId::generate(occurred_at, entropy(number)),
        occurred_at,
        kind: EventKind::Verify,
        code: RecordCode::Valid,
        credential_id: Some(credential_id),
        token_name: Some(format!("bench-{credential}").into()),
        principal_kind: Some(PrincipalKind::ServiceToken),
        principal_id: Some(credential_id.0),
        asked_by: None,
        publisher_id: None,
        user_email: None,
        ip_address: Some([127, 0, 0, 1].into()),
        user_agent: None,
        method: Some("POST".into()),
        endpoint: Some("/api/v1/auth/verify".into()),
        cloudflare_ray_id: None,
        request_id: format!("{number:032x}").into(),
        latency_micros: 12,
        stale: false,
        error_details: None,
        occurrences: 1,
    }
}
