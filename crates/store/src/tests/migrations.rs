//! Migrations: once, by whomever, and never on a schema that is too new.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::conn::call;
use crate::testing::{blank_stores, test_stores};
use crate::{Conn, Engine, SchemaState, Store, StoreError, StoreOptions};

pub(super) async fn execute(store: &Store, sql: &str) {
    let mut tx = store.begin().await.unwrap();
    match tx.conn() {
        Conn::Sqlite(link) => call!(link, |c| sqlx::raw_sql(AssertSqlSafe(sql)).execute(c)).map(|_| ()),
        Conn::Postgres(link) => call!(link, |c| sqlx::raw_sql(AssertSqlSafe(sql)).execute(c)).map(|_| ()),
    }
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_empty_database_becomes_current_and_each_step_is_told_once() {
    for store in blank_stores().await {
        assert_eq!(store.schema_state().await, Ok(SchemaState::Empty), "{:?}", store.engine());
        let mut steps = Vec::new();
        store.migrate(|step| steps.push((step.number, step.total, step.description))).await.unwrap();
        assert_eq!(
            steps,
            [
                "foundation",
                "people",
                "accounts",
                "monitoring",
                "leaks",
                "notifications",
                "rotation",
                "anomalies",
                "owner letters",
                "imports",
                "reported decisions"
            ]
            .into_iter()
            .zip(1..)
            .map(|(name, number)| (number, 11, name.to_owned()))
            .collect::<Vec<_>>()
        );
        assert_eq!(store.schema_state().await, Ok(SchemaState::Current { version: 11 }));
        store.migrate(|step| panic!("{step:?} was done already")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_nodes_may_migrate_at_once() {
    for store in blank_stores().await {
        let mut nodes = Vec::new();
        for _ in 0..8 {
            let node = store.another().await;
            nodes.push(tokio::spawn(async move {
                let mut steps = 0;
                node.migrate(|_| steps += 1).await.map(|()| steps)
            }));
        }
        let mut steps = 0;
        for node in nodes {
            steps += node.await.unwrap().unwrap();
        }
        assert_eq!(steps, 11, "{:?}", store.engine());
        assert_eq!(store.schema_state().await, Ok(SchemaState::Current { version: 11 }));
    }
}

#[tokio::test]
async fn a_migration_given_up_half_way_is_done_by_the_next() {
    for store in blank_stores().await {
        for micros in [100, 1_000, 3_000, 10_000, 30_000] {
            let _ = tokio::time::timeout(Duration::from_micros(micros), store.migrate(|_| ())).await;
        }
        store.migrate(|_| ()).await.unwrap();
        assert_eq!(
            store.schema_state().await,
            Ok(SchemaState::Current { version: 11 }),
            "{:?}",
            store.engine()
        );
    }
}

#[tokio::test]
async fn a_schema_that_needs_a_newer_binary_is_refused() {
    for store in test_stores().await {
        // A newer binary added to the schema, and says that this one may still work on it.
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time, installed_on) \
             SELECT 99, 'later', success, checksum, 0, installed_on FROM _sqlx_migrations WHERE version = 1";
        execute(&store, sql).await;
        assert_eq!(
            store.schema_state().await,
            Ok(SchemaState::Current { version: 99 }),
            "{:?}",
            store.engine()
        );
        store.migrate(|step| panic!("{step:?}")).await.unwrap();

        execute(&store, "UPDATE schema_compatibility SET min_compatible_version = 99").await;
        let too_new = SchemaState::TooNew { min_compatible_version: 99, known_version: 11 };
        assert_eq!(store.schema_state().await, Ok(too_new));
        let refused = store.migrate(|step| panic!("{step:?}")).await;
        assert_eq!(refused, Err(StoreError::TooNew { min_compatible_version: 99, known_version: 11 }));
    }
}

#[tokio::test]
async fn a_migration_that_was_altered_afterwards_is_noticed() {
    for store in test_stores().await {
        let text = match store.engine() {
            Engine::Sqlite => "UPDATE _sqlx_migrations SET checksum = x'00'",
            Engine::Postgres => "UPDATE _sqlx_migrations SET checksum = '\\x00'",
        };
        execute(&store, text).await;
        let refused = store.migrate(|_| ()).await;
        assert!(matches!(refused, Err(StoreError::Unsuitable { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_new_database_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/on/demand.db");
    let store = Store::connect(&StoreOptions::new(format!("sqlite:{}", path.display()))).await.unwrap();
    store.migrate(|_| ()).await.unwrap();
    for suffix in ["", "-wal", ".migrate.lock"] {
        let mode = std::fs::metadata(crate::beside(&path, suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
    store.close().await;
    assert!(!crate::beside(&path, "-wal").exists(), "the write-ahead log was not put away");
    assert!(store.read().await.is_err());
}
