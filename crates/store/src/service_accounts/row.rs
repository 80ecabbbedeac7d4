//! A service account as a row.

use keywright_core::{
    ActorRef, Allowlist, EmailAddress, Metadata, Name, PublisherId, RateLimits, ScopeSet, ServiceAccountId,
    ServiceType, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::grants::rate_limits;
use crate::types::{CreatedBy, Time, to_u64};

/// An account to insert.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// The publisher that it belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// Its name, free among its live siblings.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub service_type: ServiceType,
    /// Whom to ask about it.
    pub owner_email: Option<EmailAddress>,
    /// What its tokens may do at most.
    pub scopes: ScopeSet,
    /// How often they may be used together.
    pub limits: RateLimits,
    /// From where.
    pub allowlist: Allowlist,
    /// What the application keeps with it.
    pub metadata: Metadata,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

impl NewServiceAccount {
    /// The row as it is after the insert.
    pub(super) fn to_row(&self) -> ServiceAccountRow {
        ServiceAccountRow {
            id: self.id,
            publisher_id: self.publisher_id,
            name: self.name.clone(),
            description: self.description.clone(),
            service_type: self.service_type,
            owner_email: self.owner_email.clone(),
            scopes: self.scopes.clone(),
            limits: self.limits,
            allowlist: self.allowlist.clone(),
            metadata: self.metadata.clone(),
            epoch: 0,
            disabled_at: None,
            disabled_reason: None,
            created_by: self.created_by.clone(),
            created_at: self.created_at,
            updated_at: self.created_at,
            version: 1,
        }
    }
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccountRow {
    /// Its id.
    pub id: ServiceAccountId,
    /// The publisher that it belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub service_type: ServiceType,
    /// Whom to ask about it.
    pub owner_email: Option<EmailAddress>,
    /// What its tokens may do at most.
    pub scopes: ScopeSet,
    /// How often they may be used together.
    pub limits: RateLimits,
    /// From where.
    pub allowlist: Allowlist,
    /// What the application keeps with it.
    pub metadata: Metadata,
    /// Below it its tokens are revoked.
    pub epoch: u64,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
    /// Why.
    pub disabled_reason: Option<String>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

#[derive(sqlx::FromRow)]
pub(super) struct RawAccount {
    id: Uuid,
    publisher_id: Option<Uuid>,
    name: String,
    description: String,
    service_type: String,
    owner_email: Option<String>,
    scopes: Json<ScopeSet>,
    rate_per_minute: Option<i64>,
    rate_per_hour: Option<i64>,
    ip_allowlist: Json<Allowlist>,
    metadata: Json<Map<String, Value>>,
    epoch: i64,
    disabled_at: Option<Time>,
    disabled_reason: Option<String>,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawAccount> for ServiceAccountRow {
    type Error = StoreError;

    fn try_from(raw: RawAccount) -> Result<Self, StoreError> {
        let service_type = ServiceType::parse(&raw.service_type).ok_or_else(|| {
            StoreError::corrupt(format_args!("unknown kind of account {:?}", raw.service_type))
        })?;
        Ok(Self {
            id: ServiceAccountId(raw.id),
            publisher_id: raw.publisher_id.map(PublisherId),
            name: Name::from_stored(raw.name),
            description: raw.description,
            service_type,
            owner_email: raw.owner_email.map(EmailAddress::from_stored),
            scopes: raw.scopes.0,
            limits: rate_limits(raw.rate_per_minute, raw.rate_per_hour),
            allowlist: raw.ip_allowlist.0,
            metadata: Metadata::from_stored(raw.metadata.0),
            epoch: to_u64(raw.epoch),
            disabled_at: raw.disabled_at.map(Into::into),
            disabled_reason: raw.disabled_reason,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}
