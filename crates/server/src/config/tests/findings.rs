//! Every mistake is named, all at once, with its key, its origin, and what would be right.

use super::*;

#[test]
fn every_mistake_is_named_at_once() {
    let file = "
[server]
listen = 8080
request_timeout_seconds = 1.5
workers = { a = 1 }
lsten = 1
[database]
pool_size = true
max_overflow = -1
[journal]
max_bytes = '1MiB'
sync_interval_ms = 1979-05-27
[log]
level = 'loud'
";
    let environment =
        [("JWT_ALGORITHM", "HS256"), ("MONITORING_ALERT_THRESHOLDS", "1,,7"), ("KEYWRIGHT_X", "")];
    let loaded = with_file_and_environment(file, &environment);
    let keys: Vec<_> = loaded.errors().map(|finding| finding.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "server.lsten",
            "KEYWRIGHT_X",
            "server.listen",
            "server.request_timeout_seconds",
            "server.workers",
            "database.pool_size",
            "database.max_overflow",
            "journal.max_bytes",
            "journal.sync_interval_ms",
            "log.level",
            "jwt.algorithm",
            "monitoring.alert_thresholds",
        ]
    );
    assert!(loaded.findings.iter().all(|finding| !finding.origin.is_empty() && !finding.message.is_empty()));
    let listen = error(&loaded, "server.listen");
    assert_eq!(listen.message, "cannot be a number");
    assert_eq!(listen.fix, "give an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`");
    assert!(listen.origin.ends_with("keywright.toml:3"));
    let algorithm = error(&loaded, "jwt.algorithm");
    assert_eq!(algorithm.value.as_deref(), Some("`HS256`"));
    assert_eq!(algorithm.fix, "give one of `EdDSA`, `ES256`, `RS256`");
}

#[test]
fn each_value_out_of_its_bounds_is_refused() {
    for (key, bad) in [
        ("server.listen", &["", "8080", "localhost:8080", "127.0.0.1", "127.0.0.1:65536", "::1:8080"][..]),
        ("server.public_url", &["auth.example.com", "ftp://x", "https://u:p@x", "https://x/?a"]),
        ("server.trusted_proxies", &["0.0.0.0/0", "::/0", "10.0.0.1/8", "x", "10.0.0.0/8,"]),
        ("server.request_timeout_seconds", &["0", "3601", "-1", "1.5", "ten", "1e3", "99999999999999999999"]),
        ("server.header_timeout_seconds", &["0", "3601"]),
        ("server.workers", &["1025", "-1"]),
        ("server.tls_cert", &["a\u{7}b"]),
        ("database.url", &["mysql://x/y", "x", "sqlite::memory:"]),
        ("database.pool_size", &["0", "1001", "٣"]),
        ("database.max_overflow", &["1001"]),
        ("database.statement_timeout_seconds", &["0"]),
        ("journal.dir", &[""]),
        ("journal.max_bytes", &["8388607", "7MiB", "1G", "2000TiB"]),
        ("journal.sync_interval_ms", &["60001", "-1"]),
        ("journal.allow_ephemeral", &["maybe", ""]),
        ("verify.stale_grace_seconds", &["3601", "-1"]),
        ("verify.cache_capacity", &["0"]),
        ("verify.unknown_capacity", &["0"]),
        ("audit.retention_days", &["0"]),
        ("audit.failure_retention_days", &["399", "36501"]),
        ("audit.success_events", &["none"]),
        ("rate_limit.backend", &["memcached"]),
        ("rate_limit.redis_url", &["http://x", "redis://"]),
        ("tokens.default_expiry_days", &["0", "36501"]),
        ("tokens.max_per_account", &["0", "1000001"]),
        ("tokens.max_per_user", &["0", "-1"]),
        ("keys.master_key_command", &["  \u{a0}"]),
        ("log.format", &["xml"]),
        ("mail.from", &["keywright", "@", "a@b@c", "<a@b"]),
        ("jwt.algorithm", &["none", "HS256", ""]),
        ("cloudflare.team_domain", &["https://team.cloudflareaccess.com", "-x", "a..b"]),
        ("rotation.high_usage_threshold", &["0"]),
        ("monitoring.check_interval_hours", &["0", "169"]),
        ("monitoring.alert_thresholds", &["", "0", "1,1", "1,7,x", "3651", ","]),
    ] {
        for bad in bad {
            let loaded = with_environment(&[(&*crate::config::find(key).unwrap().environment_name(), bad)]);
            if matches!(key, "server.public_url" | "keys.master_key_command") && bad.trim().is_empty() {
                continue;
            }
            assert!(!error(&loaded, key).fix.is_empty(), "{key} = {bad}");
        }
    }
}

#[test]
fn rules_about_several_keys_hold() {
    for (flags, key) in [
        (&[("database.pool_size", "1"), ("database.max_overflow", "0")][..], "database.pool_size"),
        (&[("server.tls_cert", "x")], "server.tls_cert"),
        (&[("server.tls_key", "x")], "server.tls_key"),
        (
            &[("audit.retention_days", "30"), ("audit.failure_retention_days", "29")],
            "audit.failure_retention_days",
        ),
    ] {
        let loaded = with_flags(flags);
        assert!(error(&loaded, key).origin.starts_with("--set"), "{key}");
    }
    let keys = [("KEYWRIGHT_MASTER_KEY_FILE", "x"), ("KEYWRIGHT_MASTER_KEY", KEY)];
    assert!(error(&with_environment(&keys), "keys.master_key_file").message.starts_with("is given beside"));
    let same = with_flags(&[("server.listen", "127.0.0.1:9"), ("server.metrics_listen", "127.0.0.1:9")]);
    assert!(same.errors().any(|finding| finding.message == "is the same as server.listen"));
    let alone = with_flags(&[("rate_limit.backend", "redis")]);
    assert!(alone.errors().any(|finding| finding.message == "stands without rate_limit.redis_url"));
    config(&with_flags(&[("server.tls_cert", "x"), ("server.tls_key", "y"), ("database.pool_size", "2")]));
    let kept = |flags| config(&with_flags(flags)).audit.failure_retention_days();
    assert_eq!(kept(&[("audit.retention_days", "30")]), 30);
    assert_eq!(kept(&[("audit.retention_days", "30"), ("audit.failure_retention_days", "30")]), 30);
}

#[test]
fn a_faulty_value_causes_no_second_finding_by_its_absence() {
    let loaded =
        with_environment(&[("KEYWRIGHT_SERVER__TLS_CERT", "a\u{7}"), ("KEYWRIGHT_SERVER__TLS_KEY", "x")]);
    error(&loaded, "server.tls_cert");
    assert_eq!(loaded.findings.len(), 1);
}

#[test]
fn a_missing_master_key_is_a_warning_except_in_development() {
    let production = load(&LoadInput::default());
    assert_eq!(finding(&production, "keys.master_key").severity, Severity::Warning);
    config(&production);
    for (name, value) in [
        ("KEYWRIGHT_MASTER_KEY", KEY),
        ("KEYWRIGHT_MASTER_KEY_FILE", "x"),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", "x"),
    ] {
        let environment = owned(&[(name, value)]);
        assert_eq!(load(&LoadInput { environment, ..LoadInput::default() }).findings, []);
    }
}

#[test]
fn each_syntax_error_of_a_file_is_named_by_its_line() {
    let loaded = with_file("[server]\nlisten = \n\n[database\npool_size = 5\n");
    assert!(loaded.config.is_none());
    let origins: Vec<_> = loaded.errors().map(|finding| finding.origin.rsplit(':').next().unwrap()).collect();
    assert_eq!(origins, ["2", "4"], "{:#?}", loaded.findings);
}

#[test]
fn a_file_that_is_none_is_refused() {
    let loaded = with_file_and_environment(b"\xff\xfe", &[]);
    assert_eq!(loaded.findings[0].message, "is not UTF-8");
    let loaded = with_file_and_environment(vec![b'#'; (1 << 20) + 1], &[]);
    assert_eq!(loaded.findings[0].message, "is larger than 1 MiB");
    let directory = tempfile::tempdir().unwrap();
    let loaded = load(&LoadInput { file: Some(directory.path().into()), ..LoadInput::default() });
    assert!(loaded.errors().next().unwrap().message.starts_with("cannot be read"));
}

#[test]
fn a_variable_that_is_not_unicode_is_refused_by_name() {
    let loaded = with_environment(&[("KEYWRIGHT_JOURNAL__DIR", "/data/\u{fffd}")]);
    assert_eq!(error(&loaded, "journal.dir").message, "is not UTF-8");
}

#[test]
fn the_file_knows_numbers_and_arrays_as_the_environment_knows_texts() {
    let loaded = with_file(
        "[server]\ntrusted_proxies = ['10.0.0.0/8', 'fd00::/8']\nworkers = 0x2\n[journal]\nmax_bytes = 1073741824\n\
         allow_ephemeral = true\n[monitoring]\nalert_thresholds = [30, 1]\n[keys]\nmaster_key_command = ['a b', 'c']\n",
    );
    let config = config(&loaded);
    assert_eq!(config.server.trusted_proxies.as_slice().len(), 2);
    assert_eq!(config.server.workers, 2);
    assert_eq!(config.journal.max_bytes.bytes(), 1 << 30);
    assert!(config.journal.allow_ephemeral);
    assert_eq!(config.monitoring.alert_thresholds, [1, 30]);
    let command = config.keys.master_key_command.as_ref().unwrap();
    assert_eq!((command.program(), command.arguments()), ("a b", &["c".to_owned()][..]));
}
