//! Changing one's own address: the new one is to be proved, the old one is told.

use keywright_core::EmailAddress;
use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::{platform, users};

use super::Opened;
use super::change_password::re_authenticate;
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::mail::{Content, Letter, LinkToken, send};
use crate::sessions::Visitor;
use crate::users::{issue, subject, themself};

/// Sends a link to the new address and a notice to the old one. Nothing tells whether somebody else has the
/// new one.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::Invalid`] for a wrong password; [`Fault::TooManyAttempts`];
/// [`Fault::MailNotConfigured`]; [`Fault::Denied`].
pub async fn request_email_change(
    authority: &Authority,
    call: Call,
    new_email: EmailAddress,
    password: &str,
) -> Result<(), Fault> {
    let (user, kept) = re_authenticate(authority, &call, "password", password).await?;
    if authority.post().is_none() {
        return Err(Fault::MailNotConfigured);
    }
    let own = authority.clone();
    authority
        .carry_out(async move {
            let id = user.id;
            let change = Change::begin_with(&own, &call, &Needs::nothing(), &[], &[id.0]).await?;
            let Change { mut tx, grantor, now, .. } = change;
            let user = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
            if users::password_hash(tx.conn(), id).await?.as_ref() != Some(&kept) {
                return Err(Fault::PreconditionFailed);
            }
            let taken = users::by_email(tx.conn(), &new_email).await?;
            if taken.is_none_or(|other| other.id == id) {
                let issued = issue(tx.conn(), &user, &new_email, Purpose::EmailChange, now).await?;
                let content = Content::EmailChange { token: LinkToken::of(&issued.token) };
                let letter = Letter { to: new_email.clone(), ..Letter::to(&user, content) };
                send(&own, tx.conn(), &user, &letter, now, Some(issued.expires_at)).await?;
            }
            let notice = Letter::to(&user, Content::EmailChangeNotice { new_email });
            send(&own, tx.conn(), &user, &notice, now, None).await?;
            let event = Event::new("user.email_change_requested", grantor.actor, Some(&call), subject(id));
            event.write(&own, tx.conn()).await?;
            own.commit(tx, Invalidation::None, false).await?;
            own.mail_wanted().notify_one();
            Ok(())
        })
        .await
}

/// Makes the new address the account's, by the link that went there, and ends all sessions.
///
/// # Errors
/// [`Fault::LinkNotUsable`]; [`Fault::EmailTaken`] when somebody else has it by now.
pub async fn confirm_email_change(authority: &Authority, visitor: Visitor, token: &str) -> Result<(), Fault> {
    let opened = Opened::of(authority, token, Purpose::EmailChange).await?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let id = opened.user.id;
            let mut tx = own.store().begin().await?;
            let epoch = platform::next_epoch(tx.conn()).await?;
            let now = own.now();
            let before = opened.use_up(&mut tx, Purpose::EmailChange, now).await?;
            users::change_email(tx.conn(), id, &opened.row.email, Some(now), now).await?;
            users::end_sessions(tx.conn(), id, epoch).await?;
            // Links that went to the old address lead nowhere any more.
            mailed_tokens::void_all(tx.conn(), id).await?;
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::LinkNotUsable)?;
            let event = Event::new("user.email_changed", themself(id), None, subject(id));
            event.visitor(&visitor).before(&before).after(&after).write(&own, tx.conn()).await?;
            own.commit(tx, Invalidation::Of(vec![id.0]), false).await?;
            Ok(())
        })
        .await
}
