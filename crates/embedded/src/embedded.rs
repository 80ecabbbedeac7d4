//! A node in this process, and deciding by it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use keywright_client::layer::Deciding;
use keywright_client::{ClientError, Decide, Question, Undecided, Verdict};
use keywright_core::PublisherId;
use keywright_server::config::{Config, check_files};
use keywright_server::http::auth::in_process::{self, Judged};
use keywright_server::http::{self, App};
use keywright_server::node::{self, Node, Part};
use keywright_server::serve;
use keywright_store::StoreError;
use keywright_verify::VerifierStatistics;
use keywright_verify::journal::Writers;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::options::EmbeddedOptions;
use crate::principals::Principals;

/// Why a node could not be opened, or did not leave in order. No secret is in one.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The configuration has mistakes: each on a line of its own.
    #[error("the configuration is not right\n{0}")]
    Configuration(String),
    /// Another process has the SQLite database: it has one server at a time.
    #[error("{0}")]
    InUse(String),
    /// The store cannot be worked on, or the journal not be opened; or records had to stay in it.
    #[error("{0}")]
    Failed(String),
}

/// A node of Keywright in this process. Cheap to clone: clones are the same node.
///
/// Call [`Embedded::close`] before the process ends. One that is dropped with its last clone, or killed, loses no record:
/// the next node with the same journal brings in what was left.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    app: App,
    writers: Writers,
    principals: Principals,
    open: Mutex<Option<Open>>,
}

/// What runs until it is closed.
struct Open {
    node: Node,
    operator: Option<JoinHandle<()>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens a node. Its tasks run on the runtime that this is called on.
    ///
    /// # Errors
    /// [`EmbeddedError`], with what to do about it.
    pub async fn open(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let loaded = options.load();
        let Some(config) = &loaded.config else {
            let mistakes: Vec<_> = loaded.errors().map(ToString::to_string).collect();
            return Err(EmbeddedError::Configuration(mistakes.join("\n")));
        };
        for finding in loaded.warnings().chain(&check_files(&loaded)) {
            warn!("{finding}");
        }
        let lock = node::lock(config).map_err(|error| match error {
            StoreError::InUse { .. } => EmbeddedError::InUse(error.to_string()),
            other => failed(&other.into()),
        })?;
        let opened = async {
            let keys = node::keys(config)?;
            let store = node::connect(config).await?;
            if options.migrates {
                store.migrate(|_| {}).await?;
            }
            node::check_schema(&store).await?;
            Node::open(config, store, lock, keys, Part::Serves(options.name.clone())).await
        };
        let node = opened.await.map_err(|error| failed(&error))?;
        Self::serve_operator(config, node).await
    }

    async fn serve_operator(config: &Config, node: Node) -> Result<Self, EmbeddedError> {
        let app = node.app().clone();
        match serve::operator(config, http::router(app.clone())) {
            Ok(operator) => Ok(Self {
                inner: Arc::new(Inner {
                    writers: Writers::new(app.journal().clone()),
                    app,
                    principals: Principals::new(),
                    open: Mutex::new(Some(Open { node, operator })),
                }),
            }),
            Err(error) => {
                if let Err(left) = node.close().await {
                    warn!(error = format!("{left:#}"), "a node that was not opened did not leave in order");
                }
                Err(failed(&error))
            }
        }
    }

    /// The whole API of the node, for a service that serves it beside its own routes: with the addresses of connections
    /// (`into_make_service_with_connect_info`), and at the root of its paths.
    pub fn api(&self) -> Router {
        http::router(self.inner.app.clone())
    }

    /// How often the node knew, and how often it asked the store, since it was opened.
    pub fn statistics(&self) -> VerifierStatistics {
        self.inner.app.authority().verifier().statistics()
    }

    /// Decides no more, and leaves in order: what the journal holds is moved, the other nodes are told. Once is enough:
    /// later calls do nothing.
    ///
    /// # Errors
    /// [`EmbeddedError::Failed`] when records had to stay in the journal; the next node with the same one brings them in.
    pub async fn close(&self) -> Result<(), EmbeddedError> {
        let open = self.inner.open.lock().take();
        let Some(Open { node, operator }) = open else { return Ok(()) };
        if let Some(operator) = operator {
            operator.abort();
            let _ = operator.await;
        }
        node.close().await.map_err(|error| failed(&error))
    }
}

/// With its causes.
fn failed(error: &anyhow::Error) -> EmbeddedError {
    EmbeddedError::Failed(format!("{error:#}"))
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(Open { node, operator }) = self.open.get_mut().take() {
            if let Some(operator) = operator {
                operator.abort();
            }
            drop(node);
        }
    }
}

impl Decide for Embedded {
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a> {
        Deciding::awaited(self.inner.decide(question))
    }
}

impl Inner {
    async fn decide(&self, question: Question<'_>) -> Result<Verdict, Undecided> {
        let Question { token, wanted, publisher_id, ip_address, user_agent, method, endpoint, .. } = question;
        let writer = self.writers.own();
        let asked = in_process::Question {
            wanted: Cow::Borrowed(wanted),
            publisher: publisher_id.map(PublisherId),
            ip_address,
            user_agent,
            method: Some(method),
            endpoint: Some(endpoint),
            cloudflare_ray_id: question.cloudflare_ray_id,
            cost: question.cost,
        };
        match in_process::decide(&self.app, writer, (token, question.request_id), asked).await {
            Ok(Judged::Valid(known, limit)) => {
                let principal = self.principals.of(&known).ok_or(Undecided::Unavailable)?;
                Ok(Verdict::Valid(principal, limit))
            }
            Ok(Judged::Denied(denial)) => Ok(Verdict::Denied(denial)),
            Err(in_process::Undecided::Unrecorded) => {
                let why = "the journal is full, cannot be written, or is closed";
                Err(Undecided::Unrecorded(why.to_owned()))
            }
            Err(in_process::Undecided::Refused(problem)) => Err(ClientError::Problem(*problem).into()),
            Err(in_process::Undecided::Unavailable) => Err(Undecided::Unavailable),
        }
    }
}
