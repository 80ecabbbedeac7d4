//! Accepting an invitation: the first password.

use keywright_core::Name;
use keywright_store::mailed_tokens::Purpose;
use keywright_store::users::{self, Changes};

use zeroize::Zeroizing;

use super::{Opened, context_of};
use crate::audit::Event;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::sessions::Visitor;
use crate::users::{User, subject, themself};

/// An invitation to be accepted.
#[derive(Debug)]
pub struct Accept {
    /// The secret in its link.
    pub token: Zeroizing<String>,
    /// The password to be set.
    pub password: Zeroizing<String>,
    /// What its owner wants to be called; `None` leaves what the invitation said.
    pub display_name: Option<Name>,
}

/// Accepts an invitation. A password that is refused uses the link not up.
///
/// # Errors
/// [`Fault::LinkNotUsable`]; [`Fault::Invalid`] for a password that is guessed too soon;
/// [`Fault::Unavailable`] when too many are being hashed.
pub async fn accept(authority: &Authority, visitor: Visitor, wanted: Accept) -> Result<User, Fault> {
    let opened = Opened::of(authority, &wanted.token, Purpose::Invitation).await?;
    let context = context_of(authority, &opened.user, wanted.display_name.as_ref()).await?;
    let password = authority.passwords().judge("password", &wanted.password, context).await?;
    let hash = authority.passwords().hash(password).await?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let id = opened.user.id;
            let mut tx = own.store().begin_change(&[], &[id.0]).await?;
            let now = own.now();
            let before = opened.use_up(&mut tx, Purpose::Invitation, now).await?;
            if before.has_password {
                return Err(Fault::LinkNotUsable);
            }
            let name = wanted.display_name.map(Some);
            let changes = Changes { display_name: name, ..Changes::none(now) };
            users::update(tx.conn(), id, before.version, &changes).await?;
            users::set_password(tx.conn(), id, &hash, now).await?;
            users::verify_email(tx.conn(), id, &opened.row.email, now).await?;
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::LinkNotUsable)?;
            let event = Event::new("user.accepted", themself(id), None, subject(id));
            event.visitor(&visitor).before(&before).after(&after).write(&own, tx.conn()).await?;
            let user = User::of(tx.conn(), after, None).await?;
            own.commit(tx, Invalidation::Of(vec![id.0]), false).await?;
            Ok(user)
        })
        .await
}
