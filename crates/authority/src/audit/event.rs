//! Security events being written.

use std::borrow::Cow;

use keywright_core::EventId;
use keywright_store::security_events::{self, NewSecurityEvent};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::{Conn, StoreError};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::authority::Authority;
use crate::call::Call;
use keywright_core::ActorRef;

/// What a change was made to.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its kind: `service_token`, `platform`.
    pub kind: &'static str,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name at that moment.
    pub name: Option<String>,
}

impl Subject {
    /// A service token.
    pub fn token(row: &ServiceTokenRow) -> Self {
        Self { kind: "service_token", id: Some(row.id.0), name: Some(row.token_name.as_str().to_owned()) }
    }

    /// The platform as a whole.
    pub fn platform() -> Self {
        Self { kind: "platform", id: None, name: None }
    }
}

/// A change being told: who, what, from where, before and after.
#[derive(Debug)]
pub struct Event<'a> {
    kind: Cow<'static, str>,
    actor: ActorRef,
    call: Option<&'a Call>,
    subject: Subject,
    reason: Option<&'a str>,
    before: Option<Value>,
    after: Option<Value>,
    details: Option<Value>,
}

impl<'a> Event<'a> {
    /// An event of this kind, such as `token.created`.
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        actor: ActorRef,
        call: Option<&'a Call>,
        subject: Subject,
    ) -> Self {
        let kind = kind.into();
        Self { kind, actor, call, subject, reason: None, before: None, after: None, details: None }
    }

    /// Why, in the caller's words.
    #[must_use]
    pub fn reason(mut self, reason: Option<&'a str>) -> Self {
        self.reason = reason;
        self
    }

    /// The object before.
    #[must_use]
    pub fn before(mut self, row: &ServiceTokenRow) -> Self {
        self.before = Some(snapshot(row));
        self
    }

    /// The object after.
    #[must_use]
    pub fn after(mut self, row: &ServiceTokenRow) -> Self {
        self.after = Some(snapshot(row));
        self
    }

    /// Anything more.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Writes it, in the change's transaction.
    ///
    /// # Errors
    /// As the store.
    pub async fn write(self, authority: &Authority, conn: Conn<'_>) -> Result<EventId, StoreError> {
        let id = authority.new_event_id();
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        let event = NewSecurityEvent {
            id,
            occurred_at: authority.now(),
            type_: self.kind.into_owned(),
            actor: self.actor,
            subject_type: Some(self.subject.kind.to_owned()),
            subject_id: self.subject.id,
            subject_name: self.subject.name,
            publisher_id: None,
            ip_address: self.call.and_then(|call| call.ip_address),
            user_agent: self.call.and_then(|call| call.user_agent.clone()),
            request_id: self.call.map(|call| call.request_id.clone()),
            reason: self.reason.map(str::to_owned),
            before: text(self.before),
            after: text(self.after),
            details: text(self.details),
            node_id: Some(authority.node()),
        };
        security_events::insert(conn, &event).await?;
        Ok(id)
    }
}

/// A token as events tell it: what decides, never a secret. Counters are no part of a change.
fn snapshot(row: &ServiceTokenRow) -> Value {
    json!({
        "token_name": row.token_name,
        "token_hint": row.token_hint,
        "permissions": row.permissions,
        "is_active": row.is_active,
        "metadata": row.metadata,
        "expires_at": row.expires_at,
        "rotated_from_id": row.rotated_from_id,
        "superseded_by_id": row.superseded_by_id,
        "grace_expires_at": row.grace_expires_at,
        "revoked_at": row.revoked_at,
    })
}
