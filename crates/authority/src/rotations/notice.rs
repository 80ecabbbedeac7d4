//! Telling people what a rotation needs of them: alerts, which end when their cause has gone.

use keywright_core::rotation::{Due, Rule};
use keywright_core::{
    ActorRef, AlertKind, AlertSubjectKind, CredentialId, CredentialName, PublisherId, Severity,
};
use keywright_store::alerts::{AlertSubject, unresolved_of_kind};
use keywright_store::rotations::{Caller, RotationRow, Traces, recent_uses};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::{Conn, Tx, platform};
use serde_json::{Map, Value, json};

use super::JOB;
use super::engine::works;
use super::planning::{Assessment, RECENT_DAYS, Rules};
use crate::alerts::{self, NewAlert};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// Callers of the old secret that an alert names.
const NAMED_CALLERS: usize = 10;
/// Alerts about due tokens that are looked at in one run.
const LOOKED_AT: u32 = 500;

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

fn alert(
    (kind, severity): (AlertKind, Severity),
    (id, name, publisher_id): (CredentialId, &CredentialName, Option<PublisherId>),
    summary: String,
    evidence: Value,
    dedupe_key: String,
) -> NewAlert {
    NewAlert {
        publisher_id,
        kind,
        severity,
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(id.0),
            name: Some(name.as_str().to_owned()),
        },
        summary,
        evidence: match evidence {
            Value::Object(evidence) => evidence,
            _ => Map::new(),
        },
        dedupe_key,
        noticed_by: JOB,
    }
}

/// That a token is due, and nothing is delivered anywhere, or that something stands in the way: somebody is to
/// rotate it, or to clear the way. `None` where this process told it.
pub(super) fn due(
    authority: &Authority,
    token: &ServiceTokenRow,
    found: &Assessment<'_>,
) -> Option<NewAlert> {
    let Due { rule, at } = found.due;
    let what = format!("{}:{}", rule.as_str(), at.as_micros());
    let (key, severity, summary) = match &found.obstacle {
        None => {
            let severity = if rule == Rule::BeforeExpiry { Severity::Medium } else { Severity::Low };
            let summary =
                "is due for rotation, and no policy says where its secret goes to: rotate it by hand.";
            (format!("rotation_due:{}:{what}", token.id), severity, summary.to_owned())
        }
        Some(obstacle) => {
            let summary = format!("is due for rotation, and cannot be rotated: {obstacle}.");
            (format!("rotation_due:{}:{what}:hindered", token.id), Severity::Medium, summary)
        }
    };
    authority.rotation_told().first(token.id, &key).then(|| {
        let evidence = json!({
            "rule": rule.as_str(),
            "due_at": at,
            "obstacle": found.obstacle,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
            "service_account_id": token.service_account_id,
        });
        let about = (token.id, &token.token_name, token.publisher_id);
        let summary = format!("The service token {:?} {summary}", token.token_name.as_str());
        alert((AlertKind::RotationDue, severity), about, summary, evidence, key)
    })
}

/// Opens those, in one transaction.
pub(super) async fn open_all(authority: &Authority, told: Vec<NewAlert>) -> Result<(), Fault> {
    if told.is_empty() {
        return Ok(());
    }
    let mut tx = authority.store().begin().await?;
    alerts::open_all(authority, &mut tx, told).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(())
}

fn about(row: &RotationRow) -> (CredentialId, &CredentialName, Option<PublisherId>) {
    (row.credential_id, &row.token_name, row.publisher_id)
}

fn key(kind: AlertKind, row: &RotationRow) -> String {
    format!("{}:{}", kind.as_str(), row.id)
}

/// Tells that a new secret was used from where the old one never was.
pub(super) async fn used_elsewhere(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    traces: &Traces,
) -> Result<(), Fault> {
    let kind = AlertKind::RotationNewNetwork;
    let summary = format!(
        "The new secret of the service token {:?} was first used from a network that the old one never was: it may be in wrong hands.",
        row.token_name.as_str()
    );
    let evidence = json!({
        "rotation_id": row.id,
        "successor_id": row.successor_id,
        "uses": traces.uses,
        "addresses": traces.addresses.iter().take(20).collect::<Vec<_>>(),
        "networks": traces.networks,
    });
    let new = alert((kind, Severity::Critical), about(row), summary, evidence, key(kind, row));
    alerts::open(authority, tx, new).await?;
    Ok(())
}

/// Tells that a new secret was not used in time, with what is known: what the receiver said, who uses the old one.
pub(super) async fn unconfirmed(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    callers: &[Caller],
) -> Result<(), Fault> {
    let kind = AlertKind::RotationUnconfirmed;
    let summary = format!(
        "The new secret of the service token {:?} was not used in time. Both are valid until somebody decides.",
        row.token_name.as_str()
    );
    let caller = |caller: &Caller| {
        json!({
            "ip_address": caller.ip_address,
            "user_agent": caller.user_agent,
            "endpoint": caller.endpoint,
            "occurrences": caller.occurrences,
            "last_at": caller.last_at,
        })
    };
    let evidence = json!({
        "rotation_id": row.id,
        "successor_id": row.successor_id,
        "delivery": row.delivery.kind().as_str(),
        "delivered_at": row.delivered_at,
        "attempts": row.attempts,
        "answer": row.last_answer,
        "still_presented_by": callers.iter().take(NAMED_CALLERS).map(caller).collect::<Vec<_>>(),
    });
    let new = alert((kind, Severity::High), about(row), summary, evidence, key(kind, row));
    alerts::open(authority, tx, new).await?;
    Ok(())
}

/// Tells that a rotation came to nothing.
pub(super) async fn failed(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    reason: &str,
) -> Result<(), Fault> {
    let kind = AlertKind::RotationFailed;
    let summary =
        format!("The rotation of the service token {:?} failed: {reason}.", row.token_name.as_str());
    let evidence = json!({
        "rotation_id": row.id,
        "successor_id": row.successor_id,
        "delivery": row.delivery.kind().as_str(),
        "attempts": row.attempts,
        "answer": row.last_answer,
        "reason": reason,
    });
    let new = alert((kind, Severity::High), about(row), summary, evidence, key(kind, row));
    alerts::open(authority, tx, new).await?;
    Ok(())
}

/// Ends what was told of a token, now that its rotation has gone on.
pub(super) async fn settled(
    authority: &Authority,
    tx: &mut Tx,
    row: &RotationRow,
    kinds: &[AlertKind],
    reason: &str,
) -> Result<(), Fault> {
    for kind in kinds {
        let about = (*kind, Some(row.credential_id.0));
        alerts::resolve_by_subject(authority, tx, about, JOB, reason).await?;
    }
    Ok(())
}

/// Ends alerts about tokens that do not wait for anybody any more: they ended, were rotated, or a policy changed.
pub(super) async fn resolve_gone(authority: &Authority, rules: &Rules) -> Result<(), Fault> {
    for kind in [AlertKind::RotationDue, AlertKind::RotationFailed] {
        for (id, reason) in gone(authority, rules, kind).await? {
            let mut tx = authority.store().begin().await?;
            alerts::resolve_by_subject(authority, &mut tx, (kind, Some(id.0)), JOB, reason).await?;
            authority.commit(tx, Invalidation::None, false).await?;
        }
    }
    Ok(())
}

/// The tokens of such alerts whose cause has gone, and why.
async fn gone(
    authority: &Authority,
    rules: &Rules,
    kind: AlertKind,
) -> Result<Vec<(CredentialId, &'static str)>, Fault> {
    let now = authority.now();
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let open = unresolved_of_kind(reader.conn(), kind, LOOKED_AT).await?;
    let ids: Vec<_> = open.iter().filter_map(|alert| alert.subject.id.map(CredentialId)).collect();
    let uses = recent_uses(reader.conn(), &ids, now.plus_days(-RECENT_DAYS)).await?;
    let mut gone = Vec::new();
    for id in ids {
        let token = service_tokens::by_id(reader.conn(), None, id).await?;
        match token.filter(|token| works(Some(token), epochs, now) && token.superseded_by_id.is_none()) {
            None => gone.push((id, "the token was replaced, or has ended")),
            Some(token) if kind == AlertKind::RotationDue => {
                let recent = uses.get(&id).copied().unwrap_or(0);
                let found = rules.assess(authority, &token, recent, now);
                if !found.is_some_and(|found| found.due.at <= now && found.waits_for_somebody()) {
                    gone.push((id, "the token does not wait for anybody any more"));
                }
            }
            Some(_) => {}
        }
    }
    Ok(gone)
}
