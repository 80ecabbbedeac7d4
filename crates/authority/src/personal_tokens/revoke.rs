//! Revoking personal tokens of one's own.

use keywright_core::{CredentialId, PublisherId, UserId};
use keywright_store::personal_tokens::{self, PersonalTokenRow};
use keywright_store::sessions::Reach;
use keywright_store::{Tx, users};
use serde_json::json;

use super::owner::Owner;
use super::read::calling;
use super::{PersonalToken, event, in_person};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Grantor, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::nodes::Confirmations;
use crate::users::{begin_ending, subject as user_subject};

/// Revokes one of the caller's own tokens; revoking it again changes nothing, but asks the other nodes again.
/// When this returns, no verification on this node accepts it.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn revoke(
    authority: &Authority,
    call: Call,
    id: CredentialId,
    reason: Option<String>,
) -> Result<Confirmations, Fault> {
    let user = in_person(&call)?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, (user, id), reason.as_deref()).await }).await
}

/// Revokes the very token that calls, where it is a personal one: `None` when it is not.
///
/// # Errors
/// [`Fault::PreconditionFailed`].
pub async fn revoke_myself(
    authority: &Authority,
    call: &Call,
    reason: Option<&str>,
) -> Result<Option<Confirmations>, Fault> {
    let Some(mine) = calling(call) else { return Ok(None) };
    let (own, call, reason) = (authority.clone(), call.clone(), reason.map(str::to_owned));
    let revoked = async move { carry_out(&own, &call, mine, reason.as_deref()).await };
    authority.carry_out(revoked).await.map(Some)
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    (user, id): (UserId, CredentialId),
    reason: Option<&str>,
) -> Result<Confirmations, Fault> {
    let mut change = Change::begin_with(authority, call, &Needs::nothing(), &[], &[id.0]).await?;
    let before = personal_tokens::of_user_for_change(change.tx.conn(), user, id, None).await?;
    revoke_one(authority, call, &mut change, before.ok_or(Fault::NotFound)?, reason).await?;
    // Also when another node revoked it a moment ago: what that one told may still be on its way here.
    authority.commit(change.tx, Invalidation::of(id), call.confirm).await
}

/// Revokes a token that is held, and tells of it.
pub(super) async fn revoke_one(
    authority: &Authority,
    call: &Call,
    Change { tx, grantor, now, .. }: &mut Change,
    before: PersonalTokenRow,
    reason: Option<&str>,
) -> Result<(), Fault> {
    call.expects(before.version)?;
    let (user, id) = (before.user_id, before.id);
    if personal_tokens::revoke(tx.conn(), user, id, *now, reason).await? {
        let after = personal_tokens::of_user(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
        let mut owner = Owner::read(tx.conn(), user, None).await?;
        let before = PersonalToken::of(tx.conn(), &mut owner, before).await?;
        let after = PersonalToken::of(tx.conn(), &mut owner, after).await?;
        let event = event("personal_token.revoked", grantor, call, Some(&before), &after);
        event.reason(reason).write(authority, tx.conn()).await?;
    }
    Ok(())
}

/// Revokes all personal tokens of the user who calls, by one number; tells how many could be used.
///
/// # Errors
/// [`Fault::UserRequired`].
pub async fn revoke_all(authority: &Authority, call: Call, reason: Option<String>) -> Result<u64, Fault> {
    let user = in_person(&call)?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let (mut tx, grantor, now, epoch) = begin_ending(&own, &call, &Needs::nothing()).await?;
            let reached = personal_tokens::count_reached(tx.conn(), Reach::User(user), now).await?;
            users::end_personal_tokens(tx.conn(), user, epoch).await?;
            tell_all(&own, &call, (&mut tx, grantor), (user, None, reached), reason.as_deref()).await?;
            own.commit(tx, Invalidation::Of(vec![user.0]), call.confirm).await?;
            own.mark_wanted().notify_one();
            Ok(reached)
        })
        .await
}

/// Tells that all tokens of a user were revoked, within a publisher or wherever they were for.
pub(super) async fn tell_all(
    authority: &Authority,
    call: &Call,
    (tx, grantor): (&mut Tx, Grantor),
    (user, within, reached): (UserId, Option<PublisherId>, u64),
    reason: Option<&str>,
) -> Result<(), Fault> {
    let mut owner = Owner::read(tx.conn(), user, within).await?;
    owner.learn_all(tx.conn(), user).await?;
    let places = owner.places().into_iter().map(|place| place.publisher);
    let event = Event::new("personal_token.all_revoked", grantor.actor, Some(call), user_subject(user));
    let event = event.publisher(call.within()).also(places).reason(reason);
    event.details(json!({"reached": reached})).write(authority, tx.conn()).await?;
    Ok(())
}
