//! Digests: what a channel gathered within a period leaves as one message.

use keywright_core::DeliveryState;
use keywright_store::deliveries::{self, NewDelivery};
use uuid::Uuid;

use super::LIFE_SECONDS;
use super::notice::{DIGEST, DigestData, Notice};
use crate::authority::Authority;
use crate::fault::Fault;

/// Targets whose digest is made in one run.
const TARGETS: u32 = 100;
/// Most alerts that one digest tells.
const MOST: u32 = 20_000;
/// Alerts that a digest tells one by one.
const ITEMS: u32 = 20;

/// Makes the digests that are due; tells how many.
///
/// # Errors
/// As the store.
pub(super) async fn collect(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let due = deliveries::collecting_due(authority.store().read().await?.conn(), now, TARGETS).await?;
    let mut made = 0;
    for target in due {
        while make(authority, target).await? {
            made += 1;
        }
    }
    Ok(made)
}

/// One digest, in one transaction; false when nothing is left for one.
async fn make(authority: &Authority, target: Uuid) -> Result<bool, Fault> {
    let (now, id) = (authority.now(), authority.new_delivery_id());
    let mut tx = authority.store().begin().await?;
    if deliveries::collect(tx.conn(), target, now, id, MOST).await? == 0 {
        tx.rollback().await;
        return Ok(false);
    }
    let counted = deliveries::collected_counts(tx.conn(), id).await?;
    let worst = deliveries::collected_worst(tx.conn(), id, ITEMS).await?;
    let Some(digest) = DigestData::of(counted, &worst) else { return Ok(false) };
    let new = NewDelivery {
        id,
        target_id: target,
        dedupe_key: format!("digest:{id}"),
        event_type: DIGEST.to_owned(),
        severity: digest
            .counts
            .iter()
            .filter_map(|sort| sort.severity)
            .max_by_key(|severity| *severity as u8),
        alert_kind: None,
        payload: Notice::digest(now, &digest).to_payload(),
        immediate: false,
        state: DeliveryState::Waiting,
        created_at: now,
        next_attempt_at: now,
        expires_at: now.plus_seconds(LIFE_SECONDS),
    };
    deliveries::insert(tx.conn(), &new).await?;
    tx.commit().await?;
    Ok(true)
}
