//! What services in Rust have in their own process: a node, a cache, and the layer before their routes.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use axum::http::{Request, Response, header};
use bytes::Bytes;
use http_body_util::Full;
use keywright_client::{
    CacheOptions, Cached, Client, ClientOptions, Decide, KeywrightLayer, Question, Requirements, Secret,
    Verdict,
};
use keywright_embedded::{Embedded, EmbeddedOptions};
use tokio::runtime::Runtime;
use tower::{Layer as _, Service as _, ServiceExt, service_fn};

use super::in_process::BATCH;
use crate::context::{Context, Stage};
use crate::keywright::MASTER_KEY;
use crate::load::thread_cpu;
use crate::report::{Bound, Row, Section, Unit};
use crate::stats::Samples;
use crate::tokens::tokens;

/// Tokens that are decided on in turn.
const TOKENS: u32 = 1_000;
/// How often tokens are gone through until each of them is known.
const PASSES: u32 = 50;
/// Room for what the store is kept from taking meanwhile.
const JOURNAL_BYTES: u64 = 32 << 30;

/// Adds the rows of the layer.
pub(super) fn measure(context: &Context, section: &mut Section) -> Result<()> {
    let stage = context.on_postgres(TOKENS, &[])?;
    let folder = tempfile::Builder::new().prefix("keywright-bench.").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let embedded = runtime.block_on(Embedded::open(&options(&stage, folder.path())))?;
    let cached = runtime.block_on(async { follow(&stage, folder.path()) })?;
    stage.database()?.hold_events()?;
    let known = || embedded.statistics().hits;
    rows(context, section, &runtime, ("a node in the process", embedded.clone(), &known))?;
    let known = || cached.statistics().hits;
    rows(context, section, &runtime, ("a cache of the client", Arc::clone(&cached), &known))?;
    stage.database()?.take_events()?;
    // What they hold is more than anybody waits for, and thrown away with the folder.
    drop((embedded, cached));
    Ok(())
}

fn options(stage: &Stage<'_>, folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions::new()
        .set("database.url", stage.setup.database_url.as_str())
        .set("keys.master_key", MASTER_KEY)
        .set("journal.dir", folder.join("embedded").display().to_string())
        .set("journal.allow_ephemeral", "true")
        .set("journal.max_bytes", JOURNAL_BYTES.to_string())
        .named("the benchmark")
}

fn follow(stage: &Stage<'_>, folder: &Path) -> Result<Arc<Cached>> {
    let url = format!("http://{}", stage.server.address);
    let client = Client::new(&ClientOptions::new(url, Secret::new(stage.root_token.as_str())))?;
    let options = CacheOptions {
        journal_allow_ephemeral: true,
        journal_max_bytes: JOURNAL_BYTES,
        ..CacheOptions::new(folder.join("cached"))
    };
    Ok(Arc::new(Cached::start(client, &options)?))
}

/// What decides: how it is called, itself, and how much it has known so far.
type Measured<'a, D> = (&'a str, D, &'a dyn Fn() -> u64);

fn rows<D: Decide + Clone + Sync>(
    context: &Context,
    section: &mut Section,
    runtime: &Runtime,
    (name, decider, known): Measured<'_, D>,
) -> Result<()> {
    let tokens = tokens(0..TOKENS);
    runtime.block_on(warm(&tokens, &decider, known)).with_context(|| name.to_owned())?;
    let time = context.pick(Duration::from_millis(500), Duration::from_millis(200));
    let (before, mut asked) = (known(), 0);
    for (what, form, bound) in [
        ("decided and recorded", Form::Alone, Bound::AtLeast(1e6, 1.5e6)),
        ("a request made, let pass by the layer and answered", Form::BehindTheLayer, Bound::None),
    ] {
        let mut rates = Vec::new();
        for _ in 0..context.rounds() {
            let (rate, done) = on_a_thread(&decider, form, &tokens, time)?;
            rates.push(rate);
            asked += done;
        }
        let rates: Samples = rates.into_iter().collect();
        section.row(Row::absolute(format!("{name}, {what}"), Unit::PerSecond, rates, bound));
    }
    section.note(format!("Of {asked} decisions of {name} it knew {} by itself.", known() - before));
    Ok(())
}

/// Asks about each token until it is decided on without asking anybody.
async fn warm(tokens: &[String], decider: &impl Decide, known: &dyn Fn() -> u64) -> Result<()> {
    for _ in 0..PASSES {
        let before = known();
        for token in tokens {
            // A starved machine answers late, and then not at all.
            let _ = decider.decide(question(token, &Requirements::none())).await;
        }
        if known() - before == tokens.len() as u64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not all of {} tokens are known after {PASSES} passes", tokens.len())
}

/// How a decision is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Alone,
    BehindTheLayer,
}

/// Decisions for each second of CPU time of a thread that does nothing else, and how many there were.
fn on_a_thread<D: Decide + Clone + Sync>(
    decider: &D,
    form: Form,
    tokens: &[String],
    time: Duration,
) -> Result<(f64, u64)> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            match form {
                Form::Alone => runtime.block_on(alone(decider, tokens, time)),
                Form::BehindTheLayer => runtime.block_on(behind_the_layer(decider.clone(), tokens, time)),
            }
        });
        worker.join().map_err(|_| anyhow!("a worker died"))?
    })
}

async fn alone(decider: &impl Decide, tokens: &[String], time: Duration) -> Result<(f64, u64)> {
    let wanted = Requirements::none();
    let mut round = tokens.iter().cycle();
    let (start, cpu, mut done) = (Instant::now(), thread_cpu(), 0);
    while start.elapsed() < time {
        for token in round.by_ref().take(BATCH) {
            let verdict = decider.decide(question(token, &wanted)).await?;
            ensure!(matches!(verdict, Verdict::Valid(..)), "a token is denied");
        }
        done += BATCH as u64;
    }
    Ok(rate(done, cpu))
}

async fn behind_the_layer(decider: impl Decide, tokens: &[String], time: Duration) -> Result<(f64, u64)> {
    let answer = || Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()));
    let answering = service_fn(move |_: Request<()>| async move { answer() });
    let mut service = KeywrightLayer::over(decider).layer(answering);
    let mut round = tokens.iter().cycle();
    let (start, cpu, mut done) = (Instant::now(), thread_cpu(), 0);
    while start.elapsed() < time {
        for token in round.by_ref().take(BATCH) {
            let request = Request::get("/api/v1/works").header(header::USER_AGENT, "curl/8.5.0");
            let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(())?;
            let ready = ServiceExt::<Request<()>>::ready(&mut service).await?;
            let response = ready.call(request).await?;
            ensure!(response.status() == 200, "{} instead of 200", response.status());
        }
        done += BATCH as u64;
    }
    Ok(rate(done, cpu))
}

#[expect(clippy::cast_precision_loss, reason = "they are few enough")]
fn rate(done: u64, cpu: Duration) -> (f64, u64) {
    (done as f64 / thread_cpu().saturating_sub(cpu).as_secs_f64(), done)
}

fn question<'a>(token: &'a str, wanted: &'a Requirements) -> Question<'a> {
    Question {
        token,
        wanted,
        publisher_id: None,
        ip_address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user_agent: Some("curl/8.5.0"),
        method: "GET",
        endpoint: "/api/v1/works",
        cloudflare_ray_id: None,
        cost: 1,
        request_id: "0123456789abcdef",
    }
}
