//! Changing a user (RFC 7396).

use keywright_core::{BuiltInRole, EmailAddress, Name, Timestamp, UserId};
use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::users::{self, Changes, UserRow};
use keywright_store::{Conn, Tx};

use super::{
    ADMIN, User, issue, must_hold_all_of, must_leave_a_platform_administrator, subject, within_reach,
};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::mail::{Content, Letter, LinkToken, send};

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// Another name; `Some(None)` is none.
    pub display_name: Option<Option<Name>>,
    /// Another address, which is then not confirmed.
    pub email: Option<EmailAddress>,
    /// Another role of the platform; `Some(None)` is none.
    pub platform_role: Option<Option<BuiltInRole>>,
}

/// Changes a user.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`, at platform level if they belong elsewhere too or it is about a
/// role of the platform; [`Fault::NotFound`]; [`Fault::PreconditionFailed`]; [`Fault::EmailTaken`];
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::LastAdministrator`].
pub async fn update(authority: &Authority, call: Call, id: UserId, wanted: Update) -> Result<User, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, &wanted).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, id: UserId, wanted: &Update) -> Result<User, Fault> {
    let mut needed = needs(ADMIN)?;
    if wanted.platform_role.is_some() {
        needed = needed.at_platform_level();
    }
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needed, &[], &[id.0]).await?;
    let before = within_reach(&mut tx, call, id).await?;
    call.expects(before.version)?;
    may_change_role(&mut tx, &grantor, &before, wanted).await?;
    let changes = Changes {
        display_name: wanted.display_name.clone(),
        platform_role: wanted.platform_role,
        ..Changes::none(now)
    };
    let email = wanted.email.as_ref().filter(|email| **email != before.email);
    if email.is_some() {
        must_hold_all_of(&mut tx, &grantor, &before).await?;
    }
    if email.is_none() && is_nothing(&changes, &before) {
        return User::of(tx.conn(), before, call.within()).await;
    }
    if !users::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    if let Some(email) = email {
        users::change_email(tx.conn(), id, email, None, now).await?;
    }
    let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
    if email.is_some() {
        tell(authority, tx.conn(), &before, &after, now).await?;
    }
    let event = Event::new("user.updated", grantor.actor, Some(call), subject(id));
    let event = event.publisher(call.within()).before(&before).after(&after);
    let event = event.details(serde_json::json!({"email_changed": email.is_some()}));
    event.write(authority, tx.conn()).await?;
    let user = User::of(tx.conn(), after, call.within()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    authority.mail_wanted().notify_one();
    Ok(user)
}

fn is_nothing(changes: &Changes, before: &UserRow) -> bool {
    let role = before.platform_role.as_deref();
    changes.display_name.as_ref().is_none_or(|name| *name == before.display_name)
        && changes.platform_role.is_none_or(|wanted| wanted.map(BuiltInRole::as_str) == role)
}

async fn may_change_role(
    tx: &mut Tx,
    grantor: &Grantor,
    before: &UserRow,
    wanted: &Update,
) -> Result<(), Fault> {
    match wanted.platform_role {
        Some(Some(role)) => grantor.may_grant(&role.permissions()),
        Some(None) if before.is_platform_administrator() && before.disabled_at.is_none() => {
            must_leave_a_platform_administrator(tx, before).await
        }
        Some(None) | None => Ok(()),
    }
}

/// The new address is to be confirmed, the old one is told, and links that went there are void.
async fn tell(
    authority: &Authority,
    mut conn: Conn<'_>,
    before: &UserRow,
    after: &UserRow,
    now: Timestamp,
) -> Result<(), Fault> {
    mailed_tokens::void_all(conn.reborrow(), after.id).await?;
    if authority.post().is_none() {
        return Ok(());
    }
    let issued = issue(conn.reborrow(), after, &after.email, Purpose::EmailVerification, now).await?;
    let content = Content::EmailVerification { token: LinkToken::of(&issued.token) };
    send(authority, conn.reborrow(), after, &Letter::to(after, content), now, Some(issued.expires_at))
        .await?;
    let notice = Content::EmailChangeNotice { new_email: after.email.clone() };
    send(authority, conn, before, &Letter::to(before, notice), now, None).await
}
