//! Who a credential speaks for, and who makes a change.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::grant::Claimed;
use crate::id::{CredentialId, PublisherId};
use crate::key::Wanted;

/// Declares an enum with the text that each of its values has in the store and on the wire.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The text in the store and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }

            /// Reads [`Self::as_str`] back.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$value),)+ _ => None }
            }
        }
    )+};
}

pub(crate) use texts;

texts! {
    /// The kinds of credential (mission.md, Vocabulary): `token_type` on the wire.
    CredentialKind {
        /// `sk_…`
        Service = "service",
        /// `pat_…`
        Personal = "personal",
        /// An access token (JWT) of a session.
        User = "user",
        /// A JWT of another issuer.
        External = "external",
    }

    /// The kinds of principal: `principal.type` on the wire.
    PrincipalKind {
        /// A service token that stands alone is its own principal.
        ServiceToken = "service_token",
        /// The identity of an external system.
        ServiceAccount = "service_account",
        /// A person.
        User = "user",
        /// Who another issuer vouches for, under a name that a rule gives.
        External = "external",
    }

    /// What kind of system a service account stands for.
    ServiceType {
        /// A platform that works for many, such as a distributor.
        Platform = "platform",
        /// A partner.
        Partner = "partner",
        /// A system of one's own.
        Internal = "internal",
        /// A pipeline.
        CiCd = "ci_cd",
        /// What counts and reports.
        Analytics = "analytics",
        /// The back end of an app.
        Mobile = "mobile",
    }

    /// The kinds of actor that a record can name.
    ActorKind {
        /// A stand-alone service token.
        ServiceToken = "service_token",
        /// A service account.
        ServiceAccount = "service_account",
        /// A person.
        User = "user",
        /// Who another issuer vouches for.
        External = "external",
        /// The local operator.
        Operator = "operator",
        /// Keywright itself: a job.
        System = "system",
    }
}

impl From<PrincipalKind> for ActorKind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::ServiceToken => Self::ServiceToken,
            PrincipalKind::ServiceAccount => Self::ServiceAccount,
            PrincipalKind::User => Self::User,
            PrincipalKind::External => Self::External,
        }
    }
}

/// A verified credential that makes a change. What it may do is read again inside the change's own
/// transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearing {
    /// By what its grant is read again.
    pub wanted: Wanted,
    /// The credential.
    pub credential_id: CredentialId,
    /// Its name when it was verified.
    pub credential_name: String,
    /// The principal behind it: for records.
    pub principal: ActorRef,
    /// The publisher that it belongs to, and beyond which it reaches nothing; none at platform level.
    pub home: Option<PublisherId>,
    /// What the presented token says of itself, where it says something: it may narrow, never widen.
    pub claimed: Option<Claimed>,
    /// From where it is used, where that is known.
    pub address: Option<IpAddr>,
}

impl Bearing {
    /// The credential's own name, as records keep it ([`Grant::own_name`](crate::Grant::own_name)).
    pub fn own_name(&self) -> Option<&str> {
        let is_token = matches!(self.wanted, Wanted::Token { .. } | Wanted::Personal { .. });
        (is_token || self.principal.kind != ActorKind::User).then_some(&*self.credential_name)
    }

    /// What nobody may change while this one makes a change: the credential, its principal, and the publisher
    /// that it acts for.
    pub fn holds(&self) -> Vec<Uuid> {
        let publisher = self.wanted.publisher().map(|id| id.0);
        [Some(self.credential_id.0), self.principal.id, publisher].into_iter().flatten().collect()
    }
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever bears a credential.
    Bearer(Box<Bearing>),
    /// The local operator: whoever may open the store or the operator's socket may do everything.
    Operator,
}

impl Actor {
    /// The form in which events and records name the actor.
    pub fn to_ref(&self) -> ActorRef {
        match self {
            Self::Bearer(bearing) => bearing.principal.clone(),
            Self::Operator => ActorRef::operator(),
        }
    }

    /// The credential behind the actor.
    pub fn credential_id(&self) -> Option<CredentialId> {
        self.bearing().map(|bearing| bearing.credential_id)
    }

    /// The publisher that the actor belongs to; none at platform level.
    pub fn home(&self) -> Option<PublisherId> {
        self.bearing()?.home
    }

    /// What the actor bears.
    pub fn bearing(&self) -> Option<&Bearing> {
        match self {
            Self::Bearer(bearing) => Some(bearing),
            Self::Operator => None,
        }
    }
}

/// An actor as records keep it: it stays readable when the actor is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorRef {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ActorKind,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name at that moment; empty of a user.
    pub name: String,
}

impl ActorRef {
    /// The local operator.
    pub fn operator() -> Self {
        Self { kind: ActorKind::Operator, id: None, name: "local operator".to_owned() }
    }

    /// A job of Keywright itself.
    pub fn system(job: &str) -> Self {
        Self { kind: ActorKind::System, id: None, name: job.to_owned() }
    }
}
