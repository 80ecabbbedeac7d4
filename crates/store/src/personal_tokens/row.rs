//! A personal token as a row.

use keywright_core::status::StatusFacts;
use keywright_core::{
    ActorRef, Allowlist, CredentialId, CredentialName, Epochs, PublisherId, RateLimits, ScopeSet, Status,
    Timestamp, TokenHash, TokenHint, UserId,
};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::grants::rate_limits;
use crate::types::{CreatedBy, Time, to_u64};

/// What the owner of a token sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Its name, free among the live ones of its owner.
    pub name: CredentialName,
    /// What it carries at most; empty when it inherits.
    pub scopes: ScopeSet,
    /// Whether it carries all that its owner may.
    pub inherit_user_permissions: bool,
    /// The publishers that it is for; `None`: all of the owner's.
    pub publisher_ids: Option<Vec<PublisherId>>,
    /// Those whose administrators took it out.
    pub excluded_publisher_ids: Vec<PublisherId>,
    /// How often it may be used.
    pub rate_limits: RateLimits,
    /// From where.
    pub ip_allowlist: Allowlist,
    /// Switched on.
    pub is_active: bool,
    /// The end of its life; `None` is never.
    pub expires_at: Option<Timestamp>,
}

impl Terms {
    /// Whether it is for a publisher.
    pub fn is_for(&self, publisher: PublisherId) -> bool {
        self.publisher_ids.as_ref().is_none_or(|ids| ids.contains(&publisher))
            && !self.excluded_publisher_ids.contains(&publisher)
    }

    /// The only publisher that it is for, where there is but one.
    pub fn home(&self) -> Option<PublisherId> {
        match self.publisher_ids.as_deref() {
            Some([only]) => Some(*only),
            _ => None,
        }
    }
}

/// A token to insert.
#[derive(Clone, Debug)]
pub struct NewPersonalToken {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is found by.
    pub token_hash: TokenHash,
    /// What is shown of it.
    pub token_hint: TokenHint,
    /// What its owner sets.
    pub terms: Terms,
    /// The counter of epochs, read under a share lock in the same transaction.
    pub epoch: u64,
    /// The first of its line of rotations, itself included.
    pub lineage_id: Uuid,
    /// The one that it replaces.
    pub rotated_from_id: Option<CredentialId>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

impl NewPersonalToken {
    /// The row as it is after the insert: made under the counter, it lies above every floor.
    pub(super) fn to_row(&self) -> PersonalTokenRow {
        PersonalTokenRow {
            id: self.id,
            user_id: self.user_id,
            token_hint: self.token_hint.clone(),
            terms: self.terms.clone(),
            epoch: self.epoch,
            floor: 0,
            lineage_id: self.lineage_id,
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
        }
    }
}

/// A token as it is stored, but for its hash, which nobody needs to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalTokenRow {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub user_id: UserId,
    /// What is shown of it.
    pub token_hint: TokenHint,
    /// What its owner sets.
    pub terms: Terms,
    /// The counter of epochs at its mint.
    pub epoch: u64,
    /// The highest number of the reaches that all of it lies in, but for the platform: below it the token is
    /// revoked.
    pub floor: u64,
    /// The first of its line of rotations.
    pub lineage_id: Uuid,
    /// The one that it replaced.
    pub rotated_from_id: Option<CredentialId>,
    /// The one that replaced it.
    pub superseded_by_id: Option<CredentialId>,
    /// When it was replaced.
    pub superseded_at: Option<Timestamp>,
    /// The end of its grace, once replaced.
    pub grace_expires_at: Option<Timestamp>,
    /// When it was revoked by itself, or marked after its reach was.
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
}

impl PersonalTokenRow {
    /// Its status at `now` under `epochs`. What a publisher makes of it within itself is told apart.
    pub fn status(&self, epochs: Epochs, now: Timestamp) -> Status {
        StatusFacts {
            revoked: self.is_revoked(epochs),
            is_active: self.terms.is_active,
            expires_at: self.terms.expires_at,
            superseded: self.superseded_by_id.is_some(),
            grace_expires_at: self.grace_expires_at,
        }
        .at(now)
    }

    /// Whether it is revoked, marked or not.
    pub fn is_revoked(&self, epochs: Epochs) -> bool {
        self.revoked_at.is_some() || self.epoch < epochs.personal.max(self.floor)
    }
}

/// A row as the engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct RawRow {
    id: Uuid,
    user_id: Uuid,
    name: String,
    token_hint: String,
    scopes: Json<ScopeSet>,
    inherit_user_permissions: bool,
    publisher_ids: Option<Json<Vec<PublisherId>>>,
    excluded_publisher_ids: Json<Vec<PublisherId>>,
    rate_per_minute: Option<i64>,
    rate_per_hour: Option<i64>,
    ip_allowlist: Json<Allowlist>,
    is_active: bool,
    expires_at: Option<Time>,
    epoch: i64,
    user_epoch: i64,
    publisher_epoch: Option<i64>,
    membership_epoch: Option<i64>,
    floor_epoch: Option<i64>,
    lineage_id: Uuid,
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
    usage_count: Option<i64>,
    last_used_at: Option<Time>,
}

impl TryFrom<RawRow> for PersonalTokenRow {
    type Error = StoreError;

    fn try_from(raw: RawRow) -> Result<Self, StoreError> {
        let floors = [Some(raw.user_epoch), raw.publisher_epoch, raw.membership_epoch, raw.floor_epoch];
        Ok(Self {
            id: CredentialId(raw.id),
            user_id: UserId(raw.user_id),
            token_hint: TokenHint(raw.token_hint),
            terms: Terms {
                name: CredentialName::from_stored(raw.name),
                scopes: raw.scopes.0,
                inherit_user_permissions: raw.inherit_user_permissions,
                publisher_ids: raw.publisher_ids.map(|ids| ids.0),
                excluded_publisher_ids: raw.excluded_publisher_ids.0,
                rate_limits: rate_limits(raw.rate_per_minute, raw.rate_per_hour),
                ip_allowlist: raw.ip_allowlist.0,
                is_active: raw.is_active,
                expires_at: raw.expires_at.map(Into::into),
            },
            epoch: to_u64(raw.epoch),
            floor: floors.into_iter().flatten().map(to_u64).max().unwrap_or(0),
            lineage_id: raw.lineage_id,
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
        })
    }
}
