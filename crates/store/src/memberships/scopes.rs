//! What a user may do by memberships.

use keywright_core::{Name, PersonalTokenPolicy, PublisherId, PublisherSettings, ScopeSet, UserId};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::grants::role_permissions;

statements! {
    SCOPES = [
        "SELECT q.id, q.name, q.settings, r.built_in, r.permissions FROM memberships m \
         JOIN publishers q ON q.id = m.publisher_id AND q.deleted_at IS NULL \
         JOIN roles r ON r.id = m.role_id WHERE m.user_id = $1 ORDER BY m.created_at, q.id"
    ];
}

/// What a user may do in a publisher by the role there, and what that publisher says of personal tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The publisher.
    pub publisher: PublisherId,
    /// Its name.
    pub publisher_name: Name,
    /// What it says of personal tokens.
    pub personal_tokens: PersonalTokenPolicy,
    /// What the role grants.
    pub permissions: ScopeSet,
}

#[derive(sqlx::FromRow)]
struct RawScope {
    id: Uuid,
    name: String,
    settings: Json<PublisherSettings>,
    built_in: Option<String>,
    permissions: Json<ScopeSet>,
}

/// What a user may do in each publisher that they belong to, in the order of joining.
///
/// # Errors
/// As any query.
pub async fn scopes_of_user(conn: Conn<'_>, user: UserId) -> Result<Vec<Scope>, StoreError> {
    let rows = on!(conn, |c| sqlx::query_as::<DB, RawScope>(SCOPES.text::<DB>()).bind(user.0).fetch_all(c))?;
    let scope = |raw: RawScope| {
        Ok(Scope {
            publisher: PublisherId(raw.id),
            publisher_name: Name::from_stored(raw.name),
            personal_tokens: raw.settings.0.personal_tokens,
            permissions: role_permissions(raw.built_in.as_deref(), &raw.permissions.0)?,
        })
    };
    rows.into_iter().map(scope).collect()
}
