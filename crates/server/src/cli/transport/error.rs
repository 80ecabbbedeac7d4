//! Why a request has no answer, in words that say what to do.

use std::error::Error;
use std::io;

use http::StatusCode;

/// The API could not be asked, or what answered is not the API.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// Nobody listens there.
    #[error("nobody listens at {address}: is the server running, and is KEYWRIGHT_URL right?")]
    NobodyListens { address: String },
    /// The host has no address.
    #[error("the host of {address} cannot be found: is KEYWRIGHT_URL right?")]
    UnknownHost { address: String },
    /// No connection for another reason.
    #[error("cannot connect to {address}: {cause}")]
    NoConnection { address: String, cause: String },
    /// The server cannot prove who it is, or does not speak TLS.
    #[error("no trusted TLS connection to {address}: {cause}")]
    Tls { address: String, cause: String },
    /// The connection was there, the answer did not come.
    #[error("{address} did not answer in time; what was asked may have been done")]
    TimedOut { address: String },
    /// The connection broke before the answer was complete.
    #[error(
        "the connection to {address} broke before the answer; what was asked may have been done: {cause}"
    )]
    Broken { address: String, cause: String },
    /// The API never redirects; a proxy or another site does.
    #[error("{address} redirects to {location}: set KEYWRIGHT_URL to where the server is")]
    Redirected { address: String, location: String },
    /// Something else answers there.
    #[error(
        "{address} answered {status} with {content_type}, not JSON: this is not Keywright's API, or a proxy answers for it"
    )]
    NotTheApi { address: String, status: StatusCode, content_type: String },
    /// Longer than any answer of the API.
    #[error("the answer of {address} is larger than {} MiB", super::wire::LARGEST_ANSWER >> 20)]
    TooLarge { address: String },
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
    /// The authority in this process stopped while it answered.
    #[error("the authority in this process failed while it answered; what was asked may have been done")]
    Aborted,
}

impl TransportError {
    /// Whether the request may have reached the API.
    pub(crate) fn may_have_been_done(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Broken { .. } | Self::Aborted)
    }

    /// Reads reqwest's error.
    pub(crate) fn from_reqwest(address: &str, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let address = address.to_owned();
        if error.is_builder() {
            return Self::Unsendable(innermost(&error));
        }
        if let Some(tls) = causes(&error).find_map(tls_cause) {
            return Self::Tls { address, cause: tls };
        }
        if !error.is_connect() {
            return if error.is_timeout() {
                Self::TimedOut { address }
            } else {
                Self::Broken { address, cause: innermost(&error) }
            };
        }
        let refused = |cause: &(dyn Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
        };
        if causes(&error).any(refused) {
            Self::NobodyListens { address }
        } else if causes(&error).any(|cause| cause.to_string().starts_with("dns error")) {
            Self::UnknownHost { address }
        } else if error.is_timeout() {
            Self::NoConnection { address, cause: "no answer in time".to_owned() }
        } else {
            Self::NoConnection { address, cause: innermost(&error) }
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

/// What rustls says, wherever it hides: inside an `io::Error`, or one inside another, it is no `source`.
fn tls_cause(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls.to_string());
    }
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    tls_cause(inner)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}
