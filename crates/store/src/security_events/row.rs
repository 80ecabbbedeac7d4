//! A security event as it is stored.

use std::net::IpAddr;

use keywright_core::{ActorKind, ActorRef, EventId, NodeId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Ip, Time, to_u64};

/// An event to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSecurityEvent {
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What happened, such as `token.created`.
    pub type_: String,
    /// Who did it.
    pub actor: ActorRef,
    /// The kind of object that it was done to.
    pub subject_type: Option<String>,
    /// That object.
    pub subject_id: Option<Uuid>,
    /// Its name at that moment.
    pub subject_name: Option<String>,
    /// The publisher that it belongs to.
    pub publisher_id: Option<Uuid>,
    /// From where.
    pub ip_address: Option<IpAddr>,
    /// With what.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// Why, as the actor said.
    pub reason: Option<String>,
    /// The object before, as JSON without secrets; kept byte by byte.
    pub before: Option<String>,
    /// The object afterwards.
    pub after: Option<String>,
    /// More, as JSON.
    pub details: Option<String>,
    /// The node that wrote it.
    pub node_id: Option<NodeId>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityEventRow {
    /// Its place in the chain, from 1; `None` until it is sealed.
    pub seq: Option<u64>,
    /// The key of its MAC.
    pub key_id: Option<String>,
    /// Its MAC.
    pub mac: Option<Vec<u8>>,
    /// What was written.
    pub event: NewSecurityEvent,
}

#[derive(sqlx::FromRow)]
pub(super) struct RawEvent {
    id: Uuid,
    seq: Option<i64>,
    key_id: Option<String>,
    mac: Option<Vec<u8>>,
    occurred_at: Time,
    r#type: String,
    actor_type: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    subject_type: Option<String>,
    subject_id: Option<Uuid>,
    subject_name: Option<String>,
    publisher_id: Option<Uuid>,
    ip_address: Option<Ip>,
    user_agent: Option<String>,
    request_id: Option<String>,
    reason: Option<String>,
    before: Option<String>,
    after: Option<String>,
    details: Option<String>,
    node_id: Option<Uuid>,
}

impl TryFrom<RawEvent> for SecurityEventRow {
    type Error = StoreError;

    fn try_from(raw: RawEvent) -> Result<Self, StoreError> {
        let kind = ActorKind::parse(&raw.actor_type)
            .ok_or_else(|| StoreError::corrupt(format_args!("unknown kind of actor {:?}", raw.actor_type)))?;
        Ok(Self {
            seq: raw.seq.map(to_u64),
            key_id: raw.key_id,
            mac: raw.mac,
            event: NewSecurityEvent {
                id: EventId(raw.id),
                occurred_at: raw.occurred_at.into(),
                type_: raw.r#type,
                actor: ActorRef { kind, id: raw.actor_id, name: raw.actor_name },
                subject_type: raw.subject_type,
                subject_id: raw.subject_id,
                subject_name: raw.subject_name,
                publisher_id: raw.publisher_id,
                ip_address: raw.ip_address.map(Into::into),
                user_agent: raw.user_agent,
                request_id: raw.request_id,
                reason: raw.reason,
                before: raw.before,
                after: raw.after,
                details: raw.details,
                node_id: raw.node_id.map(NodeId),
            },
        })
    }
}
