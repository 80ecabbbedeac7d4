//! Policies of automated rotation: one for each thing that they are on.
//!
//! Functions that read one take the publisher within which it is looked for: to a caller of the platform, who
//! names none, `within` is `None`. What changes one goes by the id alone and is for policies that were read in the
//! same transaction.

use keywright_core::rotation::{Level, Policy};
use keywright_core::{ActorRef, PublisherId, RotationPolicyId, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

/// What a policy on the platform is on.
pub const PLATFORM: Uuid = Uuid::nil();

macro_rules! policy_columns {
    () => {
        "SELECT y.id, y.level, y.subject_id, y.publisher_id, y.terms, y.reach, y.sealed_secret, \
         y.created_by_type, y.created_by_id, y.created_by_name, y.created_at, y.updated_at, y.version \
         FROM rotation_policies y WHERE y.deleted_at IS NULL"
    };
}

statements! {
    INSERT = [
        "INSERT INTO rotation_policies (id, level, subject_id, publisher_id, terms, maintenance_window_id, reach, \
         sealed_secret, created_by_type, created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1)"
    ];
    BY_ID = [policy_columns!(), " AND y.id = $1 AND (y.publisher_id = $2 OR $2 IS NULL)"];
    BY_SUBJECT = [policy_columns!(), " AND y.subject_id = $1"];
    EVERY = [policy_columns!()];
    EVER = [
        "SELECT COUNT(*) FROM rotation_policies y WHERE y.id = $1 AND (y.publisher_id = $2 OR $2 IS NULL)"
    ];
    UPDATE = [
        "UPDATE rotation_policies SET terms = $3, maintenance_window_id = $4, reach = $5, sealed_secret = $6, \
         updated_at = $7, version = version + 1 WHERE id = $1 AND version = $2 AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE rotation_policies SET deleted_at = $2, sealed_secret = NULL, updated_at = $2, \
         version = version + 1 WHERE id = $1 AND deleted_at IS NULL"
    ];
    SEALED = [
        "SELECT id, sealed_secret FROM rotation_policies WHERE sealed_secret IS NOT NULL AND id > $1 \
         ORDER BY id LIMIT $2"
    ];
    RESEAL = ["UPDATE rotation_policies SET sealed_secret = $3 WHERE id = $1 AND sealed_secret = $2"];
}

/// A policy as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Its id.
    pub id: RotationPolicyId,
    /// What kind of thing it is on.
    pub level: Level,
    /// The thing: the first of a line of rotations, an account, a publisher; [`PLATFORM`].
    pub subject_id: Uuid,
    /// The publisher that the thing belongs to; none at platform level.
    pub publisher_id: Option<PublisherId>,
    /// What it says.
    pub terms: Policy,
    /// What whoever decided where secrets go to could do themselves.
    pub reach: ScopeSet,
    /// What the delivery needs to be let in, sealed. It goes into no answer that is kept.
    #[serde(skip)]
    pub sealed_secret: Option<Vec<u8>>,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl std::fmt::Debug for PolicyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyRow")
            .field("id", &self.id)
            .field("level", &self.level)
            .field("subject_id", &self.subject_id)
            .field("terms", &self.terms)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct RawPolicy {
    id: Uuid,
    level: String,
    subject_id: Uuid,
    publisher_id: Option<Uuid>,
    terms: Json<Policy>,
    reach: Json<ScopeSet>,
    sealed_secret: Option<Vec<u8>>,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawPolicy> for PolicyRow {
    type Error = StoreError;

    fn try_from(raw: RawPolicy) -> Result<Self, StoreError> {
        let level = Level::parse(&raw.level)
            .ok_or_else(|| StoreError::corrupt(format_args!("unknown level {:?}", raw.level)))?;
        Ok(Self {
            id: RotationPolicyId(raw.id),
            level,
            subject_id: raw.subject_id,
            publisher_id: raw.publisher_id.map(PublisherId),
            terms: raw.terms.0,
            reach: raw.reach.0,
            sealed_secret: raw.sealed_secret,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a policy.
///
/// # Errors
/// [`StoreError::Duplicate`] when there is one on the same thing.
pub async fn insert(conn: Conn<'_>, new: &PolicyRow) -> Result<(), StoreError> {
    change!(conn, INSERT; new.id.0, new.level.as_str(), new.subject_id, new.publisher_id.map(|id| id.0), Json(&new.terms), new.terms.maintenance_window_id.map(|id| id.0), Json(&new.reach), new.sealed_secret.as_deref(), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(())
}

/// A policy by its id; `None` of a deleted one.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: RotationPolicyId,
) -> Result<Option<PolicyRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawPolicy>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// The policy on a thing, which the caller may see.
///
/// # Errors
/// As any query.
pub async fn by_subject(conn: Conn<'_>, subject: Uuid) -> Result<Option<PolicyRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawPolicy>(BY_SUBJECT.text::<DB>())
        .bind(subject)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// All policies of all publishers, for what rotates by itself.
///
/// # Errors
/// As any query.
pub async fn every(conn: Conn<'_>) -> Result<Vec<PolicyRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawPolicy>(EVERY.text::<DB>()).fetch_all(c))?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// Whether there is, or ever was, a policy with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: RotationPolicyId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// Writes what can be changed of a policy that is still at the row's version; false when it is not.
///
/// # Errors
/// As any query.
pub async fn update(conn: Conn<'_>, row: &PolicyRow, now: Timestamp) -> Result<bool, StoreError> {
    let done = change!(conn, UPDATE; row.id.0, to_i64(row.version), Json(&row.terms), row.terms.maintenance_window_id.map(|id| id.0), Json(&row.reach), row.sealed_secret.as_deref(), Time(now))?;
    Ok(done == 1)
}

/// Marks a policy as deleted, and erases what its delivery needed; false when it is gone already.
///
/// # Errors
/// As any query.
pub async fn delete(conn: Conn<'_>, id: RotationPolicyId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, Time(now))? == 1)
}

/// Which policies to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only those on things of this kind.
    pub level: Option<Level>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, RotationPolicyId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists policies, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<PolicyRow>, StoreError> {
    let mut sql = Sql::new(policy_columns!());
    sql.filter(" AND y.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND y.level = ", filter.level.map(Level::as_str));
    sql.newest_first("y.created_at", "y.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let raw = on!(conn, |c| async { builder!(sql).build_query_as::<RawPolicy>().fetch_all(c).await })?;
    raw.into_iter().map(TryInto::try_into).collect()
}

/// What is sealed, in the order of its ids, after `after`.
///
/// # Errors
/// As any query.
pub async fn sealed(conn: Conn<'_>, after: Uuid, limit: u32) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    on!(conn, |c| sqlx::query_as::<DB, (Uuid, Vec<u8>)>(SEALED.text::<DB>())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c))
}

/// Exchanges what is sealed for the same under another master key; false when it is another by now.
///
/// # Errors
/// As any query.
pub async fn reseal(conn: Conn<'_>, id: Uuid, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    Ok(change!(conn, RESEAL; id, old, new)? == 1)
}
