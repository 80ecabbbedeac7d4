//! A rotation as a row.

use keywright_core::rotation::{Delivery, RotationState, Rule};
use keywright_core::{
    CredentialId, CredentialName, PublisherId, RotationId, RotationPolicyId, ServiceAccountId, Timestamp,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// A rotation as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct RotationRow {
    /// Its id.
    pub id: RotationId,
    /// The token that is replaced.
    pub credential_id: CredentialId,
    /// Its name when that was decided.
    pub token_name: CredentialName,
    /// The first of the line of rotations.
    pub lineage_id: CredentialId,
    /// The token that replaces it, once it is minted.
    pub successor_id: Option<CredentialId>,
    /// The publisher of the token.
    pub publisher_id: Option<PublisherId>,
    /// The account of the token.
    pub service_account_id: Option<ServiceAccountId>,
    /// The policy that says where the secret goes to.
    pub policy_id: RotationPolicyId,
    /// Why it is replaced.
    pub rule: Rule,
    /// Where the rotation stands.
    pub state: RotationState,
    /// Where the secret goes to.
    pub delivery: Delivery,
    /// How long the old one lives on after confirmation, in seconds.
    pub grace_seconds: u32,
    /// How long the old one must be quiet before it is retired, in hours.
    pub quiet_hours: u32,
    /// How long the first use is waited for, in hours.
    pub confirm_within_hours: u32,
    /// The new secret, sealed, until its delivery is settled.
    pub sealed_secret: Option<Vec<u8>>,
    /// How often delivery was tried: the number of the last try is a fence.
    pub attempts: u64,
    /// When it may be tried again; while a try is under way, when that counts as lost.
    pub next_attempt_at: Timestamp,
    /// Whether it is possible that a byte of the secret has left.
    pub may_have_sent: bool,
    /// Whether the use of the new one from elsewhere was told.
    pub told_of_use: bool,
    /// What the receiver answered last, or why nothing was sent.
    pub last_answer: Option<String>,
    /// Until when the first use is waited for.
    pub confirm_by: Option<Timestamp>,
    /// When the receiver had it for certain.
    pub delivered_at: Option<Timestamp>,
    /// When the new one's first use was known.
    pub confirmed_at: Option<Timestamp>,
    /// The end of the old one's grace.
    pub grace_expires_at: Option<Timestamp>,
    /// When nothing followed any more.
    pub closed_at: Option<Timestamp>,
    /// When it was decided on.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl std::fmt::Debug for RotationRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotationRow")
            .field("id", &self.id)
            .field("credential_id", &self.credential_id)
            .field("successor_id", &self.successor_id)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("may_have_sent", &self.may_have_sent)
            .field("last_answer", &self.last_answer)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A step of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// The version that it made.
    pub version: u64,
    /// What it was.
    pub kind: String,
    /// More about it, a JSON object.
    pub details: Option<String>,
    /// When.
    pub occurred_at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(super) struct RawStep {
    version: i64,
    kind: String,
    details: Option<String>,
    occurred_at: Time,
}

impl From<RawStep> for StepRow {
    fn from(raw: RawStep) -> Self {
        Self {
            version: to_u64(raw.version),
            kind: raw.kind,
            details: raw.details,
            occurred_at: raw.occurred_at.into(),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct RawRotation {
    id: Uuid,
    credential_id: Uuid,
    token_name: String,
    lineage_id: Uuid,
    successor_id: Option<Uuid>,
    publisher_id: Option<Uuid>,
    service_account_id: Option<Uuid>,
    policy_id: Uuid,
    rule: String,
    state: String,
    delivery: Json<Delivery>,
    grace_seconds: i64,
    quiet_hours: i64,
    confirm_within_hours: i64,
    sealed_secret: Option<Vec<u8>>,
    attempts: i64,
    next_attempt_at: Time,
    may_have_sent: bool,
    told_of_use: bool,
    last_answer: Option<String>,
    confirm_by: Option<Time>,
    delivered_at: Option<Time>,
    confirmed_at: Option<Time>,
    grace_expires_at: Option<Time>,
    closed_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawRotation> for RotationRow {
    type Error = StoreError;

    fn try_from(raw: RawRotation) -> Result<Self, StoreError> {
        let unknown = |what, text: &str| StoreError::corrupt(format_args!("unknown {what} {text:?}"));
        let number = |number| u32::try_from(number).unwrap_or(0);
        Ok(Self {
            id: RotationId(raw.id),
            credential_id: CredentialId(raw.credential_id),
            token_name: CredentialName::from_stored(raw.token_name),
            lineage_id: CredentialId(raw.lineage_id),
            successor_id: raw.successor_id.map(CredentialId),
            publisher_id: raw.publisher_id.map(PublisherId),
            service_account_id: raw.service_account_id.map(ServiceAccountId),
            policy_id: RotationPolicyId(raw.policy_id),
            rule: Rule::parse(&raw.rule).ok_or_else(|| unknown("rule", &raw.rule))?,
            state: RotationState::parse(&raw.state).ok_or_else(|| unknown("state", &raw.state))?,
            delivery: raw.delivery.0,
            grace_seconds: number(raw.grace_seconds),
            quiet_hours: number(raw.quiet_hours),
            confirm_within_hours: number(raw.confirm_within_hours),
            sealed_secret: raw.sealed_secret,
            attempts: to_u64(raw.attempts),
            next_attempt_at: raw.next_attempt_at.into(),
            may_have_sent: raw.may_have_sent,
            told_of_use: raw.told_of_use,
            last_answer: raw.last_answer,
            confirm_by: raw.confirm_by.map(Into::into),
            delivered_at: raw.delivered_at.map(Into::into),
            confirmed_at: raw.confirmed_at.map(Into::into),
            grace_expires_at: raw.grace_expires_at.map(Into::into),
            closed_at: raw.closed_at.map(Into::into),
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}
