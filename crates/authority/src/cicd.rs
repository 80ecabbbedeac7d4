//! CI/CD events: what pipelines tell, kept in the audit trail.

use keywright_core::EventId;
use keywright_store::security_events::{self, SecurityEventRow};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::Held;
use crate::publishers;

/// What lets a credential write CI/CD events.
pub const WRITE: &str = "audit_log";

/// What a pipeline did; the texts are kept as they are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// What happened: `deployment`. The security event is of the type `cicd.deployment`.
    #[serde(skip)]
    pub event_type: String,
    /// How it went.
    pub status: String,
    /// The repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Anything more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Map<String, Value>>,
}

/// Records what a pipeline did, in the trail of the publisher that the call is about.
///
/// # Errors
/// [`Fault::Denied`] without `audit_log`; [`Fault::Invalid`] for a publisher that there is not; those of an
/// idempotency key.
pub async fn record(authority: &Authority, call: Call, told: Told) -> Result<SecurityEventRow, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), &told).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    told: &Told,
) -> Result<SecurityEventRow, Fault> {
    let Change { mut tx, grantor, now, .. } = Change::begin(authority, call, &needs(WRITE)?).await?;
    let missing = || Fault::Internal("a security event that was written is not there".to_owned());
    if let Some(held) = held
        && let Some(id) = held.repeated_answer::<EventId>(tx.conn(), now).await?
    {
        let row = security_events::by_id(tx.conn(), id).await?;
        tx.rollback().await;
        return row.ok_or_else(missing);
    }
    let publisher = publishers::of_new(tx.conn(), call, None).await?;
    let subject = Subject { kind: "cicd", id: None, name: told.repository.clone() };
    let details = serde_json::to_value(told).map_err(|error| Fault::Internal(error.to_string()))?;
    let event = Event::new(format!("cicd.{}", told.event_type), grantor.actor, Some(call), subject);
    let id = event.publisher(publisher).details(details).write(authority, tx.conn()).await?;
    if let Some(held) = held {
        held.keep_answer(tx.conn(), &call.actor, &id, now).await?;
    }
    let row = security_events::by_id(tx.conn(), id).await?.ok_or_else(missing)?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(row)
}
