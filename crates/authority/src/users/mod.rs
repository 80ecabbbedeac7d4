//! Users: one file for each use case.
//!
//! Within a publisher an administrator sees and manages its members, and nobody else. What reaches further
//! than that publisher, because its member belongs to others too, is the platform's.

mod delete;
mod disable;
mod invite;
mod read;
mod remind;
mod update;

pub(crate) use crate::change::begin_ending;
pub use crate::roles::{ADMIN, READ};
pub use delete::delete;
pub use disable::{disable, enable};
pub use invite::{Invite, Invited, Link, RoleRef, invite};
pub use read::{get, list};
pub use remind::remind;
pub use update::{Update, update};

use keywright_core::{
    ActorKind, ActorRef, Denial, DenialCode, PlainToken, PublisherId, ScopeSet, Timestamp, UserId,
};
use keywright_store::mailed_tokens::{self, NewMailedToken, Purpose};
use keywright_store::users::{self, Belonging, UserRow, UserStatus};
use keywright_store::{Conn, Tx, memberships, roles};
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::entropy;
use crate::fault::Fault;
use crate::mail::{Content, Letter, LinkToken, send};

/// A user, with the publishers that the caller may know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The row.
    pub row: UserRow,
    /// Where they belong.
    pub publishers: Vec<Belonging>,
}

impl User {
    pub(crate) async fn of(conn: Conn<'_>, row: UserRow, within: Option<PublisherId>) -> Result<Self, Fault> {
        let publishers = users::belongings(conn, [row.id], within).await?;
        Ok(Self { row: seen(row, within), publishers })
    }
}

/// The row as it is seen within a publisher: whether somebody acts for another by default is not told there.
fn seen(row: UserRow, within: Option<PublisherId>) -> UserRow {
    let default_publisher_id = row.default_publisher_id.filter(|id| within.is_none_or(|home| home == *id));
    UserRow { default_publisher_id, ..row }
}

/// The user, by the id alone: an event outlives the personal data of whom it is about.
pub(crate) fn subject(user: UserId) -> Subject {
    Subject { kind: "user", id: Some(user.0), name: None }
}

/// A user who makes a change to their own account without a session: by a link from a mail.
pub(crate) fn themself(user: UserId) -> ActorRef {
    ActorRef { kind: ActorKind::User, id: Some(user.0), name: String::new() }
}

/// Without what names the person, and so without what an erasure would have to reach.
impl Snapshot for UserRow {
    fn snapshot(&self) -> Value {
        json!({
            "status": self.status().as_str(),
            "email_verified_at": self.email_verified_at,
            "password_changed_at": self.password_changed_at,
            "default_publisher_id": self.default_publisher_id,
            "platform_role": self.platform_role,
            "disabled_at": self.disabled_at,
        })
    }
}

/// How long each link works, in seconds.
pub(crate) const fn life_seconds(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::Invitation => 7 * 24 * 3_600,
        Purpose::PasswordReset => 3_600,
        Purpose::EmailVerification => 3 * 24 * 3_600,
        Purpose::EmailChange => 24 * 3_600,
    }
}

/// A secret for a link, and until when it works.
pub(crate) struct Issued {
    pub(crate) token: PlainToken,
    pub(crate) expires_at: Timestamp,
}

/// Makes the secret of a link; an older one for the same purpose is void from then on.
pub(crate) async fn issue(
    conn: Conn<'_>,
    user: &UserRow,
    email: &keywright_core::EmailAddress,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Issued, Fault> {
    let token = PlainToken::mailed(&entropy::token());
    let expires_at = now.plus_seconds(life_seconds(purpose));
    let new = NewMailedToken {
        token_hash: token.hash(),
        purpose,
        user_id: user.id,
        email: email.clone(),
        created_at: now,
        expires_at,
    };
    mailed_tokens::insert(conn, &new).await?;
    Ok(Issued { token, expires_at })
}

/// Sends the invitation that a token is for.
pub(crate) async fn send_invitation(
    authority: &Authority,
    conn: Conn<'_>,
    user: &UserRow,
    publisher: Option<String>,
    issued: &Issued,
    now: Timestamp,
) -> Result<(), Fault> {
    let content = Content::Invitation { publisher, token: LinkToken::of(&issued.token) };
    send(authority, conn, user, &Letter::to(user, content), now, Some(issued.expires_at)).await
}

/// A user whom the caller sees, and may do to what reaches beyond the caller's publisher: within one only to
/// those who belong to no other and have no part in the platform.
async fn within_reach(conn: &mut Tx, call: &Call, user: UserId) -> Result<UserRow, Fault> {
    let row = users::by_id(conn.conn(), user, call.within()).await?.ok_or(Fault::NotFound)?;
    let Some(home) = call.home() else { return Ok(row) };
    let elsewhere = memberships::list_of_user(conn.conn(), user).await?.iter().any(|own| own.id != home);
    if elsewhere || row.platform_role.is_some() {
        let missing_scopes = needs(ADMIN)?.requirements.required_scopes.iter().cloned().collect();
        return Err(Fault::Denied(Denial { code: DenialCode::InsufficientScope, missing_scopes }));
    }
    Ok(row)
}

/// Nobody gives what they lack: who lets somebody in, or chooses where somebody's links go and so can become them, must
/// have all that they may do, wherever they may do it.
async fn must_hold_all_of(tx: &mut Tx, grantor: &Grantor, user: &UserRow) -> Result<(), Fault> {
    if user.platform_role.is_some() {
        grantor.may_grant(&ScopeSet::all())?;
    }
    for own in users::belongings(tx.conn(), [user.id], None).await? {
        let role = roles::by_id(tx.conn(), Some(own.publisher_id), own.role_id).await?;
        grantor.may_grant(&role.map(|role| role.permissions).unwrap_or_default())?;
    }
    Ok(())
}

/// Neither the platform nor a publisher loses the last administrator who can act.
async fn must_leave_administrators(tx: &mut Tx, user: &UserRow) -> Result<(), Fault> {
    if user.is_platform_administrator() {
        must_leave_a_platform_administrator(tx, user).await?;
    }
    for publisher in memberships::administered_by(tx.conn(), user.id).await? {
        if memberships::count_other_administrators(tx.conn(), publisher, user.id).await? == 0 {
            return Err(Fault::LastAdministrator);
        }
    }
    Ok(())
}

async fn must_leave_a_platform_administrator(tx: &mut Tx, user: &UserRow) -> Result<(), Fault> {
    // Who is disabled or was only invited cannot act now either.
    if user.status() != UserStatus::Active {
        return Ok(());
    }
    match memberships::count_other_platform_administrators(tx.conn(), user.id).await? {
        0 => Err(Fault::LastAdministrator),
        _ => Ok(()),
    }
}
