//! [`decide`]: the pure heart of every verification, every gate and every management call.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::grant::{Claimed, Epochs, Grant, Standing};
use crate::scope::{Scope, ScopeSet};
use crate::status::Status;
use crate::time::Timestamp;

/// Why a credential is refused, in the order in which the reasons are looked at (api.md, Verification).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialCode {
    /// No form that Keywright issues.
    Malformed,
    /// Well-formed, but not ours.
    NotFound,
    /// Revoked, by itself or with all in the reach of an emergency.
    Revoked,
    /// Its life, or its grace after a rotation, is over.
    Expired,
    /// Switched off.
    Inactive,
    /// The user or the account behind it is disabled.
    PrincipalDisabled,
    /// The publisher that it was asked about for is suspended.
    PublisherSuspended,
    /// Used from an address that its allowlists do not let in.
    IpNotAllowed,
    /// It has no part in the publisher that it was asked about for.
    WrongPublisher,
    /// It, its account or its publisher was used more often than is allowed.
    RateLimited,
    /// Does not carry what was asked for.
    InsufficientScope,
}

impl DenialCode {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::NotFound,
        Self::Revoked,
        Self::Expired,
        Self::Inactive,
        Self::PrincipalDisabled,
        Self::PublisherSuspended,
        Self::IpNotAllowed,
        Self::WrongPublisher,
        Self::RateLimited,
        Self::InsufficientScope,
    ];

    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Inactive => "inactive",
            Self::PrincipalDisabled => "principal_disabled",
            Self::PublisherSuspended => "publisher_suspended",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::WrongPublisher => "wrong_publisher",
            Self::RateLimited => "rate_limited",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// Reads [`DenialCode::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The first reason that applies.
    pub code: DenialCode,
    /// For [`DenialCode::InsufficientScope`]: what was asked for and is not carried.
    pub missing_scopes: Vec<Scope>,
}

impl From<DenialCode> for Denial {
    fn from(code: DenialCode) -> Self {
        Self { code, missing_scopes: Vec::new() }
    }
}

/// The outcome of a verification.
pub type Decision = Result<(), Denial>;

/// The text of a decision's code on the wire.
pub fn code_of(decision: &Decision) -> &'static str {
    decision.as_ref().map_or_else(|denial| denial.code.as_str(), |()| "valid")
}

/// What the asker wants the credential to carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// All of these.
    pub required_scopes: ScopeSet,
    /// One of these, unless empty.
    pub any_scopes: ScopeSet,
}

impl Requirements {
    /// Nothing but a usable credential.
    pub fn none() -> Self {
        Self::default()
    }

    /// One scope.
    pub fn scope(scope: Scope) -> Self {
        Self { required_scopes: ScopeSet::new([scope]).unwrap_or_default(), any_scopes: ScopeSet::default() }
    }
}

/// The facts of a use, beside the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When.
    pub now: Timestamp,
    /// From where, where that is known.
    pub address: Option<IpAddr>,
}

impl Facts {
    /// A use at this moment, from an address that is not known.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, address: None }
    }
}

/// Decides on a known credential. A pure function of the snapshot, what the presented token claims of itself,
/// the epochs in force, what was asked for and the facts: never a cached verdict. Where a use is counted
/// against limits, that lies between the two halves of it.
///
/// # Errors
/// The [`Denial`] with the first code that applies.
pub fn decide(
    grant: &Grant,
    claimed: Option<&Claimed>,
    epochs: Epochs,
    wanted: &Requirements,
    facts: Facts,
) -> Decision {
    admit(grant, claimed, epochs, facts)?;
    carries(grant, claimed, wanted)
}

/// The first half of [`decide`]: whether the credential may be used at all, here and now.
///
/// # Errors
/// The [`Denial`] with the first code that applies.
pub fn admit(grant: &Grant, claimed: Option<&Claimed>, epochs: Epochs, facts: Facts) -> Decision {
    let now = facts.now;
    match grant.status(epochs, now) {
        Status::Revoked => return Err(DenialCode::Revoked.into()),
        _ if now.has_reached(claimed.and_then(Claimed::ends_at)) => {
            return Err(DenialCode::Expired.into());
        }
        Status::Expired => return Err(DenialCode::Expired.into()),
        Status::Inactive => return Err(DenialCode::Inactive.into()),
        Status::Active | Status::Superseded => {}
    }
    let disabled = grant.user().is_some_and(|user| !user.enabled)
        || grant.account().is_some_and(|account| !account.enabled);
    if disabled {
        return Err(DenialCode::PrincipalDisabled.into());
    }
    let standing = grant.tenancy().map_or(Standing::Good, |tenancy| tenancy.standing);
    if standing == Standing::Suspended {
        return Err(DenialCode::PublisherSuspended.into());
    }
    let lists = grant.bounds.iter().flat_map(|bounds| &bounds.allowlists);
    if lists.into_iter().any(|list| !list.admits(facts.address)) {
        return Err(DenialCode::IpNotAllowed.into());
    }
    if standing == Standing::Foreign {
        return Err(DenialCode::WrongPublisher.into());
    }
    Ok(())
}

/// The second half of [`decide`]: whether the credential carries what is wanted of it.
///
/// # Errors
/// [`DenialCode::InsufficientScope`], with what is missing.
pub fn carries(grant: &Grant, claimed: Option<&Claimed>, wanted: &Requirements) -> Decision {
    let scopes = grant.effective(claimed);
    let mut missing = scopes.missing(&wanted.required_scopes);
    let one_of = &wanted.any_scopes;
    if !one_of.is_empty() && !one_of.iter().any(|scope| scopes.covers(scope)) {
        missing.extend(one_of.iter());
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Denial {
        code: DenialCode::InsufficientScope,
        missing_scopes: missing
            .into_iter()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::Allowlist;
    use crate::grant::{Account, Bonds, Bounds, Owner, Tenancy};
    use crate::id::{CredentialId, PublisherId, ServiceAccountId, UserId};
    use crate::principal::{CredentialKind, PrincipalKind};
    use proptest::prelude::*;

    fn grant() -> Grant {
        Grant {
            credential_id: CredentialId::generate(Timestamp::EPOCH, [1; 10]),
            kind: CredentialKind::Service,
            name: "ci".into(),
            principal: PrincipalKind::ServiceToken,
            scopes: ScopeSet::parse(["works:*"]).unwrap(),
            metadata: None,
            expires_at: Some(Timestamp::from_micros(100)),
            is_active: true,
            revoked: false,
            superseded: false,
            grace_expires_at: None,
            epoch: 1,
            bonds: None,
            bounds: None,
        }
    }

    /// An access token's grant: of a user, within a publisher.
    fn of_user(standing: Standing, enabled: bool) -> Grant {
        let bonds = Bonds {
            user: Some(Owner {
                id: UserId::generate(Timestamp::EPOCH, [2; 10]),
                email: "ada@example.com".into(),
                enabled,
            }),
            publisher: Some(Tenancy {
                id: PublisherId::generate(Timestamp::EPOCH, [3; 10]),
                standing,
                role: None,
            }),
            ..Bonds::default()
        };
        Grant {
            kind: CredentialKind::User,
            principal: PrincipalKind::User,
            bonds: Some(Box::new(bonds)),
            ..grant()
        }
    }

    fn code(grant: &Grant, epochs: Epochs, wanted: &Requirements, now: i64) -> &'static str {
        code_of(&decide(grant, None, epochs, wanted, Facts::at(Timestamp::from_micros(now))))
    }

    #[test]
    fn the_first_reason_in_the_documented_order_is_told() {
        let wanted = Requirements::scope("catalog:read".parse().unwrap());
        let raised = Epochs { service: 2, ..Epochs::default() };
        let now_or_then = Epochs { service: 1, ..Epochs::default() };
        let mut grant = grant();
        assert_eq!(code(&grant, now_or_then, &Requirements::none(), 1), "valid");
        assert_eq!(code(&grant, now_or_then, &wanted, 1), "insufficient_scope");
        grant.is_active = false;
        assert_eq!(code(&grant, now_or_then, &wanted, 1), "inactive");
        assert_eq!(code(&grant, now_or_then, &wanted, 100), "expired");
        assert_eq!(code(&grant, raised, &wanted, 100), "revoked");
        grant.revoked = true;
        assert_eq!(code(&grant, now_or_then, &wanted, 100), "revoked");
    }

    #[test]
    fn what_befell_the_user_is_told_before_the_publisher_and_that_before_the_scopes() {
        let wanted = Requirements::scope("catalog:read".parse().unwrap());
        let code = |grant: &Grant, epochs| code(grant, epochs, &wanted, 1);
        let none = Epochs::default();
        assert_eq!(code(&of_user(Standing::Good, true), none), "insufficient_scope");
        assert_eq!(code(&of_user(Standing::Foreign, true), none), "wrong_publisher");
        assert_eq!(code(&of_user(Standing::Suspended, true), none), "publisher_suspended");
        assert_eq!(code(&of_user(Standing::Suspended, false), none), "principal_disabled");
        let mut grant = of_user(Standing::Suspended, false);
        assert_eq!(code(&grant, Epochs { session: 2, ..none }), "revoked");
        assert_eq!(code(&grant, Epochs { service: 2, ..none }), "principal_disabled", "of another kind");
        grant.bonds.as_mut().unwrap().floor = 2;
        assert_eq!(code(&grant, none), "revoked");
        grant.kind = CredentialKind::External;
        assert_eq!(code(&grant, none), "principal_disabled", "an external token is made elsewhere");
        grant.bonds.as_mut().unwrap().refused = true;
        assert_eq!(code(&grant, none), "revoked");
    }

    #[test]
    fn every_allowlist_must_let_the_address_in() {
        let list = |text: &str| Allowlist::new([text.parse().unwrap()]).unwrap();
        let bounds =
            Bounds { allowlists: Box::new([list("10.0.0.0/8"), list("10.1.0.0/16")]), ..Bounds::default() };
        let mut grant =
            Grant { bounds: Some(Box::new(bounds)), expires_at: None, ..of_user(Standing::Foreign, true) };
        let code = |grant: &Grant, address: &str| {
            let facts = Facts { address: address.parse().ok(), ..Facts::at(Timestamp::from_micros(1)) };
            code_of(&decide(grant, None, Epochs::default(), &Requirements::none(), facts))
        };
        assert_eq!(code(&grant, "10.1.0.1"), "wrong_publisher");
        assert_eq!(code(&grant, "::ffff:10.1.0.1"), "wrong_publisher");
        for refused in ["10.2.0.1", "192.0.2.1", "::1", "unknown", ""] {
            assert_eq!(code(&grant, refused), "ip_not_allowed", "before the publisher: {refused}");
        }
        grant.bonds.as_mut().unwrap().publisher.as_mut().unwrap().standing = Standing::Suspended;
        assert_eq!(code(&grant, "192.0.2.1"), "publisher_suspended", "before the address");
    }

    #[test]
    fn a_token_of_an_account_ends_with_it() {
        let account = Account {
            id: ServiceAccountId::generate(Timestamp::EPOCH, [4; 10]),
            name: "songtrust-api".into(),
            publisher: None,
            enabled: true,
        };
        let mut grant = grant();
        grant.bonds = Some(Box::new(Bonds { account: Some(account), ..Bonds::default() }));
        let code = |grant: &Grant| code(grant, Epochs::default(), &Requirements::none(), 1);
        assert_eq!(code(&grant), "valid");
        grant.bonds.as_mut().unwrap().account.as_mut().unwrap().enabled = false;
        assert_eq!(code(&grant), "principal_disabled");
        grant.bonds.as_mut().unwrap().floor = 2;
        assert_eq!(code(&grant), "revoked");
        assert_eq!(grant.principal_id(), grant.account().unwrap().id.0);
        assert_eq!(grant.principal_ref().name, "songtrust-api");
    }

    #[test]
    fn a_token_never_carries_more_than_it_claims_nor_than_its_owner_may() {
        let grant = Grant { expires_at: None, ..of_user(Standing::Good, true) };
        let claims = |texts: &[&str]| Claimed {
            expires_at: Some(Timestamp::from_micros(50)),
            scopes: Some(ScopeSet::parse(texts).unwrap()),
        };
        let code = |claimed: &Claimed, scope: &str, now| {
            let wanted = Requirements::scope(scope.parse().unwrap());
            let now = Timestamp::from_micros(now).plus_seconds(crate::grant::LEEWAY_SECONDS);
            code_of(&decide(&grant, Some(claimed), Epochs::default(), &wanted, Facts::at(now)))
        };
        assert_eq!(code(&claims(&["works:read"]), "works:read", 49), "valid");
        assert_eq!(code(&claims(&["works:read"]), "works:write", 49), "insufficient_scope");
        assert_eq!(code(&claims(&["*"]), "works:write", 49), "valid");
        assert_eq!(code(&claims(&["*"]), "catalog:read", 49), "insufficient_scope");
        assert_eq!(code(&claims(&["*"]), "works:write", 50), "expired");
    }

    #[test]
    fn grace_ends_a_superseded_credential() {
        let mut grant = grant();
        grant.superseded = true;
        grant.grace_expires_at = Some(Timestamp::from_micros(50));
        let epochs = Epochs { service: 1, ..Epochs::default() };
        assert_eq!(grant.status(epochs, Timestamp::from_micros(49)), Status::Superseded);
        assert_eq!(code(&grant, epochs, &Requirements::none(), 49), "valid");
        assert_eq!(code(&grant, epochs, &Requirements::none(), 50), "expired");
    }

    #[test]
    fn one_of_the_alternatives_is_enough() {
        let any = |texts: &[&str]| Requirements {
            required_scopes: ScopeSet::default(),
            any_scopes: ScopeSet::parse(texts).unwrap(),
        };
        let grant = grant();
        assert_eq!(code(&grant, Epochs::default(), &any(&["x:y", "works:read"]), 1), "valid");
        assert_eq!(code(&grant, Epochs::default(), &any(&["x:y", "x:z"]), 1), "insufficient_scope");
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        let end = proptest::option::of(0i64..20);
        (any::<bool>(), any::<bool>(), any::<bool>(), end.clone(), end, 0u64..3).prop_map(
            |(active, revoked, superseded, expires, grace, epoch)| Grant {
                is_active: active,
                revoked,
                superseded,
                expires_at: expires.map(Timestamp::from_micros),
                grace_expires_at: grace.filter(|_| superseded).map(Timestamp::from_micros),
                epoch,
                ..grant()
            },
        )
    }

    proptest! {
        #[test]
        fn time_only_takes_away(grant in any_grant(), now in 0i64..20, later in 0i64..20, epoch in 0u64..3) {
            let epochs = Epochs { service: epoch, ..Epochs::default() };
            let usable = |at| code(&grant, epochs, &Requirements::none(), at) == "valid";
            prop_assert!(usable(now) || !usable(now + later));
        }

        #[test]
        fn a_raised_epoch_spares_nobody(grant in any_grant(), now in 0i64..20) {
            let raised = Epochs { service: grant.epoch + 1, ..Epochs::default() };
            prop_assert_eq!(code(&grant, raised, &Requirements::none(), now), "revoked");
        }

        #[test]
        fn more_wanted_is_never_easier(grant in any_grant(), now in 0i64..20, scope in "(works|x):[ab]") {
            let wanted = Requirements::scope(scope.parse().unwrap());
            let bare = code(&grant, Epochs::default(), &Requirements::none(), now);
            let asked = code(&grant, Epochs::default(), &wanted, now);
            prop_assert!(asked != "valid" || bare == "valid");
        }
    }
}
