//! The one table of settings. Everything else about configuration follows from it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::kinds::{
    Argv, ByteSize, DatabaseUrl, Directories, Domains, JwtAlgorithm, LogFormat, LogLevel, MasterKeys,
    Networks, Programs, PublicUrl, PublisherIds, RateLimitBackend, Ratio, SecretUrl, SuccessEvents,
};
use super::setting::{Setting, settings};

settings! {
    /// The HTTP server.
    server: Server {
        /// Address and port to listen on.
        listen: SocketAddr = "127.0.0.1:8080", flag("--listen");
        /// The address under which clients reach this server; it appears in links and in issued credentials.
        public_url: Option<PublicUrl> = "", schemes(&["https", "http"]), example("https://auth.example.com");
        /// Proxies whose `X-Forwarded-For` is believed, as CIDRs. Default: none.
        trusted_proxies: Networks = "", example("10.0.0.0/8, fd00::/8");
        /// Longest time from a request's last header to its answer, in seconds.
        request_timeout_seconds: u64 = "30", bounds(1, 3600);
        /// Longest time in which a request's headers must arrive, in seconds.
        header_timeout_seconds: u64 = "10", bounds(1, 3600);
        /// Certificate chain (PEM) for TLS; needs `server.tls_key`.
        tls_cert: Option<PathBuf> = "", example("/etc/keywright/tls.crt");
        /// Private key (PEM) for TLS; needs `server.tls_cert`.
        tls_key: Option<PathBuf> = "", example("/etc/keywright/tls.key");
        /// Address and port on which `GET /metrics` alone is served, over plain HTTP and to anybody who can connect.
        /// Default: beside the rest, for bearers of `system_status`.
        metrics_listen: Option<SocketAddr> = "", example("127.0.0.1:9464");
        /// Threads that answer verifications; 0: one for each core.
        workers: usize = "0", bounds(0, 1024);
    }

    /// The store: SQLite in a file for one server, PostgreSQL for several.
    database: Database {
        /// `sqlite://PATH`, or `postgres://USER:PASSWORD@HOST/NAME`.
        /// `postgresql+asyncpg://…` and `sqlite+aiosqlite:///PATH` are understood too.
        url: DatabaseUrl = "sqlite://./data/keywright.db", alias("DATABASE_URL"), flag("--database-url"), secret();
        /// Connections kept open.
        pool_size: u32 = "10", alias("DATABASE_POOL_SIZE"), bounds(1, 1000);
        /// Connections opened beyond `database.pool_size` under load; together they are the most.
        max_overflow: u32 = "20", alias("DATABASE_MAX_OVERFLOW"), bounds(0, 1000);
        /// Longest time a statement may take, in seconds.
        statement_timeout_seconds: u64 = "5", bounds(1, 3600);
    }

    /// The journal, to which every decision is written before it is answered.
    journal: Journal {
        /// Where its segments lie; on a disk that outlives the process.
        dir: PathBuf = "./data/journal";
        /// Most it may hold before verification answers 503 rather than unrecorded.
        max_bytes: ByteSize = "1GiB", bounds(8 << 20, 1 << 50);
        /// Time between two syncs to disk, in milliseconds: what a power failure may lose.
        /// 0 syncs before each answer.
        sync_interval_ms: u64 = "1000", bounds(0, 60_000);
        /// Whether `journal.dir` may lie on a file system that does not outlive the machine (tmpfs, overlay).
        allow_ephemeral: bool = "false";
    }

    /// Verification and its cache.
    verify: Verify {
        /// How long grants still answer while the store cannot be reached, in seconds; 0: not at all.
        stale_grace_seconds: u64 = "60", bounds(0, 3600);
        /// Most credentials held in memory.
        cache_capacity: usize = "1000000", bounds(1, 100_000_000);
        /// Most unknown credentials remembered, for at most 2 seconds each.
        unknown_capacity: usize = "100000", bounds(1, 100_000_000);
    }

    /// The audit trail.
    audit: Audit {
        /// How long authentication events and usage are kept, in days. Security events are kept for good.
        retention_days: u32 = "400", bounds(1, 36_500);
        /// How long events of failures are kept, in days; not less than `audit.retention_days`.
        /// Default: as long as the others.
        failure_retention_days: Option<u32> = "", bounds(1, 36_500), example("800");
        /// `all` keeps an event for each successful verification, `rollup` hourly sums only.
        /// Each failure keeps its event either way.
        success_events: SuccessEvents = "all";
    }

    /// Rate limits.
    rate_limit: RateLimit {
        /// Where requests are counted: `local` for each node, `redis` for all nodes together.
        backend: RateLimitBackend = "local";
        /// Redis or Valkey, for the backend `redis`.
        redis_url: Option<SecretUrl> = "", schemes(&["redis", "rediss"]), secret(),
            example("redis://127.0.0.1:6379/0");
    }

    /// Credentials that were found where they should not be.
    leaks: Leaks {
        /// Where GitHub publishes the keys by which its secret scanning signs what it has found. Set to nothing, its
        /// messages are refused.
        github_keys_url: Option<PublicUrl> = "https://api.github.com/meta/public_keys/secret_scanning",
            schemes(&["https", "http"]);
    }

    /// Service tokens and personal tokens.
    tokens: Tokens {
        /// Life of a token whose maker names none, in days.
        default_expiry_days: u32 = "90", alias("SERVICE_TOKEN_DEFAULT_EXPIRY_DAYS"), bounds(1, 36_500);
        /// Most live tokens of one service account; what rotation has replaced does not count.
        max_per_account: u32 = "10000", bounds(1, 1_000_000);
        /// Most live personal tokens of one user; what rotation has replaced does not count.
        max_per_user: u32 = "100", bounds(1, 1_000_000);
    }

    /// The keys under which secrets at rest are sealed. Give one of the three.
    /// A key is 32 random bytes in base64 (`openssl rand -base64 32`); of several, the first seals and all open.
    keys: Keys {
        /// The keys themselves, separated by commas. Better in the environment than in a file.
        master_key: Option<MasterKeys> = "", alias("KEYWRIGHT_MASTER_KEY"), secret(),
            example("BASE64 OF 32 RANDOM BYTES");
        /// A file with one key a line, readable by the server alone.
        master_key_file: Option<PathBuf> = "", alias("KEYWRIGHT_MASTER_KEY_FILE"),
            example("/etc/keywright/master.key");
        /// A program that prints the keys: words separated by spaces, or an array. No shell is involved.
        master_key_command: Option<Argv> = "", alias("KEYWRIGHT_MASTER_KEY_COMMAND"), secret(),
            example("vault kv get -field=key secret/keywright");
    }

    /// What the server writes to standard error.
    log: Log {
        /// `text` for people, `json` for machines.
        format: LogFormat = "text";
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: LogLevel = "info";
    }

    /// What the server tells of its requests to a receiver of traces.
    telemetry: Telemetry {
        /// A receiver of OTLP over HTTP; `/v1/traces` is added. Default: none, and nothing is traced.
        otlp_endpoint: Option<PublicUrl> = "", schemes(&["http", "https"]), example("http://127.0.0.1:4318");
        /// Share of the verifications that are traced; management requests all are.
        sample_ratio: Ratio = "0.001";
    }

    /// Places of addresses.
    geoip: Geoip {
        /// A country database in MMDB format; networks are told too where it has them.
        /// It is read again when it is replaced. Default: places are not known.
        database: Option<PathBuf> = "", example("/var/lib/keywright/country.mmdb");
    }

    /// Outgoing mail: invitations, and links to set a password or to confirm an address. Its links lead to
    /// `server.public_url`.
    mail: Mail {
        /// The mail server. `smtp://` takes STARTTLS, but on this very machine; `smtps://` is TLS from the first byte.
        smtp_url: Option<SecretUrl> = "", schemes(&["smtp", "smtps"]), secret(),
            example("smtps://USER:PASSWORD@mail.example.com");
        /// The sender. Default with `mail.folder` alone: `keywright@localhost`.
        from: Option<String> = "", rule(is_mailbox, "an address such as `keywright@example.com`"),
            example("keywright@example.com");
        /// A directory that receives each mail as a file, beside SMTP or instead of it.
        folder: Option<PathBuf> = "", example("./data/mail");
    }

    /// Calls to addresses that users configure: notification channels and event subscriptions.
    notifications: Notifications {
        /// Networks that may be called although they are not public, as CIDRs; on this machine without TLS too.
        /// Default: none.
        allowed_networks: Networks = "", example("10.20.0.0/16");
    }

    /// The JSON web tokens that this server signs. Their issuer is `server.public_url`.
    jwt: Jwt {
        /// How new keys sign: `EdDSA`, `ES256` or `RS256`. Another one takes effect with the next key.
        algorithm: JwtAlgorithm = "EdDSA", alias("JWT_ALGORITHM");
        /// The audience of access tokens. Default: the issuer.
        audience: Option<String> = "", rule(is_word, "an audience without spaces"), example("https://api.example.com");
        /// How long a key signs, in days.
        rotation_days: u32 = "90", bounds(2, 3650);
        /// How long a key is published before it signs, in hours.
        publish_ahead_hours: u32 = "24", bounds(24, 720);
    }

    /// Sessions of users, and the tokens made from them. A publisher may ask for less.
    sessions: Sessions {
        /// Life of an access token, in minutes.
        access_token_minutes: u32 = "15", bounds(15, 60);
        /// Life of a refresh token, and so of a session that is not used, in days.
        refresh_token_days: u32 = "14", bounds(7, 30);
        /// Life of a session, however much it is used, in days.
        session_days: u32 = "90", bounds(1, 90);
    }

    /// The JSON web tokens of Cloudflare Access. Other issuers have sections of their own: `[issuers.NAME]`.
    cloudflare: Cloudflare {
        /// Whether they are accepted.
        enabled: bool = "false", alias("CLOUDFLARE_ACCESS_ENABLED");
        /// The team: `your-team`, or `your-team.cloudflareaccess.com`.
        team_domain: Option<String> = "", alias("CLOUDFLARE_TEAM_DOMAIN"), example("your-team"),
            rule(is_host, "a team name such as `your-team`");
        /// The application's audience tag.
        audience: Option<String> = "", alias("CLOUDFLARE_ACCESS_AUDIENCE"), example("AUDIENCE"),
            rule(is_word, "an audience tag without spaces");
        /// Domains of the users that it may speak for, by their e-mail address. Default: of none.
        email_domains: Domains = "", example("example.com");
        /// Publishers that these users may act for. Default: all of theirs.
        publishers: PublisherIds = "", example("01890a5d-ac96-774b-bcce-b302099a8057");
    }

    /// Automated rotation.
    rotation: Rotation {
        /// Whether tokens are rotated without being asked.
        /// Rotations that have begun go on either way.
        enabled: bool = "false", alias("SERVICE_TOKEN_ROTATION_ENABLED");
        /// Uses within 30 days from which on a token is rotated more often, where no policy says.
        high_usage_threshold: u32 = "1000", alias("SERVICE_TOKEN_HIGH_USAGE_THRESHOLD"), bounds(1, 1_000_000_000);
        /// Most tokens of one publisher, or of the platform, whose new secret is under way and not used yet.
        /// No other of the same begins until then.
        max_at_once: u32 = "10", bounds(1, 1000);
        /// Directories that new secrets may be written into, at any depth. Default: none.
        file_directories: Directories = "", example("/run/secrets/keywright");
        /// Programs that new secrets may be handed to, on their standard input: `NAME=PROGRAM ARGUMENT …`.
        /// No shell is involved. Default: none.
        commands: Programs = "", example("deploy=/usr/local/bin/deploy-secret --service api");
        /// How long such a program may run, in seconds.
        command_timeout_seconds: u64 = "60", bounds(1, 300);
    }

    /// Alerts: before a credential expires, on unusual use, and when the server itself is not in order.
    monitoring: Monitoring {
        /// Whether anything is watched.
        enabled: bool = "true", alias("MONITORING_ENABLED");
        /// Time between two rounds over the credentials that end soon, in hours; the first is at the start.
        check_interval_hours: u32 = "6", alias("MONITORING_CHECK_INTERVAL_HOURS"), bounds(1, 168);
        /// Days before expiry at which an alert is raised: critical up to 1, high up to 7, medium up to 14, else low.
        alert_thresholds: Vec<u32> = "1,7,14,30", alias("MONITORING_ALERT_THRESHOLDS"), bounds(1, 3650);
        /// Whether those whom an alert concerns are written to, where mail is configured: the owner of a service account,
        /// the user of a personal token, else administrators. What came up within a minute is one letter.
        mail_owners: bool = "true";
    }
}

impl Audit {
    /// How long events of failures are kept, in days.
    pub fn failure_retention_days(&self) -> u32 {
        self.failure_retention_days.unwrap_or(self.retention_days)
    }
}

/// Every setting, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// The setting of that key.
pub fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

fn is_mailbox(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or(""),
        None => text,
    };
    address.split_once('@').is_some_and(|(local, domain)| is_word(local) && is_host(domain))
}

fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}
