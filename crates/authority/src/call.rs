//! Who calls, and what they may do at this moment.

use std::net::IpAddr;

use keywright_core::{
    Actor, ActorRef, Denial, DenialCode, Epochs, PublisherId, Requirements, Scope, ScopeSet,
};

use crate::fault::Fault;
use crate::idempotency::Idempotency;

/// One call of a use case: who, from where, and under which request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub actor: Actor,
    /// What the credential carried when the door let it in. Enough to read; whatever changes
    /// something is authorized again inside its own transaction.
    pub permissions: ScopeSet,
    /// The publisher that it acts for: its own, or the one that a caller of the platform named.
    pub publisher: Option<PublisherId>,
    /// The request's id.
    pub request_id: String,
    /// The client's address.
    pub ip_address: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<String>,
    /// For calls that create or rotate.
    pub idempotency: Option<Idempotency>,
    /// The version of the object that the caller saw; a change of another one is refused.
    pub if_version: Option<u64>,
    /// Whether the answer is to wait for the other nodes.
    pub confirm: bool,
}

/// The actor as it is inside the transaction of a change, held until that ends.
#[derive(Clone, Debug)]
pub struct Grantor {
    /// For records.
    pub actor: ActorRef,
    /// What it may do, and so grant.
    pub permissions: ScopeSet,
    /// The publisher that it belongs to; none at platform level.
    pub home: Option<PublisherId>,
    /// The epochs in force.
    pub epochs: Epochs,
}

/// What a change asks of its actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) requirements: Requirements,
    /// Rights within a publisher are not enough.
    pub(crate) of_platform: bool,
}

impl Needs {
    /// Nothing but a usable credential.
    pub(crate) fn nothing() -> Self {
        Self { requirements: Requirements::none(), of_platform: false }
    }

    /// Who belongs to a publisher has no rights over what is the platform's, whatever they carry.
    pub(crate) fn at_platform_level(self) -> Self {
        Self { of_platform: true, ..self }
    }

    /// Refuses whoever belongs to a publisher where that is not enough.
    pub(crate) fn accept(&self, home: Option<PublisherId>) -> Result<(), Fault> {
        if self.of_platform && home.is_some() {
            let missing_scopes = self.requirements.required_scopes.iter().cloned().collect();
            return Err(Fault::Denied(Denial { code: DenialCode::InsufficientScope, missing_scopes }));
        }
        Ok(())
    }
}

impl Call {
    /// A call of the local operator.
    pub fn operator(request_id: impl Into<String>) -> Self {
        Self {
            actor: Actor::Operator,
            permissions: ScopeSet::all(),
            publisher: None,
            request_id: request_id.into(),
            ip_address: None,
            user_agent: None,
            idempotency: None,
            if_version: None,
            confirm: true,
        }
    }

    /// The publisher that the caller belongs to, and beyond which it sees nothing; none at platform level.
    pub fn home(&self) -> Option<PublisherId> {
        self.actor.home()
    }

    /// The publisher beyond which there is nothing for this call: the caller's own, or the one that a caller
    /// of the platform named. None: all.
    pub fn within(&self) -> Option<PublisherId> {
        self.home().or(self.publisher)
    }

    /// The publisher that the call is about.
    ///
    /// # Errors
    /// [`Fault::PublisherRequired`] when a caller of the platform names none.
    pub fn acting_for(&self) -> Result<PublisherId, Fault> {
        self.publisher.ok_or(Fault::PublisherRequired)
    }

    /// As [`Call::require`], for what is the platform's: rights within a publisher are not enough.
    ///
    /// # Errors
    /// [`Fault::Denied`].
    pub fn require_of_platform(&self, permission: &str) -> Result<(), Fault> {
        self.require(permission)?;
        needs(permission)?.at_platform_level().accept(self.home())
    }

    /// For calls that only read: what the door saw a moment ago decides.
    ///
    /// # Errors
    /// [`Fault::Denied`] without `permission`.
    pub fn require(&self, permission: &str) -> Result<(), Fault> {
        let wanted = parse(permission)?;
        if self.permissions.covers(&wanted) {
            return Ok(());
        }
        Err(Fault::Denied(Denial { code: DenialCode::InsufficientScope, missing_scopes: vec![wanted] }))
    }

    /// Refuses to change an object that is not at the version that the caller saw.
    ///
    /// # Errors
    /// [`Fault::PreconditionFailed`].
    pub(crate) fn expects(&self, version: u64) -> Result<(), Fault> {
        if self.if_version.is_some_and(|expected| expected != version) {
            return Err(Fault::PreconditionFailed);
        }
        Ok(())
    }
}

impl Grantor {
    /// Nobody grants what they lack.
    ///
    /// # Errors
    /// [`Fault::ScopeExceedsGrantor`] naming what is lacking.
    pub fn may_grant(&self, wanted: &ScopeSet) -> Result<(), Fault> {
        let missing: Vec<Scope> = self.permissions.missing(wanted).into_iter().cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(Scope::as_str).collect();
        Err(Fault::ScopeExceedsGrantor {
            detail: format!("your own permissions do not cover {}", names.join(", ")),
            missing: ScopeSet::new(missing).unwrap_or_default(),
        })
    }

    /// Whether the actor holds a permission.
    pub fn holds(&self, permission: &str) -> bool {
        parse(permission).is_ok_and(|scope| self.permissions.covers(&scope))
    }
}

/// A permission, wherever the actor belongs.
pub(crate) fn needs(permission: &str) -> Result<Needs, Fault> {
    parse(permission).map(|scope| Needs { requirements: Requirements::scope(scope), of_platform: false })
}

fn parse(permission: &str) -> Result<Scope, Fault> {
    permission.parse().map_err(|error| Fault::Internal(format!("permission {permission}: {error}")))
}
