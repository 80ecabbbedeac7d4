//! `/rotation-policies`, and `/service-accounts/{id}/rotation-policy`: when tokens are rotated without being asked,
//! and where their new secrets go to.

pub mod change;
pub mod of_account;
pub mod read;

use axum::response::Response;
use keywright_api::patch::Patch;
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::rotation::SecretDeliveryType;
use keywright_api::rotation_request::{AskedDelivery, PolicyTerms};
use keywright_authority::rotation_policies::DeliveryChange;
use keywright_core::MaintenanceWindowId;
use keywright_core::rotation::{Delivery, Policy};
use keywright_store::rotation_policies::PolicyRow;

use super::answer::object;
use super::view;

/// A policy at its version.
fn policy(row: &PolicyRow) -> Response {
    object(&view::rotation_policy(row), row.version)
}

/// What is asked of a delivery, field by field.
fn delivery(asked: AskedDelivery) -> Result<DeliveryChange, Problem> {
    let AskedDelivery { kind, path, command } = asked;
    let mut given = [("delivery.path", path), ("delivery.command", command)];
    let mut errors = Vec::new();
    let mut take = |name: &'static str| {
        let value = given.iter_mut().find(|(field, _)| *field == name).and_then(|(_, value)| value.take());
        if value.is_none() {
            errors.push(FieldError::new(name, FieldCode::Required, "is needed for this kind of delivery"));
        }
        value.unwrap_or_default()
    };
    let delivery = match kind {
        SecretDeliveryType::None => Delivery::None,
        SecretDeliveryType::File => Delivery::File { path: take("delivery.path") },
        SecretDeliveryType::Command => Delivery::Command { command: take("delivery.command") },
    };
    for (name, value) in given {
        if value.is_some() {
            errors.push(FieldError::new(
                name,
                FieldCode::InvalidValue,
                "is of no use for this kind of delivery",
            ));
        }
    }
    if errors.is_empty() {
        Ok(DeliveryChange { delivery, secret: None })
    } else {
        Err(Problem::of_fields(errors))
    }
}

/// All that something new says, but for its delivery.
fn terms(asked: &PolicyTerms) -> Policy {
    Policy {
        enabled: asked.enabled.value(),
        max_age_days: asked.max_age_days.value(),
        rotate_before_expiry_days: asked.rotate_before_expiry_days.value(),
        high_usage_threshold: asked.high_usage_threshold.value(),
        high_usage_max_age_days: asked.high_usage_max_age_days.value(),
        grace_seconds: asked.grace_seconds.value(),
        quiet_hours: asked.quiet_hours.value(),
        confirm_within_hours: asked.confirm_within_hours.value(),
        maintenance_window_id: asked.maintenance_window_id.value().map(MaintenanceWindowId),
        delivery: None,
    }
}

/// The delivery of something new.
fn delivery_of(asked: Patch<AskedDelivery>) -> Result<Option<DeliveryChange>, Problem> {
    asked.value().map(delivery).transpose()
}
