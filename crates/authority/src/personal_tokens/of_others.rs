//! What administrators see of the personal tokens of users, and how they end them. Within a publisher that is
//! what is for it, and nothing reaches beyond it: a token that is for others too is taken out of it.

use keywright_core::{CredentialId, Epochs, PublisherId, UserId};
use keywright_store::personal_tokens::{self, ListFilter, PersonalTokenRow, Terms};
use keywright_store::sessions::Reach;
use keywright_store::{memberships, platform, users};

use super::owner::Owner;
use super::revoke::{revoke_one, tell_all};
use super::{ADMIN, PersonalToken, READ, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::nodes::Confirmations;
use crate::users::begin_ending;

impl PersonalToken {
    /// As an administrator of a publisher sees it: what other publishers it is for is not theirs to know.
    pub(super) fn within(mut self, publisher: Option<PublisherId>) -> Self {
        if let Some(publisher) = publisher {
            let terms = &mut self.row.terms;
            if let Some(ids) = &mut terms.publisher_ids {
                ids.retain(|id| *id == publisher);
            }
            terms.excluded_publisher_ids.clear();
        }
        self
    }
}

/// A token of a user; within a publisher one that is for it.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`].
pub async fn get_of_user(
    authority: &Authority,
    call: &Call,
    user: UserId,
    id: CredentialId,
) -> Result<(PersonalToken, Epochs), Fault> {
    call.require(READ)?;
    let within = call.within();
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let mut owner = Owner::read(reader.conn(), user, within).await?;
    let row = personal_tokens::of_user(reader.conn(), user, id, within).await?.ok_or(Fault::NotFound)?;
    Ok((PersonalToken::of(reader.conn(), &mut owner, row).await?.within(within), epochs))
}

/// A page of the tokens of a user, newest first; within a publisher those that are for it.
///
/// # Errors
/// [`Fault::Denied`] without `users:read`; [`Fault::NotFound`] when there is no such user.
pub async fn list_of_user(
    authority: &Authority,
    call: &Call,
    user: UserId,
    filter: impl FnOnce(UserId) -> ListFilter,
) -> Result<(Vec<PersonalToken>, Epochs), Fault> {
    call.require(READ)?;
    let within = call.within();
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let mut owner = Owner::read(reader.conn(), user, within).await?;
    let filter = ListFilter { within, ..filter(user) };
    // Which other publishers a token is for is not theirs to know, by a filter neither.
    if within.is_some() && filter.publisher.is_some_and(|publisher| Some(publisher) != within) {
        return Ok((Vec::new(), epochs));
    }
    let tokens = PersonalToken::listed(reader.conn(), &mut owner, filter).await?;
    Ok((tokens.into_iter().map(|token| token.within(within)).collect(), epochs))
}

/// Revokes a token of a user. Within a publisher one that is for others too is taken out of it, so that it is of
/// no use there, and goes on elsewhere. When this returns, that is in force on this node; to do it again changes
/// nothing.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn revoke_of_user(
    authority: &Authority,
    call: Call,
    user: UserId,
    id: CredentialId,
    reason: Option<String>,
) -> Result<Confirmations, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, (user, id), reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    (user, id): (UserId, CredentialId),
    reason: Option<&str>,
) -> Result<Confirmations, Fault> {
    let mut change = Change::begin_with(authority, call, &needs(ADMIN)?, &[user.0], &[id.0]).await?;
    let within = call.within();
    users::by_id(change.tx.conn(), user, within).await?.ok_or(Fault::NotFound)?;
    let row = personal_tokens::of_user_for_change(change.tx.conn(), user, id, None).await?;
    let row = row.filter(|row| within.is_none_or(|id| was_for(&row.terms, id))).ok_or(Fault::NotFound)?;
    match within {
        Some(publisher) if is_for_others(&row.terms, publisher) => {
            exclude(authority, call, &mut change, (&row, publisher), reason).await?;
        }
        _ => revoke_one(authority, call, &mut change, row, reason).await?,
    }
    authority.commit(change.tx, Invalidation::of(id), call.confirm).await
}

/// Whether a token is for a publisher, or was before it was taken out.
fn was_for(terms: &Terms, publisher: PublisherId) -> bool {
    terms.publisher_ids.as_ref().is_none_or(|ids| ids.contains(&publisher))
}

fn is_for_others(terms: &Terms, publisher: PublisherId) -> bool {
    match &terms.publisher_ids {
        None => true,
        Some(ids) => ids.iter().any(|id| *id != publisher && terms.is_for(*id)),
    }
}

async fn exclude(
    authority: &Authority,
    call: &Call,
    Change { tx, grantor, now, .. }: &mut Change,
    (before, publisher): (&PersonalTokenRow, PublisherId),
    reason: Option<&str>,
) -> Result<(), Fault> {
    if !before.terms.is_for(publisher) || before.is_revoked(grantor.epochs) {
        return Ok(());
    }
    call.expects(before.version)?;
    let mut terms = before.terms.clone();
    terms.excluded_publisher_ids.push(publisher);
    if !personal_tokens::update(tx.conn(), before.id, before.version, &terms, *now).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = personal_tokens::of_user(tx.conn(), before.user_id, before.id, None).await?;
    let after = after.ok_or(Fault::NotFound)?;
    let event = Event::new("personal_token.excluded", grantor.actor.clone(), Some(call), subject(&after));
    let event = event.publisher(Some(publisher)).reason(reason);
    event.write(authority, tx.conn()).await?;
    Ok(())
}

/// Revokes all personal tokens of a user by one number; within a publisher all that they can be used for there.
/// Tells how many could be.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`].
pub async fn revoke_all_of_user(
    authority: &Authority,
    call: Call,
    user: UserId,
    reason: Option<String>,
) -> Result<u64, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let (mut tx, grantor, now, epoch) = begin_ending(&own, &call, &needs(ADMIN)?).await?;
            let within = call.within();
            users::by_id(tx.conn(), user, within).await?.ok_or(Fault::NotFound)?;
            let reach = within.map_or(Reach::User(user), |publisher| Reach::Membership(user, publisher));
            let reached = personal_tokens::count_reached(tx.conn(), reach, now).await?;
            match within {
                None => users::end_personal_tokens(tx.conn(), user, epoch).await?,
                Some(id) => memberships::raise_personal_epoch(tx.conn(), id, user, epoch).await?,
            };
            tell_all(&own, &call, (&mut tx, grantor), (user, within, reached), reason.as_deref()).await?;
            own.commit(tx, Invalidation::Of(vec![user.0]), call.confirm).await?;
            own.mark_wanted().notify_one();
            Ok(reached)
        })
        .await
}
