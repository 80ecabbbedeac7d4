//! A membership as it is stored.

use keywright_core::{ActorRef, Name, PublisherId, RoleId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{CreatedBy, Time, to_u64};

/// A membership to insert.
#[derive(Clone, Debug)]
pub struct NewMembership {
    /// The user.
    pub user_id: UserId,
    /// The publisher.
    pub publisher_id: PublisherId,
    /// The role, one of the publisher.
    pub role_id: RoleId,
    /// Below it the user's sessions are revoked within the publisher.
    pub session_epoch: u64,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

/// A member of a publisher: the membership, with what is shown of the user and the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The user.
    pub user_id: UserId,
    /// The publisher.
    pub publisher_id: PublisherId,
    /// The user's address.
    pub email: String,
    /// The user's name.
    pub display_name: String,
    /// Whether the user is disabled.
    pub is_disabled: bool,
    /// The role.
    pub role_id: RoleId,
    /// Its name.
    pub role_name: Name,
    /// The built-in role that it is.
    pub role_built_in: Option<String>,
    /// Below it the user's sessions are revoked within the publisher.
    pub session_epoch: u64,
    /// Who made the membership.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

#[derive(sqlx::FromRow)]
pub(super) struct RawMember {
    user_id: Uuid,
    publisher_id: Uuid,
    role_id: Uuid,
    session_epoch: i64,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
    email: String,
    display_name: String,
    disabled_at: Option<Time>,
    role_name: String,
    role_built_in: Option<String>,
}

impl TryFrom<RawMember> for MemberRow {
    type Error = StoreError;

    fn try_from(raw: RawMember) -> Result<Self, StoreError> {
        Ok(Self {
            user_id: UserId(raw.user_id),
            publisher_id: PublisherId(raw.publisher_id),
            email: raw.email,
            display_name: raw.display_name,
            is_disabled: raw.disabled_at.is_some(),
            role_id: RoleId(raw.role_id),
            role_name: Name::from_stored(raw.role_name),
            role_built_in: raw.role_built_in,
            session_epoch: to_u64(raw.session_epoch),
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}
