//! Defaults < file < environment < flags, and each value knows where it came from.

use super::*;

#[test]
fn later_sources_win_and_each_value_knows_its_own() {
    let file =
        "[server]\nlisten = '127.0.0.1:1'\nrequest_timeout_seconds = 11\nheader_timeout_seconds = 12\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keywright.toml");
    std::fs::write(&path, file).unwrap();
    let loaded = load(&LoadInput {
        flags: owned(&[("server.listen", "127.0.0.1:3"), ("verify.stale_grace_seconds", "7")]),
        file: Some(path.clone()),
        environment: owned(&[
            ("KEYWRIGHT_SERVER__LISTEN", "127.0.0.1:2"),
            ("KEYWRIGHT_SERVER__REQUEST_TIMEOUT_SECONDS", "22"),
        ]),
        ..LoadInput::default()
    });
    assert_eq!(row(&loaded, "server.listen"), ("127.0.0.1:3", "--listen"));
    assert_eq!(row(&loaded, "verify.stale_grace_seconds"), ("7", "--set verify.stale_grace_seconds"));
    let environment = "environment KEYWRIGHT_SERVER__REQUEST_TIMEOUT_SECONDS";
    assert_eq!(row(&loaded, "server.request_timeout_seconds"), ("22", environment));
    let line = format!("{}:4", path.display());
    assert_eq!(row(&loaded, "server.header_timeout_seconds"), ("12", &*line));
    assert_eq!(row(&loaded, "server.workers"), ("0", "default"));
    assert_eq!(config(&loaded).server.listen.port(), 3);
    assert_eq!(loaded.file, Some(path));
}

#[test]
fn what_a_program_says_stands_above_all_and_may_be_secret() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let loaded = load(&LoadInput {
        flags: owned(&[("server.listen", "127.0.0.1:3")]),
        environment: owned(&[("DATABASE_URL", "sqlite://other.db")]),
        program: owned(&[
            ("server.listen", "127.0.0.1:4"),
            ("database.url", "postgres://app:canary@db/kw"),
            ("keys.master_key", key),
        ]),
        ..LoadInput::default()
    });
    assert_eq!(row(&loaded, "server.listen"), ("127.0.0.1:4", "program"));
    assert_eq!(config(&loaded).database.url.sqlite_path(), None);
    assert!(!format!("{:?} {:?}", loaded.rows, loaded.findings).contains("canary"));
    let unknown = load(&LoadInput { program: owned(&[("server.listening", "x")]), ..LoadInput::default() });
    assert!(unknown.config.is_none());
    assert!(unknown.errors().any(|finding| finding.key == "server.listening"));
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let loaded = load(&LoadInput { dev: true, ..LoadInput::default() });
    assert_eq!(loaded.findings, []);
    assert!(loaded.rows.iter().all(|row| row.origin == "default"));
    for (key, value) in [
        ("server.listen", "127.0.0.1:8080"),
        ("server.public_url", ""),
        ("server.trusted_proxies", ""),
        ("server.request_timeout_seconds", "30"),
        ("server.header_timeout_seconds", "10"),
        ("database.url", "sqlite://./data/keywright.db"),
        ("database.pool_size", "10"),
        ("database.max_overflow", "20"),
        ("database.statement_timeout_seconds", "5"),
        ("journal.dir", "./data/journal"),
        ("journal.max_bytes", "1GiB"),
        ("journal.sync_interval_ms", "1000"),
        ("journal.allow_ephemeral", "false"),
        ("verify.stale_grace_seconds", "60"),
        ("audit.retention_days", "400"),
        ("audit.failure_retention_days", ""),
        ("audit.success_events", "all"),
        ("rate_limit.backend", "local"),
        ("tokens.default_expiry_days", "90"),
        ("jwt.algorithm", "EdDSA"),
        ("rotation.high_usage_threshold", "1000"),
        ("monitoring.check_interval_hours", "6"),
        ("monitoring.alert_thresholds", "1,7,14,30"),
    ] {
        assert_eq!(row(&loaded, key), (value, "default"), "{key}");
    }
}

#[test]
fn the_file_is_the_flags_then_the_variables_then_the_default_one() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, days: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("[tokens]\ndefault_expiry_days = {days}\n")).unwrap();
        path
    };
    let (flag, variable, default) =
        (write("flag.toml", 1), write("variable.toml", 2), write("default.toml", 3));
    let mut input = LoadInput {
        file: Some(flag),
        default_file: Some(default),
        environment: owned(&[("KEYWRIGHT_CONFIG", variable.to_str().unwrap())]),
        ..LoadInput::default()
    };
    assert_eq!(config(&load(&input)).tokens.default_expiry_days, 1);
    input.file = None;
    assert_eq!(config(&load(&input)).tokens.default_expiry_days, 2);
    input.environment.clear();
    assert_eq!(config(&load(&input)).tokens.default_expiry_days, 3);
    input.default_file = Some(directory.path().join("absent.toml"));
    assert_eq!(config(&load(&input)).tokens.default_expiry_days, 90);
    input.file = input.default_file.take();
    let loaded = load(&input);
    assert!(loaded.config.is_none(), "a file that is named must be there");
    assert!(loaded.findings[0].message.starts_with("cannot be read"), "{:?}", loaded.findings);

    let environment = owned(&[("KEYWRIGHT_CONFIG", "")]);
    config(&load(&LoadInput { environment, ..LoadInput::default() }));
    let loaded = load(&LoadInput { file: Some("".into()), ..LoadInput::default() });
    assert_eq!(loaded.errors().next().unwrap().origin, "--config");
}

#[test]
fn two_names_for_one_key_may_agree_but_not_differ() {
    let same = [("DATABASE_POOL_SIZE", "5"), ("KEYWRIGHT_DATABASE__POOL_SIZE", "5")];
    assert_eq!(with_environment(&same).findings, []);
    let loaded = with_environment(&[("DATABASE_POOL_SIZE", "5"), ("KEYWRIGHT_DATABASE__POOL_SIZE", "6")]);
    let found = error(&loaded, "database.pool_size");
    assert_eq!(found.message, "differs from DATABASE_POOL_SIZE, which sets the same key");
    assert_eq!(found.origin, "environment KEYWRIGHT_DATABASE__POOL_SIZE");
}

#[test]
fn an_empty_variable_takes_an_optional_value_away_and_is_no_value_elsewhere() {
    let file = "[server]\npublic_url = 'https://a.example'\ntrusted_proxies = ['10.0.0.0/8']\n";
    let empty = [("KEYWRIGHT_SERVER__PUBLIC_URL", ""), ("KEYWRIGHT_SERVER__TRUSTED_PROXIES", "")];
    let loaded = with_file_and_environment(file, &empty);
    assert!(config(&loaded).server.public_url.is_none());
    assert!(config(&loaded).server.trusted_proxies.as_slice().is_empty());
    for name in [
        "DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "KEYWRIGHT_SERVER__LISTEN",
        "KEYWRIGHT_JOURNAL__DIR",
        "JWT_ALGORITHM",
    ] {
        assert!(with_environment(&[(name, "")]).config.is_none(), "{name}");
    }
}
