//! Each request type, as its schema and its reader say it.

use super::Contract;
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
    problem::FieldError,
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

/// All of them, by a name for messages.
pub(super) fn every_contract() -> Vec<(&'static str, Contract)> {
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
