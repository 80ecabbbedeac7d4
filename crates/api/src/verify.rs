//! Decisions on credentials.

use crate::{
    Time,
    actor::Principal,
    literal::{False, True},
    remote_cache::Keepable,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

wire_enum! {
    /// Kind of credential.
    pub enum TokenType {
        /// A service token.
        Service = "service",
        /// A personal access token.
        Personal = "personal",
        /// An access token of a user's session.
        User = "user",
        /// A JWT of another issuer.
        External = "external",
    }
}

wire_enum! {
    /// Why a credential was denied, in the order in which they are looked at.
    pub enum DenialCode {
        /// It has no form that a credential has.
        Malformed = "malformed",
        /// It is not known, or not to the one who asks.
        NotFound = "not_found",
        /// It was revoked.
        Revoked = "revoked",
        /// Its life is over.
        Expired = "expired",
        /// It is switched off.
        Inactive = "inactive",
        /// Its account or user is disabled.
        PrincipalDisabled = "principal_disabled",
        /// Its publisher is suspended.
        PublisherSuspended = "publisher_suspended",
        /// It may not be used from that address.
        IpNotAllowed = "ip_not_allowed",
        /// It is not valid for that publisher.
        WrongPublisher = "wrong_publisher",
        /// It was used too often.
        RateLimited = "rate_limited",
        /// It lacks a permission that was asked for.
        InsufficientScope = "insufficient_scope",
    }
}

wire_enum! {
    /// The code of a valid credential.
    pub enum ValidCode {
        /// It is valid.
        Valid = "valid",
    }
}

wire_enum! {
    /// Window of a rate limit.
    pub enum RateWindow {
        /// Any 60 seconds.
        Minute = "minute",
        /// Any 3,600 seconds.
        Hour = "hour",
    }
}

/// The outcome of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Decision {
    /// The credential is valid.
    Valid(Box<ValidDecision>),
    /// It is not.
    Denied(Box<Denial>),
}

impl Decision {
    /// Whether the credential is valid.
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }

    /// The code: `valid`, or that of the denial.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Valid(_) => "valid",
            Self::Denied(denial) => crate::WireEnum::as_str(denial.code),
        }
    }

    /// The request that it answers.
    pub fn request_id(&self) -> &str {
        match self {
            Self::Valid(decision) => &decision.request_id,
            Self::Denied(denial) => &denial.request_id,
        }
    }
}

/// A valid credential, and what it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValidDecision {
    /// True.
    #[schema(schema_with = True::schema)]
    pub valid: True,
    /// `valid`.
    #[schema(schema_with = ValidCode::schema)]
    pub code: ValidCode,
    /// Its kind.
    pub token_type: TokenType,
    /// Its id.
    pub credential_id: Uuid,
    /// Its name.
    pub name: String,
    /// Who it speaks for.
    pub principal: Principal,
    /// The publisher that was decided for; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// The publishers in which it is valid; empty at platform level.
    pub publishers: Vec<Uuid>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When its life ends; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Time>,
    /// Its tightest limit; null is unlimited.
    #[schema(required = true)]
    pub rate_limit: Option<RateLimit>,
    /// Whether it is about to be replaced.
    pub rotation: RotationState,
    /// What else its kind has to tell, and the metadata of credential and account.
    #[schema(value_type = Object)]
    pub context: Map<String, Value>,
    /// The request that this answers.
    pub request_id: String,
    /// What a cache may keep of it; absent where it was not asked for, or may not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cache: Option<Keepable>,
}

/// A denied credential. Of one that is `malformed` or `not_found` nothing is told but the code; of
/// others what helps their owner to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Denial {
    /// False.
    #[schema(schema_with = False::schema)]
    pub valid: False,
    /// The first reason that applies.
    pub code: DenialCode,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type: Option<TokenType>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credential_id: Option<Uuid>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Who it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal: Option<Principal>,
    /// When its life ends or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub expires_at: Option<Time>,
    /// The limit that is used up, with `rate_limited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rate_limit: Option<RateLimit>,
    /// Whether it was replaced, and until when it worked or works.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<RotationState>,
    /// What it lacks, with `insufficient_scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub missing_scopes: Option<Vec<String>>,
    /// The request that this answers.
    pub request_id: String,
}

impl Denial {
    /// A denial that tells its code only.
    pub fn bare(code: DenialCode, request_id: impl Into<String>) -> Self {
        Self {
            valid: False,
            code,
            token_type: None,
            credential_id: None,
            name: None,
            principal: None,
            expires_at: None,
            rate_limit: None,
            rotation: None,
            missing_scopes: None,
            request_id: request_id.into(),
        }
    }
}

/// Decisions in the order in which they were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchDecisions {
    /// Of each item one.
    pub items: Vec<Decision>,
}

wire_enum! {
    /// What a limit is set for.
    pub enum LimitReach {
        /// The credential, and those that it was rotated from.
        Credential = "credential",
        /// All tokens of its service account together.
        ServiceAccount = "service_account",
        /// All credentials of its publisher together.
        Publisher = "publisher",
    }
}

/// How much may be used still. Asking takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitStates {
    /// The credential.
    pub credential_id: Uuid,
    /// Its tightest limit; null is unlimited.
    #[schema(required = true)]
    pub rate_limit: Option<RateLimit>,
    /// Each limit that applies; all must have something left.
    pub limits: Vec<ReachedLimit>,
    /// Whether all nodes count together; otherwise each counts what it sees itself.
    pub shared: bool,
}

/// How much of the limits of a service account is left, for all of its tokens together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountLimitStates {
    /// The account.
    pub service_account_id: Uuid,
    /// The tightest limit; null is unlimited.
    #[schema(required = true)]
    pub rate_limit: Option<RateLimit>,
    /// Each limit that applies to all of its tokens; a token may have limits of its own beside them.
    pub limits: Vec<ReachedLimit>,
    /// Whether all nodes count together; otherwise each counts what it sees itself.
    pub shared: bool,
}

/// One of the limits that apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReachedLimit {
    /// What it is set for.
    pub of: LimitReach,
    /// Its window.
    pub window: RateWindow,
    /// Units in any window.
    pub limit: u32,
    /// Units left now.
    pub remaining: u32,
    /// Seconds until all units are back.
    pub reset_seconds: u32,
}

/// The state of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimit {
    /// Its window.
    pub window: RateWindow,
    /// Units in any window.
    pub limit: u32,
    /// Units left now.
    pub remaining: u32,
    /// Seconds until all units are back.
    pub reset_seconds: u32,
}

/// Where a credential stands in its rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationState {
    /// Whether another credential replaced it.
    pub superseded: bool,
    /// When it then stops working.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub grace_expires_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::{Decision, Denial, DenialCode};
    use serde_json::{Value, json};

    fn valid() -> Value {
        json!({
            "valid": true, "code": "valid", "token_type": "service",
            "credential_id": "01980000-0000-7000-8000-000000000001", "name": "ci-cd-token",
            "principal": {
                "type": "service_token",
                "id": "01980000-0000-7000-8000-000000000001",
                "name": "ci-cd-token",
            },
            "publisher_id": null, "publishers": [], "scopes": ["catalog:read"],
            "expires_at": null,
            "rate_limit": {"window": "minute", "limit": 60, "remaining": 59, "reset_seconds": 41},
            "rotation": {"superseded": false, "grace_expires_at": null},
            "context": {"metadata": {}}, "request_id": "r-1",
        })
    }

    #[test]
    fn a_valid_decision_has_the_members_of_the_contract() {
        let decision: Decision = serde_json::from_value(valid()).unwrap();
        assert!(decision.is_valid());
        assert_eq!((decision.code(), decision.request_id()), ("valid", "r-1"));
        assert_eq!(serde_json::to_value(&decision).unwrap(), valid());
    }

    #[test]
    fn a_bare_denial_tells_nothing_but_its_code() {
        let denial = Decision::Denied(Denial::bare(DenialCode::NotFound, "r-2").into());
        assert_eq!(
            serde_json::to_value(&denial).unwrap(),
            json!({"valid": false, "code": "not_found", "request_id": "r-2"})
        );
        assert_eq!((denial.code(), denial.request_id()), ("not_found", "r-2"));
    }

    #[test]
    fn what_says_false_is_never_read_as_valid() {
        for (valid_member, code) in
            [(json!(false), "valid"), (json!(true), "revoked"), (json!("true"), "valid"), (json!(1), "valid")]
        {
            let mut json = valid();
            json["valid"] = valid_member;
            json["code"] = code.into();
            assert!(serde_json::from_value::<Decision>(json).is_err());
        }
        let mut json = valid();
        json["valid"] = json!(false);
        json["code"] = "revoked".into();
        assert!(!serde_json::from_value::<Decision>(json).unwrap().is_valid());
    }
}
