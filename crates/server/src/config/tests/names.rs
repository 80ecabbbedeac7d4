//! Every name works: the plain ones of the reference texts as they stand, and one for each key.

use super::*;
use crate::config::{JwtAlgorithm, all};

/// The environment of the reference text, word for word.
const REFERENCE: [(&str, &str); 12] = [
    ("DATABASE_URL", "postgresql+asyncpg://promptcraft_app:password@192.168.1.16:5432/promptcraft"),
    ("DATABASE_POOL_SIZE", "10"),
    ("DATABASE_MAX_OVERFLOW", "20"),
    ("CLOUDFLARE_ACCESS_ENABLED", "true"),
    ("CLOUDFLARE_TEAM_DOMAIN", "your-team"),
    ("JWT_ALGORITHM", "RS256"),
    ("SERVICE_TOKEN_DEFAULT_EXPIRY_DAYS", "90"),
    ("SERVICE_TOKEN_HIGH_USAGE_THRESHOLD", "1000"),
    ("SERVICE_TOKEN_ROTATION_ENABLED", "true"),
    ("MONITORING_ENABLED", "true"),
    ("MONITORING_CHECK_INTERVAL_HOURS", "6"),
    ("MONITORING_ALERT_THRESHOLDS", "1,7,14,30"),
];

#[test]
fn the_environment_of_the_reference_text_starts_as_it_stands() {
    let loaded = with_environment(&REFERENCE);
    let config = config(&loaded);
    assert_eq!(
        *config.database.url.reveal(),
        "postgres://promptcraft_app:password@192.168.1.16:5432/promptcraft"
    );
    assert!(config.cloudflare.enabled && config.rotation.enabled && config.monitoring.enabled);
    assert_eq!(config.jwt.algorithm, JwtAlgorithm::Rs256);
    assert!(loaded.findings.iter().all(|finding| finding.severity == Severity::Warning));
    let denied =
        |finding: &&Finding| finding.key == "cloudflare.enabled" && finding.message.contains("DENIED");
    assert_eq!(loaded.findings.iter().filter(denied).count(), 1, "there is no audience");
    let mut warned: Vec<_> = loaded.warnings().map(|finding| finding.key.as_str()).collect();
    warned.dedup();
    assert_eq!(warned, ["cloudflare.enabled"]);
}

#[test]
fn what_asks_for_nothing_needs_no_warning() {
    let loaded = with_environment(&[
        ("CLOUDFLARE_ACCESS_ENABLED", "false"),
        ("SERVICE_TOKEN_ROTATION_ENABLED", "False"),
        ("MONITORING_ENABLED", "0"),
        ("CLOUDFLARE_TEAM_DOMAIN", ""),
    ]);
    assert_eq!(loaded.findings, []);
}

#[test]
fn each_plain_name_sets_its_key() {
    for (name, value, key, shown) in [
        ("DATABASE_URL", "sqlite:x.db", "database.url", "sqlite://x.db"),
        ("DATABASE_POOL_SIZE", "3", "database.pool_size", "3"),
        ("DATABASE_MAX_OVERFLOW", "4", "database.max_overflow", "4"),
        ("CLOUDFLARE_ACCESS_ENABLED", "true", "cloudflare.enabled", "true"),
        (
            "CLOUDFLARE_TEAM_DOMAIN",
            "team.cloudflareaccess.com",
            "cloudflare.team_domain",
            "team.cloudflareaccess.com",
        ),
        ("CLOUDFLARE_ACCESS_AUDIENCE", "0a1b", "cloudflare.audience", "0a1b"),
        ("JWT_ALGORITHM", "ES256", "jwt.algorithm", "ES256"),
        ("SERVICE_TOKEN_DEFAULT_EXPIRY_DAYS", "30", "tokens.default_expiry_days", "30"),
        ("SERVICE_TOKEN_HIGH_USAGE_THRESHOLD", "500", "rotation.high_usage_threshold", "500"),
        ("SERVICE_TOKEN_ROTATION_ENABLED", "true", "rotation.enabled", "true"),
        ("MONITORING_ENABLED", "true", "monitoring.enabled", "true"),
        ("MONITORING_CHECK_INTERVAL_HOURS", "12", "monitoring.check_interval_hours", "12"),
        ("MONITORING_ALERT_THRESHOLDS", "60, 3", "monitoring.alert_thresholds", "3,60"),
        ("KEYWRIGHT_MASTER_KEY", KEY, "keys.master_key", "***"),
        ("KEYWRIGHT_MASTER_KEY_FILE", "/run/key", "keys.master_key_file", "/run/key"),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", "getkey", "keys.master_key_command", "***"),
    ] {
        let loaded = with_environment(&[(name, value)]);
        config(&loaded);
        assert_eq!(row(&loaded, key), (shown, &*format!("environment {name}")));
    }
}

#[test]
fn each_key_has_a_name_in_the_environment_and_a_place_in_the_file() {
    for setting in all() {
        let value = if setting.default.is_empty() { setting.example } else { setting.default };
        let value = if setting.key == "keys.master_key" { KEY } else { value };
        let name = setting.environment_name();
        let loaded = with_environment(&[(&name, value)]);
        assert_eq!(row(&loaded, setting.key).1, format!("environment {name}"));
        assert!(!loaded.findings.iter().any(|finding| finding.message.contains("unknown")), "{name}");

        let (section, key) = setting.key.split_once('.').unwrap();
        let loaded = with_file(&format!("[{section}]\n{key} = {}\n", toml::Value::String(value.to_owned())));
        assert!(row(&loaded, setting.key).1.ends_with("keywright.toml:2"), "{:?}", row(&loaded, setting.key));
    }
}

#[test]
fn the_names_that_are_no_settings_are_left_alone() {
    let loaded = with_environment(&[
        ("KEYWRIGHT_URL", "http://127.0.0.1:8080"),
        ("KEYWRIGHT_TOKEN", "sk_x"),
        ("KEYWRIGHT_TOKEN_FILE", "x"),
        ("KEYWRIGHT_CREDENTIAL", "sk_x"),
        ("KEYWRIGHT_CREDENTIALS", "credentials.json"),
        ("KEYWRIGHT_TEST_POSTGRES", "x"),
        ("KEYWRIGHT_BENCH_SECONDS", "x"),
        ("KEYWRIGHT_SERVICE_HOST", "10.0.0.1"),
        ("KEYWRIGHT_SERVICE_PORT", "8080"),
        ("KEYWRIGHT_SERVICE_PORT_HTTP", "8080"),
        ("KEYWRIGHT_PORT", "tcp://10.0.0.1:8080"),
        ("KEYWRIGHT_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("KEYWRIGHT_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("KEYWRIGHT_POSTGRES_SERVICE_HOST", "10.0.0.2"),
        ("PATH", "/bin"),
        ("database_url", "x"),
    ]);
    assert_eq!(loaded.findings, []);
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest_one() {
    let loaded = with_environment(&[
        ("KEYWRIGHT_SERVER_LISTEN", "x"),
        ("KEYWRIGHT_JURNAL__DIR", "x"),
        ("KEYWRIGHT_PORT", "8080"),
        ("KEYWRIGHT_TOKN", "x"),
        ("KEYWRIGHT_server__listen", "x"),
    ]);
    assert_eq!(error(&loaded, "KEYWRIGHT_SERVER_LISTEN").fix, "did you mean KEYWRIGHT_SERVER__LISTEN?");
    assert_eq!(error(&loaded, "KEYWRIGHT_JURNAL__DIR").fix, "did you mean KEYWRIGHT_JOURNAL__DIR?");
    assert_eq!(error(&loaded, "KEYWRIGHT_TOKN").fix, "did you mean KEYWRIGHT_TOKEN?");
    assert_eq!(error(&loaded, "KEYWRIGHT_server__listen").fix, "did you mean KEYWRIGHT_SERVER__LISTEN?");
    error(&loaded, "KEYWRIGHT_PORT");

    let loaded = with_file("listen = 'x'\n[server]\nlistn = 'x'\n[sever]\nlisten = 'x'\n[zzqqzz]\n");
    assert_eq!(error(&loaded, "listen").fix, "did you mean server.listen?");
    assert_eq!(error(&loaded, "server.listn").fix, "did you mean server.listen?");
    assert!(error(&loaded, "server.listn").origin.ends_with("keywright.toml:3"));
    assert_eq!(error(&loaded, "sever").fix, "did you mean server?");
    assert!(error(&loaded, "zzqqzz").fix.contains("docs/configuration.md"));

    let loaded = with_flags(&[("server.listn", "x")]);
    assert_eq!(error(&loaded, "server.listn").fix, "did you mean server.listen?");
}
