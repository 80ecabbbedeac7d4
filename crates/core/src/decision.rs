//! [`decide`]: the pure heart of every verification, every gate and every management call.

use serde::{Deserialize, Serialize};

use crate::grant::{Epochs, Grant};
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
    /// Does not carry what was asked for.
    InsufficientScope,
}

impl DenialCode {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::NotFound,
        Self::Revoked,
        Self::Expired,
        Self::Inactive,
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

/// Decides on a known credential. A pure function of the snapshot, the epochs in force, what was
/// asked for and the time: never a cached verdict.
///
/// # Errors
/// The [`Denial`] with the first code that applies.
pub fn decide(grant: &Grant, epochs: Epochs, wanted: &Requirements, now: Timestamp) -> Decision {
    match grant.status(epochs, now) {
        Status::Active | Status::Superseded => {}
        Status::Revoked => return Err(DenialCode::Revoked.into()),
        Status::Expired => return Err(DenialCode::Expired.into()),
        Status::Inactive => return Err(DenialCode::Inactive.into()),
    }
    let mut missing = grant.scopes.missing(&wanted.required_scopes);
    let one_of = &wanted.any_scopes;
    if !one_of.is_empty() && !one_of.iter().any(|scope| grant.scopes.covers(scope)) {
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
    use crate::id::CredentialId;
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
            revoked_at: None,
            superseded_by: None,
            grace_expires_at: None,
            epoch: 1,
        }
    }

    fn code(grant: &Grant, epochs: Epochs, wanted: &Requirements, now: i64) -> &'static str {
        code_of(&decide(grant, epochs, wanted, Timestamp::from_micros(now)))
    }

    #[test]
    fn the_first_reason_in_the_documented_order_is_told() {
        let wanted = Requirements::scope("catalog:read".parse().unwrap());
        let raised = Epochs { service: 2 };
        let now_or_then = Epochs { service: 1 };
        let mut grant = grant();
        assert_eq!(code(&grant, now_or_then, &Requirements::none(), 1), "valid");
        assert_eq!(code(&grant, now_or_then, &wanted, 1), "insufficient_scope");
        grant.is_active = false;
        assert_eq!(code(&grant, now_or_then, &wanted, 1), "inactive");
        assert_eq!(code(&grant, now_or_then, &wanted, 100), "expired");
        assert_eq!(code(&grant, raised, &wanted, 100), "revoked");
        grant.revoked_at = Some(Timestamp::EPOCH);
        assert_eq!(code(&grant, now_or_then, &wanted, 100), "revoked");
    }

    #[test]
    fn grace_ends_a_superseded_credential() {
        let mut grant = grant();
        grant.superseded_by = Some(grant.credential_id);
        grant.grace_expires_at = Some(Timestamp::from_micros(50));
        let epochs = Epochs { service: 1 };
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
                revoked_at: revoked.then_some(Timestamp::EPOCH),
                superseded_by: superseded.then(|| grant().credential_id),
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
            let epochs = Epochs { service: epoch };
            let usable = |at| decide(&grant, epochs, &Requirements::none(), Timestamp::from_micros(at)).is_ok();
            prop_assert!(usable(now) || !usable(now + later));
        }

        #[test]
        fn a_raised_epoch_spares_nobody(grant in any_grant(), now in 0i64..20) {
            let raised = Epochs { service: grant.epoch + 1 };
            prop_assert_eq!(code(&grant, raised, &Requirements::none(), now), "revoked");
        }

        #[test]
        fn more_wanted_is_never_easier(grant in any_grant(), now in 0i64..20, scope in "(works|x):[ab]") {
            let wanted = Requirements::scope(scope.parse().unwrap());
            let bare = decide(&grant, Epochs::default(), &Requirements::none(), Timestamp::from_micros(now));
            let asked = decide(&grant, Epochs::default(), &wanted, Timestamp::from_micros(now));
            prop_assert!(asked.is_err() || bare.is_ok());
        }
    }
}
