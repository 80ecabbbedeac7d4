//! What anomalies are found in, hour by hour, and what is remembered of credentials.
//!
//! Credentials are read in slices, by the order of their ids: those after one and up to another.

use std::net::IpAddr;

use keywright_core::anomalies::{Guesser, Guessers, Profile};
use keywright_core::{CredentialId, CredentialKind, PublisherId, PublisherSettings, Timestamp};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Ip, Time, to_u64};
use crate::usage::{ADDRESS, ALL, NETWORK, USER_AGENT};

statements! {
    WATCH = ["SELECT through_hour, guessers FROM anomaly_watch WHERE id = 1"];
    ADVANCE = [
        "UPDATE anomaly_watch SET through_hour = $2, guessers = $3 \
         WHERE id = 1 AND (through_hour = $1 OR (through_hour IS NULL AND $1 IS NULL))"
    ];
    FIRST_HOUR = ["SELECT MIN(hour) FROM usage_hourly WHERE hour >= $1"];
    CREDENTIALS = [
        "SELECT DISTINCT credential_id FROM usage_hourly WHERE hour = $1 AND credential_id > $2 \
         AND credential_id < $3 ORDER BY credential_id LIMIT $4"
    ];
    HOURS = [
        "SELECT credential_id, code, country, CAST(SUM(decisions) AS BIGINT) AS decisions, \
         MIN(first_at) AS first_at, MAX(last_at) AS last_at FROM usage_hourly \
         WHERE hour = $1 AND credential_id > $2 AND credential_id <= $3 \
         GROUP BY credential_id, code, country ORDER BY credential_id, code, country"
    ];
    /// Those that were seen first on their day in an hour.
    SOURCES = [
        "SELECT credential_id, kind, label, decisions, failures, first_at, last_at FROM usage_sources \
         WHERE day = $1 AND credential_id > $2 AND credential_id <= $3 AND first_at >= $4 AND first_at < $5 \
         AND kind IN ($6, $7, $8) ORDER BY credential_id, kind, label"
    ];
    OWNERS = [
        "SELECT t.id, 'service' AS kind, t.token_name AS name, t.publisher_id, p.settings FROM service_tokens t \
         LEFT JOIN publishers p ON p.id = t.publisher_id WHERE t.id IN (\
         SELECT credential_id FROM usage_hourly WHERE hour = $1 AND credential_id > $2 AND credential_id <= $3) \
         UNION ALL \
         SELECT t.id, 'personal', t.name, t.home_publisher_id, p.settings FROM personal_tokens t \
         LEFT JOIN publishers p ON p.id = t.home_publisher_id WHERE t.id IN (\
         SELECT credential_id FROM usage_hourly WHERE hour = $1 AND credential_id > $2 AND credential_id <= $3)"
    ];
    PROFILES = [
        "SELECT credential_id, profile FROM credential_profiles WHERE credential_id IN (\
         SELECT credential_id FROM usage_hourly WHERE hour = $1 AND credential_id > $2 AND credential_id <= $3)"
    ];
    /// An hour is taken once.
    KEEP = [
        "INSERT INTO credential_profiles (credential_id, through_hour, profile) VALUES ($1, $2, $3) \
         ON CONFLICT (credential_id) DO UPDATE SET through_hour = excluded.through_hour, \
         profile = excluded.profile WHERE credential_profiles.through_hour < excluded.through_hour"
    ];
    FORGET = [
        "DELETE FROM credential_profiles WHERE credential_id IN (\
         SELECT credential_id FROM credential_profiles WHERE through_hour < $1 LIMIT $2)"
    ];
    GUESSERS = [
        "SELECT ip_address, CAST(SUM(occurrences) AS BIGINT) AS attempts FROM authentication_events \
         WHERE occurred_at >= $1 AND occurred_at < $2 AND NOT success AND credential_id IS NULL \
         AND ip_address IS NOT NULL AND code IN ('not_found', 'malformed') GROUP BY ip_address \
         HAVING SUM(occurrences) >= $3 ORDER BY attempts DESC LIMIT $4"
    ];
}

/// Some credentials with decisions in an hour: those after one and up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The begin of the hour.
    pub hour: Timestamp,
    /// Those after this one.
    pub after: CredentialId,
    /// Up to this one.
    pub until: CredentialId,
}

/// How far anomalies have been looked for, and the addresses that try unknown tokens.
///
/// # Errors
/// As any query.
pub async fn watched(conn: Conn<'_>) -> Result<(Option<Timestamp>, Guessers), StoreError> {
    let row: (Option<Time>, Json<Guessers>) =
        on!(conn, |c| sqlx::query_as::<DB, _>(WATCH.text::<DB>()).fetch_one(c))?;
    Ok((row.0.map(Into::into), row.1.0))
}

/// Notes that an hour is done; false when another was faster.
///
/// # Errors
/// As any query.
pub async fn advance(
    conn: Conn<'_>,
    from: Option<Timestamp>,
    hour: Timestamp,
    guessers: &Guessers,
) -> Result<bool, StoreError> {
    Ok(change!(conn, ADVANCE; Time::optional(from), Time(hour), Json(guessers))? == 1)
}

/// The first hour with decisions from a moment on.
///
/// # Errors
/// As any query.
pub async fn first_hour(conn: Conn<'_>, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let hour = on!(conn, |c| sqlx::query_scalar::<DB, Option<Time>>(FIRST_HOUR.text::<DB>())
        .bind(Time(since))
        .fetch_one(c))?;
    Ok(hour.map(Into::into))
}

/// The next credentials with decisions in an hour, after one.
///
/// # Errors
/// As any query.
pub async fn next_slice(
    conn: Conn<'_>,
    hour: Timestamp,
    after: CredentialId,
    limit: u32,
) -> Result<Option<Slice>, StoreError> {
    let ids = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(CREDENTIALS.text::<DB>())
        .bind(Time(hour))
        .bind(after.0)
        .bind(ALL)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    Ok(ids.last().map(|until| Slice { hour, after, until: CredentialId(*until) }))
}

/// Decisions within the hour that ended alike, from one country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeCount {
    /// The credential.
    pub credential: CredentialId,
    /// How they ended.
    pub code: String,
    /// The country; empty where it is not known.
    pub country: String,
    /// How many.
    pub decisions: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
}

/// The decisions of a slice.
///
/// # Errors
/// As any query.
pub async fn hours(conn: Conn<'_>, slice: &Slice) -> Result<Vec<CodeCount>, StoreError> {
    let rows: Vec<(Uuid, String, String, i64, Time, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(HOURS.text::<DB>())
            .bind(Time(slice.hour))
            .bind(slice.after.0)
            .bind(slice.until.0)
            .fetch_all(c))?;
    let count = |(id, code, country, decisions, first_at, last_at): (_, _, _, _, Time, Time)| CodeCount {
        credential: CredentialId(id),
        code,
        country,
        decisions: to_u64(decisions),
        first_at: first_at.into(),
        last_at: last_at.into(),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// A network, an address or a user agent whose first use on a day falls into the hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshSource {
    /// The credential.
    pub credential: CredentialId,
    /// [`NETWORK`], [`ADDRESS`] or [`USER_AGENT`].
    pub kind: String,
    /// What it is.
    pub label: String,
    /// Decisions of the day so far.
    pub decisions: u64,
    /// Those of them that were refused.
    pub failures: u64,
    /// The first of the day.
    pub first_at: Timestamp,
    /// The last of the day.
    pub last_at: Timestamp,
}

/// The sources of a slice that are fresh.
///
/// # Errors
/// As any query.
pub async fn fresh_sources(conn: Conn<'_>, slice: &Slice) -> Result<Vec<FreshSource>, StoreError> {
    let rows: Vec<(Uuid, String, String, i64, i64, Time, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(SOURCES.text::<DB>())
            .bind(Time(slice.hour.start_of_day()))
            .bind(slice.after.0)
            .bind(slice.until.0)
            .bind(Time(slice.hour))
            .bind(Time(slice.hour.plus_seconds(3_600)))
            .bind(NETWORK)
            .bind(ADDRESS)
            .bind(USER_AGENT)
            .fetch_all(c))?;
    let source = |row: (Uuid, String, String, i64, i64, Time, Time)| FreshSource {
        credential: CredentialId(row.0),
        kind: row.1,
        label: row.2,
        decisions: to_u64(row.3),
        failures: to_u64(row.4),
        first_at: row.5.into(),
        last_at: row.6.into(),
    };
    Ok(rows.into_iter().map(source).collect())
}

/// A token that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedToken {
    /// The token.
    pub id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// Its name.
    pub name: String,
    /// The publisher that it concerns; of a personal token the only one that it is for.
    pub publisher_id: Option<PublisherId>,
    /// What that sets.
    pub settings: Option<PublisherSettings>,
}

/// The service tokens and personal tokens of a slice.
///
/// # Errors
/// As any query.
pub async fn tokens(conn: Conn<'_>, slice: &Slice) -> Result<Vec<WatchedToken>, StoreError> {
    type Row = (Uuid, String, String, Option<Uuid>, Option<Json<PublisherSettings>>);
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as::<DB, _>(OWNERS.text::<DB>())
        .bind(Time(slice.hour))
        .bind(slice.after.0)
        .bind(slice.until.0)
        .fetch_all(c))?;
    let token = |(id, kind, name, publisher, settings): Row| WatchedToken {
        id: CredentialId(id),
        kind: if kind == "personal" { CredentialKind::Personal } else { CredentialKind::Service },
        name,
        publisher_id: publisher.map(PublisherId),
        settings: settings.map(|settings| settings.0),
    };
    Ok(rows.into_iter().map(token).collect())
}

/// What is remembered of the credentials of a slice.
///
/// # Errors
/// As any query.
pub async fn profiles(conn: Conn<'_>, slice: &Slice) -> Result<Vec<(CredentialId, Profile)>, StoreError> {
    let rows: Vec<(Uuid, Json<Profile>)> = on!(conn, |c| sqlx::query_as::<DB, _>(PROFILES.text::<DB>())
        .bind(Time(slice.hour))
        .bind(slice.after.0)
        .bind(slice.until.0)
        .fetch_all(c))?;
    Ok(rows.into_iter().map(|(id, profile)| (CredentialId(id), profile.0)).collect())
}

/// Remembers a credential through an hour; false when that hour was taken already.
///
/// # Errors
/// As any query.
pub async fn keep_profile(
    conn: Conn<'_>,
    credential: CredentialId,
    hour: Timestamp,
    profile: &Profile,
) -> Result<bool, StoreError> {
    Ok(change!(conn, KEEP; credential.0, Time(hour), Json(profile))? == 1)
}

/// Forgets at most `limit` credentials that were not used since a moment; gives their number.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    change!(conn, FORGET; Time(before), i64::from(limit))
}

/// The addresses that tried at least so many tokens which nobody has, within an hour: those with most.
///
/// # Errors
/// As any query.
pub async fn guessers(
    conn: Conn<'_>,
    hour: Timestamp,
    least: u32,
    limit: u32,
) -> Result<Vec<Guesser>, StoreError> {
    let rows: Vec<(Ip, i64)> = on!(conn, |c| sqlx::query_as::<DB, _>(GUESSERS.text::<DB>())
        .bind(Time(hour))
        .bind(Time(hour.plus_seconds(3_600)))
        .bind(i64::from(least))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let guesser = |(address, attempts): (Ip, _)| Guesser {
        address: IpAddr::from(address).to_string(),
        attempts: to_u64(attempts),
    };
    Ok(rows.into_iter().map(guesser).collect())
}
