//! Tokens of other systems: many rows at once, with what was counted of them there.

use std::collections::{HashMap, HashSet};

use keywright_core::{CredentialId, CredentialName, PublisherId, ServiceAccountId, Timestamp, TokenHash};
use serde_json::Value;
use sqlx::Postgres;
use sqlx::types::Json;
use uuid::Uuid;

use super::row::{NewServiceToken, ServiceTokenRow};
use crate::bulk::{Bulk, Column};
use crate::conn::{Conn, call, on};
use crate::dialect::fold;
use crate::error::StoreError;
use crate::sql::{Sql, Values, builder};
use crate::types::{Time, to_i64, to_u64};

/// Values that are asked for at once.
const ASKED_AT_ONCE: usize = 1_000;

/// Looked up one by one: of a table that is just filled PostgreSQL knows nothing yet, takes the tokens of no account for
/// few, and would read them all.
const EACH_ALONE: &str = "SELECT t.token_name FROM UNNEST($1::TEXT[]) AS w (name) CROSS JOIN LATERAL \
    (SELECT token_name FROM service_tokens WHERE token_name = w.name AND service_account_id IS NULL \
    AND revoked_at IS NULL LIMIT 1) t";

/// A token of another system that is to be one of ours.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    /// The row of ours.
    pub new: NewServiceToken,
    /// What the other system knows it by.
    pub source_id: Uuid,
    /// How often it was used there.
    pub usage_count: u64,
    /// When it was used there last.
    pub last_used_at: Option<Timestamp>,
}

/// What became of a token of another system when it was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenToken {
    /// The credential of ours.
    pub credential_id: CredentialId,
    /// Whether the other system said last that it is switched on.
    pub is_active: bool,
    /// How often it had been used there when it was looked at last.
    pub usage_count: u64,
}

/// What another system says of a token that was taken over before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it knows the token by.
    pub source_id: Uuid,
    /// What it says now.
    pub token: TakenToken,
}

/// Uses of a token in another system since it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoreUses {
    /// The credential of ours.
    pub credential_id: CredentialId,
    /// How many.
    pub uses: u64,
    /// The last one.
    pub last_used_at: Timestamp,
}

/// Those of the tokens of another system that were taken over before, also if they are gone here.
///
/// # Errors
/// As any query.
pub async fn taken_before(
    mut conn: Conn<'_>,
    source_ids: &[Uuid],
) -> Result<HashMap<Uuid, TakenToken>, StoreError> {
    let mut taken = HashMap::new();
    for slice in source_ids.chunks(ASKED_AT_ONCE) {
        let mut sql = Sql::new(
            "SELECT source_id, credential_id, is_active, usage_count FROM imported_tokens WHERE source_id",
        );
        sql.any(Values::Ids(slice.to_vec()));
        let rows: Vec<(Uuid, Uuid, bool, i64)> = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_as().persistent(false).fetch_all(c).await
        })?;
        taken.extend(rows.into_iter().map(|(source_id, credential_id, is_active, usage_count)| {
            let credential_id = CredentialId(credential_id);
            (source_id, TakenToken { credential_id, is_active, usage_count: to_u64(usage_count) })
        }));
    }
    Ok(taken)
}

/// The tokens that bear one of these hashes, whatever became of them.
///
/// # Errors
/// As any query.
pub async fn bearers_of(
    mut conn: Conn<'_>,
    hashes: &[TokenHash],
) -> Result<HashMap<TokenHash, (CredentialId, CredentialName)>, StoreError> {
    let mut found = HashMap::new();
    for slice in hashes.chunks(ASKED_AT_ONCE) {
        let mut sql = Sql::new("SELECT token_hash, id, token_name FROM service_tokens WHERE token_hash");
        sql.any(Values::Bytes(slice.iter().map(|hash| hash.as_bytes().to_vec()).collect()));
        let rows: Vec<(Vec<u8>, Uuid, String)> = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_as().persistent(false).fetch_all(c).await
        })?;
        for (hash, id, name) in rows {
            found.insert(stored_hash(hash)?, (CredentialId(id), CredentialName::from_stored(name)));
        }
    }
    Ok(found)
}

/// The hashes of tokens; of one that is gone there is none.
///
/// # Errors
/// As any query.
pub async fn hashes_of(
    mut conn: Conn<'_>,
    ids: &[CredentialId],
) -> Result<HashMap<CredentialId, TokenHash>, StoreError> {
    let mut found = HashMap::new();
    for slice in ids.chunks(ASKED_AT_ONCE) {
        let mut sql = Sql::new("SELECT id, token_hash FROM service_tokens WHERE id");
        sql.any(Values::Ids(slice.iter().map(|id| id.0).collect()));
        let rows: Vec<(Uuid, Vec<u8>)> = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_as().persistent(false).fetch_all(c).await
        })?;
        for (id, hash) in rows {
            found.insert(CredentialId(id), stored_hash(hash)?);
        }
    }
    Ok(found)
}

fn stored_hash(bytes: Vec<u8>) -> Result<TokenHash, StoreError> {
    let bytes: [u8; 32] =
        bytes.try_into().map_err(|_| StoreError::corrupt("a token's hash is not of 32 bytes"))?;
    Ok(TokenHash::from_bytes(bytes))
}

/// Those of the names that a live token of an account bears, or one that stands alone.
///
/// # Errors
/// As any query.
pub async fn names_in_use(
    mut conn: Conn<'_>,
    account: Option<ServiceAccountId>,
    names: &[&str],
) -> Result<HashSet<String>, StoreError> {
    let mut used = HashSet::new();
    for slice in names.chunks(ASKED_AT_ONCE) {
        let names: Vec<String> = slice.iter().map(|name| (*name).to_owned()).collect();
        used.extend(match (conn.reborrow(), account) {
            (Conn::Postgres(link), None) => {
                let query = sqlx::query_scalar::<Postgres, String>(EACH_ALONE).bind(names).persistent(false);
                call!(link, |c| query.fetch_all(c))?
            }
            (conn, _) => {
                let mut sql = Sql::new("SELECT token_name FROM service_tokens WHERE revoked_at IS NULL");
                match account {
                    Some(account) => sql.text(" AND service_account_id = ").bind(account.0),
                    None => sql.text(" AND service_account_id IS NULL"),
                };
                sql.text(" AND token_name").any(Values::Texts(names));
                on!(conn, |c| async {
                    builder!(sql).build_query_scalar().persistent(false).fetch_all(c).await
                })?
            }
        });
    }
    Ok(used)
}

/// Inserts tokens with their counters, and remembers where they come from; gives their rows.
///
/// # Errors
/// [`StoreError::NameTaken`] and [`StoreError::Duplicate`] when somebody else took a name or a hash meanwhile.
pub async fn insert_imported(
    mut conn: Conn<'_>,
    tokens: &[ImportedToken],
) -> Result<Vec<ServiceTokenRow>, StoreError> {
    token_rows(tokens).write(conn.reborrow()).await?;
    let used: Vec<MoreUses> = tokens
        .iter()
        .filter(|token| token.usage_count > 0 || token.last_used_at.is_some())
        .map(|token| MoreUses {
            credential_id: token.new.id,
            uses: token.usage_count,
            last_used_at: token.last_used_at.unwrap_or(token.new.created_at),
        })
        .collect();
    add_uses(conn.reborrow(), &used).await?;
    let seen: Vec<Seen> = tokens
        .iter()
        .map(|token| Seen {
            source_id: token.source_id,
            token: TakenToken {
                credential_id: token.new.id,
                is_active: token.new.is_active,
                usage_count: token.usage_count,
            },
        })
        .collect();
    remember(conn, &seen).await?;
    Ok(tokens.iter().map(|token| token.new.to_row()).collect())
}

fn token_rows(tokens: &[ImportedToken]) -> Bulk {
    let json = |value: Result<Value, serde_json::Error>| Json(value.unwrap_or(Value::Null));
    let of = || tokens.iter().map(|token| &token.new);
    Bulk {
        into: "service_tokens (id, token_name, name_folded, token_hash, token_hint, permissions, metadata, \
               is_active, expires_at, epoch, created_by_type, created_by_id, created_by_name, created_at, \
               updated_at, version, service_account_id, publisher_id)",
        conflict: "",
        rows: tokens.len(),
        columns: vec![
            Column::Ids(of().map(|new| new.id.0).collect()),
            Column::Texts(of().map(|new| new.token_name.as_str().to_owned()).collect()),
            Column::Texts(of().map(|new| fold(new.token_name.as_str())).collect()),
            Column::Bytes(of().map(|new| new.token_hash.as_bytes().to_vec()).collect()),
            Column::Texts(of().map(|new| new.token_hint.0.clone()).collect()),
            Column::Jsons(of().map(|new| json(serde_json::to_value(&new.permissions))).collect()),
            Column::Jsons(of().map(|new| Json(Value::Object(new.metadata.as_map().clone()))).collect()),
            Column::Flags(of().map(|new| new.is_active).collect()),
            Column::TimesOrNone(of().map(|new| Time::optional(new.expires_at)).collect()),
            Column::Numbers(of().map(|new| to_i64(new.epoch)).collect()),
            Column::Texts(of().map(|new| new.created_by.kind.as_str().to_owned()).collect()),
            Column::IdsOrNone(of().map(|new| new.created_by.id).collect()),
            Column::Texts(of().map(|new| new.created_by.name.clone()).collect()),
            Column::Times(of().map(|new| Time(new.created_at)).collect()),
            Column::Times(of().map(|new| Time(new.created_at)).collect()),
            Column::Numbers(of().map(|_| 1).collect()),
            Column::IdsOrNone(of().map(|new| new.service_account_id.map(|id| id.0)).collect()),
            Column::IdsOrNone(of().map(|new| new.publisher_id.map(|id| id.0)).collect()),
        ],
    }
}

/// Adds uses to the counters.
///
/// # Errors
/// As any statement.
pub async fn add_uses(conn: Conn<'_>, uses: &[MoreUses]) -> Result<(), StoreError> {
    // In one order, as those who move journals do.
    let mut uses = uses.to_vec();
    uses.sort_by_key(|more| more.credential_id);
    let bulk = Bulk {
        into: "credential_usage (credential_id, usage_count, last_used_at)",
        conflict: "ON CONFLICT (credential_id) DO UPDATE SET \
                   usage_count = credential_usage.usage_count + excluded.usage_count, \
                   last_used_at = CASE WHEN excluded.last_used_at > credential_usage.last_used_at \
                   THEN excluded.last_used_at ELSE credential_usage.last_used_at END",
        rows: uses.len(),
        columns: vec![
            Column::Ids(uses.iter().map(|more| more.credential_id.0).collect()),
            Column::Numbers(uses.iter().map(|more| to_i64(more.uses)).collect()),
            Column::Times(uses.iter().map(|more| Time(more.last_used_at)).collect()),
        ],
    };
    bulk.write(conn).await.map(drop)
}

/// Remembers what another system says of tokens that are ours now.
///
/// # Errors
/// As any statement.
pub async fn remember(conn: Conn<'_>, seen: &[Seen]) -> Result<(), StoreError> {
    let bulk = Bulk {
        into: "imported_tokens (source_id, credential_id, is_active, usage_count)",
        conflict: "ON CONFLICT (source_id) DO UPDATE SET is_active = excluded.is_active, \
                   usage_count = excluded.usage_count",
        rows: seen.len(),
        columns: vec![
            Column::Ids(seen.iter().map(|seen| seen.source_id).collect()),
            Column::Ids(seen.iter().map(|seen| seen.token.credential_id.0).collect()),
            Column::Flags(seen.iter().map(|seen| seen.token.is_active).collect()),
            Column::Numbers(seen.iter().map(|seen| to_i64(seen.token.usage_count)).collect()),
        ],
    };
    bulk.write(conn).await.map(drop)
}

/// Switches tokens off; gives those that were on, with their names and publishers.
///
/// # Errors
/// As any statement.
pub async fn switch_off(
    mut conn: Conn<'_>,
    ids: &[CredentialId],
    now: Timestamp,
) -> Result<Vec<(CredentialId, String, Option<PublisherId>)>, StoreError> {
    let mut done = Vec::new();
    for slice in ids.chunks(ASKED_AT_ONCE) {
        let mut sql = Sql::new("UPDATE service_tokens SET is_active = ");
        sql.bind(false).text(", version = version + 1, updated_at = ").bind(now);
        sql.text(" WHERE is_active AND revoked_at IS NULL AND id IN ")
            .bind_list(slice.iter().map(|id| id.0))
            .text(" RETURNING id, token_name, publisher_id");
        let rows: Vec<(Uuid, String, Option<Uuid>)> = on!(conn.reborrow(), |c| async {
            builder!(sql).build_query_as().persistent(false).fetch_all(c).await
        })?;
        let told = |(id, name, of): (Uuid, _, Option<Uuid>)| (CredentialId(id), name, of.map(PublisherId));
        done.extend(rows.into_iter().map(told));
    }
    Ok(done)
}
