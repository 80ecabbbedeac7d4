//! The schema of each request says what its reader takes: no field more or less, the same bounds.

use crate::{
    account::{
        AcceptInvitation, AskForLink, ChangeEmail, ChangePassword, ConfirmPasswordReset, PatchMe, UseLink,
    },
    alert::AlertQuery,
    analytics::AnalyticsQuery,
    blast_radius::BlastRadiusQuery,
    cicd::RecordCicdEvent,
    cleanup::CleanUp,
    emergency::{AllowExternal, EmergencyRevoke},
    event_query::EventQuery,
    forward::ForwardQuery,
    leak::ReportLeaks,
    location::LocationQuery,
    maintenance_window::{CreateMaintenanceWindow, MaintenanceWindowQuery, PatchMaintenanceWindow},
    member::{AddMember, MemberQuery, PatchMember},
    notification_request::{
        ChannelQuery, CreateEventSubscription, CreateNotificationChannel, DeliveryQuery,
        PatchEventSubscription, PatchNotificationChannel, SubscriptionQuery,
    },
    page::PageQuery,
    personal_token_request::{
        CreatePersonalToken, PatchPersonalToken, PersonalTokenQuery, ReplacePersonalToken,
    },
    problem::{FieldCode, FieldError},
    publisher_request::{
        ChangePublisherSettings, CreatePublisher, PatchPublisher, PublisherQuery, ReasonGiven,
    },
    remote_cache::ReportUsage,
    request::{Fields, Format, FormatFault, FromFields},
    role::{CreateRole, PatchRole, RoleQuery},
    rotation_request::{
        CreateRotationPolicy, EffectivePolicyQuery, PatchRotationPolicy, PutAccountRotationPolicy,
        RotationPlanQuery, RotationPolicyQuery, RotationQuery,
    },
    service_account_request::{
        CreateServiceAccount, PatchServiceAccount, PutAccountScopes, PutAllowlist, PutRateLimits,
        PutServiceAccount, ServiceAccountQuery,
    },
    service_token_request::{
        AccountTokenQuery, CleanupRequest, CreateAccountToken, CreateServiceToken, PatchServiceToken,
        RevokeQuery, RotateAllTokens, RotateServiceToken, ServiceTokenQuery,
    },
    session::{LogIn, Refresh, SwitchPublisher},
    signing_key::{RevokeSigningKey, RotateSigningKey},
    user::{InviteAgain, InviteUser, PatchUser, UserQuery},
    verify_request::{VerifyBatchRequest, VerifyRequest},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// A request type: its properties, and a reader that shows only what it finds wrong.
struct Contract {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    /// Fields of which one is needed although neither is `required`; the first is in every body.
    either: Option<(&'static str, &'static str)>,
    read: fn(Map<String, Value>) -> Vec<FieldError>,
    textual: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for rules that may find fault")]
fn any_form(_: Format, _: &str) -> Result<(), FormatFault> {
    Ok(())
}

/// Puts what a reference names in its place, also within; no schema of a request is within itself.
fn resolve(schema: &mut Value, named: &impl Fn(&str) -> Value) {
    if let Some(name) = schema["$ref"].as_str() {
        *schema = named(name);
    }
    if schema["items"].is_object() {
        resolve(&mut schema["items"], named);
    }
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        resolve(property.1, named);
    }
}

fn of_body<T: FromFields + ToSchema>() -> Contract {
    let mut components = Vec::new();
    T::schemas(&mut components);
    let components: Map<_, _> =
        components.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
    let schema = serde_json::to_value(T::schema()).unwrap();
    assert_eq!(schema["additionalProperties"], json!(false), "{}", T::name());
    let mut properties = schema["properties"].as_object().unwrap().clone();
    let named = |name: &str| components[name.rsplit('/').next().unwrap()].clone();
    properties.values_mut().for_each(|property| resolve(property, &named));
    let required = schema["required"].as_array().into_iter().flatten();
    Contract {
        properties,
        required: required.map(|name| name.as_str().unwrap().to_owned()).collect(),
        either: None,
        read: |members| match T::from_fields(Fields::of_body(members, &any_form)) {
            Ok(_) => Vec::new(),
            Err(refused) => refused.errors,
        },
        textual: false,
    }
}

fn of_query<T: FromFields + IntoParams>() -> Contract {
    let parameters = serde_json::to_value(T::into_params(|| None)).unwrap();
    let mut contract = Contract {
        properties: Map::new(),
        required: BTreeSet::new(),
        either: None,
        read: |members| {
            let text = |value: Value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let pairs = members.into_iter().flat_map(|(name, value)| match value {
                Value::Array(all) => all.into_iter().map(|one| (name.clone(), text(one))).collect(),
                one => vec![(name, text(one))],
            });
            match T::from_fields(Fields::of_query(pairs, &any_form)) {
                Ok(_) => Vec::new(),
                Err(refused) => refused.errors,
            }
        },
        textual: true,
    };
    for parameter in parameters.as_array().unwrap() {
        assert_eq!(parameter["in"], "query");
        assert_eq!(parameter["required"], false, "no query of ours needs anything");
        let name = parameter["name"].as_str().unwrap().to_owned();
        contract.properties.insert(name, parameter["schema"].clone());
    }
    contract
}

/// Where new secrets go to, which stands within each request about a policy.
fn of_delivery() -> Contract {
    let schema = of_body::<PatchRotationPolicy>().properties["delivery"].clone();
    assert_eq!(schema["additionalProperties"], json!(false));
    let required = schema["required"].as_array().into_iter().flatten();
    Contract {
        properties: schema["properties"].as_object().unwrap().clone(),
        required: required.map(|name| name.as_str().unwrap().to_owned()).collect(),
        either: None,
        read: |members| {
            let members = Map::from_iter([("delivery".to_owned(), Value::Object(members))]);
            let read = PatchRotationPolicy::from_fields(Fields::of_body(members, &any_form));
            let errors = read.err().map(|refused| refused.errors).unwrap_or_default();
            let within = |error: FieldError| FieldError {
                field: error.field.strip_prefix("delivery.").unwrap().to_owned(),
                ..error
            };
            errors.into_iter().map(within).collect()
        },
        textual: false,
    }
}

/// The query of a list: its own fields, and the page.
fn of_list<T: FromFields + IntoParams>() -> Contract {
    let mut contract = of_query::<T>();
    contract.properties.extend(of_query::<PageQuery>().properties);
    contract
}

fn of_accounts() -> Vec<(&'static str, Contract)> {
    vec![
        ("account", of_body::<CreateServiceAccount>()),
        ("account put", of_body::<PutServiceAccount>()),
        ("account patch", of_body::<PatchServiceAccount>()),
        ("account scopes", of_body::<PutAccountScopes>()),
        ("account limits", of_body::<PutRateLimits>()),
        ("account allowlist", of_body::<PutAllowlist>()),
        ("account token", of_body::<CreateAccountToken>()),
        ("rotate all", of_body::<RotateAllTokens>()),
        ("account query", of_list::<ServiceAccountQuery>()),
        ("account token query", of_list::<AccountTokenQuery>()),
    ]
}

fn of_rotation() -> Vec<(&'static str, Contract)> {
    vec![
        ("window", of_body::<CreateMaintenanceWindow>()),
        ("window patch", of_body::<PatchMaintenanceWindow>()),
        ("window query", of_list::<MaintenanceWindowQuery>()),
        ("rotation policy", of_body::<CreateRotationPolicy>()),
        ("rotation policy patch", of_body::<PatchRotationPolicy>()),
        ("rotation policy put", of_body::<PutAccountRotationPolicy>()),
        ("delivery of new secrets", of_delivery()),
        ("rotation policy query", of_list::<RotationPolicyQuery>()),
        ("effective policy query", of_query::<EffectivePolicyQuery>()),
        ("rotation query", of_list::<RotationQuery>()),
        ("rotation plan query", of_query::<RotationPlanQuery>()),
    ]
}

fn of_notifications() -> Vec<(&'static str, Contract)> {
    vec![
        ("channel", of_body::<CreateNotificationChannel>()),
        ("channel patch", of_body::<PatchNotificationChannel>()),
        ("channel query", of_query::<ChannelQuery>()),
        ("subscription", of_body::<CreateEventSubscription>()),
        ("subscription patch", of_body::<PatchEventSubscription>()),
        ("subscription query", of_query::<SubscriptionQuery>()),
        ("delivery query", of_query::<DeliveryQuery>()),
    ]
}

fn every_contract() -> Vec<(&'static str, Contract)> {
    let create = Contract { either: Some(("permissions", "scopes")), ..of_body::<CreateServiceToken>() };
    let rights = Some(("scopes", "inherit_user_permissions"));
    let mut all = vec![
        ("personal token", Contract { either: rights, ..of_body::<CreatePersonalToken>() }),
        ("personal token put", Contract { either: rights, ..of_body::<ReplacePersonalToken>() }),
        ("personal token patch", of_body::<PatchPersonalToken>()),
        ("personal token query", of_list::<PersonalTokenQuery>()),
        ("create", create),
        ("patch", of_body::<PatchServiceToken>()),
        ("rotate", of_body::<RotateServiceToken>()),
        ("cleanup", of_body::<CleanupRequest>()),
        ("clean up", of_body::<CleanUp>()),
        ("verify", of_body::<VerifyRequest>()),
        ("verify batch", of_body::<VerifyBatchRequest>()),
        ("usage", of_body::<ReportUsage>()),
        ("emergency", of_body::<EmergencyRevoke>()),
        ("allow external", of_body::<AllowExternal>()),
        ("cicd event", of_body::<RecordCicdEvent>()),
        ("publisher", of_body::<CreatePublisher>()),
        ("publisher patch", of_body::<PatchPublisher>()),
        ("publisher settings", of_body::<ChangePublisherSettings>()),
        ("reason", of_body::<ReasonGiven>()),
        ("member", of_body::<AddMember>()),
        ("member patch", of_body::<PatchMember>()),
        ("role", of_body::<CreateRole>()),
        ("role patch", of_body::<PatchRole>()),
        ("publisher query", of_list::<PublisherQuery>()),
        ("member query", of_list::<MemberQuery>()),
        ("role query", of_list::<RoleQuery>()),
        ("log in", of_body::<LogIn>()),
        ("refresh", of_body::<Refresh>()),
        ("switch publisher", of_body::<SwitchPublisher>()),
        ("rotate signing key", of_body::<RotateSigningKey>()),
        ("revoke signing key", of_body::<RevokeSigningKey>()),
        ("page query", of_query::<PageQuery>()),
        ("invitation", of_body::<InviteUser>()),
        ("invitation again", of_body::<InviteAgain>()),
        ("user patch", of_body::<PatchUser>()),
        ("acceptance", of_body::<AcceptInvitation>()),
        ("password", of_body::<ChangePassword>()),
        ("link asked for", of_body::<AskForLink>()),
        ("password reset", of_body::<ConfirmPasswordReset>()),
        ("link", of_body::<UseLink>()),
        ("address", of_body::<ChangeEmail>()),
        ("profile", of_body::<PatchMe>()),
        ("user query", of_list::<UserQuery>()),
        ("revoke query", of_query::<RevokeQuery>()),
        ("token query", of_list::<ServiceTokenQuery>()),
        ("event query", of_list::<EventQuery>()),
        ("analytics query", of_query::<AnalyticsQuery>()),
        ("alert query", of_list::<AlertQuery>()),
        ("location query", of_query::<LocationQuery>()),
        ("leaks", of_body::<ReportLeaks>()),
        ("blast radius query", of_query::<BlastRadiusQuery>()),
        ("forward query", of_query::<ForwardQuery>()),
    ];
    all.extend(of_accounts());
    all.extend(of_notifications());
    all.extend(of_rotation());
    all
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ if schema["oneOf"].is_array() => vec!["string"],
        _ => panic!("a schema without a type: {schema}"),
    }
}

/// A value that the schema takes.
fn sample(schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    match (types(schema)[0], schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2030-01-01T00:00:00Z"),
        ("string", Some("uuid")) => json!("01980000-0000-7000-8000-000000000001"),
        ("string", _) if schema["oneOf"][0]["format"] == "ipv4" => json!("192.0.2.1"),
        ("string", _) => json!("x"),
        ("integer", _) => schema["minimum"].clone(),
        ("boolean", _) => json!(true),
        ("array", _) => json!([sample(&schema["items"])]),
        ("object", _) => {
            let most =
                schema["maxProperties"].as_u64().map_or(usize::MAX, |most| usize::try_from(most).unwrap());
            let members = schema["properties"].as_object().into_iter().flatten().take(most);
            Value::Object(members.map(|(name, schema)| (name.clone(), sample(schema))).collect())
        }
        (other, _) => panic!("no sample of {other}"),
    }
}

impl Contract {
    /// The least body that is taken.
    fn least(&self) -> Map<String, Value> {
        let needed = self.required.iter().map(String::as_str).chain(self.either.map(|(first, _)| first));
        needed.map(|name| (name.to_owned(), sample(&self.properties[name]))).collect()
    }

    /// What is wrong with the least body once `name` has that value.
    fn with(&self, name: &str, value: Value) -> Vec<FieldError> {
        let mut members = self.least();
        if let Some((first, second)) = self.either
            && name == second
        {
            members.remove(first);
        }
        members.insert(name.to_owned(), value);
        (self.read)(members)
    }

    fn takes(&self, name: &str, value: Value) {
        assert_eq!(self.with(name, value), [], "{name}");
    }

    fn refuses(&self, name: &str, value: Value, code: FieldCode) {
        let shown = value.to_string();
        let errors = self.with(name, value);
        let [error] = errors.as_slice() else { panic!("{name} = {shown}: {errors:?}") };
        assert!(error.field.starts_with(name), "{error:?}");
        assert!(error.is(code), "{name} = {shown}: {error:?}");
    }
}

#[test]
fn a_reader_knows_the_fields_of_its_schema_and_no_other() {
    for (request, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            contract.takes(name, sample(schema));
        }
        let errors = contract.with("no_such_field", json!("1"));
        let [error] = errors.as_slice() else { panic!("{request}: {errors:?}") };
        assert!(error.is(FieldCode::UnknownField), "{request}");
        let known = error.detail.strip_prefix("does not exist; there are: ").unwrap();
        let known: BTreeSet<_> = known.split(", ").collect();
        let documented: BTreeSet<_> = contract.properties.keys().map(String::as_str).collect();
        assert_eq!(known, documented, "{request}");
    }
}

#[test]
fn what_the_schema_requires_is_what_the_reader_needs() {
    for (request, contract) in every_contract() {
        for name in contract.properties.keys() {
            let mut members = contract.least();
            members.remove(name);
            let errors = (contract.read)(members);
            let needed =
                contract.required.contains(name) || contract.either.is_some_and(|(first, _)| first == name);
            let found = errors.iter().any(|e| e.field == *name && e.is(FieldCode::Required));
            assert_eq!(found, needed, "{request}: {name}: {errors:?}");
            assert_eq!(errors.len(), usize::from(needed), "{request}: {name}: {errors:?}");
        }
    }
}

#[test]
fn null_and_other_types_are_taken_only_where_the_schema_says_so() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let types = types(schema);
            if contract.textual {
                if types[0] == "integer" || types[0] == "boolean" {
                    contract.refuses(name, json!("x"), FieldCode::InvalidType);
                    contract.refuses(name, json!(""), FieldCode::InvalidType);
                }
                continue;
            }
            if types.contains(&"null") {
                contract.takes(name, Value::Null);
            } else {
                contract.refuses(name, Value::Null, FieldCode::Required);
            }
            for (other, value) in [
                ("string", json!("2")),
                ("integer", json!(2)),
                ("boolean", json!(true)),
                ("array", json!([])),
                ("object", json!({})),
            ] {
                if !types.contains(&other) {
                    contract.refuses(name, value, FieldCode::InvalidType);
                }
            }
        }
    }
}

#[test]
fn bounds_of_texts_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let Some(most) = schema["maxLength"].as_u64() else { continue };
            let pattern = schema["pattern"].as_str().unwrap();
            let is_word = pattern == r"^[a-z0-9][a-z0-9_.-]*$";
            let letter = if is_word { "e" } else { "é" };
            let text = |length: u64| json!(letter.repeat(usize::try_from(length).unwrap()));
            contract.takes(name, text(most));
            contract.refuses(name, text(most + 1), FieldCode::TooLong);
            let least = schema["minLength"].as_u64().unwrap();
            contract.takes(name, text(least));
            if least > 0 {
                contract.refuses(name, text(least - 1), FieldCode::TooShort);
            }
            if is_word {
                for odd in ["A", "ä", "a b", ".a", "-a", "a/b", "a:b"] {
                    contract.refuses(name, json!(odd), FieldCode::InvalidFormat);
                }
            } else {
                assert_eq!(pattern, r"^[^\x00-\x1f\x7f-\x9f]*$", "{name}");
            }
            for control in ['\0', '\n', '\x1b', '\x7f', '\u{85}'] {
                contract.refuses(name, json!(format!("a{control}b")), FieldCode::InvalidFormat);
            }
        }
    }
}

#[test]
fn bounds_of_numbers_are_those_of_the_schema() {
    for (request, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            if types(schema)[0] != "integer" {
                continue;
            }
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            contract.takes(name, json!(least));
            contract.takes(name, json!(most));
            contract.refuses(name, json!(least - 1), FieldCode::OutOfRange);
            contract.refuses(name, json!(most + 1), FieldCode::OutOfRange);
            contract.refuses(name, json!(9_223_372_036_854_775_808_u64), FieldCode::OutOfRange);
            contract.refuses(name, json!(0.5), FieldCode::InvalidType);
            if !contract.textual {
                contract.refuses(name, json!(-1e300), FieldCode::OutOfRange);
                contract.takes(name, json!(f64::from(u32::try_from(most).unwrap())));
            }
            assert!(schema["default"].is_null() || schema["default"].is_i64(), "{request}");
        }
    }
}

#[test]
fn bounds_of_lists_and_their_items_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            if types(schema)[0] != "array" {
                continue;
            }
            let most = usize::try_from(schema["maxItems"].as_u64().unwrap()).unwrap();
            let item = sample(&schema["items"]);
            contract.refuses(name, json!(vec![&item; most + 1]), FieldCode::TooMany);
            if !contract.textual {
                contract.refuses(name, json!([&item, 7]), FieldCode::InvalidType);
            }
            if schema["minItems"] == 1 {
                contract.refuses(name, json!([]), FieldCode::TooShort);
            } else {
                contract.takes(name, json!([]));
            }
            if schema["uniqueItems"] == true {
                contract.refuses(name, json!([&item, &item]), FieldCode::Duplicate);
            } else {
                contract.takes(name, json!(vec![&item; most]));
            }
            if let Some(most) = schema["items"]["maxLength"].as_u64() {
                let text = |length: u64| "x".repeat(usize::try_from(length).unwrap());
                contract.takes(name, json!([text(most)]));
                contract.refuses(name, json!([text(most + 1)]), FieldCode::TooLong);
                contract.refuses(name, json!([""]), FieldCode::TooShort);
            }
        }
    }
}

#[test]
fn words_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let list = types(schema)[0] == "array";
            let schema = if list { &schema["items"] } else { schema };
            for word in schema["enum"].as_array().into_iter().flatten() {
                let as_sent = |word: Value| if list { json!([word]) } else { word };
                contract.takes(name, as_sent(word.clone()));
                contract.refuses(name, as_sent(json!("no_such_word")), FieldCode::InvalidValue);
            }
        }
    }
}

#[test]
fn what_only_the_server_sets_is_forbidden_to_all() {
    for (request, contract) in every_contract() {
        for name in ["id", "usage_count", "revoked_at", "token_hash", "created_at", "user_id"] {
            if contract.properties.contains_key(name) {
                continue;
            }
            let errors = contract.with(name, json!("1"));
            let [error] = errors.as_slice() else { panic!("{request}: {errors:?}") };
            assert!(error.is(FieldCode::ForbiddenField) && error.field == name, "{request}: {error:?}");
        }
    }
}
