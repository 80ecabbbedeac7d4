//! Service accounts, and the bounds of what acts for them.

use keywright_api::WireEnum;
use keywright_api::service_account::{AccountStatus, ServiceAccount, ServiceType};
use keywright_api::service_token::RateLimits;
use keywright_core::{Allowlist, EmailAddress, ScopeSet};
use keywright_store::service_accounts::ServiceAccountRow;

use super::{actor, optional_time, time};

/// A service account.
pub fn service_account(row: &ServiceAccountRow) -> ServiceAccount {
    ServiceAccount {
        id: row.id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        name: row.name.as_str().to_owned(),
        description: row.description.clone(),
        service_type: ServiceType::from_word(row.service_type.as_str()).unwrap_or(ServiceType::Internal),
        status: match row.disabled_at {
            None => AccountStatus::Active,
            Some(_) => AccountStatus::Disabled,
        },
        scopes: scopes(&row.scopes),
        rate_limits: rate_limits(row.limits),
        ip_allowlist: allowlist(&row.allowlist),
        owner_email: row.owner_email.as_ref().map(EmailAddress::as_str).map(str::to_owned),
        metadata: row.metadata.as_map().clone(),
        disabled_at: optional_time(row.disabled_at),
        disabled_reason: row.disabled_reason.clone(),
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// What an account stands for, as it is stored.
pub fn stored_service_type(service_type: ServiceType) -> keywright_core::ServiceType {
    let stored = keywright_core::ServiceType::parse(service_type.as_str());
    stored.unwrap_or(keywright_core::ServiceType::Internal)
}

/// Scopes.
pub fn scopes(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

/// Limits; none where there is none.
pub fn rate_limits(limits: keywright_core::RateLimits) -> Option<RateLimits> {
    let shown = RateLimits { per_minute: limits.per_minute, per_hour: limits.per_hour };
    (!limits.is_unlimited()).then_some(shown)
}

/// Networks; none where any will do.
pub fn allowlist(allowlist: &Allowlist) -> Option<Vec<String>> {
    (!allowlist.is_empty()).then(|| allowlist.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_words_for_what_an_account_stands_for() {
        for word in ServiceType::ALL {
            assert_eq!(stored_service_type(*word).as_str(), word.as_str());
        }
        assert_eq!(ServiceType::ALL.len(), keywright_core::ServiceType::ALL.len());
    }
}
