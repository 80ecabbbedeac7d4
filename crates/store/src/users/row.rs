//! A user as a row.

use keywright_core::{
    ActorKind, ActorRef, BuiltInRole, EmailAddress, Metadata, Name, PasswordHash, PublisherId, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// A user to insert.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their id.
    pub id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// Since when that is known to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// What they are called.
    pub display_name: Option<Name>,
    /// What their password is compared with; `None` until an invitation was accepted.
    pub password_hash: Option<PasswordHash>,
    /// What they prefer.
    pub preferences: Metadata,
    /// The publisher that they act for when they name none.
    pub default_publisher_id: Option<PublisherId>,
    /// Their role of the platform.
    pub platform_role: Option<BuiltInRole>,
    /// The counter of epochs.
    pub session_epoch: u64,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

impl NewUser {
    /// The row as it is after the insert.
    pub(super) fn to_row(&self) -> UserRow {
        UserRow {
            id: self.id,
            email: self.email.clone(),
            email_verified_at: self.email_verified_at,
            display_name: self.display_name.clone(),
            has_password: self.password_hash.is_some(),
            password_changed_at: self.password_hash.as_ref().map(|_| self.created_at),
            preferences: self.preferences.clone(),
            default_publisher_id: self.default_publisher_id,
            platform_role: self.platform_role.map(|role| role.as_str().to_owned()),
            disabled_at: None,
            disabled_reason: None,
            session_epoch: self.session_epoch,
            external_refused_at: None,
            last_login_at: None,
            created_by: self.created_by.clone(),
            created_at: self.created_at,
            updated_at: self.created_at,
            version: 1,
        }
    }
}

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    /// Has set no password yet.
    Invited,
    /// May log in.
    Active,
    /// Is locked out.
    Disabled,
}

impl UserStatus {
    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// A user as stored, but for what their password is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// Their id.
    pub id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// Since when that is known to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// What they are called.
    pub display_name: Option<Name>,
    /// Whether a password was set.
    pub has_password: bool,
    /// When it was set last.
    pub password_changed_at: Option<Timestamp>,
    /// What they prefer.
    pub preferences: Metadata,
    /// The publisher that they act for when they name none.
    pub default_publisher_id: Option<PublisherId>,
    /// Their role of the platform: [`BuiltInRole::as_str`].
    pub platform_role: Option<String>,
    /// Since when they are locked out.
    pub disabled_at: Option<Timestamp>,
    /// Why.
    pub disabled_reason: Option<String>,
    /// Sessions below it have ended.
    pub session_epoch: u64,
    /// Since when an emergency refuses tokens of other issuers for them.
    pub external_refused_at: Option<Timestamp>,
    /// When they logged in last.
    pub last_login_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts the changes, from 1.
    pub version: u64,
}

impl UserRow {
    /// Where they stand.
    pub const fn status(&self) -> UserStatus {
        match (self.disabled_at, self.has_password) {
            (Some(_), _) => UserStatus::Disabled,
            (None, false) => UserStatus::Invited,
            (None, true) => UserStatus::Active,
        }
    }

    /// Whether they administer the platform.
    pub fn is_platform_administrator(&self) -> bool {
        self.platform_role.as_deref() == Some(BuiltInRole::PlatformAdmin.as_str())
    }
}

/// A row as the engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct RawUser {
    id: Uuid,
    email: String,
    email_verified_at: Option<Time>,
    display_name: String,
    has_password: bool,
    password_changed_at: Option<Time>,
    preferences: Json<Map<String, Value>>,
    default_publisher_id: Option<Uuid>,
    platform_role: Option<String>,
    disabled_at: Option<Time>,
    disabled_reason: Option<String>,
    session_epoch: i64,
    external_refused_at: Option<Time>,
    last_login_at: Option<Time>,
    created_by_type: String,
    created_by_id: Option<Uuid>,
    created_by_name: String,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

/// A row with what a login needs.
#[derive(sqlx::FromRow)]
pub(super) struct RawLogin {
    #[sqlx(flatten)]
    pub(super) user: RawUser,
    pub(super) password_hash: Option<String>,
}

impl TryFrom<RawUser> for UserRow {
    type Error = StoreError;

    fn try_from(raw: RawUser) -> Result<Self, StoreError> {
        let kind = ActorKind::parse(&raw.created_by_type).ok_or_else(|| {
            StoreError::corrupt(format_args!("unknown kind of actor {:?}", raw.created_by_type))
        })?;
        Ok(Self {
            id: UserId(raw.id),
            email: EmailAddress::from_stored(raw.email),
            email_verified_at: raw.email_verified_at.map(Into::into),
            display_name: Some(raw.display_name).filter(|name| !name.is_empty()).map(Name::from_stored),
            has_password: raw.has_password,
            password_changed_at: raw.password_changed_at.map(Into::into),
            preferences: Metadata::from_stored(raw.preferences.0),
            default_publisher_id: raw.default_publisher_id.map(PublisherId),
            platform_role: raw.platform_role,
            disabled_at: raw.disabled_at.map(Into::into),
            disabled_reason: raw.disabled_reason,
            session_epoch: to_u64(raw.session_epoch),
            external_refused_at: raw.external_refused_at.map(Into::into),
            last_login_at: raw.last_login_at.map(Into::into),
            created_by: ActorRef { kind, id: raw.created_by_id, name: raw.created_by_name },
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}
