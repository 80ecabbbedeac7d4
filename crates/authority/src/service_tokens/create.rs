//! Making a service token.

use keywright_core::{
    Allowlist, CredentialName, Metadata, RateLimits, ScopeSet, ServiceAccountId, Timestamp,
};
use keywright_store::service_tokens::{self, NewServiceToken};

use super::within::{Asked, Home, may_bound, may_never_end};
use super::{ADMIN, finish, free_name, mint};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, Needs, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::service_accounts;

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
    pub(crate) fn resolve(self, now: Timestamp, default_days: u32) -> Result<Option<Timestamp>, Fault> {
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

/// Whom a new token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: it stands alone.
    Nobody,
    /// The account that the request names; needs the right to manage tokens.
    Named(ServiceAccountId),
    /// The account below which it is made; needs the right to manage accounts.
    Above(ServiceAccountId),
}

impl Holder {
    const fn account(self) -> Option<ServiceAccountId> {
        match self {
            Self::Nobody => None,
            Self::Named(account) | Self::Above(account) => Some(account),
        }
    }

    fn needs(self) -> Result<Needs, Fault> {
        needs(if matches!(self, Self::Above(_)) { service_accounts::ADMIN } else { ADMIN })
    }

    /// That there is no such account.
    fn missing(self) -> Fault {
        match self {
            Self::Above(_) => Fault::NotFound,
            Self::Nobody | Self::Named(_) => {
                Fault::field("service_account_id", "there is no such service account")
            }
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// Whom it belongs to.
    pub holder: Holder,
    /// Its name.
    pub token_name: CredentialName,
    /// What it will carry; of a token of an account all that the account may do, when not given.
    pub permissions: Option<ScopeSet>,
    /// Its own limits; where it has none, those of its account and its publisher apply.
    pub limits: RateLimits,
    /// Its own networks; none: those of its account.
    pub allowlist: Allowlist,
    /// What its application keeps with it.
    pub metadata: Metadata,
    /// The end of its life.
    pub expiry: Expiry,
}

/// Makes a service token. Nobody is told: nothing cached can depend on it.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`, below an account without `service_accounts:admin`;
/// [`Fault::NotFound`] below an account that there is not; [`Fault::ScopeExceedsGrantor`];
/// [`Fault::NameTaken`]; [`Fault::TooManyTokens`] of an account; [`Fault::Invalid`] for an end that is past, and
/// for what does not lie within the account; those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Minted, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            match carry_out(&own, &call, held.as_ref(), &wanted).await {
                Err(Fault::NameTaken)
                    if free_name(&own, wanted.holder.account(), Some(&wanted.token_name)).await? =>
                {
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
    // Held, so that of two who take the last place of an account one sees the other.
    let account = wanted.holder.account().map(|account| account.0);
    let needs = wanted.holder.needs()?;
    let mut change = Change::begin_with(authority, call, &needs, &[], account.as_slice()).await?;
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
    let home = match wanted.holder.account() {
        Some(account) => {
            let found = Home::of(tx.conn(), call.within(), account).await?;
            Some(found.ok_or_else(|| wanted.holder.missing())?)
        }
        None if grantor.home.is_some() => {
            let detail = "is missing: a token of a publisher belongs to a service account";
            return Err(Fault::field("service_account_id", detail));
        }
        None => None,
    };
    let permissions = permissions(wanted, home.as_ref())?;
    let asked = wanted.expiry.resolve(now, authority.settings().default_expiry_days)?;
    let expires_at = if wanted.expiry == Expiry::Default { grantor.own_end_or(asked) } else { asked };
    may_make(grantor, home.as_ref(), wanted, &permissions, expires_at)?;
    if let Some(home) = &home {
        home.must_have_room(authority, tx.conn(), now).await?;
    }
    let account = home.map(|home| home.account);
    let (secret, row) = mint(|secret| NewServiceToken {
        id: authority.new_credential_id(),
        token_name: wanted.token_name.clone(),
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        permissions,
        metadata: wanted.metadata.clone(),
        is_active: true,
        expires_at,
        epoch: grantor.epochs.counter,
        rotated_from_id: None,
        service_account_id: account.as_ref().map(|account| account.id),
        publisher_id: account.as_ref().and_then(|account| account.publisher_id),
        limits: wanted.limits,
        allowlist: wanted.allowlist.clone(),
        lineage_id: None,
        created_by: grantor.actor.clone(),
        created_at: now,
    });
    let token = service_tokens::insert(tx.conn(), &row).await?;
    let event = Event::new("token.created", grantor.actor.clone(), Some(call), Subject::token(&token));
    event.publisher(token.publisher_id).after(&token).write(authority, tx.conn()).await?;
    if let Some(held) = held {
        held.keep(tx.conn(), &call.actor, &token, &secret, now).await?;
    }
    Ok(Minted { token, secret: Some(secret), repeated: false })
}

fn permissions(wanted: &Create, home: Option<&Home>) -> Result<ScopeSet, Fault> {
    let all_of_account = || home.map(|home| home.account.scopes.clone());
    wanted.permissions.clone().or_else(all_of_account).ok_or_else(|| Fault::field("permissions", "is needed"))
}

fn may_make(
    grantor: &Grantor,
    home: Option<&Home>,
    wanted: &Create,
    permissions: &ScopeSet,
    expires_at: Option<Timestamp>,
) -> Result<(), Fault> {
    if let Some(home) = home {
        home.admits(Asked {
            permissions: Some(permissions),
            limits: Some(wanted.limits),
            allowlist: Some(&wanted.allowlist),
        })?;
    }
    grantor.may_grant(permissions)?;
    may_never_end(grantor, expires_at)?;
    may_bound(grantor, home, expires_at, wanted.limits, &wanted.allowlist)
}
