//! Rotating all tokens of a service account at once.

use keywright_core::{PlainToken, ServiceAccountId, Status, Timestamp};
use keywright_store::service_tokens::{self as rows, ListFilter, ServiceTokenRow};
use keywright_store::{platform, service_accounts as account_rows};
use zeroize::Zeroizing;

use super::rotate::replace;
use super::{Rotate, Target};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::service_accounts;

/// The most tokens that are rotated at once.
pub const MAX_ROTATED: u32 = 200;

/// Rotations to be made.
#[derive(Clone, Debug)]
pub struct RotateAll {
    /// Why.
    pub reason: String,
    /// How long the old secrets stay valid; a day when not given.
    pub grace_seconds: Option<u32>,
}

/// The tokens that took the place of others.
#[derive(Debug)]
pub struct Rotated {
    /// Each as it was when it was made, with its secret; without when the answer is repeated too late.
    pub tokens: Vec<(ServiceTokenRow, Option<PlainToken>)>,
    /// Whether this is the first answer repeated.
    pub repeated: bool,
}

/// Makes a new token in the place of each active one of an account: all of them, or none. The old ones stay
/// valid through their grace.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::NotFound`]; [`Fault::Invalid`] when there are
/// more than [`MAX_ROTATED`]; [`Fault::ScopeExceedsGrantor`]; those of an idempotency key.
pub async fn rotate_all(
    authority: &Authority,
    call: Call,
    account: ServiceAccountId,
    wanted: RotateAll,
) -> Result<Rotated, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), account, wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    account: ServiceAccountId,
    wanted: RotateAll,
) -> Result<Rotated, Fault> {
    let wanted = Rotate { reason: wanted.reason, grace_seconds: wanted.grace_seconds, expires_at: None };
    let found = active(authority, call, account).await?;
    let ids: Vec<_> = found.iter().map(|row| row.id.0).collect();
    let needed = needs(service_accounts::ADMIN)?;
    let mut change = Change::begin_with(authority, call, &needed, &[], &ids).await?;
    match replace_each(authority, call, held, account, &found, &wanted, &mut change).await {
        Ok(rotated) if !rotated.repeated => {
            authority.commit(change.tx, Invalidation::Of(ids), call.confirm).await?;
            let secrets = rotated.tokens.iter().filter_map(|(_, secret)| secret.as_ref());
            secrets.for_each(|secret| authority.verifier().forget_unknown(secret.hash()));
            Ok(rotated)
        }
        outcome => {
            change.tx.rollback().await;
            outcome
        }
    }
}

/// The active tokens of the account, as they are before any is held.
async fn active(
    authority: &Authority,
    call: &Call,
    account: ServiceAccountId,
) -> Result<Vec<ServiceTokenRow>, Fault> {
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    account_rows::by_id(reader.conn(), call.within(), account).await?.ok_or(Fault::NotFound)?;
    let filter = ListFilter {
        account: Some(account),
        status: Some(Status::Active),
        ..ListFilter::all(MAX_ROTATED + 1, authority.now(), epochs.service)
    };
    Ok(rows::list(reader.conn(), &filter).await?)
}

async fn replace_each(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    account: ServiceAccountId,
    found: &[ServiceTokenRow],
    wanted: &Rotate,
    change: &mut Change,
) -> Result<Rotated, Fault> {
    let now = change.now;
    if let Some(held) = held
        && let Some(repeated) = held.repeated(change.tx.conn(), now).await?
    {
        return Ok(again(repeated));
    }
    if found.len() > MAX_ROTATED as usize {
        let detail = format!("the account has more than {MAX_ROTATED} active tokens; rotate them one by one");
        return Err(Fault::field("id", detail));
    }
    // Gone meanwhile, with all its tokens.
    account_rows::by_id(change.tx.conn(), call.within(), account).await?.ok_or(Fault::NotFound)?;
    let mut tokens = Vec::with_capacity(found.len());
    for seen in found {
        let row = rows::lock_for_change(change.tx.conn(), call.within(), seen.id).await?;
        // What was rotated or revoked a moment ago needs nothing more.
        let Some(old) = row.filter(|row| is_active(row, change, now)) else { continue };
        let target = Target::OfAccount(account, old.id);
        tokens.push(replace(authority, call, target, &old, wanted, change).await?);
    }
    if let Some(held) = held {
        let made: Vec<_> = tokens.iter().map(|(row, _)| row).collect();
        held.keep(change.tx.conn(), &call.actor, &made, &together(&tokens), now).await?;
    }
    let tokens = tokens.into_iter().map(|(row, secret)| (row, Some(secret))).collect();
    Ok(Rotated { tokens, repeated: false })
}

fn is_active(row: &ServiceTokenRow, change: &Change, now: Timestamp) -> bool {
    row.status(change.grantor.epochs, now) == Status::Active
}

/// The secrets as they are sealed for a repeated answer: one text for all.
fn together(tokens: &[(ServiceTokenRow, PlainToken)]) -> PlainToken {
    let mut text = Zeroizing::new(String::new());
    for (_, secret) in tokens {
        text.push_str(secret.reveal());
        text.push(' ');
    }
    PlainToken::from_sealed(text)
}

fn again(minted: Minted<Vec<ServiceTokenRow>>) -> Rotated {
    let secrets = minted.secret.as_ref().map(PlainToken::reveal).unwrap_or_default();
    let mut secrets = secrets.split_whitespace();
    let secret = |text: &str| PlainToken::from_sealed(Zeroizing::new(text.to_owned()));
    let tokens = minted.token.into_iter().map(|row| (row, secrets.next().map(secret))).collect();
    Rotated { tokens, repeated: true }
}
