//! Setting a new password by a link.

use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::{platform, users};

use super::{Opened, context_of};
use crate::audit::Event;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::mail::{Content, Letter, send};
use crate::sessions::Visitor;
use crate::users::{subject, themself};

/// Sets a new password by a link, and ends all sessions. A password that is refused uses the link not up.
///
/// # Errors
/// [`Fault::LinkNotUsable`]; [`Fault::Invalid`] for a password that is guessed too soon;
/// [`Fault::Unavailable`] when too many are being hashed.
pub async fn confirm_reset(
    authority: &Authority,
    visitor: Visitor,
    token: &str,
    new_password: &str,
) -> Result<(), Fault> {
    let opened = Opened::of(authority, token, Purpose::PasswordReset).await?;
    let context = context_of(authority, &opened.user, None).await?;
    let password = authority.passwords().judge("new_password", new_password, context).await?;
    let hash = authority.passwords().hash(password).await?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let id = opened.user.id;
            let mut tx = own.store().begin().await?;
            let epoch = platform::next_epoch(tx.conn()).await?;
            let now = own.now();
            let before = opened.use_up(&mut tx, Purpose::PasswordReset, now).await?;
            users::set_password(tx.conn(), id, &hash, now).await?;
            users::end_sessions(tx.conn(), id, epoch).await?;
            // Whoever could read the mail has proved the address, if it is still the account's.
            users::verify_email(tx.conn(), id, &opened.row.email, now).await?;
            mailed_tokens::void(tx.conn(), id, Purpose::EmailChange).await?;
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::LinkNotUsable)?;
            let event = Event::new("user.password_reset", themself(id), None, subject(id));
            event.visitor(&visitor).before(&before).after(&after).write(&own, tx.conn()).await?;
            if own.post().is_some() {
                let letter = Letter::to(&after, Content::PasswordChanged);
                send(&own, tx.conn(), &after, &letter, now, None).await?;
            }
            own.commit(tx, Invalidation::Of(vec![id.0]), false).await?;
            own.mail_wanted().notify_one();
            Ok(())
        })
        .await
}
