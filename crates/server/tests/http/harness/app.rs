//! A node in this process: store, journal, edge and all.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use keywright_authority::bootstrap::bootstrap;
use keywright_authority::{Authority, signing_keys};
use keywright_core::Timestamp;
use keywright_server::config::{Config, LoadInput, load};
use keywright_server::http::App;
use keywright_server::node::{self, Node, Part};
use keywright_server::serve::Served;
use keywright_store::Engine;
use keywright_store::testing::{TestStore, store_on};
use keywright_verify::Clock;
use keywright_verify::clock::{boot_micros, wall_clock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{Answer, Caller, Database, eventually};

/// 32 bytes for tests.
pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A token that was made.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) body: Value,
}

impl Minted {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("token"), body: body.clone() }
    }

    pub(crate) fn path(&self) -> String {
        format!("/auth/tokens/{}", self.id)
    }
}

/// What a node is opened on.
struct Opening {
    store: Arc<TestStore>,
    url: String,
    admin: Option<String>,
    clock: Clock,
}

impl Opening {
    fn of(store: Arc<TestStore>) -> Self {
        let url = store.options().url.clone();
        Self { store, url, admin: None, clock: Clock::from_wall_clock() }
    }

    fn still_at(self, moment: Timestamp) -> Self {
        Self { clock: Clock::still(moment), ..self }
    }
}

/// A node that serves on a port of this machine. Stop it at the end of the test.
pub(crate) struct TestApp {
    node: Node,
    served: Served,
    address: SocketAddr,
    admin: String,
    client: reqwest::Client,
    store: Arc<TestStore>,
    folder: TempDir,
}

impl TestApp {
    /// A node over an empty store; `None` when the tests are not to run on that engine.
    pub(crate) async fn start(engine: Engine) -> Option<Self> {
        Self::start_with(engine, &[]).await
    }

    /// The same with some settings of its own.
    pub(crate) async fn start_with(engine: Engine, settings: &[(&str, &str)]) -> Option<Self> {
        let store = Arc::new(store_on(engine).await?);
        Some(Self::open(Opening::of(store), settings).await)
    }

    /// The same behind a proxy at `127.0.0.1`, which is trusted.
    pub(crate) async fn start_behind_a_proxy(engine: Engine, settings: &[(&str, &str)]) -> Option<Self> {
        let trusted = ("server.trusted_proxies", "127.0.0.1/32");
        Self::start_with(engine, &[&[trusted], settings].concat()).await
    }

    /// The same by a clock that stands still until [`TestApp::advance`].
    pub(crate) async fn start_still(engine: Engine, settings: &[(&str, &str)]) -> Option<Self> {
        let store = Arc::new(store_on(engine).await?);
        Some(Self::open(Opening::of(store).still_at(wall_clock()), settings).await)
    }

    /// Another node over the same store, which may be reached at another address.
    pub(crate) async fn another(&self, url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let mut opening = Opening::of(Arc::clone(&self.store));
        opening.url = url.map_or(opening.url, str::to_owned);
        opening.admin = Some(self.admin.clone());
        Self::open(opening, settings).await
    }

    /// The same by a clock that stands still at the moment at which this one's does.
    pub(crate) async fn another_still(&self) -> Self {
        let mut opening = Opening::of(Arc::clone(&self.store)).still_at(self.now());
        opening.admin = Some(self.admin.clone());
        Self::open(opening, &[]).await
    }

    async fn open(opening: Opening, settings: &[(&str, &str)]) -> Self {
        let Opening { store, url, admin, clock } = opening;
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(&url, &folder, settings);
        let lock = node::lock(&config).unwrap();
        let keys = node::keys(&config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let part = Part::Serves(address.to_string());
        let connected = node::connect(&config).await.unwrap();
        let node = Node::open_by(clock, &config, connected, lock, keys, part).await.unwrap();
        // Its event comes first, whatever the job does meanwhile.
        signing_keys::keep(node.app().authority()).await.unwrap();
        let served = Served::start(&config, &node, listener).unwrap();
        let admin = match admin {
            Some(admin) => admin,
            None => {
                let made = bootstrap(node.app().authority(), None).await.unwrap();
                made.secret.unwrap().reveal().to_owned()
            }
        };
        let client = reqwest::Client::builder().no_proxy().timeout(super::PATIENCE).build().unwrap();
        Self { node, served, address, admin, client, store, folder }
    }

    /// Leaves in order, as on SIGTERM. What every node must do well, every test sees done well.
    pub(crate) async fn stop(self) -> Rest {
        self.served.leave().await;
        let now = self.node.app().authority().now();
        self.node.close().await.expect("nothing stays in the journal");
        Rest { now, store: self.store, admin: self.admin, _folder: self.folder }
    }

    /// A caller without a credential.
    pub(crate) fn nobody(&self) -> Caller {
        Caller::nobody(self.client.clone(), self.address)
    }

    /// A caller at the port that is for metrics alone.
    pub(crate) fn scraper(&self) -> Caller {
        Caller::nobody(self.client.clone(), self.served.metrics_address().unwrap()).apart()
    }

    /// A caller with this credential.
    pub(crate) fn bearing(&self, credential: &str) -> Caller {
        self.nobody().bearing(credential)
    }

    /// A caller who may do everything.
    pub(crate) fn admin(&self) -> Caller {
        self.bearing(&self.admin)
    }

    pub(crate) fn admin_token(&self) -> &str {
        &self.admin
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the store is, without a detour.
    pub(crate) fn url(&self) -> &str {
        &self.store.options().url
    }

    pub(crate) fn app(&self) -> &App {
        self.node.app()
    }

    /// Where mails lie.
    pub(crate) fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.app().authority()
    }

    /// A connection of our own to the store's database.
    pub(crate) async fn database(&self) -> Database {
        Database::connect(&self.store.options().url).await
    }

    /// Makes a token with these permissions.
    pub(crate) async fn mint(&self, name: &str, permissions: &[&str]) -> Minted {
        self.mint_as(json!({"token_name": name, "permissions": permissions})).await
    }

    /// Makes a token from a body.
    pub(crate) async fn mint_as(&self, body: Value) -> Minted {
        let answer = self.admin().post("/auth/tokens", body).await;
        answer.expect(201);
        Minted::of(&answer)
    }

    /// A caller with a token that has these permissions.
    pub(crate) async fn caller(&self, permissions: &[&str]) -> Caller {
        self.caller_named(&format!("caller of {}", permissions.join(" ")), permissions).await
    }

    /// The same, with a name for the token.
    pub(crate) async fn caller_named(&self, name: &str, permissions: &[&str]) -> Caller {
        let token = self.mint(name, permissions).await;
        self.bearing(&token.secret)
    }

    /// Asks about a credential that bears itself.
    pub(crate) async fn verify(&self, credential: &str) -> Answer {
        self.bearing(credential).send("POST", "/auth/verify", None).await
    }

    /// Asks about another's credential.
    pub(crate) async fn verify_body(&self, body: Value) -> Answer {
        self.admin().post("/auth/verify", body).await
    }

    /// How often the store was asked for a credential so far.
    pub(crate) fn loads(&self) -> u64 {
        self.authority().verifier().statistics().loads
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.authority().now()
    }

    /// Moves a clock that stands still.
    pub(crate) fn advance(&self, seconds: i64) {
        self.authority().clock().advance(seconds * 1_000_000);
    }

    /// What happens at a moment. The clock of a node on PostgreSQL follows its store twice a second:
    /// what was asked while that happened is asked again. The moment must be an hour or more away.
    pub(crate) async fn at<T>(&self, moment: Timestamp, mut ask: impl AsyncFnMut() -> T) -> T {
        let clock = self.authority().clock();
        let skew = clock.skew_micros();
        loop {
            clock.follow(moment, boot_micros());
            let outcome = ask().await;
            let moved = clock.now().micros_since(moment);
            let wall = wall_clock();
            clock.follow(wall.plus_micros(skew), boot_micros());
            if (0..60_000_000).contains(&moved) {
                return outcome;
            }
        }
    }

    /// Waits until everything that was answered so far is in the store.
    pub(crate) async fn recorded(&self) {
        let journal = self.app().journal();
        eventually("the journal is moved", async || journal.status(self.now()).pending_bytes == 0).await;
    }
}

/// What is left of a node that was stopped.
pub(crate) struct Rest {
    now: Timestamp,
    store: Arc<TestStore>,
    admin: String,
    _folder: TempDir,
}

impl Rest {
    /// A node over the same store, which knows nothing of what the one before had in memory; by a clock that
    /// stands still at the moment at which that one stopped.
    pub(crate) async fn start_still(self) -> TestApp {
        let mut opening = Opening::of(self.store).still_at(self.now);
        opening.admin = Some(self.admin);
        TestApp::open(opening, &[]).await
    }

    /// A connection of our own to the store's database.
    pub(crate) async fn database(&self) -> Database {
        Database::connect(self.url()).await
    }

    /// Where its store is.
    pub(crate) fn url(&self) -> &str {
        &self.store.options().url
    }

    pub(crate) fn admin_token(&self) -> &str {
        &self.admin
    }
}

fn configuration(url: &str, folder: &TempDir, settings: &[(&str, &str)]) -> Config {
    let journal = folder.path().join("journal").display().to_string();
    let mail = folder.path().join("mail").display().to_string();
    let mut all = vec![
        ("database.url", url),
        ("keys.master_key", MASTER_KEY),
        ("journal.dir", &journal),
        ("journal.allow_ephemeral", "true"),
        ("journal.sync_interval_ms", "20"),
        ("server.workers", "2"),
        ("server.public_url", "https://auth.example.com"),
        ("mail.folder", &mail),
        ("notifications.allowed_networks", "127.0.0.0/8"),
    ];
    // Some can only be said in a file: the text of one.
    let text = settings.iter().find(|(key, _)| *key == "file").map(|(_, text)| *text);
    let file = text.map(|text| {
        let path = folder.path().join("keywright.toml");
        std::fs::write(&path, text).unwrap();
        path
    });
    all.extend(settings.iter().filter(|(key, _)| *key != "file"));
    // What is set to nothing is not set.
    let unset: Vec<_> = settings.iter().filter(|(_, text)| text.is_empty()).map(|(key, _)| *key).collect();
    all.retain(|(key, _)| !unset.contains(key));
    // Names without a dot are those that stand alone, such as `JWT_ALGORITHM`.
    let name = |key: &str| {
        if key.contains('.') {
            format!("KEYWRIGHT_{}", key.replace('.', "__").to_ascii_uppercase())
        } else {
            key.to_owned()
        }
    };
    let environment = all.into_iter().map(|(key, value)| (name(key), value.to_owned())).collect();
    let loaded = load(&LoadInput { environment, file, ..LoadInput::default() });
    let findings: Vec<_> = loaded.errors().map(ToString::to_string).collect();
    loaded.config.unwrap_or_else(|| panic!("{findings:?}"))
}
