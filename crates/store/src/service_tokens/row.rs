//! A service token as a row.

use keywright_core::status::StatusFacts;
use keywright_core::{
    ActorRef, Allowlist, CredentialId, CredentialName, Epochs, Metadata, PublisherId, RateLimits, ScopeSet,
    ServiceAccountId, Status, Timestamp, TokenHash, TokenHint,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::grants::rate_limits;
use crate::types::{CreatedBy, Time, to_u64};

/// A token to insert.
#[derive(Clone, Debug)]
pub struct NewServiceToken {
    /// Its id.
    pub id: CredentialId,
    /// Its name, free among its live siblings.
    pub token_name: CredentialName,
    /// What it is found by.
    pub token_hash: TokenHash,
    /// What is shown of it.
    pub token_hint: TokenHint,
    /// What it carries.
    pub permissions: ScopeSet,
    /// What the application keeps with it.
    pub metadata: Metadata,
    /// Switched on.
    pub is_active: bool,
    /// The end of its life; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The platform's epoch, read under a share lock in the same transaction.
    pub epoch: u64,
    /// The one that it replaces.
    pub rotated_from_id: Option<CredentialId>,
    /// The account that it belongs to; none of a token that stands alone.
    pub service_account_id: Option<ServiceAccountId>,
    /// The publisher of that account.
    pub publisher_id: Option<PublisherId>,
    /// Its own limits.
    pub limits: RateLimits,
    /// Its own networks.
    pub allowlist: Allowlist,
    /// The first of the line of rotations that it comes from.
    pub lineage_id: Option<CredentialId>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

impl NewServiceToken {
    /// The row as it is after the insert.
    pub(super) fn to_row(&self) -> ServiceTokenRow {
        ServiceTokenRow {
            id: self.id,
            token_name: self.token_name.clone(),
            token_hint: self.token_hint.clone(),
            permissions: self.permissions.clone(),
            metadata: self.metadata.clone(),
            is_active: self.is_active,
            expires_at: self.expires_at,
            epoch: self.epoch,
            rotated_from_id: self.rotated_from_id,
            superseded_by_id: None,
            superseded_at: None,
            grace_expires_at: None,
            revoked_at: None,
            revoked_reason: None,
            created_by: self.created_by.clone(),
            created_at: self.created_at,
            updated_at: self.created_at,
            version: 1,
            usage_count: 0,
            last_used_at: None,
            service_account_id: self.service_account_id,
            publisher_id: self.publisher_id,
            limits: self.limits,
            allowlist: self.allowlist.clone(),
            lineage_id: self.lineage_id,
            epoch_floor: 0,
        }
    }
}

/// A token as it is stored, but for its hash, which nobody needs to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTokenRow {
    /// Its id.
    pub id: CredentialId,
    /// Its name.
    pub token_name: CredentialName,
    /// What is shown of it.
    pub token_hint: TokenHint,
    /// What it carries.
    pub permissions: ScopeSet,
    /// What the application keeps with it.
    pub metadata: Metadata,
    /// Switched on.
    pub is_active: bool,
    /// The end of its life; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The platform's epoch at its mint.
    pub epoch: u64,
    /// The one that it replaced.
    pub rotated_from_id: Option<CredentialId>,
    /// The one that replaced it.
    pub superseded_by_id: Option<CredentialId>,
    /// When it was replaced.
    pub superseded_at: Option<Timestamp>,
    /// The end of its grace, once replaced.
    pub grace_expires_at: Option<Timestamp>,
    /// When it was revoked by itself, or marked after an emergency.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
    /// How often it was accepted, as far as journals have been moved.
    pub usage_count: u64,
    /// When it was accepted last.
    pub last_used_at: Option<Timestamp>,
    /// The account that it belongs to; none of a token that stands alone.
    #[serde(default)]
    pub service_account_id: Option<ServiceAccountId>,
    /// The publisher of that account.
    #[serde(default)]
    pub publisher_id: Option<PublisherId>,
    /// Its own limits.
    #[serde(default)]
    pub limits: RateLimits,
    /// Its own networks.
    #[serde(default)]
    pub allowlist: Allowlist,
    /// The first of the line of rotations that it comes from; none when it is that one.
    #[serde(default)]
    pub lineage_id: Option<CredentialId>,
    /// Below it the token is revoked: the higher one of its account's and its publisher's.
    #[serde(default)]
    pub epoch_floor: u64,
}

impl ServiceTokenRow {
    /// Whether it is revoked, by itself or with all others in a reach.
    pub fn is_revoked(&self, epochs: Epochs) -> bool {
        self.revoked_at.is_some() || self.epoch < epochs.service.max(self.epoch_floor)
    }

    /// The first of the line of rotations that it belongs to.
    pub fn lineage(&self) -> CredentialId {
        self.lineage_id.unwrap_or(self.id)
    }

    /// Its status at `now` under `epochs`, as verification judges it.
    pub fn status(&self, epochs: Epochs, now: Timestamp) -> Status {
        StatusFacts {
            revoked: self.is_revoked(epochs),
            is_active: self.is_active,
            expires_at: self.expires_at,
            superseded: self.superseded_by_id.is_some(),
            grace_expires_at: self.grace_expires_at,
        }
        .at(now)
    }
}

/// A row as the engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct RawRow {
    id: Uuid,
    token_name: String,
    token_hint: String,
    permissions: Json<ScopeSet>,
    metadata: Json<Map<String, Value>>,
    is_active: bool,
    expires_at: Option<Time>,
    epoch: i64,
    rotated_from_id: Option<Uuid>,
    superseded_by_id: Option<Uuid>,
    superseded_at: Option<Time>,
    grace_expires_at: Option<Time>,
    revoked_at: Option<Time>,
    revoked_reason: Option<String>,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
    service_account_id: Option<Uuid>,
    publisher_id: Option<Uuid>,
    rate_per_minute: Option<i64>,
    rate_per_hour: Option<i64>,
    ip_allowlist: Json<Allowlist>,
    lineage_id: Option<Uuid>,
    account_epoch: Option<i64>,
    publisher_epoch: Option<i64>,
    usage_count: Option<i64>,
    last_used_at: Option<Time>,
}

impl TryFrom<RawRow> for ServiceTokenRow {
    type Error = StoreError;

    fn try_from(raw: RawRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: CredentialId(raw.id),
            token_name: CredentialName::from_stored(raw.token_name),
            token_hint: TokenHint(raw.token_hint),
            permissions: raw.permissions.0,
            metadata: Metadata::from_stored(raw.metadata.0),
            is_active: raw.is_active,
            expires_at: raw.expires_at.map(Into::into),
            epoch: to_u64(raw.epoch),
            rotated_from_id: raw.rotated_from_id.map(CredentialId),
            superseded_by_id: raw.superseded_by_id.map(CredentialId),
            superseded_at: raw.superseded_at.map(Into::into),
            grace_expires_at: raw.grace_expires_at.map(Into::into),
            revoked_at: raw.revoked_at.map(Into::into),
            revoked_reason: raw.revoked_reason,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
            usage_count: to_u64(raw.usage_count.unwrap_or(0)),
            last_used_at: raw.last_used_at.map(Into::into),
            service_account_id: raw.service_account_id.map(ServiceAccountId),
            publisher_id: raw.publisher_id.map(PublisherId),
            limits: rate_limits(raw.rate_per_minute, raw.rate_per_hour),
            allowlist: raw.ip_allowlist.0,
            lineage_id: raw.lineage_id.map(CredentialId),
            epoch_floor: to_u64(raw.account_epoch.max(raw.publisher_epoch).unwrap_or(0)),
        })
    }
}
