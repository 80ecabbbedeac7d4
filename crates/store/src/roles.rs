//! Roles of publishers: the built-in ones that each has, and its own.
//!
//! Functions that read or change one take the publisher within which it is looked for: to a caller of the
//! platform, who names none, `within` is `None`.

use keywright_core::id::IdEntropy;
use keywright_core::{ActorRef, BuiltInRole, Name, PublisherId, RoleId, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::grants::role_permissions;
use crate::sql::{Sql, builder};
use crate::types::{CreatedBy, Time, to_i64, to_u64};

macro_rules! role_columns {
    () => {
        "SELECT r.id, r.publisher_id, r.name, r.description, r.built_in, r.permissions, r.created_by_type, \
         r.created_by_id, r.created_by_name, r.created_at, r.updated_at, r.version \
         FROM roles r JOIN publishers q ON q.id = r.publisher_id AND q.deleted_at IS NULL \
         WHERE r.deleted_at IS NULL"
    };
}

statements! {
    INSERT = [
        "INSERT INTO roles (id, publisher_id, name, description, built_in, permissions, created_by_type, \
         created_by_id, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 1)"
    ];
    BY_ID = [role_columns!(), " AND r.id = $1 AND r.publisher_id = COALESCE($2, r.publisher_id)"];
    BY_NAME = [role_columns!(), " AND r.publisher_id = $1 AND r.name = $2"];
    UPDATE = [
        "UPDATE roles SET name = COALESCE($4, name), description = COALESCE($5, description), \
         permissions = COALESCE($6, permissions), updated_at = $7, version = version + 1 \
         WHERE id = $1 AND publisher_id = $2 AND version = $3 AND deleted_at IS NULL"
    ];
    DELETE = [
        "UPDATE roles SET deleted_at = $3, updated_at = $3, version = version + 1 \
         WHERE id = $1 AND publisher_id = $2 AND built_in IS NULL AND deleted_at IS NULL"
    ];
    EVER = ["SELECT COUNT(*) FROM roles r WHERE r.id = $1 AND r.publisher_id = COALESCE($2, r.publisher_id)"];
    IN_USE = ["SELECT COUNT(*) FROM memberships WHERE role_id = $1"];
}

/// A role to insert.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// Its id.
    pub id: RoleId,
    /// The publisher that it belongs to.
    pub publisher_id: PublisherId,
    /// Its name, free within the publisher.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// The built-in role that it is.
    pub built_in: Option<BuiltInRole>,
    /// What it grants; of a built-in one, what the publisher adds.
    pub permissions: ScopeSet,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
}

/// A role as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRow {
    /// Its id.
    pub id: RoleId,
    /// The publisher that it belongs to.
    pub publisher_id: PublisherId,
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// The built-in role that it is.
    pub built_in: Option<String>,
    /// What the row itself grants: of a built-in one, what the publisher adds.
    pub added: ScopeSet,
    /// All that it grants.
    pub permissions: ScopeSet,
    /// Who made it.
    pub created_by: ActorRef,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl RoleRow {
    /// The built-in role that it is.
    pub fn built_in(&self) -> Option<BuiltInRole> {
        BuiltInRole::parse(self.built_in.as_deref()?)
    }

    /// Whether who holds it administers the publisher.
    pub fn administers(&self) -> bool {
        self.built_in() == Some(BuiltInRole::PublisherAdmin)
    }
}

#[derive(sqlx::FromRow)]
struct RawRole {
    id: Uuid,
    publisher_id: Uuid,
    name: String,
    description: String,
    built_in: Option<String>,
    permissions: Json<ScopeSet>,
    #[sqlx(flatten)]
    created_by: CreatedBy,
    created_at: Time,
    updated_at: Time,
    version: i64,
}

impl TryFrom<RawRole> for RoleRow {
    type Error = StoreError;

    fn try_from(raw: RawRole) -> Result<Self, StoreError> {
        let added = raw.permissions.0;
        Ok(Self {
            id: RoleId(raw.id),
            publisher_id: PublisherId(raw.publisher_id),
            name: Name::from_stored(raw.name),
            description: raw.description,
            permissions: role_permissions(raw.built_in.as_deref(), &added)?,
            built_in: raw.built_in,
            added,
            created_by: raw.created_by.try_into()?,
            created_at: raw.created_at.into(),
            updated_at: raw.updated_at.into(),
            version: to_u64(raw.version),
        })
    }
}

/// Inserts a role and gives its row.
///
/// # Errors
/// [`StoreError::NameTaken`] when another one of the publisher bears the name.
pub async fn insert(conn: Conn<'_>, new: &NewRole) -> Result<RoleRow, StoreError> {
    let built_in = new.built_in.map(BuiltInRole::as_str);
    change!(conn, INSERT; new.id.0, new.publisher_id.0, new.name.as_str(), new.description.as_str(), built_in, Json(&new.permissions), new.created_by.kind.as_str(), new.created_by.id, new.created_by.name.as_str(), Time(new.created_at))?;
    Ok(RoleRow {
        id: new.id,
        publisher_id: new.publisher_id,
        name: new.name.clone(),
        description: new.description.clone(),
        built_in: built_in.map(str::to_owned),
        added: new.permissions.clone(),
        permissions: role_permissions(built_in, &new.permissions)?,
        created_by: new.created_by.clone(),
        created_at: new.created_at,
        updated_at: new.created_at,
        version: 1,
    })
}

/// Inserts the built-in roles of a new publisher, in the order of [`BuiltInRole::OF_A_PUBLISHER`].
///
/// # Errors
/// As any query.
pub async fn insert_built_in(
    mut conn: Conn<'_>,
    publisher_id: PublisherId,
    created_by: &ActorRef,
    now: Timestamp,
    entropy: [IdEntropy; 3],
) -> Result<Vec<RoleRow>, StoreError> {
    let mut rows = Vec::new();
    for (role, entropy) in BuiltInRole::OF_A_PUBLISHER.into_iter().zip(entropy) {
        let new = NewRole {
            id: RoleId::generate(now, entropy),
            publisher_id,
            name: Name::from_stored(role.as_str().to_owned()),
            description: role.description().to_owned(),
            built_in: Some(role),
            permissions: ScopeSet::default(),
            created_by: created_by.clone(),
            created_at: now,
        };
        rows.push(insert(conn.reborrow(), &new).await?);
    }
    Ok(rows)
}

/// A role by its id, of a publisher that is not deleted.
///
/// # Errors
/// As any query.
pub async fn by_id(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: RoleId,
) -> Result<Option<RoleRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRole>(BY_ID.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// A role of a publisher by its name.
///
/// # Errors
/// As any query.
pub async fn by_name(
    conn: Conn<'_>,
    publisher: PublisherId,
    name: &str,
) -> Result<Option<RoleRow>, StoreError> {
    let raw = on!(conn, |c| sqlx::query_as::<DB, RawRole>(BY_NAME.text::<DB>())
        .bind(publisher.0)
        .bind(name)
        .fetch_optional(c))?;
    raw.map(TryInto::try_into).transpose()
}

/// Which roles to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this publisher.
    pub within: Option<PublisherId>,
    /// Only the ones of exactly this name.
    pub name: Option<String>,
    /// Only those after this one in the list.
    pub after: Option<(Timestamp, RoleId)>,
    /// Most rows to give.
    pub limit: u32,
}

/// Lists roles of publishers that are not deleted, newest first.
///
/// # Errors
/// As any query.
pub async fn list(conn: Conn<'_>, filter: &ListFilter) -> Result<Vec<RoleRow>, StoreError> {
    let mut sql = Sql::new(role_columns!());
    sql.filter(" AND r.publisher_id = ", filter.within.map(|id| id.0))
        .filter(" AND r.name = ", filter.name.as_deref());
    sql.newest_first("r.created_at", "r.id", filter.after.map(|(at, id)| (at, id.0)), filter.limit);
    let rows = on!(conn, |c| async { builder!(sql).build_query_as::<RawRole>().fetch_all(c).await })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What may be changed; `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Another name.
    pub name: Option<Name>,
    /// Another description.
    pub description: Option<String>,
    /// All that the row itself grants.
    pub permissions: Option<ScopeSet>,
    /// When.
    pub updated_at: Timestamp,
}

/// Changes a role of a publisher that is still at `expected_version`; false when it is not.
///
/// # Errors
/// [`StoreError::NameTaken`] when another one of the publisher bears the new name.
pub async fn update(
    conn: Conn<'_>,
    publisher: PublisherId,
    id: RoleId,
    expected_version: u64,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let name = changes.name.as_ref().map(Name::as_str);
    let done = change!(conn, UPDATE; id.0, publisher.0, to_i64(expected_version), name, changes.description.as_deref(), changes.permissions.as_ref().map(Json), Time(changes.updated_at))?;
    Ok(done == 1)
}

/// Marks a role of a publisher's own as deleted, which frees its name; false when there is none.
///
/// # Errors
/// As any query.
pub async fn delete(
    conn: Conn<'_>,
    publisher: PublisherId,
    id: RoleId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(change!(conn, DELETE; id.0, publisher.0, Time(now))? == 1)
}

/// Whether there is, or ever was, a role with this id.
///
/// # Errors
/// As any query.
pub async fn has_existed(
    conn: Conn<'_>,
    within: Option<PublisherId>,
    id: RoleId,
) -> Result<bool, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EVER.text::<DB>())
        .bind(id.0)
        .bind(within.map(|publisher| publisher.0))
        .fetch_one(c))?;
    Ok(count > 0)
}

/// How many members hold a role.
///
/// # Errors
/// As any query.
pub async fn count_holders(conn: Conn<'_>, id: RoleId) -> Result<u64, StoreError> {
    let count = on!(conn, |c| sqlx::query_scalar::<DB, i64>(IN_USE.text::<DB>()).bind(id.0).fetch_one(c))?;
    Ok(to_u64(count))
}
