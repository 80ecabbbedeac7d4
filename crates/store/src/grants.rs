//! Grants: what the hot path asks for on a miss, by exactly one statement.

mod bounds;
mod person;
mod personal;
mod token;

use std::collections::HashMap;

use keywright_core::{
    CredentialId, CredentialKind, Epochs, Grant, PrincipalKind, PublisherId, SessionId, TokenHash, UserId,
    Wanted,
};
use keywright_verify::source::LoadedTokens;
use keywright_verify::{GrantSource, Loaded, SourceError};
use sqlx::Postgres;
use uuid::Uuid;

use self::personal::PersonalRow;
use self::token::TokenRow;
use crate::conn::{Conn, call, on};
use crate::dialect::statements;
use crate::engine::Engine;
use crate::error::StoreError;
use crate::external_identities;
use crate::platform::{EpochRow, epoch_columns};
use crate::store::Store;
use crate::types::{Time, to_u64};

pub(crate) use self::bounds::rate_limits;
pub(crate) use self::person::{PersonRow, role_permissions};

/// The columns of a [`TokenRow`]: token `t`, account `a`, publisher `q`.
macro_rules! token_columns {
    () => {
        "t.id, t.token_name, t.permissions, t.metadata, t.expires_at, t.is_active, t.revoked_at, \
         t.superseded_by_id, t.grace_expires_at, t.epoch, t.rate_per_minute, t.rate_per_hour, t.ip_allowlist, \
         t.lineage_id, a.id AS account_id, a.name AS account_name, a.publisher_id AS account_publisher_id, \
         a.scopes AS account_scopes, a.metadata AS account_metadata, a.rate_per_minute AS account_per_minute, \
         a.rate_per_hour AS account_per_hour, a.ip_allowlist AS account_allowlist, a.epoch AS account_epoch, \
         a.disabled_at AS account_disabled_at, q.id AS publisher_id, q.suspended_at, q.settings, \
         q.service_epoch AS publisher_epoch"
    };
}

/// The account of token `t`, and the publisher that is decided for: the account's, unless another is asked for.
macro_rules! token_account {
    ($publisher:literal) => {
        concat!(
            " LEFT JOIN service_accounts a ON a.id = t.service_account_id \
             LEFT JOIN publishers q ON q.id = ",
            $publisher,
            " AND q.deleted_at IS NULL"
        )
    };
}

/// The columns of a [`PersonRow`]: user `u`, publisher `q`, membership `m`, role `r`; the epochs are those of a
/// kind of credential.
macro_rules! person_columns {
    ($kind:literal) => {
        concat!(
            "u.id AS user_id, u.email, u.disabled_at, u.deleted_at, u.platform_role, u.",
            $kind,
            "_epoch AS user_epoch, q.id AS publisher_id, q.suspended_at, q.",
            $kind,
            "_epoch AS publisher_epoch, m.",
            $kind,
            "_epoch AS membership_epoch, r.id AS role_id, r.name AS role_name, r.built_in AS role_built_in, \
             r.permissions AS role_permissions"
        )
    };
}
pub(crate) use person_columns;

/// Where the user `u` acts when nobody says: the default publisher, else the only one. Who is of the platform
/// acts there.
macro_rules! default_publisher {
    () => {
        "CASE WHEN u.platform_role IS NULL THEN COALESCE( \
         (SELECT d.publisher_id FROM memberships d \
         WHERE d.user_id = u.id AND d.publisher_id = u.default_publisher_id), \
         (SELECT d.publisher_id FROM memberships d WHERE d.user_id = u.id AND NOT EXISTS \
         (SELECT 1 FROM memberships o WHERE o.user_id = u.id AND o.publisher_id <> d.publisher_id))) END"
    };
}
pub(crate) use default_publisher;

/// The columns of a [`PersonalRow`] beside the person's: token `t`, publisher `q`, approval `y`.
macro_rules! personal_columns {
    () => {
        "t.id, t.name, t.scopes, t.inherit_user_permissions, t.publisher_ids, t.excluded_publisher_ids, t.expires_at, t.is_active, \
         t.revoked_at, t.superseded_by_id, t.grace_expires_at, t.epoch, t.created_at, t.rate_per_minute, \
         t.rate_per_hour, t.ip_allowlist, t.lineage_id, q.settings, y.approved_at"
    };
}

statements! {
    /// The platform's row comes first: without it there is no answer, and not "no such credential".
    TOKEN = [
        "SELECT ", epoch_columns!(), ", ", token_columns!(),
        " FROM platform p LEFT JOIN service_tokens t ON t.token_hash = $1",
        token_account!("COALESCE($2, a.publisher_id)"), " WHERE p.id = 1"
    ];
    PERSONAL = [
        "SELECT ", epoch_columns!(), ", ", personal_columns!(), ", ", person_columns!("personal"),
        " FROM platform p LEFT JOIN personal_tokens t ON t.token_hash = $1 LEFT JOIN users u ON u.id = t.user_id \
         LEFT JOIN publishers q ON q.id = COALESCE($2, t.home_publisher_id, ", default_publisher!(), ") \
         AND q.deleted_at IS NULL \
         LEFT JOIN memberships m ON m.user_id = u.id AND m.publisher_id = q.id \
         LEFT JOIN roles r ON r.id = m.role_id \
         LEFT JOIN personal_token_approvals y ON y.lineage_id = t.lineage_id AND y.publisher_id = q.id \
         WHERE p.id = 1"
    ];
    /// The same by its id, for what was made from it.
    TOKEN_BY_ID = [
        "SELECT ", epoch_columns!(), ", ", token_columns!(),
        " FROM platform p LEFT JOIN service_tokens t ON t.id = $1",
        token_account!("COALESCE($2, a.publisher_id)"), " WHERE p.id = 1"
    ];
    PERSONAL_HASH = ["SELECT token_hash FROM personal_tokens WHERE id = $1 AND user_id = $2"];
    SESSION = [
        "SELECT ", epoch_columns!(), ", s.id, s.epoch, s.expires_at, s.revoked_at, ", person_columns!("session"), " \
         FROM platform p LEFT JOIN sessions s ON s.id = $1 LEFT JOIN users u ON u.id = s.user_id \
         LEFT JOIN publishers q ON q.id = $2 AND q.deleted_at IS NULL \
         LEFT JOIN memberships m ON m.user_id = u.id AND m.publisher_id = q.id \
         LEFT JOIN roles r ON r.id = m.role_id WHERE p.id = 1"
    ];
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
            revoked: self.revoked_at.is_some(),
            superseded: false,
            grace_expires_at: None,
            epoch: to_u64(epoch),
            bonds: Some(Box::new(person.bonds)),
            bounds: None,
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
    let row = on!(conn, |c| sqlx::query_as::<DB, TokenRow>(TOKEN.text::<DB>())
        .bind(hash.as_bytes().as_slice())
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.ok_or_else(no_platform)?.into_loaded(publisher)
}

async fn token_by_id(
    conn: Conn<'_>,
    id: CredentialId,
    publisher: Option<PublisherId>,
) -> Result<Option<Loaded>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, TokenRow>(TOKEN_BY_ID.text::<DB>())
        .bind(id.0)
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.ok_or_else(no_platform)?.into_loaded(publisher)
}

async fn personal(
    conn: Conn<'_>,
    hash: &TokenHash,
    publisher: Option<PublisherId>,
) -> Result<Option<Loaded>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, PersonalRow>(PERSONAL.text::<DB>())
        .bind(hash.as_bytes().as_slice())
        .bind(publisher.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    row.ok_or_else(no_platform)?.into_loaded(publisher)
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
        Wanted::Personal { hash, publisher } => personal(conn, hash, *publisher).await,
        Wanted::Session { id, publisher } => session(conn, *id, *publisher).await,
        Wanted::TokenAccess { id, publisher } => token_by_id(conn, *id, *publisher).await,
        Wanted::External { identity, publisher } => {
            external_identities::load(conn, identity, *publisher).await
        }
    }
}

/// The grant of a service token with this id, asked about for no publisher.
///
/// # Errors
/// As any query.
pub async fn of_service_token(conn: Conn<'_>, id: CredentialId) -> Result<Option<Grant>, StoreError> {
    Ok(token_by_id(conn, id, None).await?.map(|loaded| loaded.grant))
}

/// The grant of a user's personal token with this id, where it acts by itself.
///
/// # Errors
/// As any query.
pub async fn of_personal_token(
    mut conn: Conn<'_>,
    user: UserId,
    id: CredentialId,
) -> Result<Option<Grant>, StoreError> {
    let hash = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Vec<u8>>(PERSONAL_HASH.text::<DB>())
        .bind(id.0)
        .bind(user.0)
        .fetch_optional(c))?;
    let Some(hash) = hash_of(hash)? else { return Ok(None) };
    Ok(personal(conn, &hash, None).await?.map(|loaded| loaded.grant))
}

fn hash_of(bytes: Option<Vec<u8>>) -> Result<Option<TokenHash>, StoreError> {
    let hash = bytes.map(|bytes| <[u8; 32]>::try_from(bytes).map(TokenHash::from_bytes)).transpose();
    hash.map_err(|_| StoreError::corrupt("a token's hash has not 32 bytes"))
}

/// The tokens behind several hashes, on PostgreSQL, where a question costs more than its answer. The
/// platform's row comes first here as well.
const TOKENS: &str = concat!(
    "SELECT t.token_hash, ",
    epoch_columns!(),
    ", ",
    token_columns!(),
    " FROM platform p LEFT JOIN service_tokens t ON t.token_hash = ANY($1)",
    token_account!("a.publisher_id"),
    " WHERE p.id = 1"
);

/// How many tokens one question is about, at most.
const TOKENS_AT_ONCE: usize = 64;

/// So many elements PostgreSQL supposes in an array that it does not know yet. A question with fewer looks cheaper
/// to it than the plan that it keeps, and is planned anew each time, which takes longer than answering it.
const SUPPOSED_ELEMENTS: usize = 10;

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
    let mut wanted: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    if let Some(first) = wanted.first().copied() {
        wanted.resize(wanted.len().max(SUPPOSED_ELEMENTS), first);
    }
    let rows = call!(link, |c| sqlx::query_as::<Postgres, HashedRow>(TOKENS).bind(wanted).fetch_all(c))?;
    if rows.is_empty() {
        return Err(no_platform());
    }
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let (Some(hash), Some(loaded)) = (row.token_hash, row.token.into_loaded(None)?) {
            found.insert(hash, loaded);
        }
    }
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
            personal: to_u64(row.platform_personal_epoch),
            counter: to_u64(row.epoch_counter),
            keys: to_u64(row.keys_version),
        }
    }
}
