//! Stand-ins for GitHub, Kubernetes, Vault and a webhook, which hold those who call them to their protocols.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use keywright_core::rotation::Delivery;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::receiver::{Received, read};

/// What lets callers in.
pub(crate) const KEY: &str = "key-that-is-shown-to-nobody-else";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is done as the protocol has it.
    Well,
    /// It is answered with this status, and nothing is done.
    Fails(u16),
    /// It is done, and answered with this status.
    DoneButFails(u16),
    /// It is sent elsewhere, and nothing is done.
    Redirects,
    /// The connection is closed.
    Closes,
    /// Nothing is said.
    Hangs,
}

/// What it stands for, with all that it keeps.
pub(crate) enum Model {
    Webhook,
    Github(Github),
    Kubernetes(Kubernetes),
    Vault(Vault),
}

/// The secrets of a repository and of its environment.
pub(crate) struct Github {
    /// The number of the key, and the key.
    pub(crate) key: (u8, SecretKey),
    /// By the path below `/repos/acme/api/`.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Whether the key is another one after each time that it was asked for.
    pub(crate) turns: bool,
}

/// The secrets of a namespace.
#[derive(Default)]
pub(crate) struct Kubernetes(pub(crate) BTreeMap<String, BTreeMap<String, String>>);

/// The secrets of a mount.
#[derive(Default)]
pub(crate) struct Vault {
    pub(crate) secrets: BTreeMap<String, Kept>,
    /// Whether somebody else writes after each time that the version was asked for.
    pub(crate) raced: bool,
}

/// A secret with its version.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) version: u64,
    pub(crate) data: Map<String, Value>,
    pub(crate) deleted: bool,
}

fn refused(status: u16) -> (u16, Value) {
    (status, json!({ "message": "refused", "errors": ["refused"] }))
}

fn says(request: &Received, name: &str, value: &str) -> bool {
    request.headers.get(name).is_some_and(|given| given == value)
}

impl Github {
    pub(crate) fn new() -> Self {
        Self { key: (1, SecretKey::from([1; 32])), secrets: BTreeMap::new(), turns: false }
    }

    fn answer(&mut self, request: &Received) -> (u16, Value) {
        if !says(request, "authorization", &format!("Bearer {KEY}")) {
            return refused(401);
        }
        let asked_well = says(request, "accept", "application/vnd.github+json")
            && says(request, "x-github-api-version", "2022-11-28")
            && request.headers.contains_key("user-agent");
        if !asked_well {
            return refused(400);
        }
        let Some((method, path)) = request.line.split_once(" /repos/acme/api/") else { return refused(404) };
        if !["actions/secrets/", "environments/live%20%2F%20eu/secrets/"]
            .iter()
            .any(|at| path.starts_with(at))
        {
            return refused(404);
        }
        let (number, key) = &self.key;
        if method == "GET" && path.ends_with("/public-key") {
            let answer =
                json!({ "key_id": number.to_string(), "key": STANDARD.encode(key.public_key().as_bytes()) });
            if self.turns {
                self.key = (number + 1, SecretKey::from([number + 1; 32]));
            }
            return (200, answer);
        }
        if method != "PUT" {
            return refused(404);
        }
        let body = request.json();
        let boxed = body["encrypted_value"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let opened = boxed.and_then(|boxed| key.unseal(&boxed).ok());
        let (Some(plain), true) = (opened, body["key_id"] == json!(number.to_string())) else {
            return refused(422);
        };
        let before = self.secrets.insert(path.to_owned(), String::from_utf8(plain).unwrap());
        (if before.is_some() { 204 } else { 201 }, Value::Null)
    }
}

impl Kubernetes {
    fn answer(&mut self, request: &Received) -> (u16, Value) {
        if !says(request, "authorization", &format!("Bearer {KEY}")) {
            return refused(401);
        }
        let secret = request.line.strip_prefix("PATCH /api/v1/namespaces/live/secrets/");
        let Some(secret) = secret.and_then(|name| self.0.get_mut(name)) else { return refused(404) };
        if !says(request, "content-type", "application/strategic-merge-patch+json") {
            return refused(415);
        }
        let body = request.json();
        for (key, value) in body["data"].as_object().unwrap() {
            let value = STANDARD.decode(value.as_str().unwrap()).unwrap();
            secret.insert(key.clone(), String::from_utf8(value).unwrap());
        }
        (200, json!({ "kind": "Secret", "data": body["data"] }))
    }
}

impl Vault {
    fn answer(&mut self, request: &Received) -> (u16, Value) {
        if !says(request, "x-vault-token", KEY) {
            return refused(403);
        }
        if let Some(path) = request.line.strip_prefix("GET /v1/teams/secret/metadata/") {
            let Some(kept) = self.secrets.get_mut(path) else { return (404, json!({ "errors": [] })) };
            let deletion_time = if kept.deleted { "2027-03-01T11:59:59.123456789Z" } else { "" };
            let newest = json!({ "created_time": "2027-01-01T00:00:00.5Z", "deletion_time": deletion_time, "destroyed": false });
            let versions = json!({ kept.version.to_string(): newest });
            let answer = json!({ "data": { "current_version": kept.version, "versions": versions } });
            if self.raced {
                kept.version += 1;
                kept.data.insert("other".to_owned(), json!("theirs, newer"));
            }
            return (200, answer);
        }
        let Some((method, path)) = request.line.split_once(" /v1/teams/secret/data/") else {
            return refused(404);
        };
        let (body, kept) = (request.json(), self.secrets.get(path).cloned().unwrap_or_default());
        if body["options"]["cas"] != json!(kept.version) {
            let what = "check-and-set parameter did not match the current version";
            return (400, json!({ "errors": [what] }));
        }
        let given = body["data"].as_object().unwrap().clone();
        let data = match method {
            "POST" => given,
            "PATCH" if kept.version == 0 || kept.deleted => return refused(404),
            "PATCH" if says(request, "content-type", "application/merge-patch+json") => {
                kept.data.into_iter().chain(given).collect()
            }
            _ => return refused(415),
        };
        self.secrets.insert(path.to_owned(), Kept { version: kept.version + 1, data, deleted: false });
        (200, json!({ "data": { "version": kept.version + 1 } }))
    }
}

impl Model {
    fn answer(&mut self, request: &Received) -> (u16, Value) {
        match self {
            Self::Webhook => (204, Value::Null),
            Self::Github(github) => github.answer(request),
            Self::Kubernetes(kubernetes) => kubernetes.answer(request),
            Self::Vault(vault) => vault.answer(request),
        }
    }
}

/// One that stands in.
#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    asking: Mutex<Way>,
    carrying: Mutex<Way>,
    received: Mutex<Vec<Received>>,
    model: Mutex<Model>,
    arrived: Notify,
}

impl StandIn {
    pub(crate) async fn start(model: Model) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            asking: Mutex::new(Way::Well),
            carrying: Mutex::new(Way::Well),
            received: Mutex::default(),
            model: Mutex::new(model),
            arrived: Notify::new(),
        });
        let own = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own)));
            }
        });
        Self { url, inner }
    }

    /// One of each, with where a secret is delivered to in it.
    pub(crate) async fn each() -> Vec<(Self, Delivery)> {
        let secrets = BTreeMap::from([("api".to_owned(), BTreeMap::new())]);
        let models = [
            Model::Webhook,
            Model::Github(Github::new()),
            Model::Kubernetes(Kubernetes(secrets)),
            Model::Vault(Vault::default()),
        ];
        let mut all = Vec::new();
        for model in models {
            let one = Self::start(model).await;
            let delivery = one.delivery();
            all.push((one, delivery));
        }
        all
    }

    /// Where a secret is delivered to in it.
    pub(crate) fn delivery(&self) -> Delivery {
        let (url, text) = (self.url.clone(), str::to_owned);
        match *self.inner.model.lock() {
            Model::Webhook => Delivery::Webhook { url: format!("{url}/in?from=keywright"), public_key: None },
            Model::Github(_) => Delivery::GithubActionsSecret {
                url,
                repository: text("acme/api"),
                environment: None,
                secret_name: text("TOKEN"),
            },
            Model::Kubernetes(_) => Delivery::KubernetesSecret {
                url,
                namespace: text("live"),
                secret_name: text("api"),
                key: text("token"),
            },
            Model::Vault(_) => Delivery::VaultKv {
                url,
                mount: text("teams/secret"),
                path: text("api/live"),
                key: text("token"),
            },
        }
    }

    /// What is kept in the place of its delivery; of a webhook, what it was sent last.
    pub(crate) fn kept(&self) -> Option<String> {
        match &*self.inner.model.lock() {
            Model::Webhook => {
                let body = self.inner.received.lock().last()?.json();
                Some(body["data"]["token"].as_str()?.to_owned())
            }
            Model::Github(github) => github.secrets.get("actions/secrets/TOKEN").cloned(),
            Model::Kubernetes(kubernetes) => kubernetes.0["api"].get("token").cloned(),
            Model::Vault(vault) => Some(vault.secrets.get("api/live")?.data["token"].as_str()?.to_owned()),
        }
    }

    pub(crate) fn model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.inner.model.lock())
    }

    pub(crate) fn carrying(&self, way: Way) {
        *self.inner.carrying.lock() = way;
    }

    pub(crate) fn asking(&self, way: Way) {
        *self.inner.asking.lock() = way;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().clone()
    }

    /// What it was sent that had a secret in it.
    pub(crate) fn carried(&self) -> Vec<Received> {
        self.received().into_iter().filter(|request| !request.line.starts_with("GET ")).collect()
    }

    /// Waits until it was brought so many secrets.
    pub(crate) async fn has(&self, count: usize) {
        loop {
            let arrived = self.inner.arrived.notified();
            if self.carried().len() >= count {
                return;
            }
            arrived.await;
        }
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) {
    let Some(request) = read(&mut stream).await else { return };
    let asks = request.line.starts_with("GET ");
    let way = if asks { *inner.asking.lock() } else { *inner.carrying.lock() };
    let done = matches!(way, Way::Well | Way::DoneButFails(_)).then(|| inner.model.lock().answer(&request));
    inner.received.lock().push(request);
    inner.arrived.notify_waiters();
    let (status, body) = match (way, done) {
        (Way::Fails(status) | Way::DoneButFails(status), _) => refused(status),
        (Way::Well, Some(answer)) => answer,
        (Way::Closes, _) => return,
        (Way::Hangs, _) => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 16]).await;
            return;
        }
        _ => (307, Value::Null),
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
