//! Grants: what the hot path asks for on a miss, by exactly one statement.

use std::collections::HashMap;

use keywright_core::{
    Bonds, BuiltInRole, CredentialId, CredentialKind, Epochs, Grant, Metadata, Owner, PrincipalKind,
    PublisherId, RoleHeld, RoleId, ScopeSet, SessionId, Standing, Tenancy, TokenHash, UserId, Wanted,
};
use keywright_verify::source::LoadedTokens;
use keywright_verify::{GrantSource, Loaded, SourceError};
use serde_json::{Map, Value};
use sqlx::Postgres;
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, call, on};
use crate::dialect::statements;
use crate::engine::Engine;
use crate::error::StoreError;
use crate::external_identities;
use crate::platform::{EpochRow, epoch_columns};
use crate::store::Store;
use crate::types::{Time, to_u64};

macro_rules! token_columns {
    () => {
        "t.id, t.token_name, t.permissions, t.metadata, t.expires_at, t.is_active, t.revoked_at, \
         t.superseded_by_id, t.grace_expires_at, t.epoch"
    };
}

/// The columns of a [`PersonRow`]: user `u`, publisher `q`, membership `m`, role `r`.
macro_rules! person_columns {
    () => {
        "u.id AS user_id, u.email, u.disabled_at, u.deleted_at, u.platform_role, \
         u.session_epoch AS user_epoch, q.id AS publisher_id, q.suspended_at, \
         q.session_epoch AS publisher_epoch, m.session_epoch AS membership_epoch, \
         r.id AS role_id, r.name AS role_name, r.built_in AS role_built_in, r.permissions AS role_permissions"
    };
}
pub(crate) use person_columns;

statements! {
    /// The platform's row comes first: without it there is no answer, and not "no such credential".
    TOKEN = [
        "SELECT ", epoch_columns!(), ", ", token_columns!(),
        " FROM platform p LEFT JOIN service_tokens t ON t.token_hash = $1 WHERE p.id = 1"
    ];
    TOKEN_WITHIN = [
        "SELECT ", epoch_columns!(), ", ", token_columns!(), ", q.id AS publisher_id, q.suspended_at \
         FROM platform p LEFT JOIN service_tokens t ON t.token_hash = $1 \
         LEFT JOIN publishers q ON q.id = $2 AND q.deleted_at IS NULL WHERE p.id = 1"
    ];
    SESSION = [
        "SELECT ", epoch_columns!(), ", s.id, s.epoch, s.expires_at, s.revoked_at, ", person_columns!(), " \
         FROM platform p LEFT JOIN sessions s ON s.id = $1 LEFT JOIN users u ON u.id = s.user_id \
         LEFT JOIN publishers q ON q.id = $2 AND q.deleted_at IS NULL \
         LEFT JOIN memberships m ON m.user_id = u.id AND m.publisher_id = q.id \
         LEFT JOIN roles r ON r.id = m.role_id WHERE p.id = 1"
    ];
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    id: Option<Uuid>,
    token_name: Option<String>,
    permissions: Option<Json<ScopeSet>>,
    metadata: Option<Json<Map<String, Value>>>,
    expires_at: Option<Time>,
    is_active: Option<bool>,
    revoked_at: Option<Time>,
    superseded_by_id: Option<Uuid>,
    grace_expires_at: Option<Time>,
    epoch: Option<i64>,
}

impl TokenRow {
    fn into_loaded(self, bonds: Option<Box<Bonds>>) -> Option<Loaded> {
        let grant = Grant {
            credential_id: CredentialId(self.id?),
            kind: CredentialKind::Service,
            name: self.token_name?.into_boxed_str(),
            principal: PrincipalKind::ServiceToken,
            scopes: self.permissions?.0,
            metadata: self
                .metadata
                .filter(|map| !map.0.is_empty())
                .map(|map| Box::new(Metadata::from_stored(map.0))),
            expires_at: self.expires_at.map(Into::into),
            is_active: self.is_active?,
            revoked_at: self.revoked_at.map(Into::into),
            superseded_by: self.superseded_by_id.map(CredentialId),
            grace_expires_at: self.grace_expires_at.map(Into::into),
            epoch: to_u64(self.epoch?),
            bonds,
        };
        Some(Loaded { grant, epochs: self.epochs.into() })
    }
}

#[derive(sqlx::FromRow)]
struct TokenWithinRow {
    #[sqlx(flatten)]
    token: TokenRow,
    publisher_id: Option<Uuid>,
    suspended_at: Option<Time>,
}

impl TokenWithinRow {
    /// A token of the platform acts in every publisher that there is.
    fn into_loaded(self, asked: PublisherId) -> Option<Loaded> {
        let standing = match (self.publisher_id, self.suspended_at) {
            (None, _) => Standing::Foreign,
            (Some(_), Some(_)) => Standing::Suspended,
            (Some(_), None) => Standing::Good,
        };
        let publisher = Some(Tenancy { id: asked, standing, role: None });
        self.token.into_loaded(Some(Box::new(Bonds { publisher, ..Bonds::default() })))
    }
}

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
            refused: false,
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

#[derive(sqlx::FromRow)]
struct SessionRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    #[sqlx(flatten)]
    person: PersonRow,
    id: Option<Uuid>,
    epoch: Option<i64>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

impl SessionRow {
    fn into_loaded(self, asked: Option<PublisherId>) -> Result<Option<Loaded>, StoreError> {
        let (Some(id), Some(epoch)) = (self.id, self.epoch) else { return Ok(None) };
        let Some(person) = self.person.into_person(asked)? else { return Ok(None) };
        let grant = Grant {
            credential_id: CredentialId(id),
            kind: CredentialKind::User,
            name: person.email,
            principal: PrincipalKind::User,
            scopes: person.scopes,
            metadata: None,
            expires_at: self.expires_at.map(Into::into),
            is_active: true,
            revoked_at: self.revoked_at.map(Into::into),
            superseded_by: None,
            grace_expires_at: None,
            epoch: to_u64(epoch),
            bonds: Some(Box::new(person.bonds)),
        };
        Ok(Some(Loaded { grant, epochs: self.epochs.into() }))
    }
}

pub(crate) fn no_platform() -> StoreError {
    StoreError::corrupt("the platform's row is missing")
}

async fn token(
    conn: Conn<'_>,
    hash: &TokenHash,
    publisher: Option<PublisherId>,
) -> Result<Option<Loaded>, StoreError> {
    let hash = hash.as_bytes().as_slice();
    let Some(asked) = publisher else {
        let row =
            on!(conn, |c| sqlx::query_as::<DB, TokenRow>(TOKEN.text::<DB>()).bind(hash).fetch_optional(c))?;
        return Ok(row.ok_or_else(no_platform)?.into_loaded(None));
    };
    let row = on!(conn, |c| sqlx::query_as::<DB, TokenWithinRow>(TOKEN_WITHIN.text::<DB>())
        .bind(hash)
        .bind(asked.0)
        .fetch_optional(c))?;
    Ok(row.ok_or_else(no_platform)?.into_loaded(asked))
}

async fn session(
    conn: Conn<'_>,
    id: SessionId,
    publisher: Option<PublisherId>,
) -> Result<Option<Loaded>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, SessionRow>(SESSION.text::<DB>())
        .bind(id.0)
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.ok_or_else(no_platform)?.into_loaded(publisher)
}

/// The grant that is wanted, with the epochs in force; `None` when there is no such credential. Inside a
/// change it is the grant of the one who makes it, whom [`Store::begin_change`] holds as it is.
///
/// # Errors
/// As any query. A fault is never an unknown credential.
pub async fn load(conn: Conn<'_>, wanted: &Wanted) -> Result<Option<Loaded>, StoreError> {
    match wanted {
        Wanted::Token { hash, publisher } => token(conn, hash, *publisher).await,
        Wanted::Session { id, publisher } => session(conn, *id, *publisher).await,
        Wanted::External { identity, publisher } => {
            external_identities::load(conn, identity, *publisher).await
        }
    }
}

/// The tokens behind several hashes, on PostgreSQL, where a question costs more than its answer. The
/// platform's row comes first here as well.
const TOKENS: &str = concat!(
    "SELECT t.token_hash, ",
    epoch_columns!(),
    ", ",
    token_columns!(),
    " FROM platform p LEFT JOIN service_tokens t ON t.token_hash = ANY($1) WHERE p.id = 1"
);

/// How many tokens one question is about, at most.
const TOKENS_AT_ONCE: usize = 64;

#[derive(sqlx::FromRow)]
struct HashedRow {
    token_hash: Option<Vec<u8>>,
    #[sqlx(flatten)]
    token: TokenRow,
}

/// The grants behind these hashes, asked about for no publisher, in their order.
///
/// # Errors
/// As any query.
pub async fn load_tokens(
    mut conn: Conn<'_>,
    hashes: &[TokenHash],
) -> Result<Vec<Option<Loaded>>, StoreError> {
    let Conn::Postgres(link) = conn.reborrow() else {
        let mut loaded = Vec::with_capacity(hashes.len());
        for hash in hashes {
            loaded.push(token(conn.reborrow(), hash, None).await?);
        }
        return Ok(loaded);
    };
    let wanted: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    let rows = call!(link, |c| sqlx::query_as::<Postgres, HashedRow>(TOKENS).bind(wanted).fetch_all(c))?;
    if rows.is_empty() {
        return Err(no_platform());
    }
    let mut found: HashMap<Vec<u8>, Loaded> =
        rows.into_iter().filter_map(|row| Some((row.token_hash?, row.token.into_loaded(None)?))).collect();
    Ok(hashes.iter().map(|hash| found.remove(hash.as_bytes().as_slice())).collect())
}

impl GrantSource for Store {
    fn tokens_at_once(&self) -> usize {
        match self.engine() {
            Engine::Sqlite => 1,
            Engine::Postgres => TOKENS_AT_ONCE,
        }
    }

    async fn load_tokens(&self, hashes: &[TokenHash]) -> LoadedTokens {
        let mut reader = self.read().await?;
        Ok(load_tokens(reader.conn(), hashes).await?)
    }

    async fn load(&self, wanted: &Wanted) -> Result<Option<Loaded>, SourceError> {
        let mut reader = self.read().await?;
        Ok(load(reader.conn(), wanted).await?)
    }
}

impl From<EpochRow> for Epochs {
    fn from(row: EpochRow) -> Self {
        Self {
            service: to_u64(row.service_epoch),
            session: to_u64(row.platform_session_epoch),
            counter: to_u64(row.epoch_counter),
            keys: to_u64(row.keys_version),
        }
    }
}
