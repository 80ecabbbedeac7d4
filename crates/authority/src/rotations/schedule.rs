//! Deciding that a token is rotated: due, inside its window, the oldest first, and not too many of one publisher at once.

use std::collections::HashMap;

use keywright_core::rotation::RotationState;
use keywright_core::{CredentialId, PublisherId, RotationId, Timestamp};
use keywright_store::StoreError;
use keywright_store::rotations::{self, RotationRow, recent_uses};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use serde_json::json;

use super::notice;
use super::planning::{Assessment, RECENT_DAYS, Rules};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::entropy;
use crate::fault::Fault;

/// Tokens that are looked at with one question.
const PAGE: u32 = 500;
/// Questions in one run; the next run goes on where this one ended.
const PAGES: u32 = 20;

/// How many more each publisher may have under way, and the platform.
struct Room {
    most: u64,
    taken: HashMap<Option<PublisherId>, u64>,
}

impl Room {
    async fn of(authority: &Authority) -> Result<Self, Fault> {
        let taken = rotations::under_way(authority.store().read().await?.conn()).await?;
        Ok(Self { most: authority.settings().rotation.max_at_once.into(), taken })
    }

    fn is_there(&self, publisher: Option<PublisherId>) -> bool {
        self.taken.get(&publisher).is_none_or(|taken| *taken < self.most)
    }

    fn take(&mut self, publisher: Option<PublisherId>) {
        *self.taken.entry(publisher).or_default() += 1;
    }
}

/// Decides on rotations, of each publisher on no more than it has room for; tells how many.
pub(super) async fn schedule(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let rules = Rules::load(authority, authority.store().read().await?.conn()).await?;
    notice::resolve_gone(authority, &rules).await?;
    if rules.is_empty() {
        return Ok(0);
    }
    let mut filter = rules.filter(now, now, PAGE);
    filter.after = authority.rotation_place().take();
    let mut room = Room::of(authority).await?;
    let mut scheduled: u64 = 0;
    for _ in 0..PAGES {
        let page = page(authority, &filter).await?;
        let mut told = Vec::new();
        for (token, uses) in &page.tokens {
            let Some(found) = rules.assess(authority, token, *uses, now) else { continue };
            if found.due.at > now {
                continue;
            }
            if found.waits_for_somebody() {
                told.extend(notice::due(authority, token, &found));
            } else if found.begins_at.is_some_and(|begins| begins <= now)
                && room.is_there(token.publisher_id)
                && begin(authority, token, &found, now).await?
            {
                room.take(token.publisher_id);
                scheduled += 1;
            }
        }
        notice::open_all(authority, told).await?;
        if page.next.is_none() {
            // The next run begins anew at the oldest: who waits longest comes first.
            return Ok(scheduled);
        }
        filter.after = page.next;
    }
    authority.rotation_place().put(filter.after);
    Ok(scheduled)
}

/// Tokens that may be due.
pub(super) struct Page {
    /// Each with how often it was used.
    pub(super) tokens: Vec<(ServiceTokenRow, u64)>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<(Timestamp, CredentialId)>,
}

/// Looks for tokens that may be due.
pub(super) async fn page(authority: &Authority, filter: &service_tokens::DueFilter) -> Result<Page, Fault> {
    let mut reader = authority.store().read().await?;
    let tokens = service_tokens::maybe_due(reader.conn(), filter).await?;
    let full = tokens.len() >= filter.limit as usize;
    let next = tokens.last().filter(|_| full).map(|last| (last.created_at, last.id));
    let ids: Vec<CredentialId> = tokens.iter().map(|token| token.id).collect();
    let since = authority.now().plus_days(-RECENT_DAYS);
    let uses = recent_uses(reader.conn(), &ids, since).await?;
    let counted = tokens.into_iter().map(|token| {
        let count = uses.get(&token.id).copied().unwrap_or(0);
        (token, count)
    });
    Ok(Page { tokens: counted.collect(), next })
}

/// Begins a rotation. True when one has begun.
async fn begin(
    authority: &Authority,
    token: &ServiceTokenRow,
    found: &Assessment<'_>,
    now: Timestamp,
) -> Result<bool, Fault> {
    let Some(policy) = found.policy else { return Ok(false) };
    let effective = &found.effective;
    let row = RotationRow {
        id: RotationId::generate(now, entropy::id()),
        credential_id: token.id,
        token_name: token.token_name.clone(),
        lineage_id: token.lineage(),
        successor_id: None,
        publisher_id: token.publisher_id,
        service_account_id: token.service_account_id,
        policy_id: policy.id,
        rule: found.due.rule,
        state: RotationState::Scheduled,
        delivery: effective.delivery.value.clone(),
        grace_seconds: effective.grace_seconds.value,
        quiet_hours: effective.quiet_hours.value,
        confirm_within_hours: effective.confirm_within_hours.value,
        sealed_secret: None,
        attempts: 0,
        next_attempt_at: now,
        may_have_sent: false,
        told_of_use: false,
        last_answer: None,
        confirm_by: None,
        delivered_at: None,
        confirmed_at: None,
        grace_expires_at: None,
        closed_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let details = json!({ "rule": row.rule, "due_at": found.due.at, "policy_id": policy.id });
    let mut tx = authority.store().begin().await?;
    match rotations::insert(tx.conn(), &row, &details.to_string()).await {
        // Another node was faster.
        Err(StoreError::Duplicate(_)) => {
            tx.rollback().await;
            return Ok(false);
        }
        other => other?,
    }
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(true)
}
