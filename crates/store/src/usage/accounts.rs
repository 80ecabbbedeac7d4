//! Reading the roll-ups of all tokens of a service account.

use keywright_core::{CredentialId, ServiceAccountId, Timestamp};
use uuid::Uuid;

use super::read::{ACCEPTED, CredentialCount, HourCount, RawHour};
use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_u64};

statements! {
    HOURS = [
        "SELECT u.hour, u.code, CAST(SUM(u.decisions) AS BIGINT) AS decisions FROM service_tokens t \
         JOIN usage_hourly u ON u.credential_id = t.id WHERE t.service_account_id = $1 AND u.hour >= $2 \
         GROUP BY u.hour, u.code ORDER BY u.hour, u.code"
    ];
    TOKENS = [
        "SELECT t.id, t.token_name, CAST(SUM(CASE WHEN u.code = $3 THEN u.decisions ELSE 0 END) AS BIGINT) \
         AS successes, CAST(SUM(CASE WHEN u.code = $3 THEN 0 ELSE u.decisions END) AS BIGINT) AS failures, \
         MAX(u.last_at) AS last_at FROM service_tokens t JOIN usage_hourly u ON u.credential_id = t.id \
         WHERE t.service_account_id = $1 AND u.hour >= $2 GROUP BY t.id, t.token_name \
         ORDER BY SUM(u.decisions) DESC, t.id LIMIT $4"
    ];
}

/// Decisions about the tokens of an account, by hour and code, from an hour on; the oldest first.
///
/// # Errors
/// As any query.
pub async fn hours_of_account(
    conn: Conn<'_>,
    account: ServiceAccountId,
    since: Timestamp,
) -> Result<Vec<HourCount>, StoreError> {
    let rows: Vec<RawHour> = on!(conn, |c| sqlx::query_as::<DB, _>(HOURS.text::<DB>())
        .bind(account.0)
        .bind(Time(since))
        .fetch_all(c))?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How much each token of an account was used from a moment on; those of which nothing is known are left out.
///
/// # Errors
/// As any query.
pub async fn tokens_of_account(
    conn: Conn<'_>,
    account: ServiceAccountId,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialCount>, StoreError> {
    let rows: Vec<(Uuid, String, i64, i64, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(TOKENS.text::<DB>())
            .bind(account.0)
            .bind(Time(since))
            .bind(ACCEPTED)
            .bind(i64::from(limit))
            .fetch_all(c))?;
    let count = |(id, name, successes, failures, last_at): (_, _, _, _, Time)| CredentialCount {
        credential_id: CredentialId(id),
        token_name: Some(name),
        successes: to_u64(successes),
        failures: to_u64(failures),
        last_at: last_at.into(),
    };
    Ok(rows.into_iter().map(count).collect())
}
