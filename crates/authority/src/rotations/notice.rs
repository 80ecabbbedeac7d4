//! Telling people what a rotation needs of them.

use keywright_core::rotation::Due;
use keywright_store::Conn;
use keywright_store::rotations::{RotationRow, Traces};
use keywright_store::service_tokens::ServiceTokenRow;
use serde_json::{Value, json};
use tracing::warn;

use super::JOB;
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::fault::Fault;
use keywright_core::ActorRef;

/// Tells that a token is due, and that nothing is delivered anywhere: its owner is to rotate it.
pub(super) fn due(authority: &Authority, token: &ServiceTokenRow, due: Due) {
    if authority.rotation_told().first(token.id, due.rule.as_str()) {
        let (id, name) = (token.id, token.token_name.as_str());
        warn!(credential = %id, name, rule = due.rule.as_str(), due_at = %due.at,
            "a token is due for rotation and has no delivery: rotate it by hand");
    }
}

/// Tells that a token is due and cannot be rotated.
pub(super) fn hindered(authority: &Authority, token: &ServiceTokenRow, due: Due, obstacle: &str) {
    if authority.rotation_told().first(token.id, obstacle) {
        let (id, name) = (token.id, token.token_name.as_str());
        warn!(credential = %id, name, rule = due.rule.as_str(), due_at = %due.at, obstacle,
            "a token is due for rotation, and something stands in the way");
    }
}

/// What is told of a rotation, in the transaction that it tells of.
pub(super) async fn tell(
    authority: &Authority,
    conn: Conn<'_>,
    kind: &'static str,
    row: &RotationRow,
    more: Value,
) -> Result<(), Fault> {
    let mut details = json!({
        "rotation_id": row.id,
        "successor_id": row.successor_id,
        "rule": row.rule,
        "delivery": row.delivery.kind().as_str(),
    });
    if let (Some(details), Value::Object(more)) = (details.as_object_mut(), more) {
        details.extend(more);
    }
    let subject = Subject {
        kind: "service_token",
        id: Some(row.credential_id.0),
        name: Some(row.token_name.as_str().to_owned()),
    };
    let event = Event::new(kind, ActorRef::system(JOB), None, subject).publisher(row.publisher_id);
    event.details(details).write(authority, conn).await?;
    Ok(())
}

/// Tells that a new secret was used from where the old one never was.
pub(super) fn used_elsewhere(row: &RotationRow, traces: &Traces) {
    warn!(rotation = %row.id, credential = %row.credential_id, uses = traces.uses,
        "a new secret was used from a network that the old one never was: it may be in wrong hands");
}

/// Tells that a new secret was not used in time.
pub(super) fn unconfirmed(row: &RotationRow) {
    warn!(rotation = %row.id, credential = %row.credential_id, answer = row.last_answer,
        "a new secret was not used in time: both are valid until somebody decides");
}

/// Tells that a new secret could not be delivered.
pub(super) fn failed(row: &RotationRow, reason: &str) {
    warn!(rotation = %row.id, credential = %row.credential_id, reason, answer = row.last_answer,
        "a rotation failed; the token is as it was");
}
