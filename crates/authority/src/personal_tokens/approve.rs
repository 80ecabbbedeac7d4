//! Approving personal tokens, where a publisher wants that.

use keywright_core::{CredentialId, Epochs, PublisherId, UserId};
use keywright_store::personal_tokens;

use super::owner::Owner;
use super::{ADMIN, Approval, PersonalToken, PublisherWord, in_person, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Approves one of the caller's own tokens within the publisher that they act for, where they manage its users:
/// an administrator needs nobody else's word.
///
/// # Errors
/// [`Fault::UserRequired`]; as [`approve_of_user`].
pub async fn approve(
    authority: &Authority,
    call: Call,
    id: CredentialId,
) -> Result<(PersonalToken, Epochs), Fault> {
    let user = in_person(&call)?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, (user, id), None).await }).await
}

/// Approves a token of a user, and whatever it is rotated to, within the publisher that the caller acts for. One
/// that is approved, or needs it not, stays as it is.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::PublisherRequired`]; [`Fault::NotFound`] for a token that is
/// not for the publisher; [`Fault::AlreadyRevoked`]; [`Fault::PreconditionFailed`].
pub async fn approve_of_user(
    authority: &Authority,
    call: Call,
    user: UserId,
    id: CredentialId,
) -> Result<(PersonalToken, Epochs), Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let (token, epochs) = carry_out(&own, &call, (user, id), call.home()).await?;
            Ok((token.within(call.home()), epochs))
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    (user, id): (UserId, CredentialId),
    within: Option<PublisherId>,
) -> Result<(PersonalToken, Epochs), Fault> {
    let publisher = call.acting_for()?;
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[publisher.0], &[id.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let mut owner = Owner::read(tx.conn(), user, within).await?;
    let row = personal_tokens::of_user_for_change(tx.conn(), user, id, Some(publisher)).await?;
    let row = row.ok_or(Fault::NotFound)?;
    call.expects(row.version)?;
    if row.is_revoked(grantor.epochs) {
        return Err(Fault::AlreadyRevoked);
    }
    let before = PersonalToken::of(tx.conn(), &mut owner, row).await?;
    let pending = PublisherWord { publisher, approval: Approval::Pending };
    if !before.publishers.contains(&pending) {
        return Ok((before, grantor.epochs));
    }
    let row = &before.row;
    personal_tokens::approve(tx.conn(), row.lineage_id, publisher, &grantor.actor, now).await?;
    let event = Event::new("personal_token.approved", grantor.actor, Some(call), subject(row));
    event.publisher(Some(publisher)).after(row).write(authority, tx.conn()).await?;
    let changed = personal_tokens::ids_of_lineage(tx.conn(), user, row.lineage_id).await?;
    let after = PersonalToken::of(tx.conn(), &mut owner, before.row).await?;
    authority.commit(tx, Invalidation::Of(changed), call.confirm).await?;
    Ok((after, grantor.epochs))
}
