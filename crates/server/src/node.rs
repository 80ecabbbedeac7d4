//! One node, put together from its configuration: store, keys, journal, verifier, authority and the
//! tasks behind them. The server, the command line's own authority, services and the tests open the same.

mod tasks;

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use keywright_api::system::JournalMode;
use keywright_authority::audit::chain;
use keywright_authority::connector::Connector;
use keywright_authority::mail::{self, MailSettings, Post};
use keywright_authority::rotations::RotationSettings;
use keywright_authority::{
    Authority, JwtSettings, Keys, MonitoringSettings, SessionSettings, Settings, entropy, jobs,
};
use keywright_core::{NodeId, SigningAlgorithm};
use keywright_store::{
    Engine, SchemaState, Store, StoreError, StoreLock, StoreOptions, SuccessEvents, beside,
};
use keywright_verify::journal::mover;
use keywright_verify::tokens::{OwnIssuer, TokenOptions};
use keywright_verify::{Clock, Freshness, Limiter, Places, Tokens, Verifier, VerifierOptions};
use tracing::warn;
use zeroize::Zeroizing;

use crate::advice;
use crate::config::{self, Config, Mail, MasterKeys, RateLimitBackend};
use crate::github_keys::GithubKeys;
use crate::http::App;
use crate::http::app::DoorSettings;
use crate::{issuers, journal};
use tasks::Tasks;

/// Misses that may wait for the store.
const MAX_WAITING: usize = 4_096;
/// How long a node that leaves moves what its journal still holds.
const DRAIN: Duration = Duration::from_secs(5);

/// How a node takes part.
#[derive(Clone, Debug)]
pub enum Part {
    /// It answers requests at this address; within a service, which has one of its own, it is listed under this name.
    Serves(String),
    /// It carries out one command of the local operator.
    Operator,
}

/// An open node. One that is dropped without [`Node::close`] ends as by a crash: what its journal holds, the next start
/// brings in.
pub struct Node {
    app: App,
    jobs: jobs::Running,
    tasks: Tasks,
    part: Part,
    _lock: Option<StoreLock>,
}

/// The options of the configured store.
pub fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        pool_size: config.database.pool_size,
        max_overflow: config.database.max_overflow,
        statement_timeout: Duration::from_secs(config.database.statement_timeout_seconds),
        success_events: match config.audit.success_events {
            config::SuccessEvents::All => SuccessEvents::All,
            config::SuccessEvents::Rollup => SuccessEvents::Rollup,
        },
        places: config.geoip.database.as_deref().map(Places::open).unwrap_or_default(),
        ..StoreOptions::new(config.database.url.reveal().as_str())
    }
}

/// The operator's socket of the configured store; none on PostgreSQL.
pub fn socket_path(config: &Config) -> Option<PathBuf> {
    config.database.url.sqlite_path().map(|path| beside(path, ".sock"))
}

/// What our own access tokens say of where they come from and whom they are for: the address under which
/// clients reach this server. Without one, and only `serve --dev` signs tokens then, the one it listens on.
pub fn own_issuer(config: &Config, part: &Part) -> OwnIssuer {
    let issuer: Box<str> = match (&config.server.public_url, part) {
        (Some(url), _) => url.as_str().into(),
        (None, Part::Serves(address)) => format!("http://{address}").into(),
        (None, Part::Operator) => format!("http://{}", config.server.listen).into(),
    };
    let audience = config.jwt.audience.as_deref().map_or_else(|| issuer.clone(), Into::into);
    OwnIssuer { issuer, audience }
}

/// The key that `serve --dev` makes beside the database.
pub fn dev_key_path(config: &Config) -> Option<PathBuf> {
    config.database.url.sqlite_path().map(|path| beside(path, ".key"))
}

/// The configured keys, or those that `serve --dev` made.
///
/// # Errors
/// When none are configured, or they cannot be read.
pub fn keys(config: &Config) -> anyhow::Result<Keys> {
    let configured = config.keys.resolve()?;
    let made = || -> anyhow::Result<Option<MasterKeys>> {
        let Some(path) = dev_key_path(config).filter(|path| path.exists()) else { return Ok(None) };
        let text =
            Zeroizing::new(std::fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        Ok(Some(MasterKeys::from_text(text.trim())?))
    };
    let Some(keys) = configured.map_or_else(made, |keys| Ok(Some(keys)))? else {
        bail!(
            "no master key is configured: set KEYWRIGHT_MASTER_KEY to 32 random bytes in base64 \
             (openssl rand -base64 32), or KEYWRIGHT_MASTER_KEY_FILE, or KEYWRIGHT_MASTER_KEY_COMMAND"
        );
    };
    Ok(Keys::new(keys.reveal().map(|key| Zeroizing::new(*key)))?)
}

/// Takes the SQLite database for this process alone.
///
/// # Errors
/// [`StoreError::InUse`] when another process has it.
pub fn lock(config: &Config) -> Result<Option<StoreLock>, StoreError> {
    let Some(path) = config.database.url.sqlite_path() else { return Ok(None) };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", folder.display())))?;
    }
    StoreLock::acquire(path).map(Some)
}

/// Connects to the store, and makes sure that it can be worked on.
///
/// # Errors
/// With what to do about it.
pub async fn connect(config: &Config) -> anyhow::Result<Store> {
    let store = Store::connect(&store_options(config)).await.map_err(|error| advice::store(config, error))?;
    store.preflight().await?;
    Ok(store)
}

/// Refuses a schema that is not current.
///
/// # Errors
/// With what to do about it.
pub async fn check_schema(store: &Store) -> anyhow::Result<()> {
    match store.schema_state().await? {
        SchemaState::Current { .. } => Ok(()),
        SchemaState::Empty => bail!("the database is empty: run `keywright migrate` first"),
        SchemaState::Behind { version, known_version } => {
            bail!(
                "the schema is at version {version}, this binary needs {known_version}: run `keywright migrate`"
            )
        }
        SchemaState::TooNew { min_compatible_version, known_version } => bail!(
            "the schema was made by a newer Keywright, and needs its migration {min_compatible_version}, while this \
             binary knows up to {known_version}: start that one"
        ),
    }
}

impl Node {
    /// Opens a node on a store whose schema is current.
    ///
    /// # Errors
    /// When the journal cannot be opened or the store not be reached.
    pub async fn open(
        config: &Config,
        store: Store,
        lock: Option<StoreLock>,
        keys: Keys,
        part: Part,
    ) -> anyhow::Result<Self> {
        Self::open_by(Clock::from_wall_clock(), config, store, lock, keys, part).await
    }

    /// The same by a clock of its own: tests hold one still.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub async fn open_by(
        clock: Clock,
        config: &Config,
        store: Store,
        lock: Option<StoreLock>,
        keys: Keys,
        part: Part,
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(clock);
        let asked_at = clock.boot_micros();
        if let Some(time) = store.now().await? {
            clock.follow_within(time, asked_at, clock.boot_micros());
        }
        let node = NodeId::generate(clock.now(), entropy::id());
        let journal = journal::open(config, &part, node)?;
        let verifier =
            Verifier::new(store.clone(), clock, freshness(&store), &verifier_options(config, &store));
        let settings = settings(config, &part)?;
        let authority = Authority::new(store.clone(), verifier, keys, node, settings);
        let mut tasks = Tasks::default();
        tasks.start(mover::run(journal.clone(), Arc::new(store)));
        take_part(&authority, &part, &mut tasks).await?;
        if let Part::Serves(_) = part {
            let (store, count) = (authority.store().clone(), config.database.pool_size);
            tasks.start(async move { store.warm(usize::try_from(count).unwrap_or(1)).await });
        }
        if let Part::Serves(address) = &part {
            authority.open_journal(&journal, address).await?;
            tasks.start(journal::adopt_left(config.journal.dir.clone(), authority.clone()));
        }
        let tokens = Tokens::new(
            authority.store().clone(),
            Arc::clone(authority.clock()),
            TokenOptions {
                own: own_issuer(config, &part),
                issuers: issuers::configured(config),
                fetcher: Arc::new(issuers::Fetcher::new()?),
                capacity: config.verify.cache_capacity,
            },
        );
        if let Part::Serves(_) = part {
            tokens.fetching().into_iter().for_each(|task| tasks.start(task));
        }
        let jobs = jobs::Running::start(&authority);
        let limiter = limiter(config, &part)?;
        authority.watch_limits(limiter.clone());
        limiter.watch().into_iter().for_each(|task| tasks.start(task));
        let places = authority.store().places();
        if places.are_configured() {
            tasks.start(places.clone().watch());
        }
        let github_keys = config.leaks.github_keys_url.as_ref();
        let github_keys = github_keys.map(|url| GithubKeys::new(url.as_str())).transpose()?;
        let app = App::new(authority, tokens, limiter, journal, door_settings(config)?, github_keys);
        Ok(Self { app, jobs, tasks, part, _lock: lock })
    }

    /// What handlers share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Leaves in order: what the journal holds is moved, the chain sealed, the other nodes told.
    ///
    /// # Errors
    /// When records had to stay in the journal, or the store was away; nothing is lost then.
    pub async fn close(self) -> anyhow::Result<()> {
        self.jobs.stop();
        self.tasks.end().await;
        let authority = self.app.authority();
        let journal = self.app.journal();
        journal.close();
        let drained = tokio::time::timeout(DRAIN, journal::drain(journal, authority.store())).await;
        let pending = journal.status(authority.now()).pending_bytes;
        if pending == 0
            && let Err(error) = authority.close_journal().await
        {
            warn!(%error, "that the journal is empty could not be told; it will be missed until it is opened again");
        }
        let _ = chain::seal(authority).await;
        if let Part::Operator = self.part {
            // What one command made due leaves with it; what cannot, the next server sends.
            let _ = tokio::time::timeout(DRAIN, mail::deliver(authority)).await;
        }
        if matches!(self.part, Part::Serves(_))
            && let Err(error) = authority.leave().await
        {
            warn!(%error, "the other nodes could not be told that this one leaves");
        }
        authority.store().close().await;
        if let Part::Operator = self.part
            && pending == 0
        {
            let _ = std::fs::remove_dir_all(journal.dir());
        }
        if pending > 0 || drained.is_err() {
            bail!(
                "{pending} bytes of records stay in the journal at {}; the next start moves them",
                journal.dir().display()
            );
        }
        Ok(())
    }
}

fn jwt_settings(config: &Config) -> JwtSettings {
    JwtSettings {
        algorithm: match config.jwt.algorithm {
            config::JwtAlgorithm::EdDsa => SigningAlgorithm::EdDsa,
            config::JwtAlgorithm::Es256 => SigningAlgorithm::Es256,
            config::JwtAlgorithm::Rs256 => SigningAlgorithm::Rs256,
        },
        issuer: config.server.public_url.as_ref().map(|url| url.as_str().to_owned()),
        audience: config.jwt.audience.clone(),
        rotation_days: config.jwt.rotation_days,
        publish_ahead_hours: config.jwt.publish_ahead_hours,
    }
}

/// What the use cases need to know of the configuration.
fn settings(config: &Config, part: &Part) -> anyhow::Result<Settings> {
    Ok(Settings {
        default_expiry_days: config.tokens.default_expiry_days,
        max_per_account: config.tokens.max_per_account,
        max_per_user: config.tokens.max_per_user,
        retention_days: config.audit.retention_days,
        failure_retention_days: config.audit.failure_retention_days(),
        stale_grace: Duration::from_secs(config.verify.stale_grace_seconds),
        jwt: jwt_settings(config),
        sessions: SessionSettings {
            access_token_minutes: config.sessions.access_token_minutes,
            refresh_token_days: config.sessions.refresh_token_days,
            session_days: config.sessions.session_days,
        },
        post: post(config, part)?,
        notifies: matches!(part, Part::Serves(_)),
        connector: Connector::new(config.notifications.allowed_networks.as_slice())?,
        monitoring: monitoring(config, part),
        rotation: rotation_settings(config),
    })
}

/// Who carries out one command watches nothing.
fn monitoring(config: &Config, part: &Part) -> Option<MonitoringSettings> {
    let config::Monitoring { enabled, check_interval_hours, alert_thresholds, mail_owners } =
        &config.monitoring;
    let watches = *enabled && matches!(part, Part::Serves(_));
    watches.then(|| MonitoringSettings {
        check_interval_hours: *check_interval_hours,
        thresholds_days: alert_thresholds.clone(),
        mail_owners: *mail_owners,
    })
}

fn rotation_settings(config: &Config) -> RotationSettings {
    let config::Rotation {
        enabled,
        high_usage_threshold,
        max_at_once,
        file_directories,
        commands,
        command_timeout_seconds,
    } = &config.rotation;
    RotationSettings {
        enabled: *enabled,
        high_usage_threshold: *high_usage_threshold,
        max_at_once: *max_at_once,
        file_directories: file_directories.0.iter().map(|directory| directory.0.clone()).collect(),
        commands: commands.0.iter().map(|one| (one.name.clone(), one.argv.clone())).collect(),
        command_timeout: Duration::from_secs(*command_timeout_seconds),
    }
}

/// The ways by which mail leaves, where any is configured.
pub(crate) fn post(config: &Config, part: &Part) -> anyhow::Result<Option<Post>> {
    let Mail { smtp_url, from, folder } = &config.mail;
    let Some(base_url) = &config.server.public_url else { return Ok(None) };
    if smtp_url.is_none() && folder.is_none() {
        return Ok(None);
    }
    let post = Post::new(&MailSettings {
        base_url: base_url.as_str().to_owned(),
        from: from.clone().unwrap_or_else(|| "keywright@localhost".to_owned()),
        smtp_url: smtp_url.as_ref().map(|url| Zeroizing::new(url.reveal().to_owned())),
        folder: folder.clone(),
        background: matches!(part, Part::Serves(_)),
    })?;
    Ok(Some(post))
}

/// What one command of the operator uses is counted nowhere else.
fn limiter(config: &Config, part: &Part) -> anyhow::Result<Limiter> {
    let config::RateLimit { backend, redis_url } = &config.rate_limit;
    match (backend, redis_url, part) {
        (RateLimitBackend::Redis, Some(url), Part::Serves(_)) => {
            Limiter::shared(url.reveal()).map_err(|reason| anyhow!("rate_limit.redis_url: {reason}"))
        }
        _ => Ok(Limiter::default()),
    }
}

fn freshness(store: &Store) -> Freshness {
    match store.engine() {
        Engine::Sqlite => Freshness::alone(),
        Engine::Postgres => Freshness::among_nodes(),
    }
}

fn verifier_options(config: &Config, store: &Store) -> VerifierOptions {
    VerifierOptions {
        cache_capacity: config.verify.cache_capacity,
        unknown_capacity: config.verify.unknown_capacity,
        max_loads: (store.pool().max / 2).max(1),
        max_waiting: MAX_WAITING,
        stale_grace_micros: i64::try_from(config.verify.stale_grace_seconds).unwrap_or(60) * 1_000_000,
    }
}

fn door_settings(config: &Config) -> anyhow::Result<DoorSettings> {
    let ephemeral = keywright_verify::journal::ephemeral(&config.journal.dir).ok().flatten().is_some();
    Ok(DoorSettings {
        trusted_proxies: config.server.trusted_proxies.clone(),
        request_timeout: Duration::from_secs(config.server.request_timeout_seconds),
        header_timeout: Duration::from_secs(config.server.header_timeout_seconds),
        public_url: config.server.public_url.clone(),
        metrics_apart: config.server.metrics_listen.is_some(),
        stale_grace_seconds: u32::try_from(config.verify.stale_grace_seconds)?,
        journal_mode: match (ephemeral, config.journal.sync_interval_ms) {
            (true, _) => JournalMode::Ephemeral,
            (false, 0) => JournalMode::Synced,
            (false, _) => JournalMode::Interval,
        },
    })
}

async fn take_part(authority: &Authority, part: &Part, tasks: &mut Tasks) -> anyhow::Result<()> {
    let serves = matches!(part, Part::Serves(_));
    if let Part::Serves(address) = part {
        authority.register(address, env!("CARGO_PKG_VERSION")).await?;
    }
    if !authority.has_peers() {
        return Ok(());
    }
    tasks.start(authority.clone().listen(serves));
    if let Part::Serves(address) = part {
        tasks.start(authority.clone().beat(address.clone(), env!("CARGO_PKG_VERSION")));
    }
    Ok(())
}
