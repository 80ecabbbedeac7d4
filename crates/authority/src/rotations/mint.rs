//! Making the new token: it is there, and delivered to nobody; the old one is replaced and lives on without an end.

use keywright_core::rotation::RotationState;
use keywright_core::{ActorRef, Status};
use keywright_store::rotations::{self, RotationRow};
use keywright_store::{platform, rotation_policies, service_tokens};
use serde_json::json;

use super::planning::Rules;
use super::{JOB, PURPOSE, conclude, deliveries};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::service_tokens::{inherited_end, successor};

/// Makes the new token of a rotation that was decided on; false when another was faster.
pub(super) async fn mint(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let own = authority.clone();
    let row = row.clone();
    authority.carry_out(async move { carry_out(&own, &row).await }).await
}

async fn carry_out(authority: &Authority, row: &RotationRow) -> Result<bool, Fault> {
    let id = row.credential_id;
    let mut tx = authority.store().begin_change(&[], &[id.0]).await?;
    let old = service_tokens::lock_for_change(tx.conn(), None, id).await?;
    let epochs = platform::epochs(tx.conn()).await?;
    let now = authority.now();
    let policy = rotation_policies::by_id(tx.conn(), None, row.policy_id).await?;
    let reason = match (&old, &policy) {
        (Some(old), _) if old.status(epochs, now) != Status::Active => {
            Some("the token is not active".to_owned())
        }
        (Some(old), Some(policy)) => Rules::obstacle(authority, policy, old, &row.delivery),
        (Some(_), None) => Some("the policy is gone".to_owned()),
        (None, _) => Some("the token is gone".to_owned()),
    };
    let old = match (old, reason) {
        (Some(old), None) => old,
        (_, reason) => {
            tx.rollback().await;
            return conclude::give_up_before_mint(authority, row, &reason.unwrap_or_default()).await;
        }
    };
    let actor = ActorRef::system(JOB);
    let new_id = authority.new_credential_id();
    let ends = inherited_end(&old, now);
    let (secret, new) = successor(&old, new_id, ends, epochs.counter, actor.clone(), now);
    let name = old.token_name.superseded(id);
    if !service_tokens::supersede_unconfirmed(tx.conn(), id, new_id, &name, now).await? {
        tx.rollback().await;
        return Ok(false);
    }
    let new = service_tokens::insert(tx.conn(), &new).await?;
    let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    let kept = deliveries::kept(&row.delivery, &secret)?;
    let within = i64::from(row.confirm_within_hours) * 3_600;
    let next = RotationRow {
        successor_id: Some(new_id),
        state: RotationState::Delivering,
        sealed_secret: Some(authority.keys().seal(PURPOSE, row.id.0.as_bytes(), kept.as_bytes())),
        next_attempt_at: now,
        confirm_by: Some(now.plus_seconds(within)),
        ..row.clone()
    };
    let details = json!({ "successor_id": new_id }).to_string();
    if !rotations::advance(tx.conn(), &next, "minted", Some(&details), now).await? {
        tx.rollback().await;
        return Ok(false);
    }
    let told =
        |kind, of| Event::new(kind, actor.clone(), None, Subject::token(of)).publisher(old.publisher_id);
    let rotated = told("token.rotated", &old).before(&old).after(&after);
    let details = json!({ "rotated_to_id": new_id, "rotation_id": row.id, "rule": row.rule });
    rotated.details(details).write(authority, tx.conn()).await?;
    let created = told("token.created", &new).after(&new);
    let details = json!({ "rotated_from_id": id, "rotation_id": row.id });
    created.details(details).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::of(id), false).await?;
    authority.verifier().forget_unknown(secret.hash());
    Ok(true)
}
