//! A user within a publisher: what the role in force grants.

use keywright_core::{
    Bonds, BuiltInRole, Owner, PublisherId, RoleHeld, RoleId, ScopeSet, Standing, Tenancy, UserId,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// A user within a publisher, as the statements about sessions and external identities give them.
#[derive(sqlx::FromRow)]
pub(crate) struct PersonRow {
    user_id: Option<Uuid>,
    email: Option<String>,
    disabled_at: Option<Time>,
    deleted_at: Option<Time>,
    platform_role: Option<String>,
    user_epoch: Option<i64>,
    pub(crate) publisher_id: Option<Uuid>,
    suspended_at: Option<Time>,
    publisher_epoch: Option<i64>,
    membership_epoch: Option<i64>,
    role_id: Option<Uuid>,
    role_name: Option<String>,
    role_built_in: Option<String>,
    role_permissions: Option<Json<ScopeSet>>,
}

/// What a user is within the publisher that was asked about.
pub(crate) struct Person {
    pub(crate) email: Box<str>,
    pub(crate) scopes: ScopeSet,
    pub(crate) bonds: Bonds,
}

impl PersonRow {
    /// `asked` is the publisher of the question; without one the user acts by a role of the platform.
    pub(crate) fn into_person(self, asked: Option<PublisherId>) -> Result<Option<Person>, StoreError> {
        let (Some(user_id), Some(email)) = (self.user_id, self.email) else { return Ok(None) };
        let email = email.into_boxed_str();
        let enabled = self.disabled_at.is_none() && self.deleted_at.is_none();
        let of_platform = self.platform_role.as_deref().map(built_in).transpose()?;
        let (tenancy, scopes) = match asked {
            None => (None, of_platform.map_or_else(ScopeSet::default, BuiltInRole::permissions)),
            Some(id) => {
                let (role, scopes) = match (self.role_id, self.role_name, of_platform) {
                    (Some(role_id), Some(name), _) => {
                        let added = self.role_permissions.map(|set| set.0).unwrap_or_default();
                        let scopes = role_permissions(self.role_built_in.as_deref(), &added)?;
                        (Some(RoleHeld { id: Some(RoleId(role_id)), name: name.into() }), scopes)
                    }
                    // Who is of the platform acts everywhere.
                    (_, _, Some(role)) => {
                        (Some(RoleHeld { id: None, name: role.as_str().into() }), role.permissions())
                    }
                    _ => (None, ScopeSet::default()),
                };
                let standing = match (self.publisher_id, &role, self.suspended_at) {
                    (None, ..) | (_, None, _) => Standing::Foreign,
                    (_, _, Some(_)) => Standing::Suspended,
                    _ => Standing::Good,
                };
                (Some(Tenancy { id, standing, role }), scopes)
            }
        };
        let floors = [self.user_epoch, self.publisher_epoch, self.membership_epoch];
        let bonds = Bonds {
            user: Some(Owner { id: UserId(user_id), email: email.clone(), enabled }),
            publishers: tenancy.iter().map(|tenancy| tenancy.id).collect(),
            publisher: tenancy,
            floor: floors.into_iter().flatten().map(to_u64).max().unwrap_or(0),
            ..Bonds::default()
        };
        Ok(Some(Person { email, scopes, bonds }))
    }
}

fn built_in(name: &str) -> Result<BuiltInRole, StoreError> {
    BuiltInRole::parse(name)
        .ok_or_else(|| StoreError::corrupt(format_args!("unknown built-in role {name:?}")))
}

/// What a role grants: what the built-in one does by itself, and what its row adds.
pub(crate) fn role_permissions(
    built_in_role: Option<&str>,
    added: &ScopeSet,
) -> Result<ScopeSet, StoreError> {
    match built_in_role {
        None => Ok(added.clone()),
        Some(name) => built_in(name)?
            .permissions()
            .union(added)
            .map_err(|error| StoreError::corrupt(format_args!("the permissions of {name}: {error}"))),
    }
}
