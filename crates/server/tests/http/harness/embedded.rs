//! Services with a node in their own process, which is this one.

use std::net::SocketAddr;

use axum::Router;
use keywright_client::{KeywrightLayer, Question, Requirements};
use keywright_embedded::{Embedded, EmbeddedOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::app::{MASTER_KEY, Minted, Rest, TestApp};
use super::{Caller, Database, PATIENCE, eventually};
use crate::rust_client::{Served, arriving, served, service};

/// Makes a test on each engine of each function named: an `async fn NAME(app: TestApp)`.
macro_rules! embedded_on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $( $crate::harness::embedded::embedded_test_on!(Sqlite, $name); )+
        }
        mod postgres {
            $( $crate::harness::embedded::embedded_test_on!(Postgres, $name); )+
        }
    };
}

macro_rules! embedded_test_on {
    ($engine:ident, $name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(app) = $crate::harness::TestApp::start($crate::harness::Engine::$engine).await else {
                return;
            };
            super::$name(app).await;
        }
    };
}

pub(crate) use {embedded_on_both_engines, embedded_test_on};

/// Settings of a node in a folder of its own; those of the nodes of the harness otherwise.
pub(crate) fn options(url: &str, folder: &TempDir) -> EmbeddedOptions {
    EmbeddedOptions::new()
        .set("database.url", url)
        .set("keys.master_key", MASTER_KEY)
        .set("journal.dir", folder.path().join("embedded-journal").display().to_string())
        .set("journal.allow_ephemeral", "true")
        .set("journal.sync_interval_ms", "20")
        .set("server.public_url", "https://auth.example.com")
        .named("the service")
}

/// A service with a node in this process, and that node's API.
pub(crate) struct Home {
    pub(crate) embedded: Embedded,
    pub(crate) service: Router,
    api: Api,
    url: String,
    admin: String,
    folder: TempDir,
}

/// The API of an embedded node, on a port of this machine.
struct Api {
    address: SocketAddr,
    serving: JoinHandle<()>,
    client: reqwest::Client,
}

impl Api {
    async fn of(embedded: &Embedded) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = embedded.api().into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, api).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { address, serving, client }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A gate that is in no hurry, on a machine that has much to do.
pub(crate) fn gate(embedded: &Embedded) -> KeywrightLayer {
    KeywrightLayer::over(embedded.clone()).timeout(PATIENCE)
}

impl Home {
    /// Over the store of a node: in its stead, or beside it.
    pub(crate) async fn over(
        url: &str,
        admin: &str,
        change: impl Fn(EmbeddedOptions) -> EmbeddedOptions,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(url, admin, folder, change).await
    }

    async fn in_folder(
        url: &str,
        admin: &str,
        folder: TempDir,
        change: impl Fn(EmbeddedOptions) -> EmbeddedOptions,
    ) -> Self {
        let options = change(options(url, &folder));
        let mut opened = None;
        // Whoever had the store before may have left it a moment ago.
        eventually("the node opens", async || {
            opened = Embedded::open(&options).await.inspect_err(|error| println!("{error}")).ok();
            opened.is_some()
        })
        .await;
        let embedded = opened.unwrap();
        let service = service(&gate(&embedded));
        let api = Api::of(&embedded).await;
        Self { embedded, service, api, url: url.to_owned(), admin: admin.to_owned(), folder }
    }

    pub(crate) async fn ask(&self, path: &str, credential: &str) -> Served {
        served(&self.service, arriving(path, credential, "192.0.2.1")).await
    }

    /// Somebody without a credential, at the node's own API.
    pub(crate) fn nobody(&self) -> Caller {
        Caller::nobody(self.api.client.clone(), self.api.address)
    }

    /// Somebody who may do everything there.
    pub(crate) fn admin(&self) -> Caller {
        self.nobody().bearing(&self.admin)
    }

    pub(crate) async fn mint(&self, body: Value) -> Minted {
        Minted::of(&self.admin().post("/auth/tokens", body).await)
    }

    pub(crate) async fn database(&self) -> Database {
        Database::connect(&self.url).await
    }

    /// It goes without a word, and another begins where it has been.
    pub(crate) async fn abandoned(self) -> Self {
        let Self { embedded, service, api, url, admin, folder } = self;
        drop((embedded, service, api));
        Self::in_folder(&url, &admin, folder, |options| options).await
    }

    /// Leaves in order. What every node must do well, every test sees done well.
    pub(crate) async fn close(self) {
        self.embedded.close().await.expect("nothing stays in the journal");
    }
}

/// The node leaves, and a service takes over its store.
pub(crate) async fn in_the_stead_of(app: TestApp) -> (Home, Rest) {
    let rest = app.stop().await;
    (Home::over(rest.url(), rest.admin_token(), |options| options).await, rest)
}

/// What a service asks about a request of its own.
pub(crate) fn question<'a>(token: &'a str, wanted: &'a Requirements) -> Question<'a> {
    Question {
        token,
        wanted,
        publisher_id: None,
        ip_address: "192.0.2.1".parse().ok(),
        user_agent: None,
        method: "GET",
        endpoint: "/works",
        cloudflare_ray_id: None,
        cost: 1,
        request_id: "by-the-service",
    }
}

/// One scope.
pub(crate) fn wanting(scope: &str) -> Requirements {
    Requirements::scope(scope.parse().unwrap())
}
