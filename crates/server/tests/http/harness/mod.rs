//! A node to test against, and what is needed to look at it from outside and inside.

pub(crate) mod accounts;
mod answer;
mod app;
mod caller;
pub(crate) mod child;
mod database;
pub(crate) mod embedded;
pub(crate) mod events;
pub(crate) mod issuer;
pub(crate) mod logins;
pub(crate) mod mails;
pub(crate) mod moving;
pub(crate) mod oauth;
mod openmetrics;
pub(crate) mod pasted;
pub(crate) mod people;
pub(crate) mod proxies;
pub(crate) mod proxy;
mod raw;
pub(crate) mod remote;
mod schema;
mod tenants;

pub(crate) use answer::Answer;
pub(crate) use app::{MASTER_KEY, Minted, TestApp};
pub(crate) use caller::Caller;
pub(crate) use database::Database;
pub(crate) use keywright_store::Engine;
pub(crate) use openmetrics::Scrape;
pub(crate) use raw::Raw;
pub(crate) use schema::{BY_ANY_METHOD, DOCUMENT, Operation, operations};
pub(crate) use tenants::id;

/// Makes a test on each engine of each function named: an `async fn NAME(app: &TestApp)`. A function
/// that is not named is dead code, which the lints refuse.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $( $crate::harness::test_on!(Sqlite, $name); )+
        }
        mod postgres {
            $( $crate::harness::test_on!(Postgres, $name); )+
        }
    };
}

/// The same with a clock that stands still until it is moved.
macro_rules! standing_still {
    ($($name:ident),+ $(,)?) => {
        mod sqlite_standing_still {
            $( $crate::harness::test_on!(Sqlite, $name, start_still); )+
        }
        mod postgres_standing_still {
            $( $crate::harness::test_on!(Postgres, $name, start_still); )+
        }
    };
}

/// The same with a node that trusts this machine's proxies, from `127.0.0.1`.
macro_rules! behind_a_proxy {
    ($($name:ident),+ $(,)?) => {
        mod sqlite_behind_a_proxy {
            $( $crate::harness::test_on!(Sqlite, $name, start_behind_a_proxy); )+
        }
        mod postgres_behind_a_proxy {
            $( $crate::harness::test_on!(Postgres, $name, start_behind_a_proxy); )+
        }
    };
}

macro_rules! test_on {
    ($engine:ident, $name:ident) => {
        $crate::harness::test_on!($engine, $name, start_with);
    };
    ($engine:ident, $name:ident, $start:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let engine = $crate::harness::Engine::$engine;
            let Some(app) = $crate::harness::TestApp::$start(engine, &[]).await else { return };
            super::$name(&app).await;
            app.stop().await;
        }
    };
}

pub(crate) use {behind_a_proxy, on_both_engines, standing_still, test_on};

/// The Python of the virtual environment that `scripts/test` makes, if it has this module.
pub(crate) fn python(module: &str) -> Option<std::path::PathBuf> {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/test-venv/bin/python");
    let has_it = std::process::Command::new(&python).args(["-c", &format!("import {module}")]).output();
    has_it.is_ok_and(|output| output.status.success()).then_some(python)
}

/// What is stored in the stead of a secret.
pub(crate) fn sha256(secret: &str) -> [u8; 32] {
    *keywright_core::TokenHash::of(secret.as_bytes()).as_bytes()
}

/// Longest time for anything that a test waits for. It bounds a test that fails; none measures it.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits for what becomes true by itself, and fails the test if it never does.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}
