//! Reading roll-ups: each question is one statement that groups, so that what comes back is small
//! however much was rolled up.

use keywright_core::usage::{LATENCY_CLASSES, OTHER};
use keywright_core::{CredentialId, Timestamp};
use uuid::Uuid;

use super::{ADDRESS, ALL, UNKNOWN};
use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// What a failure is not.
pub(super) const ACCEPTED: &str = "valid";

statements! {
    HOURS = [
        "SELECT hour, code, CAST(SUM(decisions) AS BIGINT) AS decisions FROM usage_hourly \
         WHERE credential_id = $1 AND hour >= $2 GROUP BY hour, code ORDER BY hour, code"
    ];
    DAYS = [
        "SELECT day, code, decisions FROM usage_daily WHERE day >= $1 AND credential_id = $2 ORDER BY day, code"
    ];
    GROUPS = [
        "SELECT endpoint_group, country, CAST(SUM(decisions) AS BIGINT) AS decisions, \
         CAST(SUM(CASE WHEN code = $3 THEN 0 ELSE decisions END) AS BIGINT) AS failures, \
         CAST(SUM(latency_0) AS BIGINT) AS latency_0, CAST(SUM(latency_1) AS BIGINT) AS latency_1, \
         CAST(SUM(latency_2) AS BIGINT) AS latency_2, CAST(SUM(latency_3) AS BIGINT) AS latency_3, \
         CAST(SUM(latency_4) AS BIGINT) AS latency_4, CAST(SUM(latency_5) AS BIGINT) AS latency_5, \
         CAST(SUM(latency_6) AS BIGINT) AS latency_6, CAST(SUM(latency_7) AS BIGINT) AS latency_7 \
         FROM usage_hourly WHERE credential_id = $1 AND hour >= $2 GROUP BY endpoint_group, country"
    ];
    /// The labels used most, and the rest of their kind as one row without a label.
    SOURCES = [
        "SELECT kind, CASE WHEN place <= $4 THEN label END AS label, \
         CAST(SUM(decisions) AS BIGINT) AS decisions, CAST(SUM(failures) AS BIGINT) AS failures FROM (\
         SELECT kind, label, SUM(decisions) AS decisions, SUM(failures) AS failures, \
         ROW_NUMBER() OVER (PARTITION BY kind ORDER BY CASE WHEN label = $3 THEN 1 ELSE 0 END, \
         SUM(decisions) DESC, label) + CASE WHEN label = $3 THEN $4 ELSE 0 END AS place \
         FROM usage_sources WHERE credential_id = $1 AND day >= $2 GROUP BY kind, label) s \
         GROUP BY kind, CASE WHEN place <= $4 THEN label END ORDER BY kind, decisions DESC, label"
    ];
    /// The labels of a kind that were seen most.
    PLACES = [
        "SELECT label, CAST(SUM(decisions) AS BIGINT) AS decisions, CAST(SUM(failures) AS BIGINT) AS failures, \
         MIN(first_at) AS first_at, MAX(last_at) AS last_at FROM usage_sources \
         WHERE credential_id = $1 AND day >= $2 AND kind = $3 \
         GROUP BY label ORDER BY decisions DESC, label LIMIT $4"
    ];
    FIRST_USE = [
        "SELECT first_at FROM usage_hourly WHERE credential_id = $1 AND code = $2 \
         ORDER BY hour, first_at LIMIT 1"
    ];
    MOST_USED = [
        "SELECT d.credential_id, t.token_name, d.successes, d.decisions - d.successes AS failures, d.last_at FROM (\
         SELECT credential_id, CAST(SUM(CASE WHEN code = $3 THEN decisions ELSE 0 END) AS BIGINT) AS successes, \
         CAST(SUM(decisions) AS BIGINT) AS decisions, MAX(last_at) AS last_at \
         FROM usage_daily WHERE day >= $1 AND credential_id NOT IN ($2, $5) GROUP BY credential_id \
         ORDER BY successes DESC, credential_id LIMIT $4) d \
         LEFT JOIN service_tokens t ON t.id = d.credential_id \
         WHERE d.successes > 0 ORDER BY d.successes DESC, d.credential_id"
    ];
    FAILING = [
        "SELECT label, CAST(SUM(decisions) AS BIGINT) AS decisions, CAST(SUM(failures) AS BIGINT) AS failures \
         FROM usage_sources WHERE credential_id = $1 AND day >= $2 AND kind = $3 AND label <> $4 \
         GROUP BY label HAVING SUM(failures) > 0 ORDER BY failures DESC, label LIMIT $5"
    ];
}

/// Decisions of an hour that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// Its begin.
    pub hour: Timestamp,
    /// How they ended.
    pub code: String,
    /// How many.
    pub decisions: u64,
}

/// The begin of an hour or a day, a code, and how many decisions had it then.
pub(super) type RawHour = (Time, String, i64);

impl From<RawHour> for HourCount {
    fn from((hour, code, decisions): RawHour) -> Self {
        Self { hour: hour.into(), code, decisions: to_u64(decisions) }
    }
}

impl HourCount {
    /// Whether they were accepted.
    pub fn success(&self) -> bool {
        self.code == ACCEPTED
    }

    /// How many were not.
    pub fn denials(&self) -> u64 {
        if self.success() { 0 } else { self.decisions }
    }
}

/// Decisions about an endpoint group from a country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCount {
    /// The group; empty where no endpoint was told.
    pub endpoint_group: String,
    /// The country; empty where it is not known.
    pub country: String,
    /// How many.
    pub decisions: u64,
    /// Those of them that were refused.
    pub failures: u64,
    /// How many fell into each latency class.
    pub latency: [u64; LATENCY_CLASSES],
}

/// Decisions asked for from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCount {
    /// [`super::ADDRESS`], or another of the kinds beside it.
    pub kind: String,
    /// The source; `None` for all others of its kind.
    pub label: Option<String>,
    /// How many.
    pub decisions: u64,
    /// Those of them that were refused.
    pub failures: u64,
}

/// Decisions asked for from a country or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceCount {
    /// The country or the network; [`OTHER`] for those that were too many to be told apart.
    pub label: String,
    /// How many.
    pub decisions: u64,
    /// Those of them that were refused.
    pub failures: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
}

/// How much a credential was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialCount {
    /// The credential.
    pub credential_id: CredentialId,
    /// Its name, as long as it exists.
    pub token_name: Option<String>,
    /// How often it was accepted.
    pub successes: u64,
    /// How often it was refused.
    pub failures: u64,
    /// The last decision about it.
    pub last_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawGroup {
    endpoint_group: String,
    country: String,
    decisions: i64,
    failures: i64,
    latency_0: i64,
    latency_1: i64,
    latency_2: i64,
    latency_3: i64,
    latency_4: i64,
    latency_5: i64,
    latency_6: i64,
    latency_7: i64,
}

impl From<RawGroup> for GroupCount {
    fn from(raw: RawGroup) -> Self {
        let latency = [
            raw.latency_0,
            raw.latency_1,
            raw.latency_2,
            raw.latency_3,
            raw.latency_4,
            raw.latency_5,
            raw.latency_6,
            raw.latency_7,
        ];
        Self {
            endpoint_group: raw.endpoint_group,
            country: raw.country,
            decisions: to_u64(raw.decisions),
            failures: to_u64(raw.failures),
            latency: latency.map(to_u64),
        }
    }
}

/// Decisions about a credential, or [`ALL`], by hour and code, from an hour on; the oldest first.
///
/// # Errors
/// As any query.
pub async fn hours(conn: Conn<'_>, credential: Uuid, since: Timestamp) -> Result<Vec<HourCount>, StoreError> {
    let rows: Vec<RawHour> = on!(conn, |c| sqlx::query_as::<DB, _>(HOURS.text::<DB>())
        .bind(credential)
        .bind(Time(since))
        .fetch_all(c))?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Decisions about all credentials by day and code, from a day on; the oldest first. Each is told as the
/// first hour of its day.
///
/// # Errors
/// As any query.
pub async fn days(conn: Conn<'_>, since: Timestamp) -> Result<Vec<HourCount>, StoreError> {
    let rows: Vec<RawHour> =
        on!(conn, |c| sqlx::query_as::<DB, _>(DAYS.text::<DB>()).bind(Time(since)).bind(ALL).fetch_all(c))?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Decisions about a credential, or [`ALL`], by endpoint group and country, from an hour on.
///
/// # Errors
/// As any query.
pub async fn groups(
    conn: Conn<'_>,
    credential: Uuid,
    since: Timestamp,
) -> Result<Vec<GroupCount>, StoreError> {
    let rows: Vec<RawGroup> = on!(conn, |c| sqlx::query_as::<DB, RawGroup>(GROUPS.text::<DB>())
        .bind(credential)
        .bind(Time(since))
        .bind(ACCEPTED)
        .fetch_all(c))?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The sources of decisions about a credential, or [`ALL`], from a day on: of each kind the `limit` that
/// were seen most, and the rest as one.
///
/// # Errors
/// As any query.
pub async fn sources(
    conn: Conn<'_>,
    credential: Uuid,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<SourceCount>, StoreError> {
    let rows: Vec<(String, Option<String>, i64, i64)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(SOURCES.text::<DB>())
            .bind(credential)
            .bind(Time(since))
            .bind(OTHER)
            .bind(i64::from(limit))
            .fetch_all(c))?;
    let count = |(kind, label, decisions, failures)| SourceCount {
        kind,
        label,
        decisions: to_u64(decisions),
        failures: to_u64(failures),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// The countries or the networks, [`super::COUNTRY`] or [`super::NETWORK`], from which decisions about a credential
/// were asked for from a day on: the `limit` that were seen most.
///
/// # Errors
/// As any query.
pub async fn places(
    conn: Conn<'_>,
    credential: CredentialId,
    since: Timestamp,
    kind: &str,
    limit: u32,
) -> Result<Vec<PlaceCount>, StoreError> {
    let rows: Vec<(String, i64, i64, Time, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(PLACES.text::<DB>())
            .bind(credential.0)
            .bind(Time(since))
            .bind(kind)
            .bind(i64::from(limit))
            .fetch_all(c))?;
    let count = |(label, decisions, failures, first_at, last_at): (_, _, _, Time, Time)| PlaceCount {
        label,
        decisions: to_u64(decisions),
        failures: to_u64(failures),
        first_at: first_at.into(),
        last_at: last_at.into(),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// When a credential was accepted first, as far as that is kept.
///
/// # Errors
/// As any query.
pub async fn first_use(conn: Conn<'_>, credential: CredentialId) -> Result<Option<Timestamp>, StoreError> {
    let first = on!(conn, |c| sqlx::query_scalar::<DB, Time>(FIRST_USE.text::<DB>())
        .bind(credential.0)
        .bind(ACCEPTED)
        .fetch_optional(c))?;
    Ok(first.map(Into::into))
}

/// The credentials that were accepted most often from a day on.
///
/// # Errors
/// As any query.
pub async fn most_used(
    conn: Conn<'_>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<CredentialCount>, StoreError> {
    let rows: Vec<(Uuid, Option<String>, i64, i64, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(MOST_USED.text::<DB>())
            .bind(Time(since))
            .bind(UNKNOWN)
            .bind(ACCEPTED)
            .bind(i64::from(limit))
            .bind(ALL)
            .fetch_all(c))?;
    let count = |(id, token_name, successes, failures, last_at): (_, _, _, _, Time)| CredentialCount {
        credential_id: CredentialId(id),
        token_name,
        successes: to_u64(successes),
        failures: to_u64(failures),
        last_at: last_at.into(),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// The addresses from which most was refused, of whatever credential, from a day on.
///
/// # Errors
/// As any query.
pub async fn failing_addresses(
    conn: Conn<'_>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<SourceCount>, StoreError> {
    let rows: Vec<(String, i64, i64)> = on!(conn, |c| sqlx::query_as::<DB, _>(FAILING.text::<DB>())
        .bind(ALL)
        .bind(Time(since))
        .bind(ADDRESS)
        .bind(OTHER)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let count = |(label, decisions, failures)| SourceCount {
        kind: ADDRESS.to_owned(),
        label: Some(label),
        decisions: to_u64(decisions),
        failures: to_u64(failures),
    };
    Ok(rows.into_iter().map(count).collect())
}
