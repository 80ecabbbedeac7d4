//! The command line: an HTTP client of the API, and the commands that run or look at a server.
//!
//! Without a server's address it speaks for the local operator, through the running server's socket
//! or with the same router in this process. Results go to standard output, all else to standard error.
//! Exit codes: 0 done, 1 failed, 2 usage, 3 denied.

mod account;
mod alert;
mod bootstrap;
mod channel;
mod ci_event;
mod cleanup;
mod command;
mod configuration;
mod connect;
mod credentials;
mod deliveries;
mod doctor;
mod duration;
mod emergency;
mod events;
mod failure;
mod globals;
mod import;
mod journal;
mod keys;
mod leak;
mod login;
mod man;
pub mod migrate;
mod output;
mod paging;
mod pat;
mod policy;
mod publisher;
mod resolve;
mod role;
mod rotation;
mod scanner_rules;
mod serve;
mod session;
mod sessions;
mod settings;
mod subscription;
mod system;
mod token;
pub mod transport;
mod user;
mod verify;
mod window;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use command::{Cli, Noun};
use connect::{connect, disconnect};
use failure::{Failure, Outcome};
use globals::{Caller, Globals};
use output::{Output, text};
use session::Session;

/// Every command, with its options: for completions, and for the test that holds the documents
/// against it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line of this process, does what it says, and tells how that ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(&cli.globals);
    match dispatch(&cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, &output);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version are answers; all else is usage. What was typed may be a secret in the wrong
/// place, and standard error is often a log.
fn misunderstood(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that left has what it wanted.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    match text::redact(&error.render().to_string()) {
        (_, false) => {
            let _ = error.print();
        }
        (message, true) => {
            let why = "a secret does not belong on the command line: every user of this machine can read it";
            let _ = writeln!(std::io::stderr(), "{}\n{why}", message.trim_end());
        }
    }
    ExitCode::from(2)
}

fn report(failure: &Failure, output: &Output) {
    match failure {
        // Their result has been printed.
        Failure::Denied | Failure::Found => {}
        Failure::Refused(answer) if output.json => output.tell(&text::escape_json(&answer.json.to_string())),
        Failure::Refused(answer) => output.tell(&output::problem::describe(answer)),
        other => output.tell(&format!("error: {}", escape_lines(&other.to_string()))),
    }
}

/// Safe to print, with the line breaks that we made ourselves.
fn escape_lines(message: &str) -> String {
    message.lines().map(text::escape).collect::<Vec<_>>().join("\n")
}

fn dispatch(cli: &Cli, output: &Output) -> Outcome {
    let globals = &cli.globals;
    match &cli.noun {
        Noun::Token { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Account { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Alert { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Channel { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Subscription { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Publisher { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Pat { verb } => ask(globals, output, Caller::Person, async |session| verb.run(session).await),
        Noun::Login(login) => wait_for(login.run(globals, output)),
        Noun::Logout => wait_for(login::log_out(globals, output)),
        Noun::ScannerRules(rules) => rules.run(output),
        Noun::Role { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Policy { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Rotation { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Window { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::User { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::EmergencyRevoke(revoke) => {
            revoke.confirm()?;
            ask(globals, output, Caller::Token, async |session| revoke.run(session).await)
        }
        Noun::Verify(verify) => {
            let credential = verify::credential()?;
            let asker = verify::Asker::of(globals)?;
            let caller = Caller::Itself(credential.clone());
            ask(globals, output, caller, async |session| verify.run(session, &credential, asker).await)
        }
        Noun::Events { verb: events::Command::Verify(verify) } if verify.file().is_some() => {
            verify.file().map_or(Ok(()), |path| verify.check(path, globals, output))
        }
        Noun::CiEvent(event) => ask(globals, output, Caller::Token, async |session| event.run(session).await),
        Noun::Leak { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Keys { verb } => wait_for(verb.run(globals, output)),
        Noun::Session { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Events { verb } => as_bearer(globals, output, async |session| verb.run(session).await),
        Noun::Cleanup(cleanup) => {
            ask(globals, output, Caller::Token, async |session| cleanup.run(session).await)
        }
        Noun::Me => ask(globals, output, Caller::Token, system::me),
        Noun::Status => ask(globals, output, Caller::Token, system::status),
        Noun::Health => ask(globals, output, Caller::Nobody, system::health),
        // It builds its own runtimes.
        Noun::Serve(serve) => serve.run(globals, output),
        Noun::Migrate => wait_for(migrate::run(globals, output)),
        Noun::Bootstrap(bootstrap) => wait_for(bootstrap.run(globals, output)),
        Noun::Journal { verb } => wait_for(verb.run(globals, output)),
        Noun::Import { verb } => wait_for(verb.run(globals, output)),
        Noun::Doctor => wait_for(doctor::run(globals, output)),
        Noun::Config { verb } => verb.run(&settings::load(globals, &[], false)?, output),
        Noun::Man(man) => man.run(output),
        Noun::Openapi => output.line(crate::http::openapi::document().trim_end()),
        Noun::Completions { shell } => completions(*shell, output),
    }
}

/// The same as the bearer of the configured token.
fn as_bearer(globals: &Globals, output: &Output, work: impl AsyncFnOnce(&Session<'_>) -> Outcome) -> Outcome {
    ask(globals, output, Caller::Token, work)
}

/// Opens the API, does the work, and leaves tidily however it ended.
fn ask(
    globals: &Globals,
    output: &Output,
    caller: Caller,
    work: impl AsyncFnOnce(&Session<'_>) -> Outcome,
) -> Outcome {
    wait_for(async {
        let api = connect(globals, caller, output).await?;
        let outcome = work(&Session { api: &api, output }).await;
        disconnect(api, output).await;
        outcome
    })
}

fn wait_for(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "keywright", &mut script);
    output.bytes(script.trim_ascii_end())
}
