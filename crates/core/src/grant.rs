//! The grant: an immutable snapshot of all that a decision needs.

use std::borrow::Cow;

use uuid::Uuid;

use crate::allowlist::Allowlist;
use crate::id::{CredentialId, PublisherId, RoleId, ServiceAccountId, UserId};
use crate::key::EXTERNAL;
use crate::limits::{Budget, RateLimits};
use crate::metadata::Metadata;
use crate::principal::{ActorRef, CredentialKind, PrincipalKind};
use crate::scope::ScopeSet;
use crate::status::{Status, StatusFacts};
use crate::time::Timestamp;

/// Revocation epochs of the platform in force, and the version of its signing keys. A credential keeps the
/// epoch of its mint; when the platform's for its kind is higher, the credential is revoked, whatever its
/// own row says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// Of service tokens.
    pub service: u64,
    /// Of sessions, and so of access tokens.
    pub session: u64,
    /// Of personal tokens.
    pub personal: u64,
    /// The number that was given last to any reach, the platform's included: what a credential made now keeps.
    pub counter: u64,
    /// Raised by each change of the signing keys: a node whose key ring is older reads it again.
    pub keys: u64,
}

impl Epochs {
    /// The higher one of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            service: self.service.max(other.service),
            session: self.session.max(other.session),
            personal: self.personal.max(other.personal),
            counter: self.counter.max(other.counter),
            keys: self.keys.max(other.keys),
        }
    }

    /// The epoch in force for a kind of credential. External tokens are not made here and have none: what
    /// an emergency does to them stands in [`Bonds::refused`].
    pub const fn of(self, kind: CredentialKind) -> u64 {
        match kind {
            CredentialKind::Service => self.service,
            CredentialKind::Personal => self.personal,
            CredentialKind::User => self.session,
            CredentialKind::External => 0,
        }
    }
}

/// All that a decision needs to know of one credential, compiled by one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The credential; of an access token its session.
    pub credential_id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// Its name; a stand-alone token's principal bears the same, a user's is the address.
    pub name: Box<str>,
    /// What its principal is.
    pub principal: PrincipalKind,
    /// What it carries: of a user, what the role in force grants; of a personal token and of a service
    /// account's, what lies within the owner's.
    pub scopes: ScopeSet,
    /// Handed to the caller with each valid decision; `None` when empty, as most are.
    pub metadata: Option<Box<Metadata>>,
    /// End of its life; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Switched on.
    pub is_active: bool,
    /// Revoked by itself.
    pub revoked: bool,
    /// Replaced by a rotation.
    pub superseded: bool,
    /// End of its grace, once replaced.
    pub grace_expires_at: Option<Timestamp>,
    /// The platform's epoch at its mint.
    pub epoch: u64,
    /// What ties it to a user and a publisher; `None` of a token of the platform that is asked about for no
    /// publisher.
    pub bonds: Option<Box<Bonds>>,
    /// From where and how often it may be used; `None` of what has neither allowlists nor limits.
    pub bounds: Option<Box<Bounds>>,
}

/// From where and how often a credential may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Each must let the address in: the credential's own, and its account's.
    pub allowlists: Box<[Allowlist]>,
    /// All must have something left: the credential's own, its account's and its publisher's.
    pub budgets: Box<[Budget]>,
    /// The credential's own limits, or the tighter ones of its account, for those who ask.
    pub limits: RateLimits,
}

/// What ties a credential to a user or an account and to publishers, as it was read by the same query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bonds {
    /// The user behind it.
    pub user: Option<Owner>,
    /// The service account behind it.
    pub account: Option<Account>,
    /// Of a personal token: whether it carries all that its owner may.
    pub inherits: bool,
    /// Of a personal token: whether it names the publishers that it is valid in.
    pub confined: bool,
    /// The publisher that is decided for.
    pub publisher: Option<Tenancy>,
    /// The publishers in which it is valid; empty at platform level.
    pub publishers: Box<[PublisherId]>,
    /// The highest of the epochs of user or account, publisher and membership: below it the credential is revoked.
    pub floor: u64,
    /// An emergency refuses external tokens within this reach until they are allowed again.
    pub refused: bool,
}

/// The user behind a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub id: UserId,
    /// The address, as the user writes it.
    pub email: Box<str>,
    /// Neither disabled nor deleted.
    pub enabled: bool,
}

/// The service account behind a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: ServiceAccountId,
    /// Its name.
    pub name: Box<str>,
    /// The publisher that it belongs to, and beyond which it reaches nothing; none at platform level.
    pub publisher: Option<PublisherId>,
    /// Switched on.
    pub enabled: bool,
}

/// A publisher, as far as a decision for it is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// The publisher.
    pub id: PublisherId,
    /// Whether it may be acted for at all.
    pub standing: Standing,
    /// The role there, where it comes from one.
    pub role: Option<RoleHeld>,
}

/// The state of a publisher for one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be acted for.
    Good,
    /// It is suspended.
    Suspended,
    /// There is none, or the credential has no part in it.
    Foreign,
}

/// A role that a user holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleHeld {
    /// The role; none of the platform's own.
    pub id: Option<RoleId>,
    /// Its name.
    pub name: Box<str>,
}

/// What a presented token says of itself, beside what the store knows: it may narrow, never widen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The end of this very token, where it has one of its own.
    pub expires_at: Option<Timestamp>,
    /// What it was made for, where it says so.
    pub scopes: Option<ScopeSet>,
}

/// How far the clock of whoever made a token may be off, in seconds (RFC 7519 §4.1.4).
pub const LEEWAY_SECONDS: i64 = 30;

impl Claimed {
    /// The end of the token, the leeway included.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.expires_at.map(|end| end.plus_seconds(LEEWAY_SECONDS))
    }
}

impl Grant {
    /// The credential's status at `now` under `epochs`.
    pub fn status(&self, epochs: Epochs, now: Timestamp) -> Status {
        let (floor, refused) = self.bonds.as_ref().map_or((0, false), |bonds| (bonds.floor, bonds.refused));
        let external = self.kind == CredentialKind::External;
        StatusFacts {
            revoked: self.revoked
                || (external && refused)
                || (!external && self.epoch < epochs.of(self.kind).max(floor)),
            is_active: self.is_active,
            expires_at: self.expires_at,
            superseded: self.superseded,
            grace_expires_at: self.grace_expires_at,
        }
        .at(now)
    }

    /// What it carries at this moment: what the store knows, narrowed to what the token itself claims.
    pub fn effective(&self, claimed: Option<&Claimed>) -> Cow<'_, ScopeSet> {
        match claimed.and_then(|claimed| claimed.scopes.as_ref()) {
            Some(claimed) if *claimed != self.scopes => Cow::Owned(self.scopes.intersection(claimed)),
            _ => Cow::Borrowed(&self.scopes),
        }
    }

    /// The principal's id.
    pub fn principal_id(&self) -> Uuid {
        let account = self.account().map(|account| account.id.0);
        self.user().map(|user| user.id.0).or(account).unwrap_or(self.credential_id.0)
    }

    /// The principal, as records keep it. A user is kept by id alone: records outlive the personal data of
    /// whoever is deleted.
    pub fn principal_ref(&self) -> ActorRef {
        let name = match (self.user(), self.account()) {
            (Some(_), _) => String::new(),
            (None, Some(account)) => account.name.to_string(),
            (None, None) => self.name.to_string(),
        };
        ActorRef { kind: self.principal.into(), id: Some(self.principal_id()), name }
    }

    /// Its own name, as records keep it. What a user logged in with bears no name but the user's address, which
    /// no record keeps.
    pub fn own_name(&self) -> Option<&str> {
        let is_address =
            matches!(self.kind, CredentialKind::User | CredentialKind::External) && self.user().is_some();
        (!is_address).then_some(&*self.name)
    }

    /// The user behind it.
    pub fn user(&self) -> Option<&Owner> {
        self.bonds.as_ref()?.user.as_ref()
    }

    /// The service account behind it.
    pub fn account(&self) -> Option<&Account> {
        self.bonds.as_ref()?.account.as_ref()
    }

    /// The publisher that it belongs to, and beyond which it reaches nothing; none at platform level. Of an
    /// access token that tells the token itself.
    pub fn home(&self) -> Option<PublisherId> {
        match self.kind {
            CredentialKind::Service => self.account()?.publisher,
            // Who acts by a role of the platform belongs to none.
            CredentialKind::Personal => {
                let tenancy = self.tenancy()?;
                let of_platform = tenancy.role.as_ref().is_some_and(|role| role.id.is_none());
                let bonds = self.bonds.as_ref()?;
                (!of_platform || bonds.confined).then_some(tenancy.id)
            }
            CredentialKind::User | CredentialKind::External => None,
        }
    }

    /// The publisher that is decided for.
    pub fn tenancy(&self) -> Option<&Tenancy> {
        self.bonds.as_ref()?.publisher.as_ref()
    }

    /// The publisher that is decided for.
    pub fn publisher(&self) -> Option<PublisherId> {
        self.tenancy().map(|tenancy| tenancy.id)
    }

    /// The ids of everything else that a decision about it depends on: a change of any of them reaches it.
    pub fn depends_on(&self) -> impl Iterator<Item = Uuid> + '_ {
        let of_bonds = self.bonds.iter().flat_map(|bonds| {
            let tenancy = bonds.publisher.as_ref();
            let role = tenancy.and_then(|tenancy| tenancy.role.as_ref()?.id);
            [
                bonds.user.as_ref().map(|user| user.id.0),
                bonds.account.as_ref().map(|account| account.id.0),
                tenancy.map(|tenancy| tenancy.id.0),
                role.map(|id| id.0),
            ]
            .into_iter()
            .flatten()
        });
        of_bonds.chain((self.kind == CredentialKind::External).then_some(EXTERNAL))
    }
}
