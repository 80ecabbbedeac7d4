//! Emergency revocation: one epoch is raised, whatever its reach; the rows are marked afterwards.

use keywright_core::EventId;
use keywright_store::{platform, service_tokens};
use serde_json::json;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::change::Invalidation;
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
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    // The epoch first and the actor then: two emergencies at once would else wait for each other. A
    // refused actor rolls it back.
    let raised = if wanted.service { Some(platform::raise_service_epoch(tx.conn()).await?) } else { None };
    let grantor = authorize_before(call, &mut tx, raised, now).await?;
    let spared = call.actor.credential_id().filter(|_| wanted.keep_caller);
    let mut service = 0;
    if let Some(epoch) = raised {
        if let Some(spared) = spared {
            service_tokens::set_epoch(tx.conn(), spared, epoch).await?;
        }
        service = service_tokens::count_below_epoch(tx.conn(), epoch).await?;
    }
    let event = Event::new("emergency.revoked", grantor, Some(call), Subject::platform())
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
async fn authorize_before(
    call: &Call,
    tx: &mut keywright_store::Tx,
    raised: Option<u64>,
    now: keywright_core::Timestamp,
) -> Result<keywright_core::ActorRef, Fault> {
    use keywright_core::{DenialCode, Epochs, Requirements, decide};
    let Some(id) = call.actor.credential_id() else { return Ok(call.actor.to_ref()) };
    let (grant, epochs) = keywright_store::grants::share_actor(tx.conn(), id)
        .await?
        .ok_or_else(|| Fault::Denied(DenialCode::NotFound.into()))?;
    let before = Epochs { service: raised.map_or(epochs.service, |epoch| epoch - 1) };
    let permission =
        PERMISSION.parse().map_err(|error| Fault::Internal(format!("permission {PERMISSION}: {error}")))?;
    decide(&grant, before, &Requirements::scope(permission), now)?;
    Ok(call.actor.to_ref())
}
