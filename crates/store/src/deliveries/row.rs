//! A delivery as it is stored, and what is told of several.

use keywright_core::{AlertKind, DeliveryId, DeliveryState, Severity, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// A delivery to insert.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id, which goes along with each attempt.
    pub id: DeliveryId,
    /// The channel or the subscription.
    pub target_id: Uuid,
    /// Of all that would tell one thing to one target, one does.
    pub dedupe_key: String,
    /// What happened.
    pub event_type: String,
    /// Of the alert that it is about.
    pub severity: Option<Severity>,
    /// Of the alert that it is about.
    pub alert_kind: Option<AlertKind>,
    /// What is told, as JSON.
    pub payload: String,
    /// Whether it counts among the messages that a channel sends by themselves within an hour.
    pub immediate: bool,
    /// [`DeliveryState::Waiting`] or [`DeliveryState::Collecting`].
    pub state: DeliveryState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is due, or collected.
    pub next_attempt_at: Timestamp,
    /// No attempt that fails after this is repeated.
    pub expires_at: Timestamp,
}

/// A delivery as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// The channel or the subscription.
    pub target_id: Uuid,
    /// What happened.
    pub event_type: String,
    /// What is told, as JSON.
    pub payload: String,
    /// What became of it.
    pub state: DeliveryState,
    /// The delivery that tells it, once it is collected.
    pub digest_id: Option<DeliveryId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is due.
    pub next_attempt_at: Timestamp,
    /// No attempt that fails after this is repeated.
    pub expires_at: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
    /// The status of the last answer.
    pub status_code: Option<u16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// How the last answer began.
    pub answer: Option<String>,
    /// When it was delivered, collected or given up.
    pub settled_at: Option<Timestamp>,
}

impl std::fmt::Debug for DeliveryRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryRow")
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct RawDelivery {
    id: Uuid,
    target_id: Uuid,
    event_type: String,
    payload: String,
    state: String,
    digest_id: Option<Uuid>,
    created_at: Time,
    next_attempt_at: Time,
    expires_at: Time,
    attempts: i64,
    status_code: Option<i64>,
    last_error: Option<String>,
    answer: Option<String>,
    settled_at: Option<Time>,
}

impl TryFrom<RawDelivery> for DeliveryRow {
    type Error = StoreError;

    fn try_from(raw: RawDelivery) -> Result<Self, StoreError> {
        let state = DeliveryState::parse(&raw.state)
            .ok_or_else(|| StoreError::corrupt(format_args!("a delivery is {:?}", raw.state)))?;
        Ok(Self {
            id: DeliveryId(raw.id),
            target_id: raw.target_id,
            event_type: raw.event_type,
            payload: raw.payload,
            state,
            digest_id: raw.digest_id.map(DeliveryId),
            created_at: raw.created_at.into(),
            next_attempt_at: raw.next_attempt_at.into(),
            expires_at: raw.expires_at.into(),
            attempts: to_u64(raw.attempts),
            status_code: raw.status_code.and_then(|code| u16::try_from(code).ok()),
            last_error: raw.last_error,
            answer: raw.answer,
            settled_at: raw.settled_at.map(Into::into),
        })
    }
}

/// How an attempt went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The status of the answer, where there was one.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: String,
    /// How the answer began.
    pub answer: Option<String>,
}

/// How many of one sort a digest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What happened.
    pub event_type: String,
    /// Of the alerts.
    pub severity: Option<Severity>,
    /// Of the alerts.
    pub alert_kind: Option<AlertKind>,
    /// How many.
    pub count: u64,
    /// When the first was made.
    pub first_at: Timestamp,
    /// When the last was made.
    pub last_at: Timestamp,
}

/// What waits to be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that wait.
    pub count: u64,
    /// When the oldest of them was made.
    pub oldest_at: Option<Timestamp>,
    /// Deliveries that were given up of late.
    pub dead: u64,
}
