//! Memberships: who belongs to a publisher, with which role. One file for each use case.

mod add;
mod read;
mod remove;
mod update;

pub use crate::roles::{ADMIN, READ};
pub use add::{Add, add};
pub use read::{get, list};
pub use remove::remove;
pub use update::update;

use keywright_core::{PublisherId, RoleId, UserId};
use keywright_store::memberships::MemberRow;
use keywright_store::roles::RoleRow;
use keywright_store::{Conn, memberships, publishers, roles};
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::Change;
use crate::fault::Fault;
use crate::publishers::must_see;

/// The user, by the id alone: an event outlives the personal data of whom it is about.
fn subject(user: UserId) -> Subject {
    Subject { kind: "user", id: Some(user.0), name: None }
}

impl Snapshot for MemberRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "user_id": self.user_id,
            "role_id": self.role_id,
            "role_name": self.role_name,
        })
    }
}

/// Begins a change of a user's membership in a publisher that exists: nobody changes either meanwhile.
async fn begin(
    authority: &Authority,
    call: &Call,
    publisher: PublisherId,
    user: UserId,
) -> Result<Change, Fault> {
    must_see(call, publisher)?;
    let mut change = Change::begin_with(authority, call, &needs(ADMIN)?, &[publisher.0], &[user.0]).await?;
    publishers::by_id(change.tx.conn(), publisher).await?.ok_or(Fault::NotFound)?;
    Ok(change)
}

/// A role of the publisher, which the actor may give: nobody grants what they lack.
pub(crate) async fn grantable(
    conn: Conn<'_>,
    grantor: &Grantor,
    publisher: PublisherId,
    role: RoleId,
) -> Result<RoleRow, Fault> {
    let role = roles::by_id(conn, Some(publisher), role).await?;
    let role = role.ok_or_else(|| Fault::field("role_id", "is no role of this publisher"))?;
    grantor.may_grant(&role.permissions)?;
    Ok(role)
}

/// A publisher keeps an administrator who can act. Who was only invited cannot yet.
async fn must_leave_an_administrator(mut conn: Conn<'_>, member: &MemberRow) -> Result<(), Fault> {
    let administered = memberships::administered_by(conn.reborrow(), member.user_id).await?;
    if !administered.contains(&member.publisher_id) {
        return Ok(());
    }
    match memberships::count_other_administrators(conn, member.publisher_id, member.user_id).await? {
        0 => Err(Fault::LastAdministrator),
        _ => Ok(()),
    }
}
