//! The client of one server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keywright_api::me::Me;
use keywright_api::secret::Secret;
use keywright_api::verify::{BatchDecisions, Decision};
use keywright_api::verify_request::VerifyRequest;
use serde::Serialize;
use uuid::Uuid;

use crate::error::ClientError;
use crate::service_tokens::ServiceTokens;
use crate::transport::{Call, Setup, Transport};

/// How a client is set up.
#[derive(Debug)]
pub struct ClientOptions {
    /// The server's address, such as `https://auth.example.com`. `/api/v1` at its end is accepted.
    pub url: String,
    /// The credential that it calls with. Its memory is wiped with the options; the client keeps the header made from
    /// it, which prints nothing either.
    pub credential: Secret,
    /// The publisher that it acts for, where its credential is one of the platform.
    pub publisher_id: Option<Uuid>,
    /// How long a call may take, with all its repetitions.
    pub timeout: Duration,
    /// How often a call that was answered 503 or 429 is repeated, where that changes nothing: those that read, those
    /// that ask about credentials, and those with an idempotency key. 0 is never.
    pub retries: u32,
}

impl ClientOptions {
    /// For a server, with 10 s for a call and at most two repetitions.
    pub fn new(url: impl Into<String>, credential: Secret) -> Self {
        Self { url: url.into(), credential, publisher_id: None, timeout: Duration::from_secs(10), retries: 2 }
    }
}

/// A client of one server. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The items of a batch, by reference.
#[derive(Serialize)]
struct Batch<'a> {
    items: &'a [VerifyRequest],
}

impl Client {
    /// A client. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] for an address or a credential that cannot be one; it shows neither.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let ClientOptions { url, credential, publisher_id, timeout, retries } = options;
        let setup =
            Setup { url, credential, publisher_id: *publisher_id, timeout: *timeout, retries: *retries };
        Ok(Self { transport: Arc::new(Transport::new(&setup)?) })
    }

    /// Decides on a credential: the one in `token`, for which the client's own needs `tokens:verify`, or its own. A
    /// denial is an answer, not an error.
    ///
    /// # Errors
    /// When there is no decision.
    pub async fn verify(&self, request: &VerifyRequest) -> Result<Decision, ClientError> {
        self.transport.send(&Call::post("/auth/verify", request)?.repeatable()).await
    }

    /// Up to 100 decisions, in the order of what was asked.
    ///
    /// # Errors
    /// As [`Client::verify`]; there are all decisions or none.
    pub async fn verify_batch(&self, requests: &[VerifyRequest]) -> Result<Vec<Decision>, ClientError> {
        let call = Call::post("/auth/verify/batch", &Batch { items: requests })?.repeatable();
        let answer: BatchDecisions = self.transport.send(&call).await?;
        if answer.items.len() != requests.len() {
            let what = "it has another number of decisions than were asked for";
            return Err(ClientError::Unexpected { status: 200, what, retry_after_seconds: None });
        }
        Ok(answer.items)
    }

    /// Who the client is, and what it may do.
    ///
    /// # Errors
    /// As any call.
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.transport.send(&Call::get("/auth/me")).await
    }

    /// Service tokens.
    pub fn service_tokens(&self) -> ServiceTokens<'_> {
        ServiceTokens { transport: &self.transport }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_client_nor_options_print_their_credential() {
        let options = ClientOptions::new("http://127.0.0.1:1", Secret::new("sk_cafe"));
        let client = Client::new(&options).unwrap();
        for text in [format!("{options:?}"), format!("{client:?}"), format!("{:?}", client.service_tokens())]
        {
            assert!(!text.contains("cafe"), "{text}");
        }
    }
}
