//! What is told: the body of a webhook (Standard Webhooks: `type`, `timestamp`, `data`), of which all other
//! messages are made.

use keywright_core::{ActorRef, AlertKind, PublisherId, Severity, Timestamp};
use keywright_store::deliveries::Counted;
use keywright_store::security_events::SecurityEventRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When.
    pub timestamp: Timestamp,
    /// What to know of it: ids and names, nothing that is secret.
    pub data: Value,
}

/// An alert, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertData {
    /// The alert.
    pub alert_id: Option<Uuid>,
    /// What it is about, in a word.
    pub kind: String,
    /// How soon somebody should look.
    pub severity: String,
    /// The kind of object that it is about.
    pub subject_type: String,
    /// That object, where it has an id.
    pub subject_id: Option<Uuid>,
    /// One plain sentence.
    pub summary: String,
    /// The publisher that it concerns; none: the platform.
    pub publisher_id: Option<Uuid>,
    /// Why it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// Several alerts, as they are told at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestData {
    /// How many things happened.
    pub count: u64,
    /// When the first did.
    pub first_at: Timestamp,
    /// When the last did.
    pub last_at: Timestamp,
    /// How many of which sort.
    pub counts: Vec<Sort>,
    /// Those that weigh most, at most 20.
    pub items: Vec<Item>,
}

/// How many of one sort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What the alerts are about.
    pub kind: Option<AlertKind>,
    /// How soon somebody should look.
    pub severity: Option<Severity>,
    /// How many.
    pub count: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When.
    pub timestamp: Timestamp,
    /// The alert.
    pub alert: AlertData,
}

/// An event, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventData {
    /// The event in the audit trail.
    pub event_id: Uuid,
    /// Who did it.
    pub actor: Named,
    /// What it was done to.
    pub subject: Named,
    /// The publisher that it concerns; none: the platform.
    pub publisher_id: Option<Uuid>,
}

/// Someone or something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id, where there is one.
    pub id: Option<Uuid>,
    /// The name, where there is one.
    pub name: Option<String>,
}

/// The message that a digest is.
pub(super) const DIGEST: &str = "alert.digest";
/// The message that tries a channel or subscription out.
pub(super) const TEST: &str = "channel.test";

#[derive(Deserialize)]
struct AlertDetails {
    kind: String,
    severity: String,
    subject_type: String,
    subject_id: Option<Uuid>,
    summary: String,
}

impl AlertData {
    /// The alert that a security event `alert.…` tells of.
    pub(super) fn of(row: &SecurityEventRow) -> Option<Self> {
        let event = &row.event;
        let details: AlertDetails = serde_json::from_str(event.details.as_deref()?).ok()?;
        Some(Self {
            alert_id: event.subject_id,
            kind: details.kind,
            severity: details.severity,
            subject_type: details.subject_type,
            subject_id: details.subject_id,
            summary: details.summary,
            publisher_id: event.publisher_id,
            reason: event.reason.clone(),
        })
    }

    pub(super) fn kind(&self) -> Option<AlertKind> {
        AlertKind::parse(&self.kind)
    }

    /// What is not known here, as a newer node may tell, is not less than the worst.
    pub(super) fn severity(&self) -> Severity {
        Severity::parse(&self.severity).unwrap_or(Severity::Critical)
    }
}

impl EventData {
    /// The event, without what was before and after it.
    pub(super) fn of(row: &SecurityEventRow) -> Self {
        let event = &row.event;
        let ActorRef { kind, id, name } = &event.actor;
        Self {
            event_id: event.id.0,
            actor: Named {
                kind: kind.as_str().to_owned(),
                id: *id,
                name: Some(name.clone()).filter(|name| !name.is_empty()),
            },
            subject: Named {
                kind: event.subject_type.clone().unwrap_or_default(),
                id: event.subject_id,
                name: event.subject_name.clone(),
            },
            publisher_id: event.publisher_id,
        }
    }
}

impl DigestData {
    /// A digest of what was counted, with those that weigh most.
    pub(super) fn of(counted: Vec<Counted>, worst: &[String]) -> Option<Self> {
        let (first_at, last_at) =
            (counted.iter().map(|one| one.first_at).min()?, counted.iter().map(|one| one.last_at).max()?);
        let count = counted.iter().map(|one| one.count).sum();
        let mut counts: Vec<Sort> = counted
            .into_iter()
            .map(|one| Sort {
                event_type: one.event_type,
                kind: one.alert_kind,
                severity: one.severity,
                count: one.count,
            })
            .collect();
        counts.sort_by_key(|sort| {
            std::cmp::Reverse((sort.severity.map(|severity| severity as u8), sort.count))
        });
        let item = |payload: &String| {
            let notice: Notice = serde_json::from_str(payload).ok()?;
            let alert = serde_json::from_value(notice.data).ok()?;
            Some(Item { event_type: notice.event_type, timestamp: notice.timestamp, alert })
        };
        Some(Self { count, first_at, last_at, counts, items: worst.iter().filter_map(item).collect() })
    }
}

impl Notice {
    /// That an alert was opened, or is over.
    pub(super) fn alert(event_type: &str, at: Timestamp, alert: &AlertData) -> Self {
        Self { event_type: event_type.to_owned(), timestamp: at, data: json(alert) }
    }

    /// That something happened.
    pub(super) fn event(event_type: &str, row: &SecurityEventRow) -> Self {
        let data = json(&EventData::of(row));
        Self { event_type: event_type.to_owned(), timestamp: row.event.occurred_at, data }
    }

    /// Several alerts at once.
    pub(super) fn digest(at: Timestamp, digest: &DigestData) -> Self {
        Self { event_type: DIGEST.to_owned(), timestamp: at, data: json(digest) }
    }

    /// A message that tries a channel or subscription out.
    pub(super) fn test(at: Timestamp, name: &str, publisher: Option<PublisherId>) -> Self {
        let data = serde_json::json!({
            "name": name,
            "publisher_id": publisher,
            "message": "This is a test. If you read it, messages from here reach you.",
        });
        Self { event_type: TEST.to_owned(), timestamp: at, data }
    }

    /// As it is stored and sent.
    pub(super) fn to_payload(&self) -> String {
        json(self).to_string()
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
