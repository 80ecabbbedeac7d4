//! Notifications: by which ways alerts leave, and which events are told to whom (lifecycle.md, Channels).

use serde::{Deserialize, Serialize};

use crate::principal::texts;

texts! {
    /// By which way a notification leaves.
    ChannelKind {
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

    /// How a channel gathers what it tells.
    DigestPeriod {
        /// Not at all: each alert leaves by itself.
        Off = "off",
        /// One message for each hour in which there was something to tell.
        Hourly = "hourly",
        /// One message for each day, by UTC.
        Daily = "daily",
    }

    /// What became of a delivery.
    DeliveryState {
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

impl ChannelKind {
    /// Whether it leads to an address that is called.
    pub const fn is_called(self) -> bool {
        matches!(self, Self::Webhook | Self::Slack | Self::Teams | Self::Discord)
    }
}

/// The types of event that can be subscribed to. What a pipeline reports has types of its own below `cicd.`.
pub const EVENT_TYPES: &[&str] = &[
    "alert.acknowledged",
    "alert.opened",
    "alert.resolved",
    "emergency.revoked",
    "event_subscription.created",
    "event_subscription.deleted",
    "event_subscription.updated",
    "external.allowed",
    "external_identity.pinned",
    "import.ended",
    "journal.damaged",
    "journal.gap",
    "journal.recovered",
    "leak.reported",
    "maintenance_window.created",
    "maintenance_window.deleted",
    "maintenance_window.updated",
    "master_key.rekeyed",
    "member.added",
    "member.removed",
    "member.role_changed",
    "notification_channel.created",
    "notification_channel.deleted",
    "notification_channel.updated",
    "personal_token.all_revoked",
    "personal_token.approved",
    "personal_token.created",
    "personal_token.excluded",
    "personal_token.revoked",
    "personal_token.rotated",
    "personal_token.updated",
    "platform.cleaned_up",
    "publisher.created",
    "publisher.deleted",
    "publisher.resumed",
    "publisher.suspended",
    "publisher.updated",
    "role.created",
    "role.deleted",
    "role.updated",
    "rotation.closed",
    "rotation.confirmed",
    "rotation.delivered",
    "rotation.failed",
    "rotation.rolled_back",
    "rotation.unconfirmed",
    "rotation.used_elsewhere",
    "rotation_policy.created",
    "rotation_policy.deleted",
    "rotation_policy.updated",
    "service_account.created",
    "service_account.deleted",
    "service_account.disabled",
    "service_account.enabled",
    "service_account.tokens_revoked",
    "service_account.updated",
    "session.all_ended",
    "session.ended",
    "session.reuse_detected",
    "signing_key.created",
    "signing_key.retired",
    "signing_key.revoked",
    "token.created",
    "token.expiring",
    "token.imported",
    "token.revoked",
    "token.rotated",
    "token.updated",
    "user.accepted",
    "user.created",
    "user.deleted",
    "user.disabled",
    "user.email_changed",
    "user.email_verified",
    "user.enabled",
    "user.invited",
    "user.password_changed",
    "user.password_reset",
    "user.updated",
];

/// Most types in [`EventTypes`].
pub const MAX_EVENT_TYPES: usize = 50;

/// Told to those alone who name it: one import may bring a million of them.
const NAMED_ALONE: &str = "token.imported";

/// Which events are told: types such as `token.created`, all of a noun (`token.*`), or all (`*`). Sorted, without
/// repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTypes(Vec<String>);

/// Why a text names no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no type of event: give one such as token.created, all of a noun (token.*), or *")]
pub struct UnknownEventType;

impl EventTypes {
    /// Those that are named.
    ///
    /// # Errors
    /// With the place of the first that does not exist.
    pub fn parse(texts: &[String]) -> Result<Self, (usize, UnknownEventType)> {
        for (at, text) in texts.iter().enumerate() {
            if !is_known(text) {
                return Err((at, UnknownEventType));
            }
        }
        let sorted: std::collections::BTreeSet<_> = texts.iter().cloned().collect();
        Ok(Self(sorted.into_iter().collect()))
    }

    /// Takes over what the store holds, which was checked when it was written.
    pub const fn from_stored(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// As they were named.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether events of a type are among them.
    pub fn cover(&self, event_type: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => event_type.starts_with(beginning) && event_type != NAMED_ALONE,
            None => pattern == event_type,
        })
    }
}

fn is_known(pattern: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(noun) => noun == "cicd" || EVENT_TYPES.iter().any(|known| known.split('.').next() == Some(noun)),
        None => pattern == "*" || EVENT_TYPES.contains(&pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(texts: &[&str]) -> Result<EventTypes, (usize, UnknownEventType)> {
        EventTypes::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn events_are_named_by_type_by_noun_or_all_at_once() {
        let some = types(&["token.*", "alert.opened", "token.*", "cicd.*"]).unwrap();
        assert_eq!(some.as_slice(), ["alert.opened", "cicd.*", "token.*"]);
        for (event_type, covered) in [
            ("token.created", true),
            ("token.anything_later", true),
            ("token.imported", false),
            ("alert.opened", true),
            ("cicd.deployed", true),
            ("alert.resolved", false),
            ("tokens.created", false),
            ("token", false),
            ("personal_token.created", false),
        ] {
            assert_eq!(some.cover(event_type), covered, "{event_type}");
        }
        assert!(types(&["*"]).unwrap().cover("whatever.it_is"));
    }

    #[test]
    fn what_does_not_exist_is_refused_with_its_place() {
        for unknown in [
            "",
            "token",
            "token.",
            "token.crea",
            "*.created",
            "tok*",
            "**",
            "token.*.x",
            "TOKEN.*",
            "cicd.deployed",
        ] {
            assert_eq!(types(&["token.created", unknown]), Err((1, UnknownEventType)), "{unknown}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_has_each_type_once() {
        assert!(EVENT_TYPES.is_sorted_by(|a, b| a < b));
    }
}
