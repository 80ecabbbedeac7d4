//! Grants: what the hot path asks for on a miss, by exactly one statement.

use keywright_core::{
    CredentialId, CredentialKind, Epochs, Grant, Metadata, PrincipalKind, ScopeSet, TokenHash,
};
use keywright_verify::{GrantSource, Loaded, SourceError};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::store::Store;
use crate::types::{Time, to_u64};

macro_rules! grant_columns {
    () => {
        "p.service_epoch, t.id, t.token_name, t.permissions, t.metadata, t.expires_at, t.is_active, \
         t.revoked_at, t.superseded_by_id, t.grace_expires_at, t.epoch"
    };
}

statements! {
    /// The platform's row comes first: without it there is no answer, and not "no such credential".
    LOAD = [
        "SELECT ", grant_columns!(),
        " FROM platform p LEFT JOIN service_tokens t ON t.token_hash = $1 WHERE p.id = 1"
    ];
    BY_ID = [
        "SELECT ", grant_columns!(),
        " FROM platform p JOIN service_tokens t ON t.id = $1 WHERE p.id = 1"
    ];
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    service_epoch: i64,
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

impl GrantRow {
    fn into_loaded(self) -> Option<Loaded> {
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
        };
        Some(Loaded { grant, epochs: Epochs { service: to_u64(self.service_epoch) } })
    }
}

/// The grant behind a hash; `None` when there is no such credential.
///
/// # Errors
/// As any query. A fault is never an unknown credential.
pub async fn load(conn: Conn<'_>, hash: &TokenHash) -> Result<Option<Loaded>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, GrantRow>(LOAD.text::<DB>())
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(c))?;
    let row = row.ok_or_else(|| StoreError::corrupt("the platform's row is missing"))?;
    Ok(row.into_loaded())
}

/// The grant of a credential, with the epochs in force: of the one that makes a change, which
/// [`Store::begin_change`] holds as it is.
///
/// # Errors
/// As any query.
pub async fn by_id(conn: Conn<'_>, id: CredentialId) -> Result<Option<(Grant, Epochs)>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, GrantRow>(BY_ID.text::<DB>()).bind(id.0).fetch_optional(c))?;
    Ok(row.and_then(GrantRow::into_loaded).map(|loaded| (loaded.grant, loaded.epochs)))
}

impl GrantSource for Store {
    async fn load(&self, hash: TokenHash) -> Result<Option<Loaded>, SourceError> {
        let mut reader = self.read().await?;
        Ok(load(reader.conn(), &hash).await?)
    }
}
