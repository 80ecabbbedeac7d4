//! Changing a personal token.

use keywright_core::{Allowlist, CredentialId, CredentialName, Epochs, PublisherId, ScopeSet, Timestamp};
use keywright_store::Tx;
use keywright_store::personal_tokens::{self, PersonalTokenRow, Terms};
use uuid::Uuid;

use super::create::each_once;
use super::owner::Owner;
use super::terms::{Askeds, chooses, widens};
use super::{PersonalToken, event, free_name, in_person, must_have_room};
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::rate_limits::RateLimitsChange;

/// What a token shall carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// All that its owner may.
    Inherited,
    /// At most this.
    Chosen(ScopeSet),
}

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Another name.
    pub name: Option<CredentialName>,
    /// Other rights.
    pub rights: Option<Rights>,
    /// Other publishers; `Some(None)`: all of the owner's.
    pub publisher_ids: Option<Option<Vec<PublisherId>>>,
    /// Another end; `Some(None)` is never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Other limits; `Some(None)` is none.
    pub rate_limits: Option<Option<RateLimitsChange>>,
    /// Another allowlist; the empty one is from anywhere.
    pub ip_allowlist: Option<Allowlist>,
    /// Switched on or off.
    pub is_active: Option<bool>,
}

impl Update {
    fn applied(&self, before: &Terms) -> Terms {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name = name.clone();
        }
        match &self.rights {
            None => {}
            Some(Rights::Inherited) => {
                (after.inherit_user_permissions, after.scopes) = (true, ScopeSet::default());
            }
            Some(Rights::Chosen(scopes)) => {
                (after.inherit_user_permissions, after.scopes) = (false, scopes.clone());
            }
        }
        // Whoever names publishers anew takes back what administrators had taken out: that widens.
        if let Some(publishers) = &self.publisher_ids {
            let publishers = publishers.as_deref().map(each_once);
            if publishers != before.publisher_ids {
                (after.publisher_ids, after.excluded_publisher_ids) = (publishers, Vec::new());
            }
        }
        after.expires_at = self.expires_at.unwrap_or(before.expires_at);
        if let Some(change) = self.rate_limits {
            after.rate_limits = change.map(|change| change.applied(before.rate_limits)).unwrap_or_default();
        }
        if let Some(allowlist) = &self.ip_allowlist {
            after.ip_allowlist = allowlist.clone();
        }
        after.is_active = self.is_active.unwrap_or(before.is_active);
        after
    }
}

/// Changes one of the caller's own tokens. What widens it needs all that making it would need, and is approved
/// anew wherever that is asked for.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`]; [`Fault::AlreadyRevoked`]; [`Fault::PreconditionFailed`];
/// [`Fault::NameTaken`]; and, for what widens it, those of [`super::create()`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: CredentialId,
    wanted: Update,
) -> Result<(PersonalToken, Epochs), Fault> {
    in_person(&call)?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            match carry_out(&own, &call, id, &wanted).await {
                Err(Fault::NameTaken) if free_name(&own, &call, wanted.name.as_ref()).await? => {
                    carry_out(&own, &call, id, &wanted).await
                }
                outcome => outcome,
            }
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    wanted: &Update,
) -> Result<(PersonalToken, Epochs), Fault> {
    let user = in_person(call)?;
    let named = wanted.publisher_ids.iter().flatten().flatten();
    let reads: Vec<Uuid> = named.map(|id| id.0).collect();
    // An expired token that lives again takes a place among those that live, which are counted.
    let counted = wanted.expires_at.map(|_| user.0);
    let held: Vec<Uuid> = [Some(id.0), counted].into_iter().flatten().collect();
    let mut change = Change::begin_with(authority, call, &Needs::nothing(), &reads, &held).await?;
    let tx = &mut change.tx;
    let before =
        personal_tokens::of_user_for_change(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    if before.is_revoked(change.grantor.epochs) {
        return Err(Fault::AlreadyRevoked);
    }
    call.expects(before.version)?;
    let after = wanted.applied(&before.terms);
    let mut owner = Owner::read(tx.conn(), user, None).await?;
    if after == before.terms {
        return Ok((PersonalToken::of(tx.conn(), &mut owner, before).await?, change.grantor.epochs));
    }
    if now_lives(&before, &after, change.now) {
        must_have_room(authority, change.tx.conn(), user, change.now).await?;
    }
    let mut changed = vec![id.0];
    look_at(call, &mut change, &mut owner, (&before, &after)).await?;
    let tx = &mut change.tx;
    if widens(&before.terms, &after) {
        changed = unapproved(tx, &before, changed).await?;
    }
    if !personal_tokens::update(tx.conn(), id, before.version, &after, change.now).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = personal_tokens::of_user(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let before = PersonalToken::of(tx.conn(), &mut owner, before).await?;
    let token = PersonalToken::of(tx.conn(), &mut owner, after).await?;
    let event = event("personal_token.updated", &change.grantor, call, Some(&before), &token);
    event.write(authority, tx.conn()).await?;
    authority.commit(change.tx, Invalidation::Of(changed), call.confirm).await?;
    Ok((token, change.grantor.epochs))
}

/// Whether an expired token would live again.
fn now_lives(before: &PersonalTokenRow, after: &Terms, now: Timestamp) -> bool {
    before.superseded_by_id.is_none()
        && now.has_reached(before.terms.expires_at)
        && !now.has_reached(after.expires_at)
}

/// Whoever gives a token more than it has must be able to make such a token.
async fn look_at(
    call: &Call,
    Change { tx, grantor, now, .. }: &mut Change,
    owner: &mut Owner,
    (before, after): (&PersonalTokenRow, &Terms),
) -> Result<(), Fault> {
    if after.expires_at != before.terms.expires_at && now.has_reached(after.expires_at) {
        return Err(Fault::field("expires_at", "is not in the future; revoke the token to end it now"));
    }
    let on_again = !before.terms.is_active && after.is_active;
    if widens(&before.terms, after) || chooses(&before.terms, after) || on_again {
        let askeds = Askeds::read(tx.conn(), call, owner, after.publisher_ids.as_deref()).await?;
        askeds.accept(call, grantor, after, before.created_at)?;
    }
    Ok(())
}

/// Takes back what was approved; gives whatever depends on it.
async fn unapproved(tx: &mut Tx, row: &PersonalTokenRow, mut changed: Vec<Uuid>) -> Result<Vec<Uuid>, Fault> {
    if personal_tokens::forget_approvals(tx.conn(), row.lineage_id).await? > 0 {
        changed.extend(personal_tokens::ids_of_lineage(tx.conn(), row.user_id, row.lineage_id).await?);
    }
    Ok(changed)
}
