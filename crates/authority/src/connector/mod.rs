//! The connector: calls to addresses that users configure, such as receivers of webhooks.
//!
//! Such an address may lead anywhere, also to where only this machine can go. So each name is resolved here, every
//! address that it stands for is judged, and the very addresses that were judged are connected to: a name that
//! stands for another one a moment later changes nothing. No redirect is followed, no proxy of the environment is
//! used, no connection is kept for the next call.

mod guard;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keywright_core::Network;
use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use self::guard::{Guard, Refusal, Rules};
pub use self::guard::{Names, Resolved, SystemNames};
pub use self::target::{Target, TargetError};

/// Longest time until a connection stands: name, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for a call as a whole.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls addresses that users configure. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    rules: Rules,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

/// TLS cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("calls over HTTPS cannot be made: {0}")]
pub struct ConnectorError(String);

/// A call to be made.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// How: `POST`, `PUT`, `PATCH`, `GET`.
    pub method: Method,
    /// Where to.
    pub target: &'a Target,
    /// What goes with it. Values that are secret are marked as sensitive.
    pub headers: http::HeaderMap,
    /// What is sent.
    pub body: Vec<u8>,
    /// Most bytes of the answer that are read.
    pub most_bytes: usize,
}

/// What was answered, whatever it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After` in seconds, where it is given so.
    pub retry_after_seconds: Option<u32>,
    /// The body, or its begin.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the receiver took it.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// Why, in words without the address.
    pub reason: String,
    /// Not one byte of the request has left. When false, nobody knows.
    pub nothing_sent: bool,
    /// The address may not be called at all.
    pub refused: bool,
}

impl Connector {
    /// A connector to the public Internet, and to what lies in `allowed`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(allowed: &[Network]) -> Result<Self, ConnectorError> {
        Self::with_names(allowed, Arc::new(SystemNames), CALL_TIMEOUT)
    }

    /// The same, with names resolved by `names`, and another longest time for a call as a whole.
    ///
    /// # Errors
    /// As [`Connector::new`].
    pub fn with_names(
        allowed: &[Network],
        names: Arc<dyn Names>,
        call_timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        let rules = Rules::new(allowed);
        let client = Client::builder()
            .dns_resolver(Arc::new(Guard::new(rules.clone(), names)))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(call_timeout)
            .user_agent(concat!("keywright/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConnectorError(root(&error)))?;
        Ok(Self { inner: Arc::new(Inner { client, rules }) })
    }

    /// Reads an address that may be called. A name in it is judged when it is called, an address at once.
    ///
    /// # Errors
    /// With what is wrong, in words that do not repeat it.
    pub fn target(&self, text: &str) -> Result<Target, TargetError> {
        Target::parse(text, &self.inner.rules)
    }

    /// Makes a call. Whatever the receiver answers is an answer, a redirect too.
    ///
    /// # Errors
    /// When there was no answer, or none in time.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, Failure> {
        let Outgoing { method, target, headers, body, most_bytes } = outgoing;
        // Judged again: it may have been read by a connector with other rules.
        if let Err(error) = self.target(target.reveal()) {
            return Err(Failure { reason: error.to_string(), nothing_sent: true, refused: true });
        }
        let request = self.inner.client.request(method, target.url().clone()).headers(headers).body(body);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let retry_after_seconds = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        // The status says what became of it: a body that breaks off takes nothing back.
        while bytes.len() < most_bytes
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk[..chunk.len().min(most_bytes - bytes.len())]);
        }
        Ok(Answer { status, retry_after_seconds, body: bytes })
    }
}

/// The innermost cause: the ones around it repeat the address.
fn root(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(|| "the call cannot be made".to_owned(), ToString::to_string)
}

fn failure(error: &reqwest::Error) -> Failure {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let refused = causes.find_map(|cause| cause.downcast_ref::<Refusal>());
    let nothing_sent = error.is_connect() || refused.is_some();
    let reason = match (refused, error.is_timeout()) {
        (Some(refusal), _) => refusal.to_string(),
        (None, true) if nothing_sent => "no connection in time".to_owned(),
        (None, true) => "no answer in time".to_owned(),
        (None, false) => root(error),
    };
    Failure { reason, nothing_sent, refused: refused.is_some() }
}

#[cfg(test)]
mod tests;
