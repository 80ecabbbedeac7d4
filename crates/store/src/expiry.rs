//! Credentials that end soon, and what was told of that: for the job that watches them.
//!
//! A mark says which end of a credential was told, and at which threshold: the tightest so far. So each threshold
//! is told once for each end, whatever the clock does meanwhile; and who is first seen within several thresholds
//! is told at the tightest alone.

use keywright_core::{AlertId, CredentialId, CredentialKind, PublisherId, Timestamp};
use uuid::Uuid;

use crate::bulk::{Bulk, Column};
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, change_each};
use crate::types::{Time, to_u64};

/// Service tokens `t` that can be used, or could be but for what is switched off for a while.
macro_rules! service_tokens {
    () => {
        " FROM service_tokens t LEFT JOIN credential_usage c ON c.credential_id = t.id \
         LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN publishers q ON q.id = t.publisher_id \
         LEFT JOIN expiry_marks m ON m.credential_id = t.id \
         WHERE t.revoked_at IS NULL AND t.is_active AND t.superseded_by_id IS NULL \
         AND a.disabled_at IS NULL AND a.deleted_at IS NULL AND q.suspended_at IS NULL"
    };
}

/// The same of personal tokens.
macro_rules! personal_tokens {
    () => {
        " FROM personal_tokens t JOIN users u ON u.id = t.user_id \
         LEFT JOIN credential_usage c ON c.credential_id = t.id \
         LEFT JOIN expiry_marks m ON m.credential_id = t.id \
         WHERE t.revoked_at IS NULL AND t.is_active AND t.superseded_by_id IS NULL \
         AND u.disabled_at IS NULL AND u.deleted_at IS NULL"
    };
}

/// Whose life ends after $1 and not after $2, and of whom that was not told at the threshold $3 or a tighter one.
macro_rules! due {
    () => {
        " AND t.expires_at > $1 AND t.expires_at <= $2 AND (m.threshold_days IS NULL OR m.threshold_days > $3)"
    };
}

/// In use since $4, in slices: after the moment $5 and the id $6, at most $7.
macro_rules! in_use {
    () => {
        " AND COALESCE(c.last_used_at, t.created_at) > $4 AND t.expires_at >= $5 \
         AND (t.expires_at, t.id) > ($5, $6) ORDER BY t.expires_at, t.id LIMIT $7"
    };
}

/// Not in use since $4.
macro_rules! dormant {
    () => {
        " AND COALESCE(c.last_used_at, t.created_at) <= $4"
    };
}

/// A tighter threshold, or another end, takes the place of what was told before.
macro_rules! on_conflict {
    () => {
        " ON CONFLICT (credential_id) DO UPDATE SET threshold_days = excluded.threshold_days, \
         expires_at = excluded.expires_at, alert_id = excluded.alert_id \
         WHERE excluded.threshold_days < expiry_marks.threshold_days \
         OR excluded.expires_at <> expiry_marks.expires_at"
    };
}

/// Credentials `t` of marks `m` at the moment $1.
macro_rules! outdated {
    () => {
        " AND (t.id IS NULL OR t.revoked_at IS NOT NULL OR t.superseded_by_id IS NOT NULL \
         OR t.expires_at IS NULL OR t.expires_at <= $1 OR t.expires_at <> m.expires_at)"
    };
}

statements! {
    SERVICE = [
        "SELECT t.id, t.token_name AS name, t.publisher_id, t.service_account_id AS owner_id, t.expires_at, \
         c.last_used_at", service_tokens!(), due!(), in_use!()
    ];
    PERSONAL = [
        "SELECT t.id, t.name, t.home_publisher_id AS publisher_id, t.user_id AS owner_id, t.expires_at, \
         c.last_used_at", personal_tokens!(), due!(), in_use!()
    ];
    DORMANT = [
        "SELECT publisher_id, COUNT(*) AS tokens, MIN(expires_at) AS first_ends_at FROM (\
         SELECT t.publisher_id, t.expires_at", service_tokens!(), due!(), dormant!(),
        " UNION ALL SELECT t.home_publisher_id AS publisher_id, t.expires_at", personal_tokens!(), due!(),
        dormant!(), ") d GROUP BY publisher_id"
    ];
    DORMANT_EXAMPLES = [
        "SELECT id, expires_at FROM (\
         SELECT t.id, t.expires_at, t.publisher_id", service_tokens!(), due!(), dormant!(),
        " UNION ALL SELECT t.id, t.expires_at, t.home_publisher_id AS publisher_id", personal_tokens!(), due!(),
        dormant!(), ") d WHERE publisher_id = $5 OR (publisher_id IS NULL AND $5 IS NULL) \
         ORDER BY expires_at, id LIMIT $6"
    ];
    MARK_DORMANT_SERVICE = [
        "INSERT INTO expiry_marks (credential_id, kind, threshold_days, expires_at, alert_id) \
         SELECT t.id, 'service', $3, t.expires_at, $6", service_tokens!(), due!(), dormant!(),
        " AND (t.publisher_id = $5 OR (t.publisher_id IS NULL AND $5 IS NULL))", on_conflict!()
    ];
    MARK_DORMANT_PERSONAL = [
        "INSERT INTO expiry_marks (credential_id, kind, threshold_days, expires_at, alert_id) \
         SELECT t.id, 'personal', $3, t.expires_at, $6", personal_tokens!(), due!(), dormant!(),
        " AND (t.home_publisher_id = $5 OR (t.home_publisher_id IS NULL AND $5 IS NULL))", on_conflict!()
    ];
    /// Those whose credential is gone for good, or ends at another moment than was told.
    OUTDATED = [
        "SELECT m.credential_id, m.threshold_days, t.id AS found_id, t.expires_at, t.revoked_at, \
         t.superseded_by_id FROM expiry_marks m LEFT JOIN service_tokens t ON t.id = m.credential_id \
         WHERE m.kind = 'service'", outdated!(),
        " UNION ALL SELECT m.credential_id, m.threshold_days, t.id AS found_id, t.expires_at, t.revoked_at, \
         t.superseded_by_id FROM expiry_marks m LEFT JOIN personal_tokens t ON t.id = m.credential_id \
         WHERE m.kind = 'personal'", outdated!(), " LIMIT $2"
    ];
    MOVE = ["UPDATE expiry_marks SET expires_at = $2 WHERE credential_id = $1"];
    COUNT = ["SELECT COUNT(*) FROM expiry_marks"];
}

/// A window of ends: those that are to be told at a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The present moment: what ended before is over.
    pub now: Timestamp,
    /// The threshold, in days: what ends later is not told at it.
    pub days: u32,
    /// Who was not used since is dormant. Who was made since had no time to become so.
    pub used_since: Timestamp,
}

impl Window {
    fn until(self) -> Timestamp {
        self.now.plus_days(self.days.into())
    }
}

/// A credential that is in use and ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its id.
    pub id: CredentialId,
    /// Service token or personal token.
    pub kind: CredentialKind,
    /// Its name.
    pub name: String,
    /// The publisher that it belongs to, where it is one.
    pub publisher_id: Option<PublisherId>,
    /// The service account of a service token, the user of a personal one.
    pub owner_id: Option<Uuid>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawEnding {
    id: Uuid,
    name: String,
    publisher_id: Option<Uuid>,
    owner_id: Option<Uuid>,
    expires_at: Time,
    last_used_at: Option<Time>,
}

/// Where a slice begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After(Timestamp, Uuid);

impl After {
    /// Before the first.
    pub const NOTHING: Self = Self(Timestamp::EPOCH, Uuid::nil());

    /// After this one.
    pub const fn of(ending: &Ending) -> Self {
        Self(ending.expires_at, ending.id.0)
    }
}

/// Credentials of a kind that are in use and whose end is to be told, those that end first.
///
/// # Errors
/// As any query.
pub async fn ending(
    conn: Conn<'_>,
    kind: CredentialKind,
    window: Window,
    After(after, after_id): After,
    limit: u32,
) -> Result<Vec<Ending>, StoreError> {
    let statement = if kind == CredentialKind::Personal { &PERSONAL } else { &SERVICE };
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawEnding>(statement.text::<DB>())
        .bind(Time(window.now))
        .bind(Time(window.until()))
        .bind(i64::from(window.days))
        .bind(Time(window.used_since))
        .bind(Time(after))
        .bind(after_id)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let ending = |raw: RawEnding| Ending {
        id: CredentialId(raw.id),
        kind,
        name: raw.name,
        publisher_id: raw.publisher_id.map(PublisherId),
        owner_id: raw.owner_id,
        expires_at: raw.expires_at.into(),
        last_used_at: raw.last_used_at.map(Into::into),
    };
    Ok(raw.into_iter().map(ending).collect())
}

/// Notes that the end of these credentials is told, by these alerts.
///
/// # Errors
/// As any query.
pub async fn mark(conn: Conn<'_>, days: u32, told: &[(&Ending, AlertId)]) -> Result<(), StoreError> {
    let bulk = Bulk {
        into: "expiry_marks (credential_id, kind, threshold_days, expires_at, alert_id)",
        conflict: on_conflict!(),
        columns: vec![
            Column::Ids(told.iter().map(|(ending, _)| ending.id.0).collect()),
            Column::Texts(told.iter().map(|(ending, _)| ending.kind.as_str().to_owned()).collect()),
            Column::Numbers(told.iter().map(|_| i64::from(days)).collect()),
            Column::Times(told.iter().map(|(ending, _)| Time(ending.expires_at)).collect()),
            Column::Ids(told.iter().map(|(_, alert)| alert.0).collect()),
        ],
        rows: told.len(),
    };
    bulk.write(conn).await.map(drop)
}

/// Dormant credentials of a publisher, or of the platform, whose end is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DormantEnding {
    /// The publisher; none: of the platform, or of more than one.
    pub publisher_id: Option<PublisherId>,
    /// How many.
    pub tokens: u64,
    /// When the first of them ends.
    pub first_ends_at: Timestamp,
}

/// Dormant credentials whose end is to be told, by publisher.
///
/// # Errors
/// As any query.
pub async fn dormant(conn: Conn<'_>, window: Window) -> Result<Vec<DormantEnding>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, (Option<Uuid>, i64, Time)>(DORMANT.text::<DB>())
        .bind(Time(window.now))
        .bind(Time(window.until()))
        .bind(i64::from(window.days))
        .bind(Time(window.used_since))
        .fetch_all(c))?;
    let of = |(publisher, tokens, first): (Option<Uuid>, i64, Time)| DormantEnding {
        publisher_id: publisher.map(PublisherId),
        tokens: to_u64(tokens),
        first_ends_at: first.into(),
    };
    Ok(raw.into_iter().map(of).collect())
}

/// Some of the dormant credentials of a publisher, or of the platform, those that end first.
///
/// # Errors
/// As any query.
pub async fn dormant_examples(
    conn: Conn<'_>,
    window: Window,
    publisher: Option<PublisherId>,
    limit: u32,
) -> Result<Vec<(CredentialId, Timestamp)>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, (Uuid, Time)>(DORMANT_EXAMPLES.text::<DB>())
        .bind(Time(window.now))
        .bind(Time(window.until()))
        .bind(i64::from(window.days))
        .bind(Time(window.used_since))
        .bind(publisher.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    Ok(raw.into_iter().map(|(id, end)| (CredentialId(id), end.into())).collect())
}

/// Notes that the end of the dormant credentials of a publisher, or of the platform, is told by this alert;
/// gives how many they are.
///
/// # Errors
/// As any query.
pub async fn mark_dormant(
    mut conn: Conn<'_>,
    window: Window,
    publisher: Option<PublisherId>,
    alert: AlertId,
) -> Result<u64, StoreError> {
    let (now, until, publisher) = (Time(window.now), Time(window.until()), publisher.map(|id| id.0));
    let (days, since) = (i64::from(window.days), Time(window.used_since));
    let service =
        change!(conn.reborrow(), MARK_DORMANT_SERVICE; now, until, days, since, publisher, alert.0)?;
    Ok(service + change!(conn, MARK_DORMANT_PERSONAL; now, until, days, since, publisher, alert.0)?)
}

/// Why what was told of a credential does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outdated {
    /// It was revoked.
    Revoked,
    /// It was rotated.
    Rotated,
    /// Its row is gone.
    Removed,
    /// Its end has come.
    Expired,
    /// Its end was put off, to where the threshold is not reached, or taken back.
    PutOff,
}

#[derive(sqlx::FromRow)]
struct RawOutdated {
    credential_id: Uuid,
    threshold_days: i64,
    found_id: Option<Uuid>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
    superseded_by_id: Option<Uuid>,
}

impl RawOutdated {
    /// None where the end was moved and is still within the threshold.
    fn why(&self, now: Timestamp) -> Option<Outdated> {
        let threshold = now.plus_days(self.threshold_days);
        Some(match (self.found_id, self.expires_at.map(Timestamp::from)) {
            (None, _) => Outdated::Removed,
            _ if self.revoked_at.is_some() => Outdated::Revoked,
            _ if self.superseded_by_id.is_some() => Outdated::Rotated,
            (_, end) if now.has_reached(end) => Outdated::Expired,
            (_, Some(end)) if end <= threshold => return None,
            _ => Outdated::PutOff,
        })
    }
}

/// Credentials of which what was told does not hold any more, at most so many, with the reason. Those whose end
/// was moved within the threshold are noted with their new end, and are not among them. The second value says
/// whether there may be more.
///
/// # Errors
/// As any query.
pub async fn outdated(
    mut conn: Conn<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<(Vec<(CredentialId, Outdated)>, bool), StoreError> {
    let raw = on!(conn.reborrow(), |c| sqlx::query_as::<DB, RawOutdated>(OUTDATED.text::<DB>())
        .bind(Time(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let more = raw.len() as u64 == u64::from(limit);
    let mut outdated = Vec::with_capacity(raw.len());
    for row in raw {
        match (row.why(now), row.expires_at) {
            (Some(why), _) => outdated.push((CredentialId(row.credential_id), why)),
            (None, Some(end)) => drop(change!(conn.reborrow(), MOVE; row.credential_id, end)?),
            (None, None) => {}
        }
    }
    Ok((outdated, more))
}

/// Forgets what was told of these credentials.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, ids: &[Uuid]) -> Result<u64, StoreError> {
    change_each(conn, &Sql::new("DELETE FROM expiry_marks WHERE credential_id IN "), ids).await
}

/// Of how many credentials an end was told and has not come.
///
/// # Errors
/// As any query.
pub async fn count(conn: Conn<'_>) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(COUNT.text::<DB>()).fetch_one(c))?;
    Ok(to_u64(count))
}
