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
mod tests;
