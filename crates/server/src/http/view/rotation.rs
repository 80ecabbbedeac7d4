//! Automated rotation as the API shows it.

use keywright_api::WireEnum;
use keywright_api::maintenance_window::MaintenanceWindow;
use keywright_api::rotation::{
    AccountRotationPolicy, EffectiveDelivery, EffectiveFlag, EffectiveNumber, EffectiveRotationPolicy,
    EffectiveWindow, OldSecretCaller, PlannedRotation, PolicyLevel, Rotation, RotationDetails, RotationPlan,
    RotationPolicy, RotationRule, RotationStage as WireState, RotationStep, SecretDelivery as WireDelivery,
    SecretDeliveryType,
};
use keywright_authority::maintenance_windows::openings;
use keywright_authority::rotation_policies::EffectiveOf;
use keywright_authority::rotations::{Plan, Planned, Told};
use keywright_core::rotation::{Delivery, DeliveryKind, Level, RotationState, Rule, Sourced};
use keywright_core::{CredentialId, Timestamp};
use keywright_store::maintenance_windows::WindowRow;
use keywright_store::rotation_policies::PolicyRow;
use keywright_store::rotations::{Caller, RotationRow, StepRow};
use uuid::Uuid;

use super::{actor, optional_time, time};

/// Openings of a window that are shown.
const OPENINGS: usize = 3;

/// A maintenance window, as seen at `now`.
pub fn maintenance_window(row: &WindowRow, now: Timestamp) -> MaintenanceWindow {
    MaintenanceWindow {
        id: row.id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        name: row.name.as_str().to_owned(),
        cron: row.cron.clone(),
        duration_minutes: row.duration_minutes,
        time_zone: row.time_zone.clone(),
        next_openings: openings(row, now, OPENINGS).into_iter().map(time).collect(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

fn level(level: Level) -> PolicyLevel {
    PolicyLevel::from_word(level.as_str()).unwrap_or(PolicyLevel::Platform)
}

/// A level as it is stored.
pub fn stored_level(level: PolicyLevel) -> Level {
    Level::parse(level.as_str()).unwrap_or(Level::Platform)
}

/// A state as it is stored.
pub fn stored_rotation_state(state: WireState) -> RotationState {
    RotationState::parse(state.as_str()).unwrap_or(RotationState::Scheduled)
}

fn state(state: RotationState) -> WireState {
    WireState::from_word(state.as_str()).unwrap_or(WireState::Scheduled)
}

fn rule(rule: Rule) -> RotationRule {
    RotationRule::from_word(rule.as_str()).unwrap_or(RotationRule::MaxAge)
}

fn delivery_type(kind: DeliveryKind) -> SecretDeliveryType {
    SecretDeliveryType::from_word(kind.as_str()).unwrap_or(SecretDeliveryType::None)
}

fn delivery(delivery: &Delivery) -> WireDelivery {
    let mut shown = WireDelivery {
        kind: delivery_type(delivery.kind()),
        path: None,
        command: None,
        url: delivery.url().map(str::to_owned),
        public_key: delivery.public_key().map(str::to_owned),
        repository: None,
        environment: None,
        namespace: None,
        secret_name: None,
        mount: None,
        key: None,
    };
    match delivery.clone() {
        Delivery::None | Delivery::Webhook { .. } => {}
        Delivery::File { path } => shown.path = Some(path),
        Delivery::Command { command } => shown.command = Some(command),
        Delivery::GithubActionsSecret { repository, environment, secret_name, .. } => {
            shown.repository = Some(repository);
            shown.environment = environment;
            shown.secret_name = Some(secret_name);
        }
        Delivery::KubernetesSecret { namespace, secret_name, key, .. } => {
            shown.namespace = Some(namespace);
            shown.secret_name = Some(secret_name);
            shown.key = Some(key);
        }
        Delivery::VaultKv { mount, path, key, .. } => {
            shown.mount = Some(mount);
            shown.path = Some(path);
            shown.key = Some(key);
        }
    }
    shown
}

/// A policy, without what lets its deliveries in.
pub fn rotation_policy(row: &PolicyRow) -> RotationPolicy {
    let terms = &row.terms;
    let subject = |level| Some(row.subject_id).filter(|_| row.level == level);
    RotationPolicy {
        id: row.id.0,
        level: level(row.level),
        lineage_id: subject(Level::ServiceToken),
        service_account_id: subject(Level::ServiceAccount),
        publisher_id: row.publisher_id.map(|id| id.0),
        enabled: terms.enabled,
        max_age_days: terms.max_age_days,
        rotate_before_expiry_days: terms.rotate_before_expiry_days,
        high_usage_threshold: terms.high_usage_threshold,
        high_usage_max_age_days: terms.high_usage_max_age_days,
        grace_seconds: terms.grace_seconds,
        quiet_hours: terms.quiet_hours,
        confirm_within_hours: terms.confirm_within_hours,
        maintenance_window_id: terms.maintenance_window_id.map(|id| id.0),
        delivery: terms.delivery.as_ref().map(delivery),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// What the policy on an account says.
pub fn account_policy(row: Option<&PolicyRow>) -> AccountRotationPolicy {
    let Some(row) = row else { return AccountRotationPolicy::default() };
    let terms = &row.terms;
    AccountRotationPolicy {
        id: Some(row.id.0),
        enabled: terms.enabled,
        max_age_days: terms.max_age_days,
        rotate_before_expiry_days: terms.rotate_before_expiry_days,
        high_usage_threshold: terms.high_usage_threshold,
        high_usage_max_age_days: terms.high_usage_max_age_days,
        grace_seconds: terms.grace_seconds,
        quiet_hours: terms.quiet_hours,
        confirm_within_hours: terms.confirm_within_hours,
        maintenance_window_id: terms.maintenance_window_id.map(|id| id.0),
        delivery: terms.delivery.as_ref().map(delivery),
    }
}

/// What holds for a token.
pub fn effective_policy(id: CredentialId, found: &EffectiveOf) -> EffectiveRotationPolicy {
    let policy_of = |source: Option<Level>| -> Option<Uuid> {
        let policy = found.policies.iter().find(|row| Some(row.level) == source)?;
        Some(policy.id.0)
    };
    let number =
        |value: Sourced<u32>| EffectiveNumber { value: value.value, policy_id: policy_of(value.source) };
    let policy = &found.effective;
    EffectiveRotationPolicy {
        credential_id: id.0,
        enabled: EffectiveFlag { value: policy.enabled.value, policy_id: policy_of(policy.enabled.source) },
        max_age_days: number(policy.max_age_days),
        rotate_before_expiry_days: number(policy.rotate_before_expiry_days),
        high_usage_threshold: number(policy.high_usage_threshold),
        high_usage_max_age_days: number(policy.high_usage_max_age_days),
        grace_seconds: number(policy.grace_seconds),
        quiet_hours: number(policy.quiet_hours),
        confirm_within_hours: number(policy.confirm_within_hours),
        maintenance_window_id: EffectiveWindow {
            value: policy.maintenance_window_id.value.map(|id| id.0),
            policy_id: policy_of(policy.maintenance_window_id.source),
        },
        delivery: EffectiveDelivery {
            value: delivery_type(policy.delivery.value.kind()),
            policy_id: policy_of(policy.delivery.source),
        },
        recent_uses: found.recent_uses,
        due_at: found.due.map(|due| time(due.at)),
        rule: found.due.map(|due| rule(due.rule)),
    }
}

/// A rotation.
pub fn rotation_row(row: &RotationRow) -> Rotation {
    let delivering = row.state == RotationState::Delivering;
    Rotation {
        id: row.id.0,
        state: state(row.state),
        credential_id: row.credential_id.0,
        token_name: row.token_name.as_str().to_owned(),
        successor_id: row.successor_id.map(|id| id.0),
        publisher_id: row.publisher_id.map(|id| id.0),
        service_account_id: row.service_account_id.map(|id| id.0),
        policy_id: row.policy_id.0,
        rule: rule(row.rule),
        delivery: delivery_type(row.delivery.kind()),
        attempts: row.attempts,
        may_have_sent: row.may_have_sent,
        last_answer: row.last_answer.clone(),
        next_attempt_at: optional_time(Some(row.next_attempt_at).filter(|_| delivering)),
        confirm_by: optional_time(row.confirm_by),
        delivered_at: optional_time(row.delivered_at),
        confirmed_at: optional_time(row.confirmed_at),
        grace_expires_at: optional_time(row.grace_expires_at),
        quiet_hours: row.quiet_hours,
        closed_at: optional_time(row.closed_at),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

fn step(row: &StepRow) -> RotationStep {
    RotationStep {
        kind: row.kind.clone(),
        occurred_at: time(row.occurred_at),
        details: row.details.as_deref().and_then(super::object).unwrap_or_default(),
    }
}

fn caller(caller: &Caller) -> OldSecretCaller {
    OldSecretCaller {
        ip_address: caller.ip_address.map(|ip| ip.to_string()),
        user_agent: caller.user_agent.clone(),
        endpoint: caller.endpoint.clone(),
        success: caller.success,
        count: caller.occurrences,
        last_seen_at: time(caller.last_at),
    }
}

/// A rotation, with all that is known of it.
pub fn rotation_details(told: &Told) -> RotationDetails {
    RotationDetails {
        rotation: rotation_row(&told.row),
        steps: told.steps.iter().map(step).collect(),
        old_secret_callers: told.callers.iter().map(caller).collect(),
    }
}

fn planned(one: &Planned) -> PlannedRotation {
    PlannedRotation {
        credential_id: one.credential_id.0,
        token_name: one.token_name.as_str().to_owned(),
        publisher_id: one.publisher_id.map(|id| id.0),
        service_account_id: one.service_account_id.map(|id| id.0),
        rule: rule(one.rule),
        due_at: time(one.due_at),
        begins_at: optional_time(one.begins_at),
        maintenance_window_id: one.maintenance_window_id.map(|id| id.0),
        delivery: delivery_type(one.delivery),
        policy_id: one.policy_id.map(|id| id.0),
        obstacle: one.obstacle.clone(),
    }
}

/// What would be rotated.
pub fn rotation_plan(plan: &Plan) -> RotationPlan {
    RotationPlan {
        enabled: plan.enabled,
        until: time(plan.until),
        items: plan.items.iter().map(planned).collect(),
        truncated: plan.truncated,
    }
}
