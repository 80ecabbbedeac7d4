//! Making a service token.

use keywright_core::{CredentialName, Metadata, ScopeSet, Timestamp};
use keywright_store::service_tokens::{self, NewServiceToken};

use super::{ADMIN, finish, free_name, mint};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};

/// The end of a life, as a caller asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The configured life.
    Default,
    /// Never.
    Never,
    /// At this moment.
    At(Timestamp),
    /// After so many days.
    InDays(u32),
}

impl Expiry {
    pub(super) fn resolve(self, now: Timestamp, default_days: u32) -> Result<Option<Timestamp>, Fault> {
        let end = match self {
            Self::Never => return Ok(None),
            Self::Default => now.plus_days(default_days.into()),
            Self::InDays(days) => now.plus_days(days.into()),
            Self::At(end) => end,
        };
        if now.has_reached(Some(end)) {
            Err(Fault::field("expires_at", "is not in the future"))
        } else {
            Ok(Some(end))
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its name.
    pub token_name: CredentialName,
    /// What it will carry.
    pub permissions: ScopeSet,
    /// What its application keeps with it.
    pub metadata: Metadata,
    /// The end of its life.
    pub expiry: Expiry,
}

/// Makes a service token. Nobody is told: nothing cached can depend on it.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`; [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`];
/// [`Fault::Invalid`] for an end that is past; those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Minted, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            match carry_out(&own, &call, held.as_ref(), &wanted).await {
                Err(Fault::NameTaken) if free_name(&own, Some(&wanted.token_name)).await? => {
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
) -> Result<Minted, Fault> {
    let mut change = Change::begin(authority, call, &needs(ADMIN)?, None).await?;
    let minted = make(authority, call, held, wanted, &mut change).await;
    finish(authority, call, change, minted, Invalidation::None).await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted, Fault> {
    let now = *now;
    if let Some(held) = held
        && let Some(repeated) = held.repeated(tx.conn(), now).await?
    {
        return Ok(repeated);
    }
    if grantor.home.is_some() {
        let detail =
            "is missing: a token of a publisher belongs to a service account, and those do not exist yet";
        return Err(Fault::field("service_account_id", detail));
    }
    grantor.may_grant(&wanted.permissions)?;
    let expires_at = wanted.expiry.resolve(now, authority.settings().default_expiry_days)?;
    let (secret, row) = mint(|secret| NewServiceToken {
        id: authority.new_credential_id(),
        token_name: wanted.token_name.clone(),
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        permissions: wanted.permissions.clone(),
        metadata: wanted.metadata.clone(),
        is_active: true,
        expires_at,
        epoch: grantor.epochs.counter,
        rotated_from_id: None,
        created_by: grantor.actor.clone(),
        created_at: now,
    });
    let token = service_tokens::insert(tx.conn(), &row).await?;
    let event = Event::new("token.created", grantor.actor.clone(), Some(call), Subject::token(&token));
    event.after(&token).write(authority, tx.conn()).await?;
    if let Some(held) = held {
        held.keep(tx.conn(), &call.actor, &token, &secret, now).await?;
    }
    Ok(Minted { token, secret: Some(secret), repeated: false })
}
