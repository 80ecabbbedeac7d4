//! Alerts: what somebody should look at. One file for each use case.
//!
//! **Keys.** An alert is opened under a dedupe key, and under one key there is one alert for ever: whoever
//! notices the same thing again, later, after a restart or on another node, opens none. A condition that can
//! come back after it was over (a slow store, a token whose end was put off) has its occurrence in its key: the
//! moment at which it began, the end that was told, a number. [`open_while`] does that for conditions of which
//! at most one alert is unresolved at a time.

mod acknowledge;
mod letters;
mod open;
mod read;
mod resolve;

pub use acknowledge::acknowledge;
pub use letters::write_letters;
pub(crate) use letters::{LETTERS, ROUND_SECONDS};
pub use open::{NewAlert, open, open_all, open_while};
pub use read::{get, list};
pub use resolve::{resolve, resolve_all, resolve_by_key, resolve_by_subject};

use keywright_core::ActorRef;
use keywright_store::Tx;
use keywright_store::alerts::AlertRow;
use serde_json::json;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// What lets its bearer see alerts.
pub const READ: &str = "monitoring:read";
/// What lets its bearer acknowledge and resolve alerts.
pub const ADMIN: &str = "monitoring:admin";

/// What happens to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Opened,
    Acknowledged,
    Resolved,
}

impl Step {
    const fn event(self) -> &'static str {
        match self {
            Self::Opened => "alert.opened",
            Self::Acknowledged => "alert.acknowledged",
            Self::Resolved => "alert.resolved",
        }
    }
}

/// Tells what happened to an alert, in the transaction in which it happened.
async fn tell(
    authority: &Authority,
    tx: &mut Tx,
    step: Step,
    (actor, call): (ActorRef, Option<&Call>),
    alert: &AlertRow,
    reason: Option<&str>,
) -> Result<(), Fault> {
    event(step, actor, call, alert, reason).write(authority, tx.conn()).await?;
    Ok(())
}

/// The same of many, when a job did it.
async fn tell_all(
    authority: &Authority,
    tx: &mut Tx,
    step: Step,
    job: &'static str,
    alerts: &[AlertRow],
    reason: Option<&str>,
) -> Result<(), Fault> {
    let events = alerts.iter().map(|alert| event(step, ActorRef::system(job), None, alert, reason));
    Event::write_all(events.collect(), authority, tx.conn()).await?;
    Ok(())
}

fn event<'a>(
    step: Step,
    actor: ActorRef,
    call: Option<&'a Call>,
    alert: &AlertRow,
    reason: Option<&'a str>,
) -> Event<'a> {
    let kind = alert.kind.as_str();
    let subject = Subject { kind: "alert", id: Some(alert.id.0), name: Some(kind.to_owned()) };
    let told = json!({
        "kind": kind,
        "severity": alert.severity.as_str(),
        "subject_type": alert.subject.kind.as_str(),
        "subject_id": alert.subject.id,
        "summary": alert.summary,
    });
    Event::new(step.event(), actor, call, subject).publisher(alert.publisher_id).reason(reason).details(told)
}
