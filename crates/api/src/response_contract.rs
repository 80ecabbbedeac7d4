//! The schema of each answer says what is sent: what it calls required is always there, what it calls
//! nullable may be null, and it names every member.

use crate::{
    actor, alert, analytics, bootstrap, cleanup, emergency, event, me, member, oauth, page, personal_token,
    problem, publisher, remote_cache, role, service_account, service_token, session, signing_key, system,
    user, verify,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Makes values that a schema takes.
struct Samples {
    components: Map<String, Value>,
    /// Everything optional present, everything nullable with a value; or else neither.
    full: bool,
}

impl Samples {
    fn of(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            return self.of(&self.components[name.rsplit('/').next().unwrap()]);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.all_of(parts);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let is_null = |choice: &&Value| choice["type"] == "null";
            let null = choices.iter().find(is_null).filter(|_| !self.full);
            return self.of(null.or(choices.iter().find(|choice| !is_null(choice))).unwrap());
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[0].clone();
        }
        let types: Vec<_> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if types.contains(&"null") && !self.full {
            return Value::Null;
        }
        match (types[0], schema["format"].as_str()) {
            ("string", Some("uuid")) => json!("01980000-0000-7000-8000-000000000001"),
            ("string", _) => json!("x"),
            ("integer", _) => json!(1),
            ("number", _) => json!(0.5),
            ("boolean", _) => json!(true),
            ("array", _) => json!([self.of(&schema["items"])]),
            ("object", _) => self.object(schema),
            ("null", _) => Value::Null,
            (other, _) => panic!("no sample of {other}"),
        }
    }

    fn object(&self, schema: &Value) -> Value {
        let Some(properties) = schema["properties"].as_object() else {
            return json!({"free": [null, 1]});
        };
        let required = schema["required"].as_array();
        let wanted = |name: &String| self.full || required.is_some_and(|list| list.contains(&json!(name)));
        let most = schema["maxProperties"].as_u64().map_or(usize::MAX, |most| usize::try_from(most).unwrap());
        let one = |name: &String| most == 1 || wanted(name);
        let wanted = properties.iter().filter(|(name, _)| one(name)).take(most);
        Value::Object(wanted.map(|(name, schema)| (name.clone(), self.of(schema))).collect())
    }

    fn all_of(&self, parts: &[Value]) -> Value {
        let mut whole = Map::new();
        for part in parts {
            let Value::Object(members) = self.of(part) else { panic!("not an object: {part}") };
            whole.extend(members);
        }
        Value::Object(whole)
    }
}

fn agrees<T: ToSchema + Serialize + DeserializeOwned>() {
    let mut components = Vec::new();
    T::schemas(&mut components);
    let components: Map<_, _> =
        components.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
    let schema = serde_json::to_value(T::schema()).unwrap();
    for full in [false, true] {
        let sample = Samples { components: components.clone(), full }.of(&schema);
        let value: T = serde_json::from_value(sample.clone())
            .unwrap_or_else(|error| panic!("{}: {error}: {sample}", T::name()));
        assert_eq!(serde_json::to_value(value).unwrap(), sample, "{}", T::name());
    }
}

#[test]
fn schema_and_serialisation_of_every_answer_agree() {
    agrees::<actor::Actor>();
    agrees::<actor::Subject>();
    agrees::<alert::Alert>();
    agrees::<analytics::AnalyticsSummary>();
    agrees::<analytics::TokenAnalytics>();
    agrees::<bootstrap::Bootstrap>();
    agrees::<cleanup::CleanedUp>();
    agrees::<emergency::EmergencyRevoked>();
    agrees::<emergency::EmergencyScope>();
    agrees::<emergency::ExternalAllowed>();
    agrees::<event::SecurityEvent>();
    agrees::<event::AuthenticationEvent>();
    agrees::<event::ChainVerification>();
    agrees::<me::Me>();
    agrees::<member::Member>();
    agrees::<personal_token::PersonalToken>();
    agrees::<personal_token::CreatedPersonalToken>();
    agrees::<personal_token::GrantableScopes>();
    agrees::<personal_token::PersonalTokensRevoked>();
    agrees::<problem::Problem>();
    agrees::<publisher::Publisher>();
    agrees::<publisher::PublisherSettings>();
    agrees::<remote_cache::Keepable>();
    agrees::<remote_cache::UsageReported>();
    agrees::<role::Role>();
    agrees::<service_account::ServiceAccount>();
    agrees::<service_account::AccountScopes>();
    agrees::<service_account::AccountAllowlist>();
    agrees::<service_account::RotatedTokens>();
    agrees::<service_account::TokensRevoked>();
    agrees::<service_account::AccountUsage>();
    agrees::<service_token::ServiceToken>();
    agrees::<service_token::CreatedServiceToken>();
    agrees::<service_token::CleanupResult>();
    agrees::<service_token::RateLimits>();
    agrees::<session::LoggedIn>();
    agrees::<oauth::Introspection>();
    agrees::<oauth::TokenGiven>();
    agrees::<oauth::AuthorizationServer>();
    agrees::<oauth::OAuthError>();
    agrees::<session::Session>();
    agrees::<session::SessionsEnded>();
    agrees::<session::Switched>();
    agrees::<signing_key::RotatedSigningKey>();
    agrees::<signing_key::SigningKey>();
    agrees::<system::AuthHealth>();
    agrees::<system::SystemHealth>();
    agrees::<system::Probe>();
    agrees::<system::SystemStatus>();
    agrees::<user::User>();
    agrees::<user::InvitedUser>();
    agrees::<verify::Decision>();
    agrees::<verify::ValidDecision>();
    agrees::<verify::Denial>();
}

/// A list must bring the type of its items along into the document, used elsewhere or not.
#[test]
fn the_document_has_every_type_that_a_list_refers_to() {
    #[utoipa::path(get, path = "/", responses((status = 200, body = page::Page<event::SecurityEvent>)))]
    #[expect(dead_code, reason = "the macro documents a function")]
    fn list() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(list))]
    struct Document;

    let document = serde_json::to_value(<Document as utoipa::OpenApi>::openapi()).unwrap();
    let text = document.to_string();
    let refs = text.split(r##""$ref":"#/components/schemas/"##).skip(1);
    let names: Vec<_> = refs.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.contains(&"Page_SecurityEvent") && names.contains(&"Subject"), "{text}");
    for name in names {
        assert!(document["components"]["schemas"][name].is_object(), "{name}: {text}");
    }
}
