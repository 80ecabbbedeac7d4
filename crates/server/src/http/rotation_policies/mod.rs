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
use keywright_api::secret::Secret;
use keywright_authority::idempotency::Minted;
use keywright_authority::rotation_policies::DeliveryChange;
use keywright_core::MaintenanceWindowId;
use keywright_core::rotation::delivery::GITHUB;
use keywright_core::rotation::{Delivery, Policy};
use keywright_store::rotation_policies::PolicyRow;
use zeroize::Zeroizing;

use super::answer::object;
use super::view;

/// A policy at its version.
fn policy(row: &PolicyRow) -> Response {
    object(&view::rotation_policy(row), row.version)
}

/// What its deliveries are signed with from now on, where that is new.
fn secret_of(made: &Minted<PolicyRow>) -> Option<Secret> {
    made.secret.as_ref().map(|secret| Secret::new(secret.reveal()))
}

/// The fields of a delivery, of which each kind takes its own.
struct Given {
    fields: Vec<(&'static str, Option<String>)>,
    errors: Vec<FieldError>,
}

impl Given {
    fn may(&mut self, name: &str) -> Option<String> {
        self.fields.iter_mut().find(|(field, _)| *field == name).and_then(|(_, value)| value.take())
    }

    fn must(&mut self, name: &str) -> String {
        self.may(name).unwrap_or_else(|| {
            self.fault(name, FieldCode::Required, "is needed for this kind of delivery");
            String::new()
        })
    }

    fn fault(&mut self, name: &str, code: FieldCode, detail: &'static str) {
        self.errors.push(FieldError::new(format!("delivery.{name}"), code, detail));
    }

    /// All is well when each field was good, and none is left.
    fn finish(mut self) -> Result<(), Problem> {
        for (name, value) in std::mem::take(&mut self.fields) {
            if value.is_some() {
                self.fault(name, FieldCode::InvalidValue, "is of no use for this kind of delivery");
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::of_fields(self.errors)) }
    }
}

/// What is asked of a delivery, field by field.
fn delivery(asked: AskedDelivery) -> Result<DeliveryChange, Problem> {
    let secret = asked.secret.map(|secret| Zeroizing::new(secret.expose().to_owned()));
    let fields = vec![
        ("path", asked.path),
        ("command", asked.command),
        ("url", asked.url),
        ("public_key", asked.public_key),
        ("repository", asked.repository),
        ("environment", asked.environment),
        ("namespace", asked.namespace),
        ("secret_name", asked.secret_name),
        ("mount", asked.mount),
        ("key", asked.key),
    ];
    let mut given = Given { fields, errors: Vec::new() };
    let delivery = match asked.kind {
        SecretDeliveryType::None => Delivery::None,
        SecretDeliveryType::File => Delivery::File { path: given.must("path") },
        SecretDeliveryType::Command => Delivery::Command { command: given.must("command") },
        SecretDeliveryType::Webhook => {
            Delivery::Webhook { url: given.must("url"), public_key: given.may("public_key") }
        }
        SecretDeliveryType::GithubActionsSecret => Delivery::GithubActionsSecret {
            url: given.may("url").unwrap_or_else(|| GITHUB.to_owned()),
            repository: given.must("repository"),
            environment: given.may("environment"),
            secret_name: given.must("secret_name"),
        },
        SecretDeliveryType::KubernetesSecret => Delivery::KubernetesSecret {
            url: given.must("url"),
            namespace: given.must("namespace"),
            secret_name: given.must("secret_name"),
            key: given.must("key"),
        },
        SecretDeliveryType::VaultKv => Delivery::VaultKv {
            url: given.must("url"),
            mount: given.must("mount"),
            path: given.must("path"),
            key: given.must("key"),
        },
    };
    given.finish()?;
    Ok(DeliveryChange { delivery, secret })
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
