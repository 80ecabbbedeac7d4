//! Confirming that an address is one's own.

use keywright_store::mailed_tokens::Purpose;
use keywright_store::users;

use super::Opened;
use crate::audit::Event;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::sessions::Visitor;
use crate::users::{subject, themself};

/// Confirms an address by a link.
///
/// # Errors
/// [`Fault::LinkNotUsable`], also when the account has another address by now.
pub async fn verify_email(authority: &Authority, visitor: Visitor, token: &str) -> Result<(), Fault> {
    let opened = Opened::of(authority, token, Purpose::EmailVerification).await?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let id = opened.user.id;
            let mut tx = own.store().begin_change(&[], &[id.0]).await?;
            let now = own.now();
            let before = opened.use_up(&mut tx, Purpose::EmailVerification, now).await?;
            if before.email.folded() != opened.row.email.folded() {
                return Err(Fault::LinkNotUsable);
            }
            users::verify_email(tx.conn(), id, &opened.row.email, now).await?;
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::LinkNotUsable)?;
            let event = Event::new("user.email_verified", themself(id), None, subject(id));
            event.visitor(&visitor).before(&before).after(&after).write(&own, tx.conn()).await?;
            own.commit(tx, Invalidation::Of(vec![id.0]), false).await?;
            Ok(())
        })
        .await
}
