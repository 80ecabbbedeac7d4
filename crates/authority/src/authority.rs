//! The authority of one node: the store, the verifier, the keys and the other nodes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keywright_core::id::ChangeId;
use keywright_core::{
    AlertId, ChannelId, CredentialId, DeliveryId, EventId, NodeId, PublisherId, RoleId, ServiceAccountId,
    SigningAlgorithm, SubscriptionId, Timestamp,
};
use keywright_store::{Engine, Store, deliveries, outbox};
use keywright_verify::{Clock, Limiter, Verifier};
use tokio::sync::{Notify, Semaphore};

use crate::attempts::Attempts;
use crate::connector::Connector;
use crate::entropy;
use crate::idempotency::Running;
use crate::jobs::{EventKeeper, JobBoard};
use crate::journals::OwnJournal;
use crate::keys::Keys;
use crate::mail::Post;
use crate::monitoring::{Health, MonitoringSettings};
use crate::nodes::Bulletin;
use crate::notifications::Lanes;
use crate::passwords::Passwords;
use crate::rotations::{RotationPlace, RotationSettings, ToldOnce};
use crate::signing_keys::Signers;

/// Links that strangers ask for at once, at most.
const MAX_REQUESTS: usize = 64;

/// What the use cases need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The life of a token that names no end, in days.
    pub default_expiry_days: u32,
    /// Live service tokens of one account, at most.
    pub max_per_account: u32,
    /// Live personal tokens of one user, at most.
    pub max_per_user: u32,
    /// Events, and dead credentials, are kept at least this long, in days.
    pub retention_days: u32,
    /// Events of failures are kept so long, in days; never less than the others.
    pub failure_retention_days: u32,
    /// How long a node that is cut off goes on by itself.
    pub stale_grace: Duration,
    /// The ways by which mail leaves.
    pub post: Option<Post>,
    /// Calls addresses that users configure.
    pub connector: Connector,
    /// Whether this process delivers notifications; if not, those that serve do.
    pub notifies: bool,
    /// The tokens that are signed here.
    pub jwt: JwtSettings,
    /// Sessions.
    pub sessions: SessionSettings,
    /// What is watched; none where nothing is.
    pub monitoring: Option<MonitoringSettings>,
    /// Automated rotation.
    pub rotation: RotationSettings,
}

/// The tokens that are signed here.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// How new keys sign.
    pub algorithm: SigningAlgorithm,
    /// `iss`: the address under which clients reach this server. Without one nobody can log in.
    pub issuer: Option<String>,
    /// `aud`; the issuer when there is none.
    pub audience: Option<String>,
    /// How long a key signs, in days.
    pub rotation_days: u32,
    /// How long a key is published before it signs, in hours.
    pub publish_ahead_hours: u32,
}

impl JwtSettings {
    /// `iss` and `aud`.
    pub fn issuer_and_audience(&self) -> Option<(&str, &str)> {
        let issuer = self.issuer.as_deref()?;
        Some((issuer, self.audience.as_deref().unwrap_or(issuer)))
    }
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::EdDsa,
            issuer: None,
            audience: None,
            rotation_days: 90,
            publish_ahead_hours: 24,
        }
    }
}

/// How long sessions and what is made from them live. Publishers may ask for less.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// An access token, in minutes.
    pub access_token_minutes: u32,
    /// A refresh token, and so a session that is not used, in days.
    pub refresh_token_days: u32,
    /// A session, however much it is used, in days.
    pub session_days: u32,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { access_token_minutes: 15, refresh_token_days: 14, session_days: 90 }
    }
}

/// The authority of one node. Cheap to clone.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    verifier: Verifier<Store>,
    keys: Keys,
    passwords: Passwords,
    node: NodeId,
    settings: Settings,
    running: Running,
    bulletin: Bulletin,
    board: JobBoard,
    event_keeper: EventKeeper,
    journal: OnceLock<OwnJournal>,
    limiter: OnceLock<Limiter>,
    health: Health,
    signers: Signers,
    mail: Attempts<outbox::Waiting>,
    notifications: Attempts<deliveries::Waiting>,
    rotation_place: RotationPlace,
    rotation_told: ToldOnce,
    seal_wanted: Notify,
    mark_wanted: Notify,
    mail_wanted: Notify,
    dispatch_wanted: Notify,
    deliveries_wanted: Notify,
    lanes: Lanes,
    requests: Arc<Semaphore>,
}

impl Authority {
    /// The authority of the node `node`.
    pub fn new(
        store: Store,
        verifier: Verifier<Store>,
        keys: Keys,
        node: NodeId,
        settings: Settings,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            inner: Arc::new(Inner {
                store,
                verifier,
                keys,
                passwords: Passwords::new(cores),
                node,
                settings,
                running: Running::default(),
                bulletin: Bulletin::default(),
                board: JobBoard::default(),
                event_keeper: EventKeeper::default(),
                journal: OnceLock::new(),
                limiter: OnceLock::new(),
                health: Health::default(),
                signers: Signers::default(),
                mail: Attempts::default(),
                notifications: Attempts::default(),
                rotation_place: RotationPlace::default(),
                rotation_told: ToldOnce::default(),
                seal_wanted: Notify::new(),
                mark_wanted: Notify::new(),
                mail_wanted: Notify::new(),
                dispatch_wanted: Notify::new(),
                deliveries_wanted: Notify::new(),
                lanes: Lanes::default(),
                requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            }),
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The verifier.
    pub fn verifier(&self) -> &Verifier<Store> {
        &self.inner.verifier
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<Clock> {
        self.inner.verifier.clock()
    }

    /// The authority time.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// The pool that passwords are hashed in.
    pub fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Whether there may be other nodes.
    pub fn has_peers(&self) -> bool {
        self.store().engine() == Engine::Postgres
    }

    /// What the jobs did last.
    pub fn board(&self) -> &JobBoard {
        &self.inner.board
    }

    pub(crate) fn event_keeper(&self) -> &EventKeeper {
        &self.inner.event_keeper
    }

    pub(crate) fn own_journal(&self) -> &OnceLock<OwnJournal> {
        &self.inner.journal
    }

    /// Watches by what this node counts uses of credentials, from now on.
    pub fn watch_limits(&self, limiter: Limiter) {
        let _ = self.inner.limiter.set(limiter);
    }

    pub(crate) fn limiter(&self) -> Option<&Limiter> {
        self.inner.limiter.get()
    }

    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    pub(crate) fn running(&self) -> &Running {
        &self.inner.running
    }

    pub(crate) fn bulletin(&self) -> &Bulletin {
        &self.inner.bulletin
    }

    pub(crate) fn signers(&self) -> &Signers {
        &self.inner.signers
    }

    pub(crate) fn seal_wanted(&self) -> &Notify {
        &self.inner.seal_wanted
    }

    /// The ways by which mail leaves; none as long as none are configured.
    pub fn post(&self) -> Option<&Post> {
        self.inner.settings.post.as_ref()
    }

    /// Calls addresses that users configure.
    pub fn connector(&self) -> &Connector {
        &self.inner.settings.connector
    }

    /// What this node knows of its mail.
    pub fn mail(&self) -> &Attempts<outbox::Waiting> {
        &self.inner.mail
    }

    pub(crate) fn rotation_place(&self) -> &RotationPlace {
        &self.inner.rotation_place
    }

    pub(crate) fn rotation_told(&self) -> &ToldOnce {
        &self.inner.rotation_told
    }

    /// Places for links that strangers ask for: their work is done after the answer.
    pub(crate) fn requests(&self) -> &Arc<Semaphore> {
        &self.inner.requests
    }

    pub(crate) fn mail_wanted(&self) -> &Notify {
        &self.inner.mail_wanted
    }

    pub(crate) fn dispatch_wanted(&self) -> &Notify {
        &self.inner.dispatch_wanted
    }

    pub(crate) fn deliveries_wanted(&self) -> &Notify {
        &self.inner.deliveries_wanted
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.inner.lanes
    }

    /// What this node knows of its deliveries of notifications.
    pub fn notifications(&self) -> &Attempts<deliveries::Waiting> {
        &self.inner.notifications
    }

    pub(crate) fn mark_wanted(&self) -> &Notify {
        &self.inner.mark_wanted
    }

    pub(crate) fn new_credential_id(&self) -> CredentialId {
        CredentialId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_publisher_id(&self) -> PublisherId {
        PublisherId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_service_account_id(&self) -> ServiceAccountId {
        ServiceAccountId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_role_id(&self) -> RoleId {
        RoleId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_alert_id(&self) -> AlertId {
        AlertId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_channel_id(&self) -> ChannelId {
        ChannelId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_subscription_id(&self) -> SubscriptionId {
        SubscriptionId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_delivery_id(&self) -> DeliveryId {
        DeliveryId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_event_id(&self) -> EventId {
        EventId::generate(self.now(), entropy::id())
    }

    pub(crate) fn new_change_id(&self) -> ChangeId {
        ChangeId::generate(self.now(), entropy::id())
    }
}
