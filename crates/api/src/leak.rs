//! Leaks: credentials that were found where they should not be.

use crate::{
    kind::{Plain, prose},
    request::{Fields, FromFields, Refused},
    secret::Secret,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most leaks of one report.
pub const MAX_LEAKS: usize = 100;
/// The most characters of a place.
pub const MAX_PLACE: usize = 1_000;

wire_enum! {
    /// What became of a leaked credential.
    pub enum LeakOutcome {
        /// It was good, and is revoked now; of a session, ended.
        Revoked = "revoked",
        /// It had been revoked before; a link from a mail had been used, or was over.
        AlreadyRevoked = "already_revoked",
        /// There is none, as far as the caller may know; nothing was done.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// What was found.
    pub enum LeakedType {
        /// A service token, or an access token that was made from one.
        Service = "service",
        /// A personal access token.
        Personal = "personal",
        /// A refresh token or an access token of a user's session.
        User = "user",
        /// A link from a mail, such as an invitation.
        Mailed = "mailed",
    }
}

/// A report of leaks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportLeaks {
    /// The leaks.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<LeakReport>,
}

/// One leak.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakReport {
    /// The plain text that was found; any text, since one of no credential is `unknown`.
    #[schema(value_type = String)]
    pub token: Secret,
    /// Where it was found: an address, a file, a channel. Kept, and shown to whoever looks after the credential.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub found_in: String,
}

impl FromFields for ReportLeaks {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let items = fields.nested_list("items", MAX_LEAKS, |item| {
            let token = item.required("token", Plain);
            let found_in = item.required("found_in", prose(1, MAX_PLACE));
            Some(LeakReport { token: token?, found_in: found_in? })
        });
        fields.finish(|| Some(Self { items: items? }))
    }
}

/// What became of the leaks, in the order of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaksReported {
    /// One for each leak.
    pub items: Vec<ReportedLeak>,
}

/// What became of a leak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportedLeak {
    /// What.
    pub outcome: LeakOutcome,
    /// The credential: a token, or a session; null where there is none, and of a link from a mail.
    #[schema(required = true)]
    pub credential_id: Option<Uuid>,
    /// Its kind; null where there is none.
    #[schema(required = true)]
    pub token_type: Option<LeakedType>,
    /// Its name; null where it has none.
    #[schema(required = true)]
    pub name: Option<String>,
}

wire_enum! {
    /// Whether a match of GitHub's was a credential of ours.
    pub enum GithubLabel {
        /// It was.
        TruePositive = "true_positive",
        /// It was not.
        FalsePositive = "false_positive",
    }
}

/// What GitHub is told of one match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GithubFeedback {
    /// SHA-256 of the match, in hex: the plain text is not sent back.
    pub token_hash: String,
    /// The type that GitHub gave it.
    pub token_type: String,
    /// Whether it was a credential of ours.
    pub label: GithubLabel,
}
