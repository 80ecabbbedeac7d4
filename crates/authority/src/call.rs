//! Who calls, and what they may do at this moment.

use std::net::IpAddr;

use keywright_core::{
    Actor, ActorRef, Allowlist, Bearing, Budget, CredentialKind, Denial, DenialCode, Epochs, Grant,
    PublisherId, RateLimits, Requirements, Scope, ScopeSet, Timestamp, Window,
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
    /// The versions of the object that the caller saw; a change of another one is refused.
    pub if_version: Option<Box<[u64]>>,
    /// Whether the answer is to wait for the other nodes.
    pub confirm: bool,
}

/// What was asked for is another publisher's: to this call there is nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OfAnother;

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
    /// What bounds it, where it is a personal token or of an account: what it makes may not reach further.
    pub bounded: Option<Box<Bounded>>,
}

/// The bounds of a caller, for what it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounded {
    /// The end of its own life, or of its grace, if a rotation has replaced it.
    pub expires_at: Option<Timestamp>,
    /// The tightest of its limits.
    pub limits: RateLimits,
    /// All of its allowlists.
    pub allowlists: Vec<Allowlist>,
}

impl Bounded {
    /// The bounds of a grant that is made by a personal token or by a token of an account; by what was made from
    /// one, its own end too.
    pub(crate) fn of(grant: &Grant, bearing: &Bearing) -> Option<Box<Self>> {
        if grant.account().is_none() && grant.kind != CredentialKind::Personal {
            return None;
        }
        let claimed = bearing.claimed.as_ref().and_then(|claimed| claimed.expires_at);
        let ends = [grant.expires_at, grant.grace_expires_at, claimed];
        let mut own = Self { expires_at: ends.into_iter().flatten().min(), ..Self::default() };
        if let Some(bounds) = &grant.bounds {
            own.allowlists = bounds.allowlists.to_vec();
            // Its publisher's limits are everybody's there.
            let publisher = grant.publisher().map(|id| id.0);
            let tightest = |window| {
                let counts = |budget: &&Budget| budget.window == window && Some(budget.key) != publisher;
                let of_window = bounds.budgets.iter().filter(counts);
                of_window.map(|budget| budget.limit).min()
            };
            own.limits =
                RateLimits { per_minute: tightest(Window::Minute), per_hour: tightest(Window::Hour) };
        }
        Some(Box::new(own))
    }
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

    /// [`Call::within`], narrowed to the publisher that was `asked` for. None: all.
    pub(crate) fn narrowed_to(&self, asked: Option<PublisherId>) -> Result<Option<PublisherId>, OfAnother> {
        match (self.within(), asked) {
            (Some(own), Some(asked)) if own != asked => Err(OfAnother),
            (own, asked) => Ok(own.or(asked)),
        }
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

    /// Refuses to change an object that is at none of the versions that the caller saw.
    ///
    /// # Errors
    /// [`Fault::PreconditionFailed`].
    pub(crate) fn expects(&self, version: u64) -> Result<(), Fault> {
        if self.if_version.as_ref().is_some_and(|expected| !expected.contains(&version)) {
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

    /// Nobody gives a longer life, wider limits or a wider allowlist than they have themselves.
    ///
    /// # Errors
    /// [`Fault::ScopeExceedsGrantor`] naming what goes too far.
    pub fn may_bound(
        &self,
        expires_at: Option<Timestamp>,
        limits: RateLimits,
        allowlist: &Allowlist,
    ) -> Result<(), Fault> {
        self.may_last_until(expires_at)?;
        self.may_reach(limits, &[allowlist])
    }

    /// Nobody gives a longer life than they have themselves.
    ///
    /// # Errors
    /// [`Fault::ScopeExceedsGrantor`].
    pub fn may_last_until(&self, expires_at: Option<Timestamp>) -> Result<(), Fault> {
        let own = self.bounded.as_ref().and_then(|own| own.expires_at);
        if own.is_some_and(|end| expires_at.is_none_or(|asked| asked > end)) {
            return Err(too_far("your own life ends before that"));
        }
        Ok(())
    }

    /// The end of a life that nobody named: no later than the actor's own.
    pub(crate) fn own_end_or(&self, end: Option<Timestamp>) -> Option<Timestamp> {
        let own = self.bounded.as_ref().and_then(|own| own.expires_at);
        own.into_iter().chain(end).min()
    }

    /// Nobody gives wider limits than they have themselves, nor networks that are not within their own. An
    /// address must be in all of `allowlists`, so that one of them within each of the actor's is enough.
    ///
    /// # Errors
    /// [`Fault::ScopeExceedsGrantor`] naming what goes too far.
    pub fn may_reach(&self, limits: RateLimits, allowlists: &[&Allowlist]) -> Result<(), Fault> {
        let Some(own) = &self.bounded else { return Ok(()) };
        if !limits.are_within(&own.limits) {
            return Err(too_far("your own limits are tighter"));
        }
        if !own.allowlists.iter().all(|list| allowlists.iter().any(|asked| asked.is_within(list))) {
            return Err(too_far("your own allowlist is narrower"));
        }
        Ok(())
    }

    /// Whether the actor holds a permission.
    pub fn holds(&self, permission: &str) -> bool {
        parse(permission).is_ok_and(|scope| self.permissions.covers(&scope))
    }
}

fn too_far(detail: &str) -> Fault {
    Fault::ScopeExceedsGrantor { missing: ScopeSet::default(), detail: detail.to_owned() }
}

/// A permission, wherever the actor belongs.
pub(crate) fn needs(permission: &str) -> Result<Needs, Fault> {
    parse(permission).map(|scope| Needs { requirements: Requirements::scope(scope), of_platform: false })
}

fn parse(permission: &str) -> Result<Scope, Fault> {
    permission.parse().map_err(|error| Fault::Internal(format!("permission {permission}: {error}")))
}
