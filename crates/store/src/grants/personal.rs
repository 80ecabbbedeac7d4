//! A personal token as a grant: never more than its owner may do in that publisher at this moment.

use keywright_core::{
    Allowlist, CredentialId, CredentialKind, Grant, PrincipalKind, PublisherId, PublisherSettings, ScopeSet,
    Standing, Timestamp,
};
use keywright_verify::Loaded;
use sqlx::types::Json;
use uuid::Uuid;

use super::bounds::{BoundParts, rate_limits};
use super::person::PersonRow;
use crate::error::StoreError;
use crate::platform::EpochRow;
use crate::types::{Time, to_u64};

#[derive(sqlx::FromRow)]
pub(super) struct PersonalRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    #[sqlx(flatten)]
    person: PersonRow,
    id: Option<Uuid>,
    name: Option<String>,
    scopes: Option<Json<ScopeSet>>,
    inherit_user_permissions: Option<bool>,
    publisher_ids: Option<Json<Box<[PublisherId]>>>,
    excluded_publisher_ids: Option<Json<Box<[PublisherId]>>>,
    expires_at: Option<Time>,
    is_active: Option<bool>,
    revoked_at: Option<Time>,
    superseded_by_id: Option<Uuid>,
    grace_expires_at: Option<Time>,
    epoch: Option<i64>,
    created_at: Option<Time>,
    rate_per_minute: Option<i64>,
    rate_per_hour: Option<i64>,
    ip_allowlist: Option<Json<Allowlist>>,
    lineage_id: Option<Uuid>,
    settings: Option<Json<PublisherSettings>>,
    approved_at: Option<Time>,
}

impl PersonalRow {
    /// What the owner may do in the publisher now, narrowed to what the token is for; nothing where the
    /// publisher, the token, or a policy says so.
    pub(super) fn into_loaded(mut self, asked: Option<PublisherId>) -> Result<Option<Loaded>, StoreError> {
        let (Some(id), Some(name), Some(own), Some(inherits)) =
            (self.id, self.name.take(), self.scopes.take(), self.inherit_user_permissions)
        else {
            return Ok(None);
        };
        let (Some(is_active), Some(epoch), Some(created_at), Some(lineage)) =
            (self.is_active, self.epoch, self.created_at, self.lineage_id)
        else {
            return Ok(None);
        };
        let named = self.publisher_ids.take().map(|ids| ids.0);
        let within = asked.or(self.person.publisher_id.map(PublisherId));
        let Some(mut person) = self.person.into_person(within)? else { return Ok(None) };
        let policy = self.settings.as_ref().map(|settings| settings.0.personal_tokens).unwrap_or_default();
        let mut parts = BoundParts::new(lineage, self.ip_allowlist.take());
        parts.limits = rate_limits(self.rate_per_minute, self.rate_per_hour);
        if let (Some(Json(settings)), Some(publisher)) = (&self.settings, within) {
            parts.within(settings, publisher);
        }
        let excluded = self.excluded_publisher_ids.take().map(|ids| ids.0).unwrap_or_default();
        let is_for_it = is_for(named.as_deref(), &excluded, within);
        if let Some(tenancy) = &mut person.bonds.publisher
            && (!is_for_it || !policy.allowed)
        {
            (tenancy.standing, tenancy.role) = (Standing::Foreign, None);
        }
        if !is_for_it || !policy.allowed {
            person.scopes = ScopeSet::default();
        }
        person.bonds.inherits = inherits;
        person.bonds.confined = named.is_some();
        if let Some(named) = named {
            person.bonds.publishers = named;
        }
        let longest = policy.max_days.map(|days| Timestamp::from(created_at).plus_days(days.into()));
        let expires_at = match (self.expires_at.map(Timestamp::from), longest) {
            (Some(end), Some(longest)) => Some(end.min(longest)),
            (end, longest) => end.or(longest),
        };
        let grant = Grant {
            credential_id: CredentialId(id),
            kind: CredentialKind::Personal,
            name: name.into_boxed_str(),
            principal: PrincipalKind::User,
            scopes: if inherits { person.scopes } else { person.scopes.intersection(&own.0) },
            metadata: None,
            expires_at,
            is_active: is_active && (!policy.require_approval || self.approved_at.is_some()),
            revoked: self.revoked_at.is_some(),
            superseded: self.superseded_by_id.is_some(),
            grace_expires_at: self.grace_expires_at.map(Into::into),
            epoch: to_u64(epoch),
            bonds: Some(Box::new(person.bonds)),
            bounds: parts.into_bounds(),
        };
        Ok(Some(Loaded { grant, epochs: self.epochs.into() }))
    }
}

/// Whether a token is for what is decided for: one that names publishers is for nothing beyond them.
fn is_for(named: Option<&[PublisherId]>, excluded: &[PublisherId], within: Option<PublisherId>) -> bool {
    let is_named = match (named, within) {
        (None, _) => true,
        (Some(named), Some(within)) => named.contains(&within),
        (Some(_), None) => false,
    };
    is_named && within.is_none_or(|within| !excluded.contains(&within))
}
