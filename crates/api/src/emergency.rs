//! Emergency revocation.

use crate::{
    Time, WireEnum,
    kind::{Boolean, choices, text},
    literal::True,
    problem::FieldCode,
    request::{Fields, FromFields, Refused},
    service_token_request::MAX_REASON,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::AdditionalProperties},
};
use uuid::Uuid;

wire_enum! {
    /// Kind of credential that an emergency revocation reaches.
    pub enum Include {
        /// Service tokens.
        Service = "service",
        /// Personal access tokens.
        Personal = "personal",
        /// Sessions, with their access tokens.
        Sessions = "sessions",
        /// JWTs of other issuers.
        External = "external",
    }
}

/// How far an emergency revocation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyScope {
    /// Everything.
    All(True),
}

impl EmergencyScope {
    /// Reaches everything.
    pub const ALL: Self = Self::All(True);

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let narrower = ["publisher_id", "service_account_id", "user_id"];
        let all = if narrower.iter().any(|name| fields.has(name)) {
            fields.not_available_yet(&narrower);
            fields.optional("all", Boolean)?
        } else {
            fields.required("all", Boolean)?
        };
        if !all {
            fields.fault("all", FieldCode::InvalidValue, "must be true");
        }
        all.then_some(Self::ALL)
    }
}

impl PartialSchema for EmergencyScope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("How far it reaches: `{\"all\": true}` is everything."))
            .property("all", True::schema())
            .required("all")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

impl ToSchema for EmergencyScope {}

/// An emergency revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmergencyRevoke {
    /// Why; it goes into the audit trail.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: String,
    /// How far it reaches; there is no default.
    pub scope: EmergencyScope,
    /// Which kinds it reaches; all when left out.
    #[schema(required = false, schema_with = include_schema)]
    pub include: Vec<Include>,
    /// Spares the credential that calls.
    #[schema(default = false, required = false)]
    pub keep_caller: bool,
}

fn include_schema() -> RefOr<Schema> {
    let words = Include::ALL.iter().map(|one| Value::from(one.as_str()));
    utoipa::openapi::ArrayBuilder::new()
        .items(
            ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).enum_values(Some(words.clone())),
        )
        .description(Some("Which kinds it reaches; all when left out."))
        .default(Some(words.collect()))
        .min_items(Some(1))
        .max_items(Some(Include::ALL.len()))
        .unique_items(true)
        .into()
}

impl FromFields for EmergencyRevoke {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.required("reason", text(1, MAX_REASON));
        let scope = fields.nested("scope", EmergencyScope::read);
        let include = fields.not_null("include", choices()).unwrap_or_else(|| Include::ALL.to_vec());
        let keep_caller = fields.not_null("keep_caller", Boolean).unwrap_or(false);
        fields.finish(|| Some(Self { reason: reason?, scope: scope?, include, keep_caller }))
    }
}

/// What an emergency revocation reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmergencyRevoked {
    /// How many live credentials it reached.
    pub revoked: RevokedCounts,
    /// The security event that records it.
    pub event_id: Uuid,
    /// Where it is in force.
    pub nodes: NodeConfirmations,
}

/// How many live credentials of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedCounts {
    /// Service tokens.
    pub service: u64,
    /// Personal access tokens.
    pub personal: u64,
    /// Sessions.
    pub sessions: u64,
}

/// Which nodes have confirmed a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeConfirmations {
    /// It is in force on these.
    pub confirmed: Vec<Uuid>,
    /// These have not said so yet.
    pub pending: Vec<PendingNode>,
}

/// A node that has not confirmed a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingNode {
    /// Its id.
    pub node: Uuid,
    /// When it will have stopped by itself to answer from what it knows.
    #[schema(value_type = String, format = DateTime)]
    pub stops_by: Time,
}

#[cfg(test)]
mod tests {
    use super::{EmergencyRevoke, EmergencyScope, Include};
    use crate::{WireEnum, problem::Problem, request::FromFields};
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<EmergencyRevoke, Problem> {
        EmergencyRevoke::from_body(body.to_string().as_bytes(), &|_, _: &str| Ok(()))
    }

    /// The code as a whole, and each field with its own.
    fn faults(body: &Value) -> (String, Vec<(String, String)>) {
        let problem = read(body).expect_err("must be refused");
        let fields = problem.errors.iter().map(|error| (error.field.clone(), error.code.to_string()));
        (problem.code.to_string(), fields.collect())
    }

    #[test]
    fn everything_is_reached_unless_said_otherwise() {
        let request = read(&json!({"reason": "leak", "scope": {"all": true}})).unwrap();
        assert_eq!(
            request,
            EmergencyRevoke {
                reason: "leak".into(),
                scope: EmergencyScope::ALL,
                include: Include::ALL.to_vec(),
                keep_caller: false,
            }
        );
        let again = serde_json::to_value(&request).unwrap();
        assert_eq!(again["scope"], json!({"all": true}));
        assert_eq!(read(&again).unwrap(), request);
    }

    #[test]
    fn a_reach_is_never_guessed() {
        for (scope, field, code) in [
            (Value::Null, "scope", "required"),
            (json!("all"), "scope", "invalid_type"),
            (json!({}), "scope.all", "required"),
            (json!({"all": false}), "scope.all", "invalid_value"),
            (json!({"all": "true"}), "scope.all", "invalid_type"),
            (json!({"all": true, "every": 1}), "scope.every", "unknown_field"),
        ] {
            let (_, fields) = faults(&json!({"reason": "leak", "scope": scope}));
            assert_eq!(fields, [(field.to_owned(), code.to_owned())], "{scope}");
        }
        let (code, fields) = faults(&json!({"reason": "leak"}));
        assert_eq!((code.as_str(), fields[0].0.as_str()), ("validation_failed", "scope"));
    }

    #[test]
    fn a_narrower_reach_is_not_available_yet() {
        for narrower in ["publisher_id", "service_account_id", "user_id"] {
            let body = json!({"reason": "leak", "scope": {narrower: "x"}});
            let wider = json!({"reason": "leak", "scope": {"all": true, narrower: "x"}});
            for body in [body, wider] {
                let field = (format!("scope.{narrower}"), "not_available_yet".to_owned());
                assert_eq!(faults(&body), ("not_available_yet".into(), vec![field]));
            }
        }
    }

    #[test]
    fn kinds_are_each_named_once() {
        let of = |include: Value| json!({"reason": "leak", "scope": {"all": true}, "include": include});
        let request = read(&of(json!(["personal", "service"]))).unwrap();
        assert_eq!(request.include, [Include::Personal, Include::Service]);
        let (_, fields) = faults(&of(json!(["service", "personal", "service"])));
        assert_eq!(fields, [("include[2]".into(), "duplicate".into())]);
        let (_, fields) = faults(&of(json!(["service", "all", 1])));
        assert_eq!(
            fields,
            [("include[1]".into(), "invalid_value".into()), ("include[2]".into(), "invalid_type".into())]
        );
    }
}
