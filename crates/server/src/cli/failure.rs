//! How a command ends badly, and with which exit code.

use super::transport::{Answer, TransportError};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line or its environment does not say what is needed.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// The API refused: its problem document tells why.
    #[error("the API answered {}", .0.status)]
    Refused(Box<Answer>),
    /// The request did not reach the API, or its answer did not come back.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// `verify` printed a denial.
    #[error("denied")]
    Denied,
    /// What is wrong has been printed as the result of the command.
    #[error("found to be wrong")]
    Found,
    /// Standard output went away or cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// A failure with the whole chain of its causes.
    pub(crate) fn from_chain(error: &anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }

    /// 1 failed, 2 usage, 3 denied.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Denied => 3,
            Self::Refused(answer) if matches!(answer.status.as_u16(), 401 | 403) => 3,
            Self::Refused(_) | Self::Failed(_) | Self::Transport(_) | Self::Found | Self::Output(_) => 1,
        }
    }
}

/// What a command comes to.
pub(crate) type Outcome = Result<(), Failure>;
