//! Measures Keywright side by side with a bare handler (see README.md).
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time, and waits for others to be ready")]

mod answer;
mod bare;
mod compare;
mod context;
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a simulation reckons in floats, with small numbers"
)]
mod detectors;
mod histogram;
mod http;
mod keywright;
mod load;
mod machine;
mod postgres;
mod process;
mod report;
mod script;
mod sections;
mod soak;
mod stats;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use context::{Context, VALID};
use load::Load;
use script::{Request, Script, Values};

#[derive(Parser)]
#[command(about = "Measures Keywright side by side with a bare handler; see bench/README.md")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, prints, and writes a page.
    Run {
        /// Sections; without any, all of them.
        sections: Vec<String>,
        /// Fewer rounds, shorter, with fewer tokens: to see that everything works, not to quote.
        #[arg(long)]
        quick: bool,
        /// The program under test [default: `keywright` beside this one].
        #[arg(long)]
        program: Option<PathBuf>,
        /// Where to write the page [default: `bench/RESULTS.md` for a whole run, else nowhere].
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Tries what takes long or asserts times; see scripts/soak, which sets the stage.
    Soak {
        /// Cases; without any, all of them.
        cases: Vec<String>,
        /// Shorter: to see that everything works.
        #[arg(long)]
        quick: bool,
        /// The program under test [default: `keywright` beside this one].
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Lets the anomaly detectors look at labelled synthetic traffic, and prints how good they are.
    Detectors {
        /// The seed of the traffic. Those below 100 were used to tune the detectors.
        #[arg(long, default_value_t = 100)]
        seed: u64,
        /// Seeds, one after the other.
        #[arg(long, default_value_t = 3)]
        runs: u64,
        /// Credentials of each.
        #[arg(long, default_value_t = 1_000)]
        credentials: usize,
        /// low, normal or high.
        #[arg(long, default_value = "normal", value_parser = ["low", "normal", "high"])]
        sensitivity: String,
    },
    /// Serves a constant answer by axum, on a port that it prints.
    Bare { bytes: usize },
    /// Serves a constant answer by one hyper listener for each core.
    Edge { bytes: usize },
    /// Loads a server that runs already with verifications of one token.
    Load {
        address: std::net::SocketAddr,
        /// The token; a benchmark's, never a real one: it is seen in the process list.
        token: String,
        #[arg(long, default_value_t = 64)]
        connections: usize,
        #[arg(long, default_value_t = 1)]
        threads: usize,
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run { sections, quick, program, out } => run(&sections, quick, program, out),
        Command::Soak { cases, quick, program } => soak::run(&cases, quick, &program_under_test(program)?),
        Command::Detectors { seed, runs, credentials, sensitivity } => {
            detectors::print(seed, runs, credentials, &sensitivity);
            Ok(())
        }
        Command::Bare { bytes } => bare::axum(bare::answer(bytes)),
        Command::Edge { bytes } => bare::thread_per_core(&bare::answer(bytes)),
        Command::Load { address, token, connections, threads, seconds } => {
            let script = Script::new(Request::post(keywright::VERIFY, &token, ""), Values::Fixed, VALID);
            let load = Load { threads, ..Load::with(connections, Duration::from_secs_f64(seconds)) };
            let outcome = load::run(address, &script, load)?;
            let percentile = |percent| outcome.latency.percentile_micros(percent);
            println!(
                "{:.0}/s, p50 {:.1} µs, p99 {:.1} µs",
                outcome.rate(),
                percentile(50.0),
                percentile(99.0)
            );
            ensure!(outcome.errors() == 0, "{:?}", outcome.bad);
            Ok(())
        }
    }
}

fn run(names: &[String], quick: bool, program: Option<PathBuf>, out: Option<PathBuf>) -> Result<()> {
    let known = |name: &String| sections::ALL.iter().any(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all = sections::ALL.map(|(name, _)| name).join(", ");
        anyhow::bail!("there is no section {unknown:?}; there are: {all}");
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let program = program_under_test(program)?;
    let busy = machine::load_average();
    let context = Context::new(program, root.clone(), quick);
    let mut texts = Vec::new();
    for (name, measure) in sections::ALL {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            texts.push(measure(&context).with_context(|| format!("section {name}"))?.to_markdown());
        }
    }
    let machine = machine::describe(&root, context.postgres_version().as_deref(), busy);
    let page = report::page(&machine, busy, quick, &texts);
    println!("{page}");
    let out = out.or_else(|| (names.is_empty() && !quick).then(|| root.join("bench/RESULTS.md")));
    if let Some(out) = out {
        std::fs::write(&out, page).with_context(|| out.display().to_string())?;
        eprintln!("written to {}", out.display());
    }
    Ok(())
}

fn program_under_test(program: Option<PathBuf>) -> Result<PathBuf> {
    let program = match program {
        Some(program) => program.canonicalize()?,
        None => std::env::current_exe()?.with_file_name("keywright"),
    };
    ensure!(
        program.is_file(),
        "{} is not there: cargo build --release -p keywright-server",
        program.display()
    );
    Ok(program)
}
