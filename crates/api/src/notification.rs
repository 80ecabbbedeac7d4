//! Notification channels, event subscriptions and deliveries, as answers show them.

use crate::{
    Time,
    actor::Actor,
    alert::{AlertKind, Severity},
    secret::Secret,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// By which way a notification leaves.
    pub enum ChannelKind {
        /// The server's own log.
        Log = "log",
        /// Mail.
        Email = "email",
        /// A signed request (Standard Webhooks).
        Webhook = "webhook",
        /// An incoming webhook of Slack.
        Slack = "slack",
        /// A workflow of Microsoft Teams.
        Teams = "teams",
        /// A webhook of Discord.
        Discord = "discord",
    }
}

wire_enum! {
    /// How a channel gathers what it tells.
    pub enum DigestPeriod {
        /// Not at all: each alert leaves by itself.
        Off = "off",
        /// One message for each hour in which there was something to tell.
        Hourly = "hourly",
        /// One message for each day, by UTC.
        Daily = "daily",
    }
}

wire_enum! {
    /// What became of a delivery.
    pub enum DeliveryState {
        /// It is tried, and tried again.
        Waiting = "waiting",
        /// It waits for the next digest.
        Collecting = "collecting",
        /// It is told by a digest.
        Collected = "collected",
        /// The receiver took it.
        Delivered = "delivered",
        /// It was given up.
        Dead = "dead",
    }
}

/// A way by which alerts leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationChannel {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it belongs to; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its name, unique within the publisher, or at platform level.
    pub name: String,
    /// By which way.
    pub kind: ChannelKind,
    /// Where it leads, without what is secret.
    #[schema(examples("https://hooks.slack.com/…c2d1"))]
    pub destination: String,
    /// Alerts below this are not told.
    pub minimum_severity: Severity,
    /// The kinds that are told; null is all.
    #[schema(required = true)]
    pub alert_kinds: Option<Vec<AlertKind>>,
    /// At platform level: whether it tells the alerts of all publishers too.
    pub all_publishers: bool,
    /// How it gathers what it tells.
    pub digest: DigestPeriod,
    /// Whether it is on.
    pub is_enabled: bool,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A channel as the answer that makes it shows it, and no other answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedNotificationChannel {
    /// Of a webhook, what its messages are signed with; shown this once. Left out when an answer is repeated for its
    /// idempotency key after the secret is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^whsec_[A-Za-z0-9+/]{43}=$", required = false)]
    pub secret: Option<Secret>,
    /// The channel.
    #[serde(flatten)]
    pub object: NotificationChannel,
}

/// Who is told of which events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSubscription {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it belongs to; null at platform level, where it hears of the events of all.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its name, unique within the publisher, or at platform level.
    pub name: String,
    /// Where it leads, without what is secret.
    #[schema(examples("https://example.com/…hook"))]
    pub destination: String,
    /// Which events it is told of: types, all of a noun (`token.*`), or all (`*`).
    pub event_types: Vec<String>,
    /// Whether it is on.
    pub is_enabled: bool,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A subscription as the answer that makes it shows it, and no other answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedEventSubscription {
    /// What its messages are signed with; shown this once. Left out when an answer is repeated for its idempotency key
    /// after the secret is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^whsec_[A-Za-z0-9+/]{43}=$")]
    pub secret: Option<Secret>,
    /// The subscription.
    #[serde(flatten)]
    pub object: EventSubscription,
}

/// Something that is told to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its id, which is `webhook-id` in each attempt.
    pub id: Uuid,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    #[schema(minimum = 0)]
    pub attempts: u64,
    /// The status of the last answer.
    #[schema(required = true)]
    pub status_code: Option<u16>,
    /// What went wrong last.
    #[schema(required = true)]
    pub last_error: Option<String>,
    /// How the last answer began, unless it was a success or repeated what is secret.
    #[schema(required = true)]
    pub answer: Option<String>,
    /// When it is tried next, or gathered into a digest; null once it is settled.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub next_attempt_at: Option<Time>,
    /// An attempt that fails after this is the last.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// The delivery that tells it, once it is gathered into a digest.
    #[schema(required = true)]
    pub digest_id: Option<Uuid>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was delivered, gathered or given up.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub settled_at: Option<Time>,
}
