//! Security events being written.

use std::borrow::Cow;
use std::collections::BTreeSet;

use keywright_core::EventId;
use keywright_store::security_events::{self, NewSecurityEvent};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::{Conn, StoreError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::authority::Authority;
use crate::call::Call;
use crate::sessions::Visitor;
use keywright_core::{ActorRef, PublisherId};

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
    visitor: Option<&'a Visitor>,
    subject: Subject,
    publisher: Option<PublisherId>,
    others: BTreeSet<PublisherId>,
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
        Self {
            kind,
            actor,
            call,
            visitor: None,
            subject,
            publisher: None,
            others: BTreeSet::new(),
            reason: None,
            before: None,
            after: None,
            details: None,
        }
    }

    /// The publisher that it concerns; without one, that of the caller.
    #[must_use]
    pub fn publisher(mut self, publisher: Option<PublisherId>) -> Self {
        self.publisher = publisher;
        self
    }

    /// Publishers that it concerns too. Each has a copy in its own trail, which names the event that it is a copy
    /// of, and none of the other publishers.
    #[must_use]
    pub fn also(mut self, publishers: impl IntoIterator<Item = PublisherId>) -> Self {
        self.others.extend(publishers);
        self
    }

    /// From where it was caused, where nobody called who has a credential.
    #[must_use]
    pub fn visitor(mut self, visitor: &'a Visitor) -> Self {
        self.visitor = Some(visitor);
        self
    }

    /// Why, in the caller's words.
    #[must_use]
    pub fn reason(mut self, reason: Option<&'a str>) -> Self {
        self.reason = reason;
        self
    }

    /// The object before.
    #[must_use]
    pub fn before(mut self, object: &impl Snapshot) -> Self {
        self.before = Some(object.snapshot());
        self
    }

    /// The object after.
    #[must_use]
    pub fn after(mut self, object: &impl Snapshot) -> Self {
        self.after = Some(object.snapshot());
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
    pub async fn write(self, authority: &Authority, mut conn: Conn<'_>) -> Result<EventId, StoreError> {
        let others = self.others.clone();
        let details = self.details.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let event = self.told(authority);
        security_events::insert(conn.reborrow(), &event).await?;
        for publisher in others.into_iter().filter(|other| Some(other.0) != event.publisher_id) {
            let details = Some(copied(details.clone(), event.id));
            let id = authority.new_event_id();
            let copy = NewSecurityEvent { id, publisher_id: Some(publisher.0), details, ..event.clone() };
            security_events::insert(conn.reborrow(), &copy).await?;
        }
        Ok(event.id)
    }

    /// Writes many that nobody called for and that concern one publisher each, in their transaction.
    ///
    /// # Errors
    /// As the store.
    pub async fn write_all(
        events: Vec<Self>,
        authority: &Authority,
        conn: Conn<'_>,
    ) -> Result<(), StoreError> {
        let events: Vec<_> = events.into_iter().map(|event| event.told(authority)).collect();
        security_events::insert_all(conn, &events).await
    }

    fn told(self, authority: &Authority) -> NewSecurityEvent {
        let id = authority.new_event_id();
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        NewSecurityEvent {
            id,
            occurred_at: authority.now(),
            type_: self.kind.into_owned(),
            actor: self.actor,
            subject_type: Some(self.subject.kind.to_owned()),
            subject_id: self.subject.id,
            subject_name: self.subject.name,
            publisher_id: self.publisher.or(self.call.and_then(Call::home)).map(|id| id.0),
            ip_address: match self.visitor {
                Some(visitor) => visitor.ip_address,
                None => self.call.and_then(|call| call.ip_address),
            },
            user_agent: match self.visitor {
                Some(visitor) => visitor.user_agent.clone(),
                None => self.call.and_then(|call| call.user_agent.clone()),
            },
            request_id: match self.visitor {
                Some(visitor) => Some(visitor.request_id.clone()),
                None => self.call.map(|call| call.request_id.clone()),
            },
            reason: self.reason.map(str::to_owned),
            before: text(self.before),
            after: text(self.after),
            details: text(self.details),
            node_id: Some(authority.node()),
        }
    }
}

/// The details of a copy.
fn copied(mut details: Map<String, Value>, of: EventId) -> String {
    details.insert(security_events::COPY_OF.to_owned(), json!(of));
    Value::Object(details).to_string()
}

/// An object as events tell it: what decides, never a secret. Counters are no part of a change.
pub trait Snapshot {
    /// A JSON object.
    fn snapshot(&self) -> Value;
}

impl Snapshot for ServiceTokenRow {
    fn snapshot(&self) -> Value {
        json!({
            "token_name": self.token_name,
            "token_hint": self.token_hint,
            "permissions": self.permissions,
            "is_active": self.is_active,
            "metadata": self.metadata,
            "service_account_id": self.service_account_id,
            "rate_limits": self.limits,
            "ip_allowlist": self.allowlist,
            "expires_at": self.expires_at,
            "rotated_from_id": self.rotated_from_id,
            "superseded_by_id": self.superseded_by_id,
            "grace_expires_at": self.grace_expires_at,
            "revoked_at": self.revoked_at,
        })
    }
}
