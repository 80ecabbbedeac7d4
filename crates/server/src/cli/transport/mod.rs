//! The three ways to the API: a server elsewhere, the server of this machine through the operator's
//! socket, and the same router in this process.

mod answer;
mod error;
mod in_process;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub(crate) use answer::Answer;
pub(crate) use error::TransportError;
pub use in_process::{InProcess, OpenError};
pub(crate) use request::{Request, idempotency_key};
pub(crate) use stream::{CSV, NDJSON, Streamed};
pub(crate) use wire::{Remote, Wire, base_url};

/// How often a repeated request is sent again while the first one still runs.
const TWIN_ATTEMPTS: u32 = 10;
/// The pause between two of these.
const TWIN_PAUSE: Duration = Duration::from_millis(500);

/// An API that can be asked.
pub(crate) enum Api {
    /// Over the network, or through the operator's socket.
    Wire(Wire),
    /// In this process, as the local operator.
    InProcess(InProcess),
}

impl Api {
    /// Sends a request; one that may be repeated is sent once more when nobody knows what became of it.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, TransportError> {
        let first = self.send_once(request).await;
        if !request.repeatable || !outcome_is_unknown(&first) {
            return first;
        }
        for _ in 1..TWIN_ATTEMPTS {
            let again = self.send_once(request).await;
            if !again.as_ref().is_ok_and(|answer| answer.code() == Some("idempotency_in_progress")) {
                return again;
            }
            tokio::time::sleep(TWIN_PAUSE).await;
        }
        self.send_once(request).await
    }

    /// Asks for what comes in pieces; a refusal is an answer as any other.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Result<Streamed, Answer>, TransportError> {
        match self {
            Self::Wire(wire) => wire.stream(request).await,
            Self::InProcess(router) => router.stream(request).await,
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, TransportError> {
        match self {
            Self::Wire(wire) => wire.send(request).await,
            Self::InProcess(router) => router.send(request).await,
        }
    }

    /// Ends the use: an authority in this process finishes its work and gives the store back.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Wire(_) => Ok(()),
            Self::InProcess(router) => router.close().await,
        }
    }
}

fn outcome_is_unknown(result: &Result<Answer, TransportError>) -> bool {
    match result {
        Ok(answer) => answer.status.as_u16() == 503 && answer.code() == Some("outcome_unknown"),
        Err(error) => error.may_have_been_done(),
    }
}
