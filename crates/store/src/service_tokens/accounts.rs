//! Tokens that a reach takes with it: of the platform, of a publisher's accounts, of one account.

use keywright_core::{PublisherId, ServiceAccountId, Timestamp};
use uuid::Uuid;

use super::sweep::mark_each;
use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Time, to_i64, to_u64};

statements! {
    /// What a rotation has replaced takes no place of its own. Counted no further than anybody asks for.
    COUNT_LIVE = [
        "SELECT COUNT(*) FROM (SELECT 1 FROM service_accounts a JOIN platform p ON p.id = 1 \
         LEFT JOIN publishers q ON q.id = a.publisher_id JOIN service_tokens t ON t.service_account_id = a.id \
         WHERE a.id = $1 AND t.revoked_at IS NULL AND t.superseded_by_id IS NULL AND t.epoch >= a.epoch \
         AND t.epoch >= p.service_epoch AND t.epoch >= COALESCE(q.service_epoch, 0) \
         AND (t.expires_at IS NULL OR t.expires_at > $2) LIMIT $3) AS live"
    ];
    /// One bound for each account, so that its index is read from the begin to there and no further: tokens
    /// that live on are not looked at. Rows that are being changed by somebody are left for the next slice.
    BELOW_ACCOUNT = [
        "SELECT t.id FROM service_accounts a LEFT JOIN publishers q ON q.id = a.publisher_id \
         JOIN service_tokens t ON t.service_account_id = a.id \
         AND t.epoch < CASE WHEN q.service_epoch > a.epoch THEN q.service_epoch ELSE a.epoch END \
         WHERE t.revoked_at IS NULL AND t.service_account_id IS NOT NULL LIMIT $1"
    ] + "FOR UPDATE OF t SKIP LOCKED";
}

/// What a raised number reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All service tokens.
    Platform,
    /// Those of a publisher's accounts.
    Publisher(PublisherId),
    /// Those of an account.
    Account(ServiceAccountId),
}

/// How many tokens within a reach are not revoked, by themselves or with others, and are below `next`: those
/// that raising the reach to `next` takes. `in_force` is the platform's number.
///
/// # Errors
/// As any query.
pub async fn count_reached(
    conn: Conn<'_>,
    reach: Reach,
    in_force: u64,
    next: u64,
) -> Result<u64, StoreError> {
    let (publisher, account) = match reach {
        Reach::Platform => (None, None),
        Reach::Publisher(id) => (Some(id.0), None),
        Reach::Account(id) => (None, Some(id.0)),
    };
    let mut sql = Sql::new(
        "SELECT COUNT(*) FROM service_tokens t LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN publishers q ON q.id = t.publisher_id WHERE t.revoked_at IS NULL \
         AND t.epoch >= COALESCE(a.epoch, 0) AND t.epoch >= COALESCE(q.service_epoch, 0) AND t.epoch >= ",
    );
    sql.bind(to_i64(in_force)).text(" AND t.epoch < ").bind(to_i64(next));
    sql.filter(" AND t.publisher_id = ", publisher).filter(" AND t.service_account_id = ", account);
    let count = on!(conn, |c| async { builder!(sql).build_query_scalar::<i64>().fetch_one(c).await })?;
    Ok(to_u64(count))
}

/// How many live tokens an account has, up to `most`: neither revoked nor over, nor replaced by a rotation.
///
/// # Errors
/// As any query.
pub async fn count_live(
    conn: Conn<'_>,
    account: ServiceAccountId,
    now: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT_LIVE.text::<DB>())
        .bind(account.0)
        .bind(Time(now))
        .bind(i64::from(most))
        .fetch_one(c))?;
    Ok(to_u64(count))
}

/// Marks at most `limit` tokens below the number of their account or of its publisher, which are revoked by
/// that alone, as revoked in their own rows too; tells how many.
///
/// # Errors
/// As any query.
pub async fn mark_revoked_with_account(
    mut conn: Conn<'_>,
    now: Timestamp,
    reason: Option<&str>,
    limit: u32,
) -> Result<u64, StoreError> {
    let ids = on!(conn.reborrow(), |c| sqlx::query_scalar::<DB, Uuid>(BELOW_ACCOUNT.text::<DB>())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    mark_each(conn, &ids, now, reason).await
}
