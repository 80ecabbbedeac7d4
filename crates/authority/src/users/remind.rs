//! Inviting somebody again who has not accepted yet.

use keywright_core::{Actor, UserId};
use keywright_store::mailed_tokens::Purpose;
use keywright_store::users::{self, UserStatus};

use super::invite::{Link, link};
use super::{ADMIN, User, issue, send_invitation, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Sends an invitation again; the link in the older one is void. With `show_link` the local operator is given
/// the link instead.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`]; [`Fault::NotInvited`] when they have
/// accepted, or are locked out; [`Fault::MailNotConfigured`].
pub async fn remind(
    authority: &Authority,
    call: Call,
    id: UserId,
    show_link: bool,
) -> Result<(User, Option<Link>), Fault> {
    if show_link && call.actor != Actor::Operator {
        return Err(Fault::field("show_link", super::invite::OPERATOR_ALONE));
    }
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, show_link).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: UserId,
    show_link: bool,
) -> Result<(User, Option<Link>), Fault> {
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let row = users::by_id(tx.conn(), id, call.within()).await?.ok_or(Fault::NotFound)?;
    if row.status() != UserStatus::Invited {
        return Err(Fault::NotInvited);
    }
    let user = User::of(tx.conn(), row, call.within()).await?;
    let publisher = user.publishers.first().map(|own| own.publisher_name.as_str().to_owned());
    let issued = issue(tx.conn(), &user.row, &user.row.email, Purpose::Invitation, now).await?;
    if !show_link {
        send_invitation(authority, tx.conn(), &user.row, publisher, &issued, now).await?;
    }
    let event = Event::new("user.invited_again", grantor.actor, Some(call), subject(id));
    event.publisher(call.within()).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    authority.mail_wanted().notify_one();
    Ok((user, show_link.then(|| link(authority, issued))))
}
