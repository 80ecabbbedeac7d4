//! What the sections share.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::answer::Expected;
use crate::keywright::{Keywright, Setup, VERIFY};
use crate::load::{self, Load};
use crate::postgres::{Database, Postgres};
use crate::script::{Request, Script, Values};
use crate::tokens::tokens;

/// What a valid credential's decision holds.
pub(crate) const VALID: Expected = Expected { status: 200, holds: "\"valid\":true" };

/// How often tokens are gone through until each of them is cached.
const PASSES: u32 = 5;

/// How the benchmark is run.
pub(crate) struct Context {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// The repository.
    pub(crate) root: PathBuf,
    /// Shorter, with fewer tokens and rounds.
    pub(crate) quick: bool,
    postgres: OnceCell<Postgres>,
}

/// A server over a database of its own, with its first token.
pub(crate) struct Stage<'a> {
    pub(crate) server: Keywright,
    pub(crate) root_token: String,
    pub(crate) database: Option<Database<'a>>,
    pub(crate) setup: Setup,
}

impl Context {
    /// Nothing is started yet.
    pub(crate) fn new(program: PathBuf, root: PathBuf, quick: bool) -> Self {
        Self { program, root, quick, postgres: OnceCell::new() }
    }

    /// One of two, by how the benchmark is run.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How long one slice of load is measured.
    pub(crate) fn slice(&self) -> Duration {
        self.pick(Duration::from_secs(2), Duration::from_millis(600))
    }

    /// How often both servers take their turns.
    pub(crate) fn rounds(&self) -> usize {
        self.pick(9, 3)
    }

    /// The cluster, started when it is first needed.
    pub(crate) fn postgres(&self) -> Result<&Postgres> {
        if let Some(postgres) = self.postgres.get() {
            return Ok(postgres);
        }
        let started = Postgres::start(&self.root)?;
        Ok(self.postgres.get_or_init(|| started))
    }

    /// The cluster's version, if it was needed.
    pub(crate) fn postgres_version(&self) -> Option<String> {
        self.postgres.get().and_then(|postgres| postgres.version().ok())
    }

    /// A server over a new database of PostgreSQL with the first so many tokens of [`crate::tokens`].
    pub(crate) fn on_postgres(&self, seeded: u32, settings: &[(&'static str, &str)]) -> Result<Stage<'_>> {
        let database = self.postgres()?.database()?;
        let setup = self.setup(Some(&database.url), settings)?;
        setup.migrate()?;
        if seeded > 0 {
            database.seed(0..seeded)?;
        }
        let root_token = setup.bootstrap()?;
        Ok(Stage { server: setup.serve()?, root_token, database: Some(database), setup })
    }

    /// A server over a new SQLite database.
    pub(crate) fn on_sqlite(&self, settings: &[(&'static str, &str)]) -> Result<Stage<'_>> {
        let setup = self.setup(None, settings)?;
        setup.migrate()?;
        let root_token = setup.bootstrap()?;
        Ok(Stage { server: setup.serve()?, root_token, database: None, setup })
    }

    fn setup(&self, url: Option<&str>, settings: &[(&'static str, &str)]) -> Result<Setup> {
        let setup = Setup::new(&self.program, url)?;
        Ok(settings.iter().fold(setup, |setup, (name, value)| setup.with(name, value)))
    }
}

impl Stage<'_> {
    /// The database of a stage on PostgreSQL.
    pub(crate) fn database(&self) -> Result<&Database<'_>> {
        self.database.as_ref().context("this stage has no database of PostgreSQL")
    }

    /// Verifies each of these tokens, so that they are cached; those that get no answer once more. Tells
    /// how many did not get one at first: a starved machine answers 503 rather than late.
    pub(crate) fn warm(&self, range: std::ops::Range<u32>) -> Result<u64> {
        let count = u64::from(range.end - range.start);
        let script = self_form(Arc::new(tokens(range)));
        let load = Load { requests: count, ..Load::with(32, Duration::from_mins(10)).cold_start() };
        let mut unanswered = 0;
        for _ in 0..PASSES {
            let outcome = load::run(self.server.address, &script, load)?;
            ensure!(
                outcome.sent == count,
                "{} of {count} tokens were asked for in ten minutes",
                outcome.sent
            );
            if outcome.errors() == 0 {
                return Ok(unanswered);
            }
            eprintln!("- while tokens were cached: {:?}", outcome.bad);
            unanswered += outcome.errors();
        }
        bail!("tokens cannot be cached: {unanswered} answers in {PASSES} passes were not the wanted one")
    }
}

/// Verifications of the bearing credential itself: no body.
pub(crate) fn self_form(tokens: Arc<Vec<String>>) -> Arc<Script> {
    Script::new(Request::post(VERIFY, "{}", ""), Values::Each(tokens), VALID)
}

/// Verifications of a credential in the body, by `caller`.
pub(crate) fn body_form(caller: &str, tokens: Arc<Vec<String>>) -> Arc<Script> {
    let request = Request::post(VERIFY, caller, r#"{"token":"{}"}"#);
    Script::new(request, Values::Each(tokens), VALID)
}
