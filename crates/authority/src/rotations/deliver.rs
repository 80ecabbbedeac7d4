//! Delivering: each try is written down before anything is sent, and its number is a fence.

use keywright_core::rotation::RotationState;
use keywright_core::{PlainToken, Timestamp};
use keywright_store::rotations::{self, RotationRow};
use keywright_store::{rotation_policies, service_tokens};
use serde_json::json;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::deliveries::{self, Outcome, Parcel};
use super::{PURPOSE, notice};
use crate::attempts::pause_seconds;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::entropy;
use crate::fault::Fault;
use crate::rotation_policies as policies;

/// A try that was begun counts as lost after this long, in seconds: longer than any delivery takes.
const TAKEN_SECONDS: i64 = 600;
/// The first pause after a failure, in seconds; each next one is twice as long.
const FIRST_PAUSE: i64 = 15;

/// Tries to deliver; false when another was faster.
pub(super) async fn attempt(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let now = authority.now();
    let taken = RotationRow {
        attempts: row.attempts + 1,
        next_attempt_at: now.plus_seconds(TAKEN_SECONDS),
        // Until it is certain that nothing has left.
        may_have_sent: true,
        ..row.clone()
    };
    let details = json!({ "attempt": taken.attempts }).to_string();
    let mut tx = authority.store().begin().await?;
    if !rotations::advance(tx.conn(), &taken, "attempt", Some(&details), now).await? {
        tx.rollback().await;
        return Ok(false);
    }
    authority.commit(tx, Invalidation::None, false).await?;
    let outcome = send(authority, row, taken.attempts).await?;
    settle(authority, row, &taken, outcome).await?;
    Ok(true)
}

/// Sends the secret to where it belongs.
async fn send(authority: &Authority, row: &RotationRow, attempt: u64) -> Result<Outcome, Fault> {
    let keys = authority.keys();
    let Some(sealed) = &row.sealed_secret else {
        return Ok(Outcome::NotSent("the secret is not kept any more".to_owned()));
    };
    let Ok(plain) = keys.open(PURPOSE, row.id.0.as_bytes(), sealed) else {
        // A node that has its key may still, and so may this one once it is configured again.
        return Ok(Outcome::NotSent("no master key opens the secret".to_owned()));
    };
    let Ok(text) = std::str::from_utf8(&plain) else {
        return Ok(Outcome::NotSent("the secret cannot be read".to_owned()));
    };
    let secret = PlainToken::from_sealed(Zeroizing::new(text.to_owned()));
    let new = match row.successor_id {
        Some(id) => service_tokens::by_id(authority.store().read().await?.conn(), None, id).await?,
        None => None,
    };
    let Some(new) = new else { return Ok(Outcome::NotSent("the new token is gone".to_owned())) };
    let key = match key_of(authority, row).await? {
        Ok(key) => key,
        Err(why) => return Ok(Outcome::NotSent(why.to_owned())),
    };
    let parcel = Parcel { rotation: row, attempt, new: &new, secret: &secret, key: key.reveal() };
    Ok(deliveries::deliver(authority, &parcel).await)
}

/// What lets a delivery in, as the policy has it now: of the receiver that was decided on, and shown to no other.
async fn key_of(authority: &Authority, row: &RotationRow) -> Result<Result<PlainToken, &'static str>, Fault> {
    if !row.delivery.kind().needs_secret() {
        return Ok(Ok(PlainToken::from_sealed(Zeroizing::default())));
    }
    let mut reader = authority.store().read().await?;
    let policy = rotation_policies::by_id(reader.conn(), None, row.policy_id).await?;
    let same = policy
        .filter(|policy| policy.terms.delivery.as_ref().is_some_and(|now| now.same_receiver(&row.delivery)));
    let Some(sealed) = same.and_then(|policy| policy.sealed_secret) else {
        return Ok(Err("the policy that knew what lets the delivery in is gone"));
    };
    let plain = authority.keys().open(policies::PURPOSE, row.policy_id.0.as_bytes(), &sealed);
    let text = plain.ok().and_then(|plain| String::from_utf8(plain.to_vec()).ok());
    // A node that has its key may still, and so may this one once it is configured again.
    let text = text.map(|text| PlainToken::from_sealed(Zeroizing::new(text)));
    Ok(text.ok_or("no master key opens what lets the delivery in"))
}

/// Writes down how a try went, unless it was overtaken.
async fn settle(
    authority: &Authority,
    before: &RotationRow,
    taken: &RotationRow,
    outcome: Outcome,
) -> Result<(), Fault> {
    let (now, id, attempt) = (authority.now(), before.id, taken.attempts);
    let mut next = RotationRow { version: before.version + 1, ..taken.clone() };
    let pause = now.plus_seconds(pause_seconds(FIRST_PAUSE, attempt, entropy::id()[0]));
    let kind = match &outcome {
        Outcome::Delivered(_) => {
            next.state = RotationState::AwaitingConfirmation;
            next.delivered_at = Some(now);
            next.confirm_by = Some(now.plus_seconds(i64::from(before.confirm_within_hours) * 3_600));
            next.sealed_secret = None;
            next.next_attempt_at = now;
            "delivered"
        }
        Outcome::NotSent(_) => {
            next.may_have_sent = before.may_have_sent;
            next.next_attempt_at = put_off(pause, before.confirm_by);
            "not_sent"
        }
        Outcome::Unknown(_) => {
            next.next_attempt_at = put_off(pause, before.confirm_by);
            "not_delivered"
        }
    };
    let answer = outcome.answer();
    next.last_answer = Some(answer.to_owned());
    let details = json!({ "attempt": attempt, "answer": answer }).to_string();
    let mut tx = authority.store().begin().await?;
    if !rotations::advance(tx.conn(), &next, kind, Some(&details), now).await? {
        tx.rollback().await;
        warn!(rotation = %id, attempt, answer, "a delivery was overtaken; that it may have arrived is known");
        return Ok(());
    }
    if let Outcome::Delivered(_) = outcome {
        notice::tell(authority, tx.conn(), "rotation.delivered", &next, json!({ "attempt": attempt }))
            .await?;
        info!(rotation = %id, attempt, answer, "a new secret was delivered");
    } else {
        warn!(rotation = %id, attempt, answer, kind, "a new secret was not delivered; it is tried again");
    }
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(())
}

/// Never past the moment at which it is given up.
fn put_off(pause: Timestamp, confirm_by: Option<Timestamp>) -> Timestamp {
    confirm_by.map_or(pause, |end| pause.min(end))
}
