//! From where and how often: put together from a credential, its account and its publisher.

use keywright_core::{Allowlist, Bounds, Budget, PublisherId, PublisherSettings, RateLimits};
use sqlx::types::Json;
use uuid::Uuid;

/// The limits in two columns.
pub(crate) fn rate_limits(per_minute: Option<i64>, per_hour: Option<i64>) -> RateLimits {
    let limit = |column: Option<i64>| column.map(|limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
    RateLimits { per_minute: limit(per_minute), per_hour: limit(per_hour) }
}

/// What bounds a credential, while it is put together.
pub(super) struct BoundParts {
    lineage: Uuid,
    pub(super) limits: RateLimits,
    /// Those of its account, for those who ask.
    pub(super) around: RateLimits,
    pub(super) budgets: Vec<Budget>,
    pub(super) allowlists: Vec<Allowlist>,
}

impl BoundParts {
    pub(super) fn new(lineage: Uuid, allowlist: Option<Json<Allowlist>>) -> Self {
        let allowlists = allowlist.map(|list| list.0).into_iter().collect();
        Self {
            lineage,
            limits: RateLimits::UNLIMITED,
            around: RateLimits::UNLIMITED,
            budgets: Vec::new(),
            allowlists,
        }
    }

    /// What a publisher sets for its credentials: the limits of those that have none, and of all together.
    pub(super) fn within(&mut self, settings: &PublisherSettings, publisher: PublisherId) {
        self.limits = self.limits.or(settings.default_rate_limits.unwrap_or_default());
        self.budgets.extend(settings.rate_limits.unwrap_or_default().budgets(publisher.0));
    }

    /// The credential's own budgets come first, the wider ones after them.
    pub(super) fn into_bounds(mut self) -> Option<Box<Bounds>> {
        self.allowlists.retain(|list| !list.is_empty());
        let own = self.limits.budgets(self.lineage);
        let budgets: Box<[_]> = own.chain(self.budgets).collect();
        if budgets.is_empty() && self.allowlists.is_empty() {
            return None;
        }
        let allowlists = self.allowlists.into_boxed_slice();
        Some(Box::new(Bounds { allowlists, budgets, limits: self.limits.tightest(self.around) }))
    }
}
