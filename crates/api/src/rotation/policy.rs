//! Policies of automated rotation, as answers show them.

use super::RotationRule;
use crate::{Time, actor::Actor, secret::Secret, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// What kind of thing a policy is on; the nearest one that says something about a value wins.
    pub enum PolicyLevel {
        /// A service token, and each that replaces it.
        ServiceToken = "service_token",
        /// A service account.
        ServiceAccount = "service_account",
        /// A publisher.
        Publisher = "publisher",
        /// The platform.
        Platform = "platform",
    }
}

wire_enum! {
    /// How a new secret reaches whoever uses it.
    pub enum SecretDeliveryType {
        /// Nothing is made; the owner is reminded.
        None = "none",
        /// Into a file on the server.
        File = "file",
        /// To the standard input of a program on the server.
        Command = "command",
        /// To a webhook, signed, and sealed to the receiver's key where it has one.
        Webhook = "webhook",
        /// Into a secret of GitHub Actions.
        GithubActionsSecret = "github_actions_secret",
        /// Into a key of a secret of Kubernetes.
        KubernetesSecret = "kubernetes_secret",
        /// Into a key of a secret of Vault's key-value store, version 2.
        VaultKv = "vault_kv",
    }
}

/// Where new secrets go to, without what lets the delivery in there. What is of no use for its kind is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretDelivery {
    /// How.
    #[serde(rename = "type")]
    pub kind: SecretDeliveryType,
    /// The file, or the path of the secret in Vault.
    #[schema(required = true)]
    pub path: Option<String>,
    /// The name of the program in the server's configuration.
    #[schema(required = true)]
    pub command: Option<String>,
    /// The address that is called.
    #[schema(required = true)]
    pub url: Option<String>,
    /// The key of the webhook's receiver, to which secrets are sealed.
    #[schema(required = true)]
    pub public_key: Option<String>,
    /// The repository on GitHub, `OWNER/NAME`.
    #[schema(required = true)]
    pub repository: Option<String>,
    /// The environment of the repository.
    #[schema(required = true)]
    pub environment: Option<String>,
    /// The namespace in Kubernetes.
    #[schema(required = true)]
    pub namespace: Option<String>,
    /// The name of the secret of GitHub Actions or of Kubernetes.
    #[schema(required = true)]
    pub secret_name: Option<String>,
    /// Where Vault's store is mounted.
    #[schema(required = true)]
    pub mount: Option<String>,
    /// The key within the secret of Kubernetes or Vault.
    #[schema(required = true)]
    pub key: Option<String>,
}

/// A policy of automated rotation. What is null is left to the next policy: of the account, the publisher, the
/// platform, then the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationPolicy {
    /// Its id.
    pub id: Uuid,
    /// What kind of thing it is on.
    pub level: PolicyLevel,
    /// The service token that it is on: the first of its line of rotations.
    #[schema(required = true)]
    pub lineage_id: Option<Uuid>,
    /// The service account that it is on.
    #[schema(required = true)]
    pub service_account_id: Option<Uuid>,
    /// The publisher that it is on, or that the thing belongs to; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Whether tokens are rotated without being asked.
    #[schema(required = true)]
    pub enabled: Option<bool>,
    /// The age at which a token is replaced, in days.
    #[schema(required = true)]
    pub max_age_days: Option<u32>,
    /// How long before its end a token is replaced, in days.
    #[schema(required = true)]
    pub rotate_before_expiry_days: Option<u32>,
    /// Uses within 30 days from which on a token counts as used much.
    #[schema(required = true)]
    pub high_usage_threshold: Option<u32>,
    /// The age at which a token that is used much is replaced, in days.
    #[schema(required = true)]
    pub high_usage_max_age_days: Option<u32>,
    /// How long the old one lives on after the first use of the new one, in seconds.
    #[schema(required = true)]
    pub grace_seconds: Option<u32>,
    /// How long the old one must not have been used before it is retired, in hours; 0: however much it is used.
    #[schema(required = true)]
    pub quiet_hours: Option<u32>,
    /// How long the first use of the new one is waited for before people are told, in hours.
    #[schema(required = true)]
    pub confirm_within_hours: Option<u32>,
    /// The window in which rotations begin.
    #[schema(required = true)]
    pub maintenance_window_id: Option<Uuid>,
    /// Where new secrets go to.
    #[schema(required = true)]
    pub delivery: Option<SecretDelivery>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A policy as the answer that makes or changes it shows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedRotationPolicy {
    /// What its deliveries to a webhook are signed with, when it was made for this; shown this once. Left out otherwise,
    /// and when an answer is repeated for its idempotency key after the secret is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^whsec_[A-Za-z0-9+/]{43}=$", required = false)]
    pub secret: Option<Secret>,
    /// The policy.
    #[serde(flatten)]
    pub object: RotationPolicy,
}

/// The policy on a service account as the answer that says it anew shows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedAccountRotationPolicy {
    /// What its deliveries to a webhook are signed with, when it was made for this; shown this once. Left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^whsec_[A-Za-z0-9+/]{43}=$", required = false)]
    pub secret: Option<Secret>,
    /// The policy.
    #[serde(flatten)]
    pub object: AccountRotationPolicy,
}

/// What the policy on a service account says; all of it null where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountRotationPolicy {
    /// The policy; null where there is none.
    #[schema(required = true)]
    pub id: Option<Uuid>,
    /// Whether tokens are rotated without being asked.
    #[schema(required = true)]
    pub enabled: Option<bool>,
    /// The age at which a token is replaced, in days.
    #[schema(required = true)]
    pub max_age_days: Option<u32>,
    /// How long before its end a token is replaced, in days.
    #[schema(required = true)]
    pub rotate_before_expiry_days: Option<u32>,
    /// Uses within 30 days from which on a token counts as used much.
    #[schema(required = true)]
    pub high_usage_threshold: Option<u32>,
    /// The age at which a token that is used much is replaced, in days.
    #[schema(required = true)]
    pub high_usage_max_age_days: Option<u32>,
    /// How long the old one lives on after the first use of the new one, in seconds.
    #[schema(required = true)]
    pub grace_seconds: Option<u32>,
    /// How long the old one must not have been used before it is retired, in hours; 0: however much it is used.
    #[schema(required = true)]
    pub quiet_hours: Option<u32>,
    /// How long the first use of the new one is waited for before people are told, in hours.
    #[schema(required = true)]
    pub confirm_within_hours: Option<u32>,
    /// The window in which rotations begin.
    #[schema(required = true)]
    pub maintenance_window_id: Option<Uuid>,
    /// Where new secrets go to.
    #[schema(required = true)]
    pub delivery: Option<SecretDelivery>,
}

/// A value that holds, and where it is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveNumber {
    /// The value.
    pub value: u32,
    /// The policy that says it; null for the default.
    #[schema(required = true)]
    pub policy_id: Option<Uuid>,
}

/// Whether tokens are rotated, and where that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveFlag {
    /// The value.
    pub value: bool,
    /// The policy that says it; null when none does.
    #[schema(required = true)]
    pub policy_id: Option<Uuid>,
}

/// The window in which rotations begin, and where that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveWindow {
    /// The window; null: at any time.
    #[schema(required = true)]
    pub value: Option<Uuid>,
    /// The policy that says it; null when none does.
    #[schema(required = true)]
    pub policy_id: Option<Uuid>,
}

/// How new secrets are delivered, and where that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveDelivery {
    /// How.
    pub value: SecretDeliveryType,
    /// The policy that says it, and where to; null when none does.
    #[schema(required = true)]
    pub policy_id: Option<Uuid>,
}

/// What holds for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveRotationPolicy {
    /// The token.
    pub credential_id: Uuid,
    /// Whether it is rotated without being asked.
    pub enabled: EffectiveFlag,
    /// The age at which it is replaced, in days.
    pub max_age_days: EffectiveNumber,
    /// How long before its end it is replaced, in days.
    pub rotate_before_expiry_days: EffectiveNumber,
    /// Uses within 30 days from which on it counts as used much.
    pub high_usage_threshold: EffectiveNumber,
    /// The age at which it is replaced when it is used much, in days.
    pub high_usage_max_age_days: EffectiveNumber,
    /// How long the old one lives on after the first use of the new one, in seconds.
    pub grace_seconds: EffectiveNumber,
    /// How long the old one must not have been used before it is retired, in hours.
    pub quiet_hours: EffectiveNumber,
    /// How long the first use of the new one is waited for, in hours.
    pub confirm_within_hours: EffectiveNumber,
    /// The window in which rotations begin.
    pub maintenance_window_id: EffectiveWindow,
    /// How the new secret is delivered.
    pub delivery: EffectiveDelivery,
    /// How often it was used within the last 30 days.
    pub recent_uses: u64,
    /// When it is to be rotated; null when never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub due_at: Option<Time>,
    /// Why then.
    #[schema(required = true)]
    pub rule: Option<RotationRule>,
}
