//! A service token as a grant: within the account that it belongs to, where it belongs to one.

use keywright_core::{
    Account, Allowlist, Bonds, CredentialId, CredentialKind, Grant, Metadata, PrincipalKind, PublisherId,
    PublisherSettings, RateLimits, ScopeSet, ServiceAccountId, Standing, Tenancy,
};
use keywright_verify::Loaded;
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::bounds::{BoundParts, rate_limits};
use crate::error::StoreError;
use crate::platform::EpochRow;
use crate::types::{Time, to_u64};

#[derive(sqlx::FromRow)]
pub(super) struct TokenRow {
    #[sqlx(flatten)]
    epochs: EpochRow,
    id: Option<Uuid>,
    token_name: Option<String>,
    permissions: Option<Json<ScopeSet>>,
    metadata: Option<Json<Map<String, Value>>>,
    expires_at: Option<Time>,
    is_active: Option<bool>,
    revoked_at: Option<Time>,
    superseded_by_id: Option<Uuid>,
    grace_expires_at: Option<Time>,
    epoch: Option<i64>,
    rate_per_minute: Option<i64>,
    rate_per_hour: Option<i64>,
    ip_allowlist: Option<Json<Allowlist>>,
    lineage_id: Option<Uuid>,
    account_id: Option<Uuid>,
    account_name: Option<String>,
    account_publisher_id: Option<Uuid>,
    account_scopes: Option<Json<ScopeSet>>,
    account_metadata: Option<Json<Map<String, Value>>>,
    account_per_minute: Option<i64>,
    account_per_hour: Option<i64>,
    account_allowlist: Option<Json<Allowlist>>,
    account_epoch: Option<i64>,
    account_disabled_at: Option<Time>,
    publisher_id: Option<Uuid>,
    suspended_at: Option<Time>,
    settings: Option<Json<PublisherSettings>>,
    publisher_epoch: Option<i64>,
}

/// What a token of an account takes from it.
struct OfAccount {
    account: Account,
    scopes: ScopeSet,
    metadata: Map<String, Value>,
    limits: RateLimits,
    allowlist: Allowlist,
    epoch: u64,
}

impl TokenRow {
    fn account(&mut self) -> Result<Option<OfAccount>, StoreError> {
        let Some(id) = self.account_id else { return Ok(None) };
        let none = || StoreError::corrupt("a service account has a column that is null");
        Ok(Some(OfAccount {
            account: Account {
                id: ServiceAccountId(id),
                name: self.account_name.take().ok_or_else(none)?.into(),
                publisher: self.account_publisher_id.map(PublisherId),
                enabled: self.account_disabled_at.is_none(),
            },
            scopes: self.account_scopes.take().ok_or_else(none)?.0,
            metadata: self.account_metadata.take().ok_or_else(none)?.0,
            limits: rate_limits(self.account_per_minute, self.account_per_hour),
            allowlist: self.account_allowlist.take().ok_or_else(none)?.0,
            epoch: to_u64(self.account_epoch.ok_or_else(none)?),
        }))
    }

    /// A token of the platform acts in every publisher that there is, one of a publisher in that alone.
    fn tenancy(&self, home: Option<PublisherId>, asked: Option<PublisherId>) -> Option<Tenancy> {
        let id = asked.or(home)?;
        let standing = match (self.publisher_id, self.suspended_at) {
            (None, _) => Standing::Foreign,
            _ if home.is_some_and(|home| home != id) => Standing::Foreign,
            (Some(_), Some(_)) => Standing::Suspended,
            (Some(_), None) => Standing::Good,
        };
        Some(Tenancy { id, standing, role: None })
    }

    /// `asked` is the publisher of the question.
    pub(super) fn into_loaded(mut self, asked: Option<PublisherId>) -> Result<Option<Loaded>, StoreError> {
        let (Some(id), Some(name), Some(permissions), Some(is_active), Some(epoch)) =
            (self.id, self.token_name.take(), self.permissions.take(), self.is_active, self.epoch)
        else {
            return Ok(None);
        };
        let account = self.account()?;
        let home = account.as_ref().and_then(|of| of.account.publisher);
        let tenancy = self.tenancy(home, asked);
        // The limits of a publisher are for its own accounts.
        let settings = self.settings.take().filter(|_| home.is_some() && asked.or(home) == home);
        let mut parts = BoundParts::new(self.lineage_id.unwrap_or(id), self.ip_allowlist.take());
        parts.limits = rate_limits(self.rate_per_minute, self.rate_per_hour);
        if let Some(of) = &account {
            parts.budgets.extend(of.limits.budgets(of.account.id.0));
            parts.allowlists.push(of.allowlist.clone());
            parts.around = of.limits;
        }
        if let (Some(Json(settings)), Some(home)) = (&settings, home) {
            parts.within(settings, home);
        }
        let mut metadata = self.metadata.take().map(|map| map.0).unwrap_or_default();
        let (mut scopes, mut bonds) = (permissions.0, None);
        if let Some(of) = account {
            scopes = scopes.intersection(&of.scopes);
            for (key, value) in of.metadata {
                metadata.entry(key).or_insert(value);
            }
            let of_publisher = self.publisher_epoch.filter(|_| settings.is_some()).map_or(0, to_u64);
            bonds = Some(Bonds {
                account: Some(of.account),
                floor: of.epoch.max(of_publisher),
                ..Bonds::default()
            });
        }
        if let Some(tenancy) = tenancy {
            let bonds = bonds.get_or_insert_default();
            bonds.publishers = home.into_iter().collect();
            bonds.publisher = Some(tenancy);
        }
        let principal = match bonds.as_ref().and_then(|bonds| bonds.account.as_ref()) {
            Some(_) => PrincipalKind::ServiceAccount,
            None => PrincipalKind::ServiceToken,
        };
        let grant = Grant {
            credential_id: CredentialId(id),
            kind: CredentialKind::Service,
            name: name.into_boxed_str(),
            principal,
            scopes,
            metadata: (!metadata.is_empty()).then(|| Box::new(Metadata::from_stored(metadata))),
            expires_at: self.expires_at.map(Into::into),
            is_active,
            revoked: self.revoked_at.is_some(),
            superseded: self.superseded_by_id.is_some(),
            grace_expires_at: self.grace_expires_at.map(Into::into),
            epoch: to_u64(epoch),
            bonds: bonds.map(Box::new),
            bounds: parts.into_bounds(),
        };
        Ok(Some(Loaded { grant, epochs: self.epochs.into() }))
    }
}
