//! What a check found.

use serde::Serialize;

use crate::cli::output::table::Tone;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// As it should be.
    Ok,
    /// It works, but will not for long, or not under load.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// As `--json` writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warning => Tone::Warning,
            Self::Error => Tone::Bad,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: &'static str,
    /// How it is.
    pub(crate) severity: Severity,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub(crate) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, severity: Severity::Ok, what: what.into(), advice: None }
    }

    /// It works for now.
    pub(crate) fn warning(check: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, severity: Severity::Warning, what: what.into(), advice: Some(advice.into()) }
    }

    /// It does not work.
    pub(crate) fn error(check: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, severity: Severity::Error, what: what.into(), advice: Some(advice.into()) }
    }
}
