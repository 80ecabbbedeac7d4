//! The store, opened by ourselves.

use std::path::Path;

use keywright_core::Timestamp;
use keywright_store::{SchemaState, Store, StoreError, StoreLock};
use keywright_verify::clock::wall_clock;

use super::finding::Finding;
use crate::config::Config;

const STORE: &str = "store";
const SCHEMA: &str = "schema";
const CLOCK: &str = "clock";
const POOL: &str = "pool";

/// A node whose clock is further off than this denies good credentials, or accepts ended ones, until
/// its first heartbeat.
const SKEW_WARNING_MICROS: i64 = 1_000_000;
/// Further off than this, and something is wrong with the machine.
const SKEW_ERROR_MICROS: i64 = 30_000_000;

/// Connects, looks, and leaves. A SQLite database is looked at under its lock, and one that is not
/// there yet is not made.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let path = config.database.url.sqlite_path();
    if let Some(path) = path.filter(|path| !path.exists()) {
        return vec![not_made(path)];
    }
    let _lock = match path.map(StoreLock::acquire).transpose() {
        Ok(lock) => lock,
        Err(error) => return vec![unreachable(&error)],
    };
    let store = match Store::connect(&crate::local::store_options(config)).await {
        Ok(store) => store,
        Err(error) => return vec![unreachable(&error)],
    };
    let findings = look_into(&store, config).await;
    store.close().await;
    findings
}

async fn look_into(store: &Store, config: &Config) -> Vec<Finding> {
    if let Err(error) = store.preflight().await {
        return vec![unreachable(&error)];
    }
    let mut findings = vec![Finding::ok(STORE, format!("reachable ({})", store.engine().as_str()))];
    findings.push(match store.schema_state().await {
        Ok(state) => schema(&state),
        Err(error) => Finding::error(SCHEMA, error.to_string(), "look into the database's log"),
    });
    let before = wall_clock();
    match store.now().await {
        Ok(Some(theirs)) => findings.push(clock(theirs, before, wall_clock())),
        Ok(None) => {}
        Err(error) => findings.push(Finding::error(CLOCK, error.to_string(), "look into the database's log")),
    }
    match store.server_limits().await {
        Ok(Some(limits)) => {
            findings.push(pool(config, limits.max_connections, limits.reserved, limits.in_use));
        }
        Ok(None) => {}
        Err(error) => findings.push(Finding::error(POOL, error.to_string(), "look into the database's log")),
    }
    findings
}

fn not_made(path: &Path) -> Finding {
    Finding::warning(
        STORE,
        format!("{} is not there yet", path.display()),
        "keywright migrate makes it, as does keywright serve --dev; or is database.url right?",
    )
}

fn unreachable(error: &StoreError) -> Finding {
    let advice = match error {
        StoreError::Unsuitable { .. } => "repair database.url, or the database that it names",
        StoreError::TooNew { .. } => "install the newer version of Keywright that this database belongs to",
        StoreError::InUse { .. } => {
            "no server answers on its socket: wait until that process has started or left, or end it"
        }
        _ => "is it running, is database.url right, may this machine and this user connect?",
    };
    Finding::error(STORE, error.to_string(), advice)
}

fn schema(state: &SchemaState) -> Finding {
    const MIGRATE: &str = "run keywright migrate";
    match state {
        SchemaState::Current { version } => Finding::ok(SCHEMA, format!("current: version {version}")),
        SchemaState::Behind { .. } => {
            Finding::error(SCHEMA, "is older than this version of Keywright", MIGRATE)
        }
        SchemaState::Empty => Finding::error(SCHEMA, "is empty", MIGRATE),
        SchemaState::TooNew { .. } => Finding::error(
            SCHEMA,
            "is newer than this version of Keywright can work with",
            "install the newer version, which it belongs to",
        ),
    }
}

/// How far our clock is from the store's. What the question itself took is not held against it.
fn clock(theirs: Timestamp, asked: Timestamp, answered: Timestamp) -> Finding {
    const ADVICE: &str = "let both machines follow a time server (chrony, systemd-timesyncd)";
    let skew = if theirs < asked {
        asked.micros_since(theirs)
    } else if theirs > answered {
        -theirs.micros_since(answered)
    } else {
        0
    };
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    let told = format!("this machine is {} ms {direction} the store", skew.abs() / 1000);
    match skew.abs() {
        SKEW_ERROR_MICROS.. => Finding::error(CLOCK, told, ADVICE),
        SKEW_WARNING_MICROS.. => Finding::warning(CLOCK, told, ADVICE),
        _ => Finding::ok(CLOCK, "agrees with the store's"),
    }
}

/// Whether the store lets this node have the connections that it may ask for.
fn pool(config: &Config, max_connections: i64, reserved: i64, in_use: i64) -> Finding {
    let wanted =
        i64::from(config.database.pool_size) + i64::from(config.database.max_overflow) + OWN_CONNECTIONS;
    let given = max_connections - reserved;
    let told = format!(
        "a node wants up to {wanted} connections; the server gives {given}, of which {in_use} are in use"
    );
    if wanted > given {
        Finding::error(
            POOL,
            told,
            "lower database.pool_size and database.max_overflow, or raise max_connections of PostgreSQL",
        )
    } else if in_use + wanted > given {
        Finding::warning(
            POOL,
            told,
            "with all nodes at their most there will be too few: lower database.max_overflow",
        )
    } else {
        Finding::ok(POOL, told)
    }
}

/// What a node has beside its pool: heartbeat, notifications.
const OWN_CONNECTIONS: i64 = 2;

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::config::{LoadInput, load};
    use keywright_store::testing::{blank_stores, test_stores};

    fn config(url: &str) -> Config {
        // A password in it is accepted from the environment only.
        let environment = vec![("DATABASE_URL".to_owned(), url.to_owned())];
        load(&LoadInput { environment, ..LoadInput::default() }).config.unwrap()
    }

    fn severity(findings: &[Finding], check: &str) -> Option<Severity> {
        findings.iter().find(|finding| finding.check == check).map(|finding| finding.severity)
    }

    #[tokio::test]
    async fn a_migrated_store_is_in_order_and_an_empty_one_is_not() {
        for store in test_stores().await {
            let findings = look(&config(&store.options().url)).await;
            assert_eq!(severity(&findings, STORE), Some(Severity::Ok), "{findings:?}");
            assert_eq!(severity(&findings, SCHEMA), Some(Severity::Ok), "{findings:?}");
        }
        for store in blank_stores().await {
            let findings = look(&config(&store.options().url)).await;
            assert_eq!(severity(&findings, SCHEMA), Some(Severity::Error), "{findings:?}");
        }
    }

    #[tokio::test]
    async fn a_database_that_another_process_holds_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keywright.db");
        std::fs::write(&path, "").unwrap();
        let _held = StoreLock::acquire(&path).unwrap();
        let findings = look(&config(&format!("sqlite://{}", path.display()))).await;
        assert_eq!(severity(&findings, STORE), Some(Severity::Error), "{findings:?}");
        assert!(findings[0].what.contains("in use by process"), "{findings:?}");
    }

    #[test]
    fn the_time_that_asking_took_is_no_skew() {
        let at = Timestamp::from_micros;
        let found = |theirs| clock(at(theirs), at(100_000_000), at(103_000_000)).severity;
        assert_eq!([found(100_000_000), found(103_000_000), found(99_500_000)], [Severity::Ok; 3]);
        assert_eq!([found(98_000_000), found(105_000_000)], [Severity::Warning; 2]);
        assert_eq!([found(60_000_000), found(200_000_000)], [Severity::Error; 2]);
        let ahead = clock(at(98_000_000), at(100_000_000), at(103_000_000));
        assert_eq!(ahead.what, "this machine is 2000 ms ahead of the store");
    }

    #[test]
    fn a_pool_larger_than_the_server_gives_is_told() {
        let flags = [("database.pool_size", "10"), ("database.max_overflow", "20")];
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = load(&LoadInput { flags, ..LoadInput::default() }).config.unwrap();
        assert_eq!(pool(&config, 100, 3, 10).severity, Severity::Ok);
        assert_eq!(pool(&config, 100, 3, 70).severity, Severity::Warning);
        assert_eq!(pool(&config, 30, 3, 1).severity, Severity::Error);
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_not_made_by_looking() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keywright.db");
        let findings = look(&config(&format!("sqlite://{}", path.display()))).await;
        assert_eq!(findings[0].severity, Severity::Warning);
        assert!(!path.exists());
    }
}
