//! Rules about several settings at once.

use super::finding::Severity;
use super::kinds::RateLimitBackend;
use super::read::Reader;
use super::table::Config;

/// Looks at the rules that no single key can break.
pub(crate) fn look(config: &Config, dev: bool, reader: &mut Reader<'_>) {
    let Config { server, database, rate_limit, audit, jwt, .. } = config;
    reader.require(
        database.pool_size + database.max_overflow >= 2,
        &["database.pool_size", "database.max_overflow"],
        Severity::Error,
        "leaves one connection in all, with database.max_overflow",
        "give at least 2 together: one would wait for itself",
    );
    reader.require(
        server.tls_cert.is_none() || server.tls_key.is_some(),
        &["server.tls_cert", "server.tls_key"],
        Severity::Error,
        "stands without server.tls_key",
        "give both, or neither",
    );
    reader.require(
        server.tls_key.is_none() || server.tls_cert.is_some(),
        &["server.tls_key", "server.tls_cert"],
        Severity::Error,
        "stands without server.tls_cert",
        "give both, or neither",
    );
    reader.require(
        server.metrics_listen.is_none_or(|address| address.port() == 0 || address != server.listen),
        &["server.metrics_listen", "server.listen"],
        Severity::Error,
        "is the same as server.listen",
        "give it a port of its own",
    );
    reader.require(
        rate_limit.backend != RateLimitBackend::Redis || rate_limit.redis_url.is_some(),
        &["rate_limit.backend", "rate_limit.redis_url"],
        Severity::Error,
        "stands without rate_limit.redis_url",
        "give the address of Redis or Valkey",
    );
    reader.require(
        audit.failure_retention_days() >= audit.retention_days,
        &["audit.failure_retention_days", "audit.retention_days"],
        Severity::Error,
        "is less than audit.retention_days",
        "give at least as many days, or none: failures are then kept as long as the rest",
    );
    reader.require(
        jwt.publish_ahead_hours < jwt.rotation_days * 24,
        &["jwt.publish_ahead_hours", "jwt.rotation_days"],
        Severity::Error,
        "is not less than jwt.rotation_days",
        "give fewer hours: the next key would have to be published before its predecessor signs",
    );
    look_at_cloudflare(config, reader);
    look_at_mail(config, dev, reader);
    look_at_keys(config, dev, reader);
}

/// The environment of an older deployment starts as it stands, without an audience too; then nothing is let in.
fn look_at_cloudflare(config: &Config, reader: &mut Reader<'_>) {
    let cloudflare = &config.cloudflare;
    let mut require = |holds: bool, key: &'static str, message: &str, fix: &str| {
        let keys = ["cloudflare.enabled", key];
        reader.require(!cloudflare.enabled || holds, &keys, Severity::Warning, message, fix);
    };
    require(
        cloudflare.team_domain.is_some(),
        "cloudflare.team_domain",
        "stands without cloudflare.team_domain: every token of Cloudflare Access is DENIED",
        "give the name of the team",
    );
    require(
        cloudflare.audience.is_some(),
        "cloudflare.audience",
        "stands without cloudflare.audience: every token of Cloudflare Access is DENIED, as those made for \
         other applications could not be told apart",
        "give the audience tag of the application",
    );
    require(
        !cloudflare.email_domains.0.is_empty() || !config.cloudflare_rules.is_empty(),
        "cloudflare.email_domains",
        "stands without cloudflare.email_domains: it speaks for no user",
        "give the domains of the users that it may speak for",
    );
}

fn look_at_mail(config: &Config, dev: bool, reader: &mut Reader<'_>) {
    let Config { server, mail, .. } = config;
    reader.require(
        mail.smtp_url.is_none() || mail.from.is_some(),
        &["mail.smtp_url", "mail.from"],
        Severity::Error,
        "stands without mail.from",
        "give the sender, an address that the mail server lets you send from",
    );
    reader.require(
        dev || server.public_url.is_some() || (mail.smtp_url.is_none() && mail.folder.is_none()),
        &["mail.smtp_url", "mail.folder", "server.public_url"],
        Severity::Error,
        "stands without server.public_url",
        "give the address under which people reach this server: the links in mails lead there",
    );
}

fn look_at_keys(config: &Config, dev: bool, reader: &mut Reader<'_>) {
    const KEYS: [&str; 3] = ["keys.master_key", "keys.master_key_file", "keys.master_key_command"];
    let keys = &config.keys;
    let given =
        [keys.master_key.is_some(), keys.master_key_file.is_some(), keys.master_key_command.is_some()];
    reader.require(
        dev || given.contains(&true),
        &KEYS,
        Severity::Warning,
        "is not set, nor is a file or a command: `serve` needs a master key unless it runs with --dev",
        "set KEYWRIGHT_MASTER_KEY to the output of `openssl rand -base64 32`, and keep it safe",
    );
    // Reported at the last one given, which is the one that surprises.
    let [_, file, command] = given;
    let ordered: [&'static str; 3] = match (file, command) {
        (_, true) => [KEYS[2], KEYS[1], KEYS[0]],
        (true, false) => [KEYS[1], KEYS[0], KEYS[2]],
        (false, false) => KEYS,
    };
    reader.require(
        given.iter().filter(|given| **given).count() < 2,
        &ordered,
        Severity::Error,
        "is given beside another source of the master key",
        "give one of keys.master_key, keys.master_key_file and keys.master_key_command",
    );
}
