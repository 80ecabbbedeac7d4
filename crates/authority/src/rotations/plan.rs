//! What would be rotated: the same judgement as the scheduler's, which changes nothing.

use keywright_core::rotation::{DeliveryKind, Rule};
use keywright_core::{
    CredentialId, CredentialName, MaintenanceWindowId, PublisherId, RotationPolicyId, ServiceAccountId,
    Timestamp,
};

use super::planning::Rules;
use super::schedule::page;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::maintenance_windows::READ;

/// Most tokens of a plan.
pub const MAX_PLANNED: usize = 1_000;
/// Tokens that are looked at for a plan, at most.
const MAX_LOOKED_AT: usize = 100_000;
/// Tokens that are read with one question.
const PAGE: u32 = 1_000;

/// A token that would be rotated.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The token.
    pub credential_id: CredentialId,
    /// Its name.
    pub token_name: CredentialName,
    /// Its publisher.
    pub publisher_id: Option<PublisherId>,
    /// Its account.
    pub service_account_id: Option<ServiceAccountId>,
    /// Why.
    pub rule: Rule,
    /// When that is due.
    pub due_at: Timestamp,
    /// When it may begin: now, or when its window opens; never, where that never opens.
    pub begins_at: Option<Timestamp>,
    /// Its window.
    pub maintenance_window_id: Option<MaintenanceWindowId>,
    /// How its secret would be delivered.
    pub delivery: DeliveryKind,
    /// The policy that says so.
    pub policy_id: Option<RotationPolicyId>,
    /// What stands in the way.
    pub obstacle: Option<String>,
}

/// What would be rotated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether rotations begin by themselves at all.
    pub enabled: bool,
    /// Until when was looked.
    pub until: Timestamp,
    /// The tokens, those first that begin first.
    pub items: Vec<Planned>,
    /// Whether there are more.
    pub truncated: bool,
}

/// Which tokens would be rotated within so many days, as the policies are now: those that the caller sees.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn plan(authority: &Authority, call: &Call, days: u32) -> Result<Plan, Fault> {
    call.require(READ)?;
    let (now, within) = (authority.now(), call.within());
    let until = now.plus_days(i64::from(days));
    let rules = Rules::load(authority, authority.store().read().await?.conn()).await?;
    let mut plan =
        Plan { enabled: authority.settings().rotation.enabled, until, items: Vec::new(), truncated: false };
    if rules.is_empty() {
        return Ok(plan);
    }
    let mut filter = rules.filter(until, now, PAGE);
    let mut looked_at = 0;
    loop {
        let page = page(authority, &filter).await?;
        for (token, uses) in &page.tokens {
            if within.is_some() && token.publisher_id != within {
                continue;
            }
            let Some(found) = rules.assess(authority, token, *uses, now) else { continue };
            if found.begins_at.map_or(found.due.at > until, |begins| begins > until) {
                continue;
            }
            plan.items.push(Planned {
                credential_id: token.id,
                token_name: token.token_name.clone(),
                publisher_id: token.publisher_id,
                service_account_id: token.service_account_id,
                rule: found.due.rule,
                due_at: found.due.at,
                begins_at: found.begins_at,
                maintenance_window_id: found.effective.maintenance_window_id.value,
                delivery: found.effective.delivery.value.kind(),
                policy_id: found.policy.map(|policy| policy.id),
                obstacle: found.obstacle,
            });
        }
        looked_at += PAGE as usize;
        if page.next.is_none() {
            break;
        }
        if looked_at >= MAX_LOOKED_AT {
            plan.truncated = true;
            break;
        }
        filter.after = page.next;
    }
    plan.items.sort_by_key(|one| (one.begins_at.unwrap_or(one.due_at), one.due_at, one.credential_id));
    plan.truncated |= plan.items.len() > MAX_PLANNED;
    plan.items.truncate(MAX_PLANNED);
    Ok(plan)
}
