//! What may be asked of notification channels and event subscriptions.

use crate::{
    WireEnum,
    alert::{AlertKind, Severity},
    kind::{Boolean, Id, List, Text, choice, choices, integer, list, text},
    notification::{ChannelKind, DeliveryState, DigestPeriod},
    page::{MAX_CURSOR, MAX_LIMIT, MIN_LIMIT},
    patch::Patch,
    problem::FieldCode,
    request::{Fields, Format, FromFields, Refused},
    secret::Secret,
    service_token_request::MAX_NAME,
    user::MAX_ADDRESS,
};
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};
use uuid::Uuid;

/// The most characters of an address that is called.
pub const MAX_URL: usize = 2_048;
/// The most recipients of a channel.
pub const MAX_RECIPIENTS: usize = 10;
/// The most types of event that a subscription names.
pub const MAX_EVENT_TYPES: usize = 50;
/// The most characters of a type of event.
pub const MAX_EVENT_TYPE: usize = 64;

/// What no change may set, beside what no object lets its caller set.
const READ_ONLY: &[&str] = &["publisher_id", "destination", "secret"];

const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// A new notification channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateNotificationChannel {
    /// Its name, unique within the publisher, or at platform level.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// By which way it leaves.
    pub kind: ChannelKind,
    /// The publisher that it belongs to. Left out, it is that of the caller, or none: then it is the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
    /// Where `webhook`, `slack`, `teams` and `discord` lead: an HTTPS address, which may hold a secret and is shown
    /// nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub url: Option<Secret>,
    /// Whom `email` is sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = recipients_or_none)]
    pub recipients: Option<Vec<String>>,
    /// Alerts below this are not told; `low` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Severity, required = false)]
    pub minimum_severity: Option<Severity>,
    /// The kinds that are told; null, and left out, is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = alert_kinds_schema)]
    pub alert_kinds: Option<Vec<AlertKind>>,
    /// At platform level: whether it tells the alerts of all publishers too; true when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub all_publishers: Option<bool>,
    /// How it gathers what it tells; `off` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DigestPeriod, required = false)]
    pub digest: Option<DigestPeriod>,
    /// Whether it is on; true when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_enabled: Option<bool>,
}

fn texts(least: usize, most: usize, longest: usize, nullable: bool, description: &str) -> RefOr<Schema> {
    let types = if nullable { vec![Type::Array, Type::Null] } else { vec![Type::Array] };
    let item = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(longest))
        .pattern(Some(PRINTABLE));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter(types))
        .items(item)
        .min_items(Some(least))
        .max_items(Some(most))
        .description(Some(description))
        .into()
}

fn recipients_or_none() -> RefOr<Schema> {
    texts(1, MAX_RECIPIENTS, MAX_ADDRESS, true, "Whom `email` is sent to.")
}

fn recipients_schema() -> RefOr<Schema> {
    texts(1, MAX_RECIPIENTS, MAX_ADDRESS, false, "Whom `email` is sent to from now on.")
}

fn event_types_schema() -> RefOr<Schema> {
    let description =
        "Which events it is told of: types such as `token.created`, all of a noun (`token.*`), or all (`*`).";
    texts(1, MAX_EVENT_TYPES, MAX_EVENT_TYPE, false, description)
}

fn alert_kinds_schema() -> RefOr<Schema> {
    let words = AlertKind::ALL.iter().map(|kind| kind.as_str());
    let item = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(item)
        .min_items(Some(1))
        .max_items(Some(AlertKind::ALL.len()))
        .unique_items(true)
        .description(Some("The kinds that are told; null is all."))
        .into()
}

fn recipients() -> List<Text> {
    list(MAX_RECIPIENTS, text(1, MAX_ADDRESS).of(Format::Email))
}

fn not_empty<T>(fields: &mut Fields<'_>, name: &'static str, given: Option<Vec<T>>) -> Option<Vec<T>> {
    if given.as_ref().is_some_and(Vec::is_empty) {
        fields.fault(name, FieldCode::TooShort, "must have at least one item");
    }
    given
}

impl FromFields for CreateNotificationChannel {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let kind = fields.required("kind", choice());
        let publisher_id = fields.optional("publisher_id", Id);
        let url = fields.optional("url", text(1, MAX_URL)).map(Secret::new);
        let recipients = fields.optional("recipients", recipients());
        let recipients = not_empty(&mut fields, "recipients", recipients);
        let minimum_severity = fields.not_null("minimum_severity", choice());
        let alert_kinds = fields.optional("alert_kinds", choices());
        let all_publishers = fields.not_null("all_publishers", Boolean);
        let digest = fields.not_null("digest", choice());
        let is_enabled = fields.not_null("is_enabled", Boolean);
        fields.finish(|| {
            Some(Self {
                name: name?,
                kind: kind?,
                publisher_id,
                url,
                recipients,
                minimum_severity,
                alert_kinds,
                all_publishers,
                digest,
                is_enabled,
            })
        })
    }
}

/// A change of a channel, by RFC 7396: what is left out stays.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchNotificationChannel {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Where it leads from now on; its secret stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub url: Option<Secret>,
    /// Whom `email` is sent to from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = recipients_schema)]
    pub recipients: Option<Vec<String>>,
    /// Alerts below this are not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Severity, required = false)]
    pub minimum_severity: Option<Severity>,
    /// The kinds that are told; null is all.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = alert_kinds_schema)]
    pub alert_kinds: Patch<Vec<AlertKind>>,
    /// At platform level: whether it tells the alerts of all publishers too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub all_publishers: Option<bool>,
    /// How it gathers what it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DigestPeriod, required = false)]
    pub digest: Option<DigestPeriod>,
    /// Whether it is on. Switched off, it gives up what waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_enabled: Option<bool>,
}

impl FromFields for PatchNotificationChannel {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let recipients = fields.not_null("recipients", recipients());
        let change = Self {
            name: fields.not_null("name", text(1, MAX_NAME).of(Format::Name)),
            url: fields.not_null("url", text(1, MAX_URL)).map(Secret::new),
            recipients: not_empty(&mut fields, "recipients", recipients),
            minimum_severity: fields.not_null("minimum_severity", choice()),
            alert_kinds: fields.patch("alert_kinds", choices()),
            all_publishers: fields.not_null("all_publishers", Boolean),
            digest: fields.not_null("digest", choice()),
            is_enabled: fields.not_null("is_enabled", Boolean),
        };
        fields.forbidden(READ_ONLY);
        fields.forbidden(&["kind"]);
        fields.finish(|| Some(change))
    }
}

/// A new event subscription.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEventSubscription {
    /// Its name, unique within the publisher, or at platform level.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// The publisher that it belongs to. Left out, it is that of the caller, or none: then it hears of all events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
    /// Where it leads: an HTTPS address, which may hold a secret and is shown nowhere.
    #[schema(value_type = String, min_length = 1, max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub url: Secret,
    /// Which events it is told of.
    #[schema(schema_with = event_types_schema)]
    pub event_types: Vec<String>,
    /// Whether it is on; true when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_enabled: Option<bool>,
}

impl FromFields for CreateEventSubscription {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let publisher_id = fields.optional("publisher_id", Id);
        let url = fields.required("url", text(1, MAX_URL));
        let event_types = fields.required("event_types", list(MAX_EVENT_TYPES, text(1, MAX_EVENT_TYPE)));
        let event_types = not_empty(&mut fields, "event_types", event_types);
        let is_enabled = fields.not_null("is_enabled", Boolean);
        fields.finish(|| {
            Some(Self {
                name: name?,
                publisher_id,
                url: Secret::new(url?),
                event_types: event_types?,
                is_enabled,
            })
        })
    }
}

/// A change of a subscription, by RFC 7396: what is left out stays.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchEventSubscription {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Where it leads from now on; its secret stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub url: Option<Secret>,
    /// Which events it is told of from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = event_types_schema)]
    pub event_types: Option<Vec<String>>,
    /// Whether it is on. Switched off, it gives up what waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_enabled: Option<bool>,
}

impl FromFields for PatchEventSubscription {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let event_types = fields.not_null("event_types", list(MAX_EVENT_TYPES, text(1, MAX_EVENT_TYPE)));
        let change = Self {
            name: fields.not_null("name", text(1, MAX_NAME).of(Format::Name)),
            url: fields.not_null("url", text(1, MAX_URL)).map(Secret::new),
            event_types: not_empty(&mut fields, "event_types", event_types),
            is_enabled: fields.not_null("is_enabled", Boolean),
        };
        fields.forbidden(READ_ONLY);
        fields.finish(|| Some(change))
    }
}

/// The query of `GET /notification-channels`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChannelQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only those of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub kind: Option<ChannelKind>,
    /// Only the channel with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// How many; 50 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cursor: Option<String>,
}

impl FromFields for ChannelQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            kind: fields.optional("kind", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            limit: fields.optional("limit", integer(MIN_LIMIT, MAX_LIMIT)),
            cursor: fields.optional("cursor", text(1, MAX_CURSOR)),
        };
        fields.finish(|| Some(query))
    }
}

/// The query of `GET /event-subscriptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only the subscription with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// How many; 50 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cursor: Option<String>,
}

impl FromFields for SubscriptionQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            name: fields.optional("name", text(1, MAX_NAME)),
            limit: fields.optional("limit", integer(MIN_LIMIT, MAX_LIMIT)),
            cursor: fields.optional("cursor", text(1, MAX_CURSOR)),
        };
        fields.finish(|| Some(query))
    }
}

/// The query of the deliveries of a channel or a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub state: Option<DeliveryState>,
    /// How many; 50 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Where to go on: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub cursor: Option<String>,
}

impl FromFields for DeliveryQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            state: fields.optional("state", choice()),
            limit: fields.optional("limit", integer(MIN_LIMIT, MAX_LIMIT)),
            cursor: fields.optional("cursor", text(1, MAX_CURSOR)),
        };
        fields.finish(|| Some(query))
    }
}
