//! Making a personal token.

use std::collections::BTreeSet;

use keywright_core::{Allowlist, CredentialName, PublisherId, RateLimits, ScopeSet};
use keywright_store::personal_tokens::{self, NewPersonalToken, Terms};
use uuid::Uuid;

use super::owner::Owner;
use super::terms::{Askeds, end_of_life};
use super::{PersonalToken, WRITE, event, free_name, in_person, mint, must_have_room};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::service_tokens::{Expiry, finish};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its name.
    pub name: CredentialName,
    /// What it will carry at most; none when it inherits.
    pub scopes: ScopeSet,
    /// Whether it will carry all that its owner may.
    pub inherit_user_permissions: bool,
    /// The publishers that it is for; `None`: all of the caller's.
    pub publisher_ids: Option<Vec<PublisherId>>,
    /// How often it may be used.
    pub rate_limits: RateLimits,
    /// From where.
    pub ip_allowlist: Allowlist,
    /// The end of its life.
    pub expiry: Expiry,
}

/// Makes a personal token of the user who calls. Nobody is told: nothing cached can depend on it.
///
/// # Errors
/// [`Fault::UserRequired`] for whoever does not call in person; [`Fault::Denied`] without
/// `personal_tokens:write`; [`Fault::PersonalTokensNotAllowed`]; [`Fault::ScopeExceedsGrantor`];
/// [`Fault::NameTaken`]; [`Fault::TooManyTokens`]; [`Fault::Invalid`] for a publisher that is none of theirs, or
/// an end that is past or too late; those of an idempotency key.
pub async fn create(
    authority: &Authority,
    call: Call,
    wanted: Create,
) -> Result<Minted<PersonalToken>, Fault> {
    in_person(&call)?;
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            match carry_out(&own, &call, held.as_ref(), &wanted).await {
                Err(Fault::NameTaken) if free_name(&own, &call, Some(&wanted.name)).await? => {
                    carry_out(&own, &call, held.as_ref(), &wanted).await
                }
                outcome => outcome,
            }
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Create,
) -> Result<Minted<PersonalToken>, Fault> {
    let reads: Vec<Uuid> = wanted.publisher_ids.iter().flatten().map(|id| id.0).collect();
    // Held, so that of two who take a user's last place one sees the other.
    let user = in_person(call)?;
    let mut change = Change::begin_with(authority, call, &needs(WRITE)?, &reads, &[user.0]).await?;
    let minted = make(authority, call, held, wanted, &mut change).await;
    finish(authority, call, change, minted, Invalidation::None).await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<PersonalToken>, Fault> {
    let (now, user) = (*now, in_person(call)?);
    if let Some(held) = held
        && let Some(repeated) = held.repeated(tx.conn(), now).await?
    {
        return Ok(repeated);
    }
    let mut owner = Owner::read(tx.conn(), user, None).await?;
    let publishers = wanted.publisher_ids.as_deref();
    let askeds = Askeds::read(tx.conn(), call, &mut owner, publishers).await?;
    let default_days = authority.settings().default_expiry_days;
    let terms = Terms {
        name: wanted.name.clone(),
        scopes: wanted.scopes.clone(),
        inherit_user_permissions: wanted.inherit_user_permissions,
        publisher_ids: publishers.map(each_once),
        excluded_publisher_ids: Vec::new(),
        rate_limits: wanted.rate_limits,
        ip_allowlist: wanted.ip_allowlist.clone(),
        is_active: true,
        expires_at: end_of_life(wanted.expiry, now, default_days, askeds.longest(now))?,
    };
    askeds.accept(call, grantor, &terms, now)?;
    must_have_room(authority, tx.conn(), user, now).await?;
    let id = authority.new_credential_id();
    let (secret, row) = mint(|secret| NewPersonalToken {
        id,
        user_id: user,
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        terms,
        epoch: grantor.epochs.counter,
        lineage_id: id.0,
        rotated_from_id: None,
        created_by: grantor.actor.clone(),
        created_at: now,
    });
    let row = personal_tokens::insert(tx.conn(), &row).await?;
    let token = PersonalToken::of(tx.conn(), &mut owner, row).await?;
    event("personal_token.created", grantor, call, None, &token).write(authority, tx.conn()).await?;
    if let Some(held) = held {
        held.keep(tx.conn(), &call.actor, &token, &secret, now).await?;
    }
    Ok(Minted { token, secret: Some(secret), repeated: false })
}

/// In the order given.
pub(super) fn each_once(ids: &[PublisherId]) -> Vec<PublisherId> {
    let mut seen = BTreeSet::new();
    ids.iter().copied().filter(|id| seen.insert(id.0)).collect()
}
