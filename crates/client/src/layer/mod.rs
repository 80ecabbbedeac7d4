//! The gate before a service: a tower layer.

mod deciding;
pub(crate) mod remote;
mod service;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use http::request::Parts;
use keywright_api::verify::{Denial, RateLimit};
use keywright_core::Requirements;
use keywright_core::scope::{Scope, ScopeError, ScopeSet};
use uuid::Uuid;

pub use self::deciding::Deciding;
pub use self::service::KeywrightService;
use crate::client::Client;
use crate::error::ClientError;
use crate::principal::Principal;

/// A credential, what is wanted of it, and the facts of the request that bears it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The credential, whatever it is.
    pub token: &'a str,
    /// What it must carry.
    pub wanted: &'a Requirements,
    /// The publisher to decide for; none is the credential's only one, else its owner's default.
    pub publisher_id: Option<Uuid>,
    /// Where the request came from.
    pub ip_address: Option<IpAddr>,
    /// Its user agent.
    pub user_agent: Option<&'a str>,
    /// Its method.
    pub method: &'a str,
    /// Its path, without a query.
    pub endpoint: &'a str,
    /// Its `CF-Ray`.
    pub cloudflare_ray_id: Option<&'a str>,
    /// Units to take from the credential's limits, at most 10,000; 0 looks without taking.
    pub cost: u32,
    /// The request's id.
    pub request_id: &'a str,
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// A decision.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The credential is valid, and carries what is wanted.
    Valid(Principal, Option<RateLimit>),
    /// It is not, or does not.
    Denied(Box<Denial>),
}

/// There is no decision; the request is answered 503.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The authority was asked and gave none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The decision cannot be recorded.
    #[error("the decision cannot be recorded: {0}")]
    Unrecorded(String),
    /// What it needs is not known now.
    #[error("the answer cannot be known at the moment")]
    Unavailable,
}

/// Whatever decides on credentials: a [`Client`] that asks the authority for each request, or something that knows.
pub trait Decide: Send + Sync + 'static {
    /// Decides, and sees to it that the decision is on record before it is told. What is known may be decided at once, in
    /// this very call.
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a>;
}

impl<D: Decide> Decide for Arc<D> {
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a> {
        (**self).decide(question)
    }
}

type AddressOf = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;
type PublisherOf = dyn Fn(&Parts) -> Option<Uuid> + Send + Sync;
type OnFault = dyn Fn(&Undecided) + Send + Sync;

/// What all layers of one gate share.
struct Gate {
    decider: Arc<dyn Decide>,
    address_of: Arc<AddressOf>,
    publisher_of: Arc<PublisherOf>,
    on_fault: Arc<OnFault>,
    cost: u32,
    timeout: Duration,
}

/// Lets those requests pass whose credential is valid, and carries what [`KeywrightLayer::require_scope`] and its
/// like say. Nothing passes that was not decided on: without a decision the answer is 503.
///
/// Requests pass as they came, `Authorization` included, with a [`Principal`] among their extensions. A layer inside
/// another asks anew, for its own scopes, without taking from the credential's limits a second time.
#[derive(Clone)]
pub struct KeywrightLayer {
    gate: Arc<Gate>,
    wanted: Arc<Requirements>,
}

impl std::fmt::Debug for KeywrightLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeywrightLayer").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// How long a decision may take: then the answer is 503.
const TIMEOUT: Duration = Duration::from_secs(1);

impl KeywrightLayer {
    /// A gate that asks the authority about each request. The client's credential needs `tokens:verify`.
    pub fn new(client: Client) -> Self {
        Self::over(client)
    }

    /// A gate over something else that decides.
    pub fn over(decider: impl Decide) -> Self {
        let gate = Gate {
            decider: Arc::new(decider),
            address_of: Arc::new(peer),
            publisher_of: Arc::new(|_| None),
            on_fault: Arc::new(
                |fault| tracing::error!(%fault, "a request is answered 503: there is no decision"),
            ),
            cost: 1,
            timeout: TIMEOUT,
        };
        Self { gate: Arc::new(gate), wanted: Arc::default() }
    }

    fn with(self, change: impl FnOnce(&mut Gate)) -> Self {
        let Gate { decider, address_of, publisher_of, on_fault, cost, timeout } = &*self.gate;
        let mut gate = Gate {
            decider: Arc::clone(decider),
            address_of: Arc::clone(address_of),
            publisher_of: Arc::clone(publisher_of),
            on_fault: Arc::clone(on_fault),
            cost: *cost,
            timeout: *timeout,
        };
        change(&mut gate);
        Self { gate: Arc::new(gate), ..self }
    }

    /// Where requests come from, in place of the address of the connection, which axum tells by `ConnectInfo`. No header
    /// is believed unless this reads it; what it gives for a credential with an allowlist decides.
    #[must_use]
    pub fn client_address(self, of: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.with(|gate| gate.address_of = Arc::new(of))
    }

    /// The publisher that a request is about.
    #[must_use]
    pub fn publisher(self, of: impl Fn(&Parts) -> Option<Uuid> + Send + Sync + 'static) -> Self {
        self.with(|gate| gate.publisher_of = Arc::new(of))
    }

    /// Told of whatever made a request be answered 503, in place of the log. Nothing in it is secret.
    #[must_use]
    pub fn on_fault(self, tell: impl Fn(&Undecided) + Send + Sync + 'static) -> Self {
        self.with(|gate| gate.on_fault = Arc::new(tell))
    }

    /// Units that a request takes from the credential's limits, at most 10,000; 1 unless this is said. With more no
    /// question can be asked, and nothing passes.
    #[must_use]
    pub fn cost(self, cost: u32) -> Self {
        self.with(|gate| gate.cost = cost)
    }

    /// How long a decision may take; 1 s unless this is said.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|gate| gate.timeout = timeout)
    }

    /// The same for credentials that carry this scope, beside what was wanted before.
    ///
    /// # Errors
    /// [`ScopeError`], when the route is made, not when it is first asked for.
    pub fn require_scope(&self, scope: &str) -> Result<Self, ScopeError> {
        self.require_all([scope])
    }

    /// The same for credentials that carry all of these, beside what was wanted before.
    ///
    /// # Errors
    /// [`ScopeError`], when the route is made.
    pub fn require_all<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let required_scopes = self.wanted.required_scopes.union(&set(scopes)?)?;
        let wanted = Requirements { required_scopes, any_scopes: self.wanted.any_scopes.clone() };
        Ok(Self { wanted: Arc::new(wanted), ..self.clone() })
    }

    /// The same for credentials that carry one of these, in place of those that were named so before.
    ///
    /// # Errors
    /// [`ScopeError`], when the route is made; [`ScopeError::Empty`] when none is named.
    pub fn require_any<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let any_scopes = set(scopes)?;
        if any_scopes.is_empty() {
            return Err(ScopeError::Empty);
        }
        let wanted = Requirements { required_scopes: self.wanted.required_scopes.clone(), any_scopes };
        Ok(Self { wanted: Arc::new(wanted), ..self.clone() })
    }
}

fn set<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<ScopeSet, ScopeError> {
    let scopes: Vec<Scope> = scopes.into_iter().map(str::parse).collect::<Result<_, _>>()?;
    ScopeSet::new(scopes)
}

/// The address of the connection, where the server tells it.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let axum = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    axum.or_else(|| parts.extensions.get::<SocketAddr>().map(SocketAddr::ip))
}

#[cfg(test)]
mod tests;
