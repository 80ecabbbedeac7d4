//! Why a call gave no answer that can be used.

use keywright_api::problem::Problem;

/// Why a call gave no answer that can be used. No secret is in one, nor anything that an answer said beside its
/// problem document.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What the client was given cannot be: an address, a credential, a folder.
    #[error("{0}")]
    Setup(&'static str),
    /// The folder of a cache's journal cannot be used.
    #[error("{0}")]
    Journal(String),
    /// The server answered that it does not carry the call out. How long to wait stands in `retry_after_seconds`.
    #[error(transparent)]
    Problem(Problem),
    /// The server cannot be reached, or the connection broke off: whether a change was made is not known.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// There was no answer in time: whether a change was made is not known.
    #[error("there was no answer in time")]
    TimedOut,
    /// What answered is not what Keywright answers; a proxy, perhaps.
    #[error("the answer with status {status} is not one of Keywright: {what}")]
    Unexpected {
        /// The status of the answer.
        status: u16,
        /// What is wrong with it.
        what: &'static str,
        /// `Retry-After`, if it said so.
        retry_after_seconds: Option<u64>,
    },
}

impl ClientError {
    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Unexpected { status, .. } => Some(*status),
            Self::Setup(_) | Self::Journal(_) | Self::Unreachable(_) | Self::TimedOut => None,
        }
    }

    /// How long the server asks to wait, in seconds.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Problem(problem) => problem.retry_after_seconds,
            Self::Unexpected { retry_after_seconds, .. } => *retry_after_seconds,
            Self::Setup(_) | Self::Journal(_) | Self::Unreachable(_) | Self::TimedOut => None,
        }
    }
}
