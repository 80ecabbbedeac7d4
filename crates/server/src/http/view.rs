//! Rows as the API shows them: the one place where the core's words become the wire's.

mod accounts;
mod alerts;
mod notifications;
mod personal_tokens;
mod publishers;
mod rotation;
mod users;

use std::time::Duration;

use keywright_api::WireEnum;
use keywright_api::actor::{Actor, ActorType, Principal, PrincipalType};
use keywright_api::event::{AuthenticationEvent, SecurityEvent};
use keywright_api::service_token::{ServiceToken, TokenStatus};
use keywright_api::session::Session;
use keywright_api::verify::{RotationState, TokenType};
use keywright_core::{ActorRef, Epochs, Grant, Status, Timestamp};
use keywright_store::authentication_events::AuthenticationEventRow;
use keywright_store::security_events::SecurityEventRow;
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::sessions::SessionRow;
use serde_json::{Map, Value};

pub use accounts::{allowlist, rate_limits, scopes, service_account, stored_service_type};
pub use alerts::{alert, stored_alert_kind, stored_alert_state, stored_severity};
pub use notifications::{
    delivery, event_subscription, notification_channel, stored_alert_kinds, stored_channel_kind,
    stored_delivery_state, stored_digest_period,
};
pub use personal_tokens::personal_token;
pub use publishers::{member, publisher, publisher_settings, role};
pub use rotation::{
    account_policy, effective_policy, maintenance_window, rotation_details, rotation_plan, rotation_policy,
    rotation_row, stored_level, stored_rotation_state,
};
pub use users::{spoken, stored_status, user};

/// A moment.
pub fn time(moment: Timestamp) -> String {
    moment.to_string()
}

fn optional_time(moment: Option<Timestamp>) -> Option<String> {
    moment.map(time)
}

/// A status.
pub fn status(status: Status) -> TokenStatus {
    match status {
        Status::Active => TokenStatus::Active,
        Status::Superseded => TokenStatus::Superseded,
        Status::Inactive => TokenStatus::Inactive,
        Status::Expired => TokenStatus::Expired,
        Status::Revoked => TokenStatus::Revoked,
    }
}

/// A service token, with the status that it has at `now`.
pub fn service_token(row: &ServiceTokenRow, epochs: Epochs, now: Timestamp) -> ServiceToken {
    ServiceToken {
        id: row.id.0,
        token_name: row.token_name.as_str().to_owned(),
        token_hint: row.token_hint.0.clone(),
        permissions: scopes(&row.permissions),
        status: status(row.status(epochs, now)),
        is_active: row.is_active,
        metadata: row.metadata.as_map().clone(),
        service_account_id: row.service_account_id.map(|id| id.0),
        rate_limits: rate_limits(row.limits),
        ip_allowlist: allowlist(&row.allowlist),
        expires_at: optional_time(row.expires_at),
        usage_count: row.usage_count,
        last_used_at: optional_time(row.last_used_at),
        rotated_from_id: row.rotated_from_id.map(|id| id.0),
        superseded_by_id: row.superseded_by_id.map(|id| id.0),
        grace_expires_at: optional_time(row.grace_expires_at),
        revoked_at: optional_time(row.revoked_at),
        revoked_reason: row.revoked_reason.clone(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
    }
}

/// A session.
pub fn session(row: &SessionRow, current: bool) -> Session {
    Session {
        id: row.id.0,
        user_id: row.user_id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        current,
        created_at: time(row.created_at),
        last_seen_at: time(row.last_seen_at),
        expires_at: time(row.expires_at),
        idle_expires_at: time(row.idle_expires_at),
        ip_address: row.ip_address.map(|ip| ip.to_string()),
        country: row.country.clone(),
        user_agent: row.user_agent.clone(),
    }
}

/// An actor.
pub fn actor(actor: &ActorRef) -> Actor {
    Actor {
        kind: ActorType::from_word(actor.kind.as_str()).unwrap_or(ActorType::System),
        id: actor.id,
        name: Some(actor.name.clone()).filter(|name| !name.is_empty()),
    }
}

/// The principal of a grant.
pub fn principal(grant: &Grant) -> Principal {
    Principal {
        kind: PrincipalType::from_word(grant.principal.as_str()).unwrap_or(PrincipalType::ServiceToken),
        id: grant.principal_id(),
        name: grant.user().map_or(&grant.name, |user| &user.email).to_string(),
    }
}

/// Where a token stands in its rotation.
pub fn rotation(row: &ServiceTokenRow) -> RotationState {
    RotationState {
        superseded: row.superseded_by_id.is_some(),
        grace_expires_at: optional_time(row.grace_expires_at),
    }
}

/// A security event.
pub fn security_event(row: SecurityEventRow) -> SecurityEvent {
    let event = row.event;
    SecurityEvent {
        id: event.id.0,
        seq: row.seq.and_then(|seq| i64::try_from(seq).ok()),
        kind: event.type_,
        occurred_at: time(event.occurred_at),
        actor: actor(&event.actor),
        subject: keywright_api::actor::Subject {
            kind: event.subject_type.unwrap_or_default(),
            id: event.subject_id,
            name: event.subject_name,
        },
        publisher_id: event.publisher_id,
        ip_address: event.ip_address.map(|ip| ip.to_string()),
        user_agent: event.user_agent,
        request_id: event.request_id,
        reason: event.reason,
        before: event.before.as_deref().and_then(object),
        after: event.after.as_deref().and_then(object),
        details: event.details.as_deref().and_then(object).unwrap_or_default(),
        node_id: event.node_id.map(|id| id.0),
        mac: row.mac.map(hex::encode),
    }
}

/// An authentication event.
pub fn authentication_event(row: AuthenticationEventRow) -> AuthenticationEvent {
    let principal_type = row.principal_type.as_deref().and_then(PrincipalType::from_word);
    // Of what belongs to a user only a personal token has a name of its own.
    let named = row.token_name.is_some();
    AuthenticationEvent {
        id: row.id.0,
        kind: row.event_type,
        occurred_at: time(row.occurred_at),
        success: row.success,
        code: row.code,
        occurrences: row.occurrences,
        token_type: principal_type.map(|kind| match kind {
            PrincipalType::ServiceAccount | PrincipalType::ServiceToken => TokenType::Service,
            PrincipalType::User if named => TokenType::Personal,
            PrincipalType::User => TokenType::User,
            PrincipalType::External => TokenType::External,
        }),
        credential_id: row.credential_id.map(|id| id.0),
        token_name: row.token_name,
        principal_type,
        principal_id: row.principal_id,
        user_email: row.user_email,
        publisher_id: row.publisher_id,
        asked_by_id: row.asked_by.map(|id| id.0),
        ip_address: row.ip_address.map(|ip| ip.to_string()),
        country: row.country,
        user_agent: row.user_agent,
        method: row.method,
        endpoint: row.endpoint,
        cloudflare_ray_id: row.cloudflare_ray_id,
        request_id: Some(row.request_id),
        node_id: Some(row.node_id),
        latency_seconds: Some(Duration::from_micros(row.latency_micros).as_secs_f64()),
        stale: row.stale,
        error_details: row.error_details.and_then(|details| match details {
            Value::Object(members) => Some(members),
            _ => None,
        }),
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}
