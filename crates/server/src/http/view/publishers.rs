//! Publishers, their roles and members.

use keywright_api::WireEnum as _;
use keywright_api::anomaly::{AnomalyKind, AnomalySettings, Sensitivity};
use keywright_api::member::Member;
use keywright_api::publisher::{PersonalTokenPolicy, Publisher, PublisherSettings, PublisherStatus};
use keywright_api::role::Role;
use keywright_api::service_token::RateLimits;
use keywright_core::anomalies;
use keywright_store::memberships::MemberRow;
use keywright_store::publishers::PublisherRow;
use keywright_store::roles::RoleRow;

use super::{actor, optional_time, time};

/// A publisher.
pub fn publisher(row: &PublisherRow) -> Publisher {
    Publisher {
        id: row.id.0,
        name: row.name.as_str().to_owned(),
        status: match row.suspended_at {
            None => PublisherStatus::Active,
            Some(_) => PublisherStatus::Suspended,
        },
        settings: publisher_settings(&row.settings),
        suspended_at: optional_time(row.suspended_at),
        suspended_reason: row.suspended_reason.clone(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// What a publisher sets for itself.
pub fn publisher_settings(settings: &keywright_core::PublisherSettings) -> PublisherSettings {
    PublisherSettings {
        allowed_login_domains: settings.allowed_login_domains.clone(),
        access_token_max_minutes: settings.access_token_max_minutes,
        session_max_days: settings.session_max_days,
        default_rate_limits: settings.default_rate_limits.map(rate_limits),
        rate_limits: settings.rate_limits.map(rate_limits),
        personal_tokens: PersonalTokenPolicy {
            allowed: settings.personal_tokens.allowed,
            max_days: settings.personal_tokens.max_days,
            require_approval: settings.personal_tokens.require_approval,
        },
        anomalies: AnomalySettings {
            sensitivity: match settings.anomalies.sensitivity {
                anomalies::Sensitivity::Low => Sensitivity::Low,
                anomalies::Sensitivity::Normal => Sensitivity::Normal,
                anomalies::Sensitivity::High => Sensitivity::High,
            },
            off: settings
                .anomalies
                .off
                .iter()
                .filter_map(|kind| AnomalyKind::from_word(kind.as_str()))
                .collect(),
            history_days: settings.anomalies.history_days,
        },
        require_second_factor: settings.require_second_factor,
    }
}

/// Limits.
pub(super) fn rate_limits(limits: keywright_core::RateLimits) -> RateLimits {
    RateLimits { per_minute: limits.per_minute, per_hour: limits.per_hour }
}

/// A role.
pub fn role(row: &RoleRow) -> Role {
    Role {
        id: row.id.0,
        publisher_id: row.publisher_id.0,
        name: row.name.as_str().to_owned(),
        description: row.description.clone(),
        is_built_in: row.built_in.is_some(),
        permissions: row.permissions.iter().map(ToString::to_string).collect(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// A member of a publisher.
pub fn member(row: &MemberRow) -> Member {
    Member {
        user_id: row.user_id.0,
        publisher_id: row.publisher_id.0,
        email: row.email.clone(),
        display_name: Some(row.display_name.clone()).filter(|name| !name.is_empty()),
        is_disabled: row.is_disabled,
        role_id: row.role_id.0,
        role: row.role_name.as_str().to_owned(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}
