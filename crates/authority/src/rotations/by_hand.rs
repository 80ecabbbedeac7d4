//! Deciding by hand what waiting has not decided.

use keywright_core::RotationId;
use keywright_core::rotation::RotationState;
use keywright_store::platform;
use keywright_store::rotations::{self, RotationRow};
use keywright_store::service_tokens;
use uuid::Uuid;

use super::conclude::{Hand, confirm_in, undo_in};
use super::engine::works;
use super::read::Told;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::maintenance_windows::ADMIN;

/// A delivery, or a use, may take a step at the same moment: what is decided is then decided of what it made.
const TRIES: u32 = 5;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Confirm,
    RollBack,
}

/// Says that whoever uses the token has the new secret: the old one's grace begins. Saying it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::RotationOver`] when it is past that, or the new token does not work.
pub async fn confirm(
    authority: &Authority,
    call: Call,
    id: RotationId,
    reason: Option<String>,
) -> Result<Told, Fault> {
    decide(authority, call, id, Verdict::Confirm, reason).await
}

/// Revokes the new token and takes back that the old one was replaced. Saying it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::RotationOver`]; [`Fault::NothingToRollBackTo`] when the old token does not work.
pub async fn roll_back(
    authority: &Authority,
    call: Call,
    id: RotationId,
    reason: Option<String>,
) -> Result<Told, Fault> {
    decide(authority, call, id, Verdict::RollBack, reason).await
}

async fn decide(
    authority: &Authority,
    call: Call,
    id: RotationId,
    verdict: Verdict,
    reason: Option<String>,
) -> Result<Told, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            for _ in 0..TRIES {
                if carry_out(&own, &call, id, verdict, reason.as_deref()).await? {
                    return Told::read(&own, call.within(), id).await;
                }
            }
            Err(Fault::PreconditionFailed)
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: RotationId,
    verdict: Verdict,
    reason: Option<&str>,
) -> Result<bool, Fault> {
    // Which tokens it is about never changes once they are known.
    let seen = rotations::by_id(authority.store().read().await?.conn(), call.within(), id).await?;
    let ids = seen.as_ref().map(tokens).unwrap_or_default();
    let mut change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &ids).await?;
    let row = rotations::by_id(change.tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(row.version)?;
    let done_already = match verdict {
        Verdict::Confirm => matches!(row.state, RotationState::Confirmed | RotationState::Closed),
        Verdict::RollBack => row.state == RotationState::RolledBack,
    };
    if done_already {
        change.tx.rollback().await;
        return Ok(true);
    }
    let Change { mut tx, grantor, now, .. } = change;
    let epochs = platform::epochs(tx.conn()).await?;
    let old = service_tokens::by_id(tx.conn(), None, row.credential_id).await?;
    let new = match row.successor_id {
        Some(successor) => service_tokens::by_id(tx.conn(), None, successor).await?,
        None => None,
    };
    let hand = Hand { call, actor: &grantor.actor, reason };
    let done = match verdict {
        Verdict::Confirm if !row.state.is_undecided() || !works(new.as_ref(), epochs, now) => {
            return Err(Fault::RotationOver);
        }
        Verdict::Confirm => confirm_in(authority, &mut tx, &row, Some(&hand)).await?,
        Verdict::RollBack if row.state.is_over() => return Err(Fault::RotationOver),
        Verdict::RollBack if !works(old.as_ref(), epochs, now) => return Err(Fault::NothingToRollBackTo),
        Verdict::RollBack => {
            let why = reason.unwrap_or("rolled back by hand");
            undo_in(authority, &mut tx, &row, RotationState::RolledBack, why, Some(&hand)).await?
        }
    };
    // A delivery, or a use, was faster.
    if !done || ids != tokens(&row) {
        tx.rollback().await;
        return Ok(false);
    }
    authority.commit(tx, Invalidation::Of(ids), call.confirm).await?;
    Ok(true)
}

fn tokens(row: &RotationRow) -> Vec<Uuid> {
    [Some(row.credential_id), row.successor_id].into_iter().flatten().map(|id| id.0).collect()
}
