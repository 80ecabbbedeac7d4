//! Emergency revocation: one epoch is raised, whatever its reach; the rows are marked afterwards.

use keywright_core::{ActorRef, Epochs, EventId};
use keywright_store::{Tx, grants, platform, service_tokens};
use serde_json::json;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Invalidation, ids, judge};
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// What lets its bearer do it.
pub const PERMISSION: &str = "emergency:revoke";

/// What to revoke. The reach is the platform; others come with publishers, accounts and users.
#[derive(Clone, Debug)]
pub struct EmergencyRevoke {
    /// Why.
    pub reason: String,
    /// Service tokens are in its reach.
    pub service: bool,
    /// Spare the credential that calls.
    pub keep_caller: bool,
}

/// What was revoked, and by whom it is in force.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// Service tokens reached.
    pub service: u64,
    /// The security event.
    pub event_id: EventId,
    /// The nodes.
    pub nodes: Confirmations,
}

/// Revokes everything in reach: in force on this node when it returns, and on those that confirmed.
///
/// # Errors
/// [`Fault::Denied`] without `emergency:revoke`.
pub async fn revoke(authority: &Authority, call: Call, wanted: EmergencyRevoke) -> Result<Revoked, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, &wanted).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, wanted: &EmergencyRevoke) -> Result<Revoked, Fault> {
    // The epoch comes first, as in every change; a refused actor rolls it back.
    let (mut tx, raised) = if wanted.service {
        let mut tx = authority.store().begin().await?;
        let raised = platform::raise_service_epoch(tx.conn()).await?;
        (tx, Some(raised))
    } else {
        (authority.store().begin_change(&ids(call.actor.credential_id()), &[]).await?, None)
    };
    let actor = authorize(authority, call, &mut tx, raised).await?;
    let spared = call.actor.credential_id().filter(|_| wanted.keep_caller);
    let mut service = 0;
    if let Some(epoch) = raised {
        if let Some(spared) = spared {
            service_tokens::set_epoch(tx.conn(), spared, epoch).await?;
        }
        // Exactly those of the epoch before: what an earlier emergency reached is dead already, whether
        // its rows have been marked or are being marked at this moment.
        service = service_tokens::count_at_epoch(tx.conn(), epoch - 1).await?;
    }
    let event = Event::new("emergency.revoked", actor, Some(call), Subject::platform())
        .reason(Some(&wanted.reason))
        .details(json!({
            "scope": {"all": true},
            "service_epoch": raised,
            "reached": {"service": service},
            "kept_caller": spared,
        }));
    let event_id = event.write(authority, tx.conn()).await?;
    let invalidation =
        raised.map_or(Invalidation::None, |epoch| Invalidation::ServiceEpoch { epoch, spared });
    let nodes = authority.commit(tx, invalidation, true).await?;
    authority.mark_wanted().notify_one();
    Ok(Revoked { service, event_id, nodes })
}

/// Judges the actor by the epochs that were in force before this very emergency raised them.
async fn authorize(
    authority: &Authority,
    call: &Call,
    tx: &mut Tx,
    raised: Option<u64>,
) -> Result<ActorRef, Fault> {
    let Some(id) = call.actor.credential_id() else { return Ok(call.actor.to_ref()) };
    let held = grants::by_id(tx.conn(), id).await?;
    let before = |epochs: Epochs| raised.map_or(epochs, |epoch| Epochs { service: epoch - 1 });
    Ok(judge(call, held, before, &needs(PERMISSION)?, authority.now())?.actor)
}
