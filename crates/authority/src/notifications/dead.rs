//! Alerts of channels and subscriptions that cannot be reached: opened when a delivery is given up, over when the
//! next one arrives.

use keywright_core::{AlertKind, AlertSubjectKind, ChannelId, Severity, SubscriptionId};
use keywright_store::alerts::{self as rows, AlertSubject};
use keywright_store::deliveries::{DeliveryRow, Told};
use keywright_store::{Tx, event_subscriptions, notification_channels};
use serde_json::json;

use super::DELIVERER;
use super::deliver::Target;
use crate::alerts::{self, NewAlert};
use crate::authority::Authority;
use crate::fault::Fault;

/// Opens an alert that a target is dead, unless one is open. Its own messages are not among those that tell it.
pub(super) async fn tell(
    authority: &Authority,
    tx: &mut Tx,
    target: &Target,
    row: &DeliveryRow,
    told: &Told,
) -> Result<(), Fault> {
    // Of all deliveries that are given up at once, one opens it.
    notification_channels::lock(tx.conn(), None, ChannelId(target.id)).await?;
    event_subscriptions::lock(tx.conn(), None, SubscriptionId(target.id)).await?;
    if rows::unresolved(tx.conn(), AlertKind::DeliveryDead, Some(target.id)).await?.is_some() {
        return Ok(());
    }
    let evidence = json!({
        "delivery_id": row.id,
        "event_type": row.event_type,
        "attempts": row.attempts + 1,
        "status_code": told.status_code,
        "last_error": told.error,
    });
    let new = NewAlert {
        publisher_id: target.publisher,
        kind: AlertKind::DeliveryDead,
        severity: Severity::High,
        subject: AlertSubject {
            kind: AlertSubjectKind::Channel,
            id: Some(target.id),
            name: Some(target.name.clone()),
        },
        summary: format!("{} could not be told for 24 hours: {}.", target.name, told.error),
        evidence: evidence.as_object().cloned().unwrap_or_default(),
        dedupe_key: format!("delivery_dead:{}:{}", target.id, row.id),
        noticed_by: DELIVERER,
    };
    alerts::open(authority, tx, new).await?;
    Ok(())
}

/// Resolves it: the target was reached.
pub(super) async fn over(authority: &Authority, tx: &mut Tx, target: &Target) -> Result<(), Fault> {
    let subject = (AlertKind::DeliveryDead, Some(target.id));
    alerts::resolve_by_subject(authority, tx, subject, DELIVERER, "a delivery arrived").await?;
    Ok(())
}
