//! CI/CD events: what a pipeline did, in the audit trail.

use crate::{
    kind::{Details, MAX_WORD, text, word},
    request::{Fields, FromFields, Refused},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The most characters of a repository, workflow or environment.
pub const MAX_CICD_NAME: usize = 255;
/// The most characters of a run's id, a commit or a status.
pub const MAX_CICD_ID: usize = 64;

/// What a pipeline did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordCicdEvent {
    /// What happened, such as `deployment`; the security event is of the type `cicd.deployment`.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[a-z0-9][a-z0-9_.-]*$")]
    pub event_type: String,
    /// The repository, such as `songtrust/catalog`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub repository: Option<String>,
    /// The workflow or pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub workflow: Option<String>,
    /// Its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub run_id: Option<String>,
    /// The commit that it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub commit: Option<String>,
    /// The environment that it was about, such as `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub environment: Option<String>,
    /// How it went, such as `success`.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub status: String,
    /// Anything more, at most 8 KiB; what looks like a credential is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Map<String, Value>>,
}

impl FromFields for RecordCicdEvent {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let event_type = fields.required("event_type", word());
        let repository = fields.not_null("repository", text(1, MAX_CICD_NAME));
        let workflow = fields.not_null("workflow", text(1, MAX_CICD_NAME));
        let run_id = fields.not_null("run_id", text(1, MAX_CICD_ID));
        let commit = fields.not_null("commit", text(1, MAX_CICD_ID));
        let environment = fields.not_null("environment", text(1, MAX_CICD_NAME));
        let status = fields.required("status", text(1, MAX_CICD_ID));
        let details = fields.optional("details", Details);
        fields.finish(|| {
            let (event_type, status) = (event_type?, status?);
            Some(Self { event_type, repository, workflow, run_id, commit, environment, status, details })
        })
    }
}

const _: () = assert!(MAX_WORD == MAX_CICD_ID, "the schema above says 64 for both");
