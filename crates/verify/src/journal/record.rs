//! One record of the journal: one decision, as an authentication event will tell it.

use std::net::IpAddr;

use keywright_core::{CredentialId, DenialCode, EventId, PrincipalKind, Timestamp};
use uuid::Uuid;

/// What was going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A decision that somebody asked for.
    Verify,
    /// A request that was refused at one of Keywright's own doors.
    Gate,
    /// A login of a user, carried out or refused.
    Login,
    /// The use of a refresh token.
    Refresh,
    /// A decision that took nothing and was for a look: an accepted one is no use of the credential.
    Look,
    /// What another system recorded beside its decisions, and was taken over with them: no use of a credential.
    Imported,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Verify, Self::Gate, Self::Login, Self::Refresh, Self::Look, Self::Imported];

    /// `event_type` in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Gate => "gate",
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Look => "look",
            Self::Imported => "imported",
        }
    }

    /// In the journal's format: it is never given to another kind.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Verify => 0,
            Self::Gate => 1,
            Self::Login => 2,
            Self::Refresh => 3,
            Self::Look => 4,
            Self::Imported => 5,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

macro_rules! record_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// How it ended. The numbers are the journal's format: they are never given to another code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RecordCode { $($(#[$doc])* $name,)* }

        impl RecordCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The text in the store and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub(super) const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            pub(super) const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

record_codes! {
    /// Accepted.
    Valid = 0, "valid";
    /// See [`DenialCode::Malformed`].
    Malformed = 1, "malformed";
    /// See [`DenialCode::NotFound`].
    NotFound = 2, "not_found";
    /// See [`DenialCode::Revoked`].
    Revoked = 3, "revoked";
    /// See [`DenialCode::Expired`].
    Expired = 4, "expired";
    /// See [`DenialCode::Inactive`].
    Inactive = 5, "inactive";
    /// See [`DenialCode::InsufficientScope`].
    InsufficientScope = 6, "insufficient_scope";
    /// The answer could not be known.
    Unavailable = 7, "unavailable";
    /// No credential was presented.
    MissingCredential = 8, "missing_credential";
    /// Two different credentials were presented.
    ConflictingCredentials = 9, "conflicting_credentials";
    /// The credential was good, but the change went beyond what it may grant.
    ScopeExceedsGrantor = 10, "scope_exceeds_grantor";
    /// See [`DenialCode::PrincipalDisabled`].
    PrincipalDisabled = 11, "principal_disabled";
    /// See [`DenialCode::PublisherSuspended`].
    PublisherSuspended = 12, "publisher_suspended";
    /// See [`DenialCode::WrongPublisher`].
    WrongPublisher = 13, "wrong_publisher";
    /// A login whose address and password do not belong together.
    InvalidCredentials = 14, "invalid_credentials";
    /// A login after too many that failed.
    TooManyAttempts = 15, "too_many_attempts";
    /// A refresh token that was used before: its session has ended.
    RefreshReused = 16, "refresh_reused";
    /// A login with the right password, from an address that is not known to be the user's.
    EmailUnverified = 17, "email_unverified";
    /// A login with the right password, from a domain that the publisher does not let in.
    DomainNotAllowed = 18, "domain_not_allowed";
    /// See [`DenialCode::IpNotAllowed`].
    IpNotAllowed = 19, "ip_not_allowed";
    /// See [`DenialCode::RateLimited`].
    RateLimited = 20, "rate_limited";
    /// A proxy that is not trusted asked about somebody else's request.
    UntrustedProxy = 21, "untrusted_proxy";
    /// A request that a proxy forwarded can be understood in more than one way, or in none.
    InvalidOriginalRequest = 22, "invalid_original_request";
}

impl From<DenialCode> for RecordCode {
    fn from(code: DenialCode) -> Self {
        match code {
            DenialCode::Malformed => Self::Malformed,
            DenialCode::NotFound => Self::NotFound,
            DenialCode::Revoked => Self::Revoked,
            DenialCode::Expired => Self::Expired,
            DenialCode::Inactive => Self::Inactive,
            DenialCode::PrincipalDisabled => Self::PrincipalDisabled,
            DenialCode::PublisherSuspended => Self::PublisherSuspended,
            DenialCode::IpNotAllowed => Self::IpNotAllowed,
            DenialCode::WrongPublisher => Self::WrongPublisher,
            DenialCode::RateLimited => Self::RateLimited,
            DenialCode::InsufficientScope => Self::InsufficientScope,
        }
    }
}

/// A record being written: borrowed, so that recording a hit allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// When the decision was made.
    pub occurred_at: Timestamp,
    /// What was going on.
    pub kind: EventKind,
    /// How it ended.
    pub code: RecordCode,
    /// The credential decided on, when it is known.
    pub credential_id: Option<CredentialId>,
    /// Its name at that moment.
    pub token_name: Option<&'a str>,
    /// What its principal is.
    pub principal_kind: Option<PrincipalKind>,
    /// Its principal.
    pub principal_id: Option<Uuid>,
    /// The credential that asked about another.
    pub asked_by: Option<CredentialId>,
    /// The publisher that it was decided for.
    pub publisher_id: Option<Uuid>,
    /// The address that was given at a login, where no user has it.
    pub user_email: Option<&'a str>,
    /// The original client.
    pub ip_address: Option<IpAddr>,
    /// Its user agent.
    pub user_agent: Option<&'a str>,
    /// The original method.
    pub method: Option<&'a str>,
    /// The original endpoint.
    pub endpoint: Option<&'a str>,
    /// Cloudflare's id of the original request.
    pub cloudflare_ray_id: Option<&'a str>,
    /// Keywright's id of this request.
    pub request_id: &'a str,
    /// From the request's arrival to the decision, in microseconds.
    pub latency_micros: u32,
    /// Decided in the stale grace.
    pub stale: bool,
    /// More about a failure: a JSON object.
    pub error_details: Option<&'a str>,
    /// How many decisions it stands for: 1, but for those that were only counted in a flood.
    pub occurrences: u32,
}

impl<'a> RecordRef<'a> {
    /// A record that says no more than this: one decision, about nobody who is known.
    pub const fn bare(
        occurred_at: Timestamp,
        kind: EventKind,
        code: RecordCode,
        request_id: &'a str,
    ) -> Self {
        Self {
            occurred_at,
            kind,
            code,
            credential_id: None,
            token_name: None,
            principal_kind: None,
            principal_id: None,
            asked_by: None,
            publisher_id: None,
            user_email: None,
            ip_address: None,
            user_agent: None,
            method: None,
            endpoint: None,
            cloudflare_ray_id: None,
            request_id,
            latency_micros: 0,
            stale: false,
            error_details: None,
            occurrences: 1,
        }
    }
}

/// A record read back: an authentication event to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Derived from the segment and the place in it: read twice, it is the same.
    pub id: EventId,
    /// See [`RecordRef`] for this and the following.
    pub occurred_at: Timestamp,
    /// What was going on.
    pub kind: EventKind,
    /// How it ended.
    pub code: RecordCode,
    /// The credential decided on.
    pub credential_id: Option<CredentialId>,
    /// Its name.
    pub token_name: Option<Box<str>>,
    /// What its principal is.
    pub principal_kind: Option<PrincipalKind>,
    /// Its principal.
    pub principal_id: Option<Uuid>,
    /// The credential that asked.
    pub asked_by: Option<CredentialId>,
    /// The publisher that it was decided for.
    pub publisher_id: Option<Uuid>,
    /// The address that was given at a login, where no user has it.
    pub user_email: Option<Box<str>>,
    /// The original client.
    pub ip_address: Option<IpAddr>,
    /// Its user agent.
    pub user_agent: Option<Box<str>>,
    /// The original method.
    pub method: Option<Box<str>>,
    /// The original endpoint.
    pub endpoint: Option<Box<str>>,
    /// Cloudflare's id of the request.
    pub cloudflare_ray_id: Option<Box<str>>,
    /// Keywright's id of the request.
    pub request_id: Box<str>,
    /// Microseconds from arrival to decision.
    pub latency_micros: u32,
    /// Decided in the stale grace.
    pub stale: bool,
    /// More about a failure.
    pub error_details: Option<Box<str>>,
    /// How many decisions it stands for.
    pub occurrences: u32,
}

impl DecisionRecord {
    /// As [`RecordRef::bare`].
    pub fn bare(id: EventId, occurred_at: Timestamp, kind: EventKind, code: RecordCode) -> Self {
        Self {
            id,
            occurred_at,
            kind,
            code,
            credential_id: None,
            token_name: None,
            principal_kind: None,
            principal_id: None,
            asked_by: None,
            publisher_id: None,
            user_email: None,
            ip_address: None,
            user_agent: None,
            method: None,
            endpoint: None,
            cloudflare_ray_id: None,
            request_id: Box::from(""),
            latency_micros: 0,
            stale: false,
            error_details: None,
            occurrences: 1,
        }
    }
    /// Whether it was accepted.
    pub fn success(&self) -> bool {
        self.code == RecordCode::Valid
    }

    /// Whether the credential was used: accepted, and not only looked at.
    pub fn is_use(&self) -> bool {
        self.success() && !matches!(self.kind, EventKind::Look | EventKind::Imported)
    }
}
