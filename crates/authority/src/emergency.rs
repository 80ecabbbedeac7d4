//! Emergency revocation: one epoch is raised, whatever its reach; the rows are marked afterwards.

use keywright_core::{Epochs, EventId};
use keywright_store::platform::{self, Reached};
use keywright_store::service_tokens;
use serde_json::json;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Invalidation, authorize, held_by};
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
    // The number comes first, as the epochs come first in every change; a refused actor rolls it back.
    let (mut tx, raised) = if wanted.service {
        let mut tx = authority.store().begin().await?;
        let raised = platform::next_epoch(tx.conn()).await?;
        (tx, Some(raised))
    } else {
        (authority.store().begin_change(&held_by(call, &[]), &[]).await?, None)
    };
    let needs = needs(PERMISSION)?.at_platform_level();
    let (Grantor { actor, epochs, .. }, _) = authorize(authority, call, &mut tx, &needs).await?;
    let spared = call.actor.credential_id().filter(|_| wanted.keep_caller);
    let mut service = 0;
    if let Some(epoch) = raised {
        if let Some(spared) = spared {
            service_tokens::set_epoch(tx.conn(), spared, epoch).await?;
        }
        // What an earlier emergency reached is dead already, whether its rows have been marked or are being
        // marked at this moment.
        service = service_tokens::count_between_epochs(tx.conn(), epochs.service, epoch).await?;
        let reached = Reached { service: true, session: false };
        platform::raise(tx.conn(), epoch, reached).await?;
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
    let invalidation = raised.map_or(Invalidation::None, |epoch| Invalidation::Raised {
        epochs: Epochs { service: epoch, counter: epoch, ..Epochs::default() },
        spared,
    });
    let nodes = authority.commit(tx, invalidation, true).await?;
    authority.mark_wanted().notify_one();
    Ok(Revoked { service, event_id, nodes })
}
