//! What was seen of a token: whether it was used, from where, and by whom.

use std::collections::HashMap;
use std::net::IpAddr;

use keywright_core::{CredentialId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{Ip, Time, to_u64};
use crate::usage::{ADDRESS, NETWORK};

/// Labels that are read of one token.
const MAX_LABELS: i64 = 20_000;
/// Events that are looked at for who presents a token.
const MAX_EVENTS: i64 = 10_000;

statements! {
    USES = ["SELECT usage_count, last_used_at FROM credential_usage WHERE credential_id = $1"];
    LABELS = [
        "SELECT kind, label FROM usage_sources \
         WHERE credential_id = $1 AND kind IN ($2, $3) AND decisions > failures \
         GROUP BY kind, label ORDER BY kind, label LIMIT $4"
    ];
    /// Bounded, however much a token is used.
    CALLERS = [
        "SELECT ip_address, user_agent, endpoint, success, CAST(SUM(occurrences) AS BIGINT) AS occurrences, \
         MAX(occurred_at) AS last_at FROM (\
         SELECT ip_address, user_agent, endpoint, success, occurrences, occurred_at FROM authentication_events \
         WHERE credential_id = $1 AND occurred_at >= $2 ORDER BY occurred_at DESC LIMIT $3) e \
         GROUP BY ip_address, user_agent, endpoint, success ORDER BY last_at DESC LIMIT $4"
    ];
}

/// What the roll-ups know of the uses of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// How often it was used.
    pub uses: u64,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
    /// From which addresses.
    pub addresses: Vec<IpAddr>,
    /// From which networks, where those are known.
    pub networks: Vec<String>,
}

/// What the roll-ups know of the uses of a token.
///
/// # Errors
/// As any query.
pub async fn traces(mut conn: Conn<'_>, id: CredentialId) -> Result<Traces, StoreError> {
    let counted: Option<(i64, Time)> =
        on!(conn.reborrow(), |c| sqlx::query_as::<DB, _>(USES.text::<DB>()).bind(id.0).fetch_optional(c))?;
    let Some((uses, last)) = counted else { return Ok(Traces::default()) };
    let labels: Vec<(String, String)> = on!(conn, |c| sqlx::query_as::<DB, _>(LABELS.text::<DB>())
        .bind(id.0)
        .bind(ADDRESS)
        .bind(NETWORK)
        .bind(MAX_LABELS)
        .fetch_all(c))?;
    let mut traces = Traces { uses: to_u64(uses), last_used_at: Some(last.into()), ..Traces::default() };
    for (kind, label) in labels {
        if kind == ADDRESS {
            traces.addresses.extend(label.parse::<IpAddr>().ok());
        } else if label != keywright_core::usage::OTHER {
            traces.networks.push(label);
        }
    }
    Ok(traces)
}

/// How often each of these tokens was accepted since an hour.
///
/// # Errors
/// As any query.
pub async fn recent_uses(
    conn: Conn<'_>,
    ids: &[CredentialId],
    since: Timestamp,
) -> Result<HashMap<CredentialId, u64>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new(
        "SELECT credential_id, CAST(SUM(decisions) AS BIGINT) AS decisions FROM usage_hourly WHERE hour >= ",
    );
    sql.bind(since.start_of_hour()).text(" AND code = 'valid' AND credential_id IN ");
    sql.bind_list(ids.iter().map(|id| id.0)).text(" GROUP BY credential_id");
    let rows = on!(conn, |c| async {
        builder!(sql).build_query_as::<(Uuid, i64)>().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(id, uses)| (CredentialId(id), to_u64(uses))).collect())
}

/// Who presented a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// From where.
    pub ip_address: Option<IpAddr>,
    /// With which user agent.
    pub user_agent: Option<String>,
    /// To what.
    pub endpoint: Option<String>,
    /// Whether it was accepted.
    pub success: bool,
    /// How often.
    pub occurrences: u64,
    /// When last.
    pub last_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawCaller {
    ip_address: Option<Ip>,
    user_agent: Option<String>,
    endpoint: Option<String>,
    success: bool,
    occurrences: i64,
    last_at: Time,
}

/// Who presented a token since a moment, those first who did last, as far as the newest ten thousand events tell.
///
/// # Errors
/// As any query.
pub async fn callers(
    conn: Conn<'_>,
    id: CredentialId,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Caller>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawCaller>(CALLERS.text::<DB>())
        .bind(id.0)
        .bind(Time(since))
        .bind(MAX_EVENTS)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let caller = |raw: RawCaller| Caller {
        ip_address: raw.ip_address.map(Into::into),
        user_agent: raw.user_agent,
        endpoint: raw.endpoint,
        success: raw.success,
        occurrences: to_u64(raw.occurrences),
        last_at: raw.last_at.into(),
    };
    Ok(raw.into_iter().map(caller).collect())
}
