//! Emergency revocation.

use crate::{
    Time, WireEnum,
    kind::{Boolean, Id, choices, prose},
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
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::AdditionalProperties},
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
    /// Whatever acts for this publisher.
    PublisherId(Uuid),
    /// The tokens of this service account.
    ServiceAccountId(Uuid),
    /// Whatever this user has; within a publisher, what the user has there.
    UserId(Uuid),
}

impl EmergencyScope {
    /// Reaches everything.
    pub const ALL: Self = Self::All(True);

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        const NAMES: [&str; 4] = ["all", "publisher_id", "service_account_id", "user_id"];
        let named = NAMES.into_iter().filter(|name| fields.has(name)).count();
        let all = if named == 0 { fields.required("all", Boolean) } else { fields.not_null("all", Boolean) };
        let publisher = fields.not_null("publisher_id", Id);
        let account = fields.not_null("service_account_id", Id);
        let user = fields.not_null("user_id", Id);
        if all == Some(false) {
            fields.fault("all", FieldCode::InvalidValue, "must be true");
        }
        if named > 1 {
            let detail = "say one of all, publisher_id, service_account_id and user_id";
            fields.fault("", FieldCode::Conflict, detail);
        }
        let account = account.map(Self::ServiceAccountId).or(user.map(Self::UserId));
        publisher.map(Self::PublisherId).or(account).or(all.filter(|all| *all).map(|_| Self::ALL))
    }
}

fn id_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

impl PartialSchema for EmergencyScope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some(
                "How far it reaches, in one member: `{\"all\": true}` is everything, `publisher_id` whatever acts for a \
                 publisher, `service_account_id` the tokens of a service account, `user_id` whatever a user has.",
            ))
            .property("all", True::schema())
            .property("publisher_id", id_schema())
            .property("service_account_id", id_schema())
            .property("user_id", id_schema())
            .min_properties(Some(1))
            .max_properties(Some(1))
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
        let reason = fields.required("reason", prose(1, MAX_REASON));
        let scope = fields.nested("scope", EmergencyScope::read);
        let include = fields.not_null("include", choices()).unwrap_or_else(|| Include::ALL.to_vec());
        let keep_caller = fields.not_null("keep_caller", Boolean).unwrap_or(false);
        fields.finish(|| Some(Self { reason: reason?, scope: scope?, include, keep_caller }))
    }
}

/// Tokens of other issuers, to be accepted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowExternal {
    /// The reach in which an emergency refuses them.
    pub scope: EmergencyScope,
}

impl FromFields for AllowExternal {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let scope = fields.nested("scope", EmergencyScope::read);
        fields.finish(|| Some(Self { scope: scope? }))
    }
}

/// Tokens of other issuers are accepted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalAllowed {
    /// Where it is in force.
    pub nodes: NodeConfirmations,
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
    fn a_reach_is_one_thing() {
        let id = "01980000-0000-7000-8000-000000000001";
        for (scope, reach) in [
            (json!({"publisher_id": id}), EmergencyScope::PublisherId(id.parse().unwrap())),
            (json!({"service_account_id": id}), EmergencyScope::ServiceAccountId(id.parse().unwrap())),
            (json!({"user_id": id}), EmergencyScope::UserId(id.parse().unwrap())),
        ] {
            let request = read(&json!({"reason": "leak", "scope": scope})).unwrap();
            assert_eq!((request.scope, serde_json::to_value(request.scope).unwrap()), (reach, scope));
        }
        for two in [
            json!({"all": true, "user_id": id}),
            json!({"publisher_id": id, "user_id": id}),
            json!({"publisher_id": id, "service_account_id": id}),
        ] {
            let (_, fields) = faults(&json!({"reason": "leak", "scope": two}));
            assert_eq!(fields, [("scope.".to_owned(), "conflict".to_owned())]);
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
