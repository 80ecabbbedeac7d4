//! Every code of a problem document, with its status and title.

use crate::{WireEnum, verify::DenialCode};

/// What went wrong with a request as a whole.
///
/// A denied credential keeps the code of its decision, so `not_found` exists twice: as 401 about the
/// caller's credential and as 404 about the thing asked for. Their `type` differs, as does the
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    /// The caller's credential was denied, by a gate or by an endpoint of our own.
    Denied(DenialCode),
    /// One of the other codes.
    Refused(Refusal),
}

/// Defines [`Refusal`] from one table: variant, code, status, title.
macro_rules! refusals {
    ($( $(#[$meta:meta])* $variant:ident $code:literal $status:literal $title:literal; )+) => {
        /// Why a request was not carried out, other than by a denied credential.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $( $(#[$meta])* $variant, )+
        }

        impl WireEnum for Refusal {
            const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }
        }

        impl Refusal {
            const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }
        }
    };
}

refusals! {
    /// The body is not JSON that this API takes.
    InvalidJson "invalid_json" 400 "The body is not valid JSON";
    /// A header or the request line cannot be understood.
    InvalidHeader "invalid_header" 400 "A header is not valid";
    /// What a proxy forwards of the original request cannot be understood in one way only.
    InvalidOriginalRequest "invalid_original_request" 400 "The original request is not valid";
    /// Two headers carry different credentials.
    ConflictingCredentials "conflicting_credentials" 400 "More than one credential";
    /// No credential where one is needed.
    MissingCredential "missing_credential" 401 "A credential is needed";
    /// Address and password do not belong together.
    InvalidCredentials "invalid_credentials" 401 "Address or password is wrong";
    /// A message is not signed by whom it says it is from.
    InvalidSignature "invalid_signature" 401 "The signature is not valid";
    /// A refresh token that was used before.
    RefreshReused "refresh_reused" 401 "The refresh token was used before";
    /// The address is not known to be the user's.
    EmailUnverified "email_unverified" 403 "The address is not verified";
    /// The publisher lets no address of that domain log in.
    DomainNotAllowed "domain_not_allowed" 403 "The domain is not allowed";
    /// The grantor does not have what it wants to grant.
    ScopeExceedsGrantor "scope_exceeds_grantor" 403 "Nobody grants what they lack";
    /// Only a proxy that is trusted may say what somebody else asked for.
    UntrustedProxy "untrusted_proxy" 403 "The proxy is not trusted";
    /// A field that the caller may never set.
    ForbiddenField "forbidden_field" 403 "A field may not be set";
    /// No such thing, or none of the caller's.
    NotFound "not_found" 404 "Not found";
    /// The path exists, the method does not.
    MethodNotAllowed "method_not_allowed" 405 "Method not allowed";
    /// No representation that the caller accepts.
    NotAcceptable "not_acceptable" 406 "No acceptable representation";
    /// The request did not arrive in time.
    RequestTimeout "request_timeout" 408 "The request took too long to arrive";
    /// A live sibling has that name.
    NameTaken "name_taken" 409 "The name is taken";
    /// The account, or the user, has as many live tokens as there may be.
    TooManyTokens "too_many_tokens" 409 "Too many tokens";
    /// The publisher has as many of these as it may have.
    TooManyObjects "too_many_objects" 409 "Too many objects";
    /// Another account has that address, in some spelling.
    EmailTaken "email_taken" 409 "The address is taken";
    /// A link that was used, replaced, or has ended.
    LinkNotUsable "link_not_usable" 400 "The link cannot be used";
    /// They have accepted, or are disabled: there is nothing to accept.
    NotInvited "not_invited" 409 "No invitation is open";
    /// Only a user with a session may ask for this.
    UserRequired "user_required" 403 "Only for users";
    /// The publisher lets nobody use personal tokens.
    PersonalTokensNotAllowed "personal_tokens_not_allowed" 403 "No personal tokens here";
    /// There is no way to send the mail that this needs.
    MailNotConfigured "mail_not_configured" 409 "Mail is not configured";
    /// Something still depends on it.
    InUse "in_use" 409 "Still in use";
    /// Nobody would be left to administer it.
    LastAdministrator "last_administrator" 409 "The last administrator";
    /// The user belongs to the publisher already.
    AlreadyMember "already_member" 409 "Already a member";
    /// A built-in role keeps its name and what it grants.
    BuiltInRole "built_in_role" 409 "A built-in role stays as it is";
    /// It is revoked; nothing about it can change any more.
    AlreadyRevoked "already_revoked" 409 "Already revoked";
    /// Another rotation of the same credential won, or it is already superseded.
    RotationInProgress "rotation_in_progress" 409 "A rotation is in progress";
    /// There is a policy on the same thing.
    PolicyExists "policy_exists" 409 "There is a policy already";
    /// The rotation is past the point at which this can be decided.
    RotationOver "rotation_over" 409 "The rotation is over";
    /// The old token does not work any more.
    NothingToRollBackTo "nothing_to_roll_back_to" 409 "Nothing to roll back to";
    /// A revoked or expired credential cannot be rotated.
    NotRotatable "not_rotatable" 409 "Cannot be rotated";
    /// An alert that is over cannot be acknowledged.
    AlertResolved "alert_resolved" 409 "The alert is resolved";
    /// The key was used with another body.
    IdempotencyMismatch "idempotency_mismatch" 409 "The idempotency key was used for another request";
    /// The first request with this key is still running.
    IdempotencyInProgress "idempotency_in_progress" 409 "The same request is still running";
    /// The authority has its first credential already.
    AlreadyBootstrapped "already_bootstrapped" 409 "Already bootstrapped";
    /// The configuration does not say what this needs.
    NotConfigured "not_configured" 409 "Not configured";
    /// `If-Match` names another state than the present one.
    PreconditionFailed "precondition_failed" 412 "The object has changed";
    /// The body is above the limit.
    PayloadTooLarge "payload_too_large" 413 "The body is too large";
    /// The request target is above the limit.
    UriTooLong "uri_too_long" 414 "The address is too long";
    /// The body is not declared as JSON.
    UnsupportedMediaType "unsupported_media_type" 415 "The body must be JSON";
    /// Fields are missing or have values that cannot be.
    ValidationFailed "validation_failed" 422 "Some fields are not valid";
    /// Fields that do not exist.
    UnknownField "unknown_field" 422 "Some fields do not exist";
    /// Fields or values of the contract that this version does not have yet.
    NotAvailableYet "not_available_yet" 422 "Not available yet";
    /// The call needs to know for which publisher it acts.
    PublisherRequired "publisher_required" 422 "A publisher must be named";
    /// Too many attempts to log in failed.
    TooManyAttempts "too_many_attempts" 429 "Too many attempts";
    /// The credential has as many streams open as it may have.
    TooManyStreams "too_many_streams" 429 "Too many streams";
    /// The header is above the limit.
    HeaderFieldsTooLarge "header_fields_too_large" 431 "The header is too large";
    /// A fault of ours.
    InternalError "internal_error" 500 "Something went wrong here";
    /// The answer cannot be known now.
    Unavailable "unavailable" 503 "Not available at the moment";
    /// The store cannot tell whether the change was made.
    OutcomeUnknown "outcome_unknown" 503 "The outcome is not known";
    /// A decision that cannot be recorded is not answered.
    JournalUnavailable "journal_unavailable" 503 "The journal cannot be written";
}

impl ProblemCode {
    /// All codes.
    pub fn all() -> impl Iterator<Item = Self> {
        let denied = DenialCode::ALL.iter().copied().map(Self::Denied);
        denied.chain(Refusal::ALL.iter().copied().map(Self::Refused))
    }

    /// The code, stable and in `snake_case`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied(code) => code.as_str(),
            Self::Refused(code) => code.as_str(),
        }
    }

    /// The HTTP status. For denials it is what a gate answers (api.md, "As a gate").
    pub const fn status(self) -> u16 {
        match self {
            Self::Refused(code) => code.status(),
            Self::Denied(code) => match code {
                DenialCode::Malformed
                | DenialCode::NotFound
                | DenialCode::Revoked
                | DenialCode::Expired
                | DenialCode::Inactive
                | DenialCode::PrincipalDisabled
                | DenialCode::PublisherSuspended => 401,
                DenialCode::IpNotAllowed | DenialCode::WrongPublisher | DenialCode::InsufficientScope => 403,
                DenialCode::RateLimited => 429,
            },
        }
    }

    /// The title, the same for every occurrence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Refused(code) => code.title(),
            Self::Denied(code) => match code {
                DenialCode::Malformed => "The credential is malformed",
                DenialCode::NotFound => "The credential is not known",
                DenialCode::Revoked => "The credential is revoked",
                DenialCode::Expired => "The credential has expired",
                DenialCode::Inactive => "The credential is switched off",
                DenialCode::PrincipalDisabled => "The credential's owner is disabled",
                DenialCode::PublisherSuspended => "The publisher is suspended",
                DenialCode::IpNotAllowed => "The address is not allowed",
                DenialCode::WrongPublisher => "Not valid for this publisher",
                DenialCode::RateLimited => "Too many requests",
                DenialCode::InsufficientScope => "A permission is missing",
            },
        }
    }

    /// The `type` of the problem (RFC 9457): a name that is the same on every installation.
    pub fn type_uri(self) -> String {
        let family = match self {
            Self::Denied(_) => "denial",
            Self::Refused(_) => "problem",
        };
        format!("urn:keywright:{family}:{}", self.as_str())
    }

    /// The code with this `type`.
    pub fn from_type_uri(uri: &str) -> Option<Self> {
        if let Some(code) = uri.strip_prefix("urn:keywright:denial:") {
            DenialCode::from_word(code).map(Self::Denied)
        } else {
            let code = uri.strip_prefix("urn:keywright:problem:")?;
            Refusal::from_word(code).map(Self::Refused)
        }
    }

    /// The `error` of `WWW-Authenticate: Bearer` (RFC 6750, section 3.1): none without a credential,
    /// and none where the credential is not the trouble.
    pub const fn bearer_error(self) -> Option<&'static str> {
        match self {
            Self::Refused(Refusal::ConflictingCredentials) => Some("invalid_request"),
            Self::Denied(DenialCode::InsufficientScope) => Some("insufficient_scope"),
            Self::Denied(_) if self.status() == 401 => Some("invalid_token"),
            _ => None,
        }
    }
}

impl From<Refusal> for ProblemCode {
    fn from(code: Refusal) -> Self {
        Self::Refused(code)
    }
}

impl From<DenialCode> for ProblemCode {
    fn from(code: DenialCode) -> Self {
        Self::Denied(code)
    }
}

#[cfg(test)]
mod tests {
    use super::{ProblemCode, Refusal};
    use crate::verify::DenialCode;
    use std::collections::HashSet;

    #[test]
    fn codes_are_snake_case_and_unique_but_for_the_two_meanings_of_not_found() {
        let mut seen = HashSet::new();
        let mut twice = Vec::new();
        for code in ProblemCode::all() {
            let word = code.as_str();
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{word}");
            assert!(!word.starts_with('_') && !word.ends_with('_') && !word.contains("__"));
            if !seen.insert(word) {
                twice.push(word);
            }
        }
        assert_eq!(twice, ["not_found"]);
        assert_eq!(ProblemCode::from(DenialCode::NotFound).status(), 401);
        assert_eq!(ProblemCode::from(Refusal::NotFound).status(), 404);
    }

    #[test]
    fn a_type_names_one_code() {
        let types: HashSet<_> = ProblemCode::all().map(ProblemCode::type_uri).collect();
        assert_eq!(types.len(), ProblemCode::all().count());
        for code in ProblemCode::all() {
            assert_eq!(ProblemCode::from_type_uri(&code.type_uri()), Some(code));
        }
        assert_eq!(ProblemCode::from_type_uri("urn:keywright:problem:revoked"), None);
        assert_eq!(ProblemCode::from_type_uri("about:blank"), None);
    }

    #[test]
    fn every_code_is_an_error_with_a_title_of_its_own() {
        let mut titles = HashSet::new();
        for code in ProblemCode::all() {
            assert!((400..=599).contains(&code.status()), "{}", code.as_str());
            assert!(titles.insert(code.title()), "{}", code.title());
        }
    }

    #[test]
    fn a_gate_answers_a_denial_as_the_contract_says() {
        for (code, status, error) in [
            (DenialCode::Malformed, 401, Some("invalid_token")),
            (DenialCode::NotFound, 401, Some("invalid_token")),
            (DenialCode::Revoked, 401, Some("invalid_token")),
            (DenialCode::Expired, 401, Some("invalid_token")),
            (DenialCode::Inactive, 401, Some("invalid_token")),
            (DenialCode::PrincipalDisabled, 401, Some("invalid_token")),
            (DenialCode::PublisherSuspended, 401, Some("invalid_token")),
            (DenialCode::IpNotAllowed, 403, None),
            (DenialCode::WrongPublisher, 403, None),
            (DenialCode::RateLimited, 429, None),
            (DenialCode::InsufficientScope, 403, Some("insufficient_scope")),
        ] {
            let code = ProblemCode::from(code);
            assert_eq!((code.status(), code.bearer_error()), (status, error), "{}", code.as_str());
        }
        assert_eq!(ProblemCode::from(Refusal::MissingCredential).bearer_error(), None);
    }
}
