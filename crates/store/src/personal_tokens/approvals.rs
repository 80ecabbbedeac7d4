//! Where a publisher wants tokens approved before they are used within it.

use keywright_core::{ActorRef, PublisherId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::sql::{Sql, builder};
use crate::types::Time;

statements! {
    APPROVE = [
        "INSERT INTO personal_token_approvals (lineage_id, publisher_id, approved_by_type, approved_by_id, \
         approved_by_name, approved_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (lineage_id, publisher_id) DO NOTHING"
    ];
    FORGET = ["DELETE FROM personal_token_approvals WHERE lineage_id = $1"];
}

/// That a line of tokens may be used within a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The line of rotations.
    pub lineage_id: Uuid,
    /// The publisher.
    pub publisher_id: PublisherId,
    /// Since when.
    pub approved_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawApproval {
    lineage_id: Uuid,
    publisher_id: Uuid,
    approved_at: Time,
}

/// Approves a line of tokens within a publisher; false when it was.
///
/// # Errors
/// As any query.
pub async fn approve(
    conn: Conn<'_>,
    lineage: Uuid,
    publisher: PublisherId,
    by: &ActorRef,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done =
        change!(conn, APPROVE; lineage, publisher.0, by.kind.as_str(), by.id, by.name.as_str(), Time(now))?;
    Ok(done == 1)
}

/// Takes back all approvals of a line; tells how many.
///
/// # Errors
/// As any query.
pub async fn forget_approvals(conn: Conn<'_>, lineage: Uuid) -> Result<u64, StoreError> {
    change!(conn, FORGET; lineage)
}

/// The approvals of these lines.
///
/// # Errors
/// As any query.
pub async fn approvals_of(conn: Conn<'_>, lineages: &[Uuid]) -> Result<Vec<Approval>, StoreError> {
    if lineages.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT lineage_id, publisher_id, approved_at FROM personal_token_approvals WHERE lineage_id IN ",
    );
    sql.bind_list(lineages.iter().copied());
    let rows = on!(conn, |c| async {
        builder!(sql).build_query_as::<RawApproval>().persistent(false).fetch_all(c).await
    })?;
    let approval = |raw: RawApproval| Approval {
        lineage_id: raw.lineage_id,
        publisher_id: PublisherId(raw.publisher_id),
        approved_at: raw.approved_at.into(),
    };
    Ok(rows.into_iter().map(approval).collect())
}
