//! What the policies say about tokens: which of them are due, when that may begin, and what stands in the way.

use std::collections::HashMap;

use keywright_core::rotation::policy::{HIGH_USAGE_MAX_AGE_DAYS, MAX_AGE_DAYS, ROTATE_BEFORE_EXPIRY_DAYS};
use keywright_core::rotation::{Delivery, Due, Effective, Level, Life, Policy, Schedule, due, effective};
use keywright_core::{MaintenanceWindowId, Timestamp};
use keywright_store::rotation_policies::{self, PLATFORM, PolicyRow};
use keywright_store::service_tokens::{DueFilter, ServiceTokenRow};
use keywright_store::{Conn, maintenance_windows};

use super::deliveries;
use crate::authority::Authority;
use crate::fault::Fault;

/// Uses are counted over so many days.
pub(crate) const RECENT_DAYS: i64 = 30;
/// A token that came out of a rotation without being replaced is left alone for so long, in hours.
const PAUSE_HOURS: i64 = 24;

/// All policies and windows, as they are at one moment.
pub(crate) struct Rules {
    by_subject: HashMap<uuid::Uuid, PolicyRow>,
    windows: HashMap<MaintenanceWindowId, Option<Schedule>>,
    high_usage_threshold: u32,
}

/// A token that is to be rotated.
pub(crate) struct Assessment<'a> {
    pub(crate) effective: Effective,
    pub(crate) due: Due,
    /// The policy that says where its secret goes to; none when no policy says.
    pub(crate) policy: Option<&'a PolicyRow>,
    /// When that may begin, from the moment asked about; never, where its window never opens.
    pub(crate) begins_at: Option<Timestamp>,
    /// What stands in the way.
    pub(crate) obstacle: Option<String>,
}

impl Assessment<'_> {
    /// Whether nothing happens by itself: no policy says where its secret goes to, or something stands in the way.
    pub(crate) fn waits_for_somebody(&self) -> bool {
        self.obstacle.is_some() || self.effective.delivery.value == Delivery::None
    }
}

impl Rules {
    pub(crate) async fn load(authority: &Authority, mut conn: Conn<'_>) -> Result<Self, Fault> {
        let policies = rotation_policies::every(conn.reborrow()).await?;
        let windows = maintenance_windows::every(conn).await?;
        let schedule = |window: maintenance_windows::WindowRow| {
            (window.id, Schedule::parse(&window.cron, window.duration_minutes, &window.time_zone).ok())
        };
        Ok(Self {
            by_subject: policies.into_iter().map(|row| (row.subject_id, row)).collect(),
            windows: windows.into_iter().map(schedule).collect(),
            high_usage_threshold: authority.settings().rotation.high_usage_threshold,
        })
    }

    /// Whether there is nothing to go by.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// The policies that reach a token, the nearest first.
    pub(crate) fn reaching(&self, token: &ServiceTokenRow) -> Vec<&PolicyRow> {
        let subjects = [
            Some(token.lineage().0),
            token.service_account_id.map(|id| id.0),
            token.publisher_id.map(|id| id.0),
            Some(PLATFORM),
        ];
        let mut found: Vec<_> =
            subjects.into_iter().flatten().filter_map(|subject| self.by_subject.get(&subject)).collect();
        found.sort_by_key(|row| row.level);
        found
    }

    pub(crate) fn effective(&self, token: &ServiceTokenRow) -> Effective {
        let policies = self.reaching(token);
        let leveled: Vec<(Level, &Policy)> = policies.iter().map(|row| (row.level, &row.terms)).collect();
        effective(&leveled, self.high_usage_threshold)
    }

    /// When a token is to be rotated.
    pub(crate) fn due(effective: &Effective, token: &ServiceTokenRow, recent_uses: u64) -> Option<Due> {
        due(effective, &Life { created_at: token.created_at, expires_at: token.expires_at, recent_uses })
    }

    /// What is to become of a token, as seen at `now`.
    pub(crate) fn assess(
        &self,
        authority: &Authority,
        token: &ServiceTokenRow,
        recent_uses: u64,
        now: Timestamp,
    ) -> Option<Assessment<'_>> {
        let effective = self.effective(token);
        let due = Self::due(&effective, token, recent_uses)?;
        let from = due.at.max(now);
        let mut obstacle = None;
        let begins_at = match effective.maintenance_window_id.value {
            None => Some(from),
            Some(id) => {
                let schedule = self.windows.get(&id).and_then(Option::as_ref);
                let begins = schedule.and_then(|schedule| schedule.open_from(from));
                if begins.is_none() {
                    obstacle = Some("its maintenance window never opens".to_owned());
                }
                begins
            }
        };
        let source = effective.delivery.source;
        let policy = self.reaching(token).into_iter().find(|row| Some(row.level) == source);
        if obstacle.is_none() && effective.delivery.value != Delivery::None {
            obstacle = match policy {
                Some(policy) => Self::obstacle(authority, policy, token, &effective.delivery.value),
                None => Some("no policy says where its secret goes to".to_owned()),
            };
        }
        Some(Assessment { effective, due, policy, begins_at, obstacle })
    }

    /// What keeps a token from being rotated under a policy.
    pub(crate) fn obstacle(
        authority: &Authority,
        policy: &PolicyRow,
        token: &ServiceTokenRow,
        delivery: &Delivery,
    ) -> Option<String> {
        if !policy.reach.covers_all(&token.permissions) {
            return Some("it can do more than whoever decided where its secret goes to could do".to_owned());
        }
        if delivery.kind().needs_secret() && policy.sealed_secret.is_none() {
            return Some("what lets the delivery in is missing".to_owned());
        }
        deliveries::admits(authority, delivery).err().map(|(_, detail)| detail)
    }

    /// Which tokens may be due at a moment: all that are, and others.
    pub(crate) fn filter(&self, at: Timestamp, now: Timestamp, limit: u32) -> DueFilter {
        let terms = || self.by_subject.values().map(|row| &row.terms);
        let ages = terms().flat_map(|policy| [policy.max_age_days, policy.high_usage_max_age_days]);
        let least = ages.flatten().chain([MAX_AGE_DAYS.default, HIGH_USAGE_MAX_AGE_DAYS.default]).min();
        let before = terms().filter_map(|policy| policy.rotate_before_expiry_days);
        let most = before.chain([ROTATE_BEFORE_EXPIRY_DAYS.default]).max();
        DueFilter {
            made_before: at.plus_days(-i64::from(least.unwrap_or(1))),
            ends_before: at.plus_days(i64::from(most.unwrap_or(0))),
            not_tried_since: now.plus_seconds(-PAUSE_HOURS * 3_600),
            after: None,
            limit,
        }
    }
}
