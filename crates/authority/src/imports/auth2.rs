//! What rows of AUTH-2 are here.

use keywright_core::{CredentialId, EventId, PrincipalKind, Timestamp};
use keywright_store::auth2::{DETAILS_CHARACTERS, SourceEvent, SourceMoment, SourceToken};
use keywright_verify::{DecisionRecord, EventKind, RecordCode};
use serde_json::{Map, Value, json};

use super::candidate::{Candidate, Permissions, fingerprint, hash, metadata, name};
use super::told::{Outcome, Reason, Refusal, Told};

/// The member of metadata that holds permissions.
const PERMISSIONS: &str = "permissions";
/// The member of an event's details that holds what has no column here.
const DETAILS: &str = "auth2";
/// The types of event that are decisions about a credential.
const DECISIONS: [&str; 3] = [TOKEN_DECISION, "jwt_auth", "auth"];
/// The one about a service token.
const TOKEN_DECISION: &str = "service_token_auth";
/// What stands for nobody.
const UNKNOWN: &str = "unknown";

/// The same moment, within the years that we know.
fn moment(moment: SourceMoment) -> Timestamp {
    Timestamp::from_micros(moment.0)
}

/// A token that may be taken over, or why not.
pub(super) fn token(
    source: &SourceToken,
    permissions: &Permissions,
    now: Timestamp,
) -> Result<Candidate, Box<Told>> {
    candidate(source, permissions, now).map_err(|Refusal { reason, detail }| {
        Box::new(Told {
            outcome: Outcome::Refused,
            line: None,
            source_id: Some(source.id),
            name: source.token_name.clone().unwrap_or_default(),
            credential_id: None,
            reason: Some(reason),
            detail: Some(detail),
            notes: Vec::new(),
        })
    })
}

fn candidate(source: &SourceToken, permissions: &Permissions, now: Timestamp) -> Result<Candidate, Refusal> {
    let mut notes = Vec::new();
    let name = name(source.token_name.as_deref().unwrap_or_default(), &mut notes)?;
    let hash = hash(source.token_hash.as_deref().unwrap_or_default())?;
    let mut kept = object(source.metadata.as_deref())?;
    let scopes = match kept.remove(PERMISSIONS) {
        None | Some(Value::Null) => permissions.scopes([], &mut notes)?,
        Some(given) => permissions.scopes(texts(&given)?, &mut notes)?,
    };
    if scopes.is_empty() {
        notes.push("it carries no permission".to_owned());
    }
    let metadata = metadata(kept)?;
    let usage = source.usage_count.unwrap_or(0);
    if usage < 0 {
        notes.push("its usage was counted below zero".to_owned());
    }
    let created_at = source.created_at.map_or(now, moment).min(now);
    Ok(Candidate {
        line: None,
        source_id: source.id,
        name,
        hash,
        permissions: scopes,
        metadata,
        // Who does not say that it is switched on does not let it in either.
        is_active: source.is_active.unwrap_or(false),
        // Infinity is no end, also there.
        expires_at: source.expires_at.filter(|end| *end != SourceMoment::INFINITY).map(moment),
        usage_count: u64::try_from(usage).unwrap_or(0),
        last_used_at: source.last_used.map(|used| moment(used).min(now)),
        created_at,
        account: None,
        notes,
    })
}

fn object(text: Option<&str>) -> Result<Map<String, Value>, Refusal> {
    let Some(text) = text else { return Ok(Map::new()) };
    if text.chars().count() > 2 * keywright_core::metadata::MAX_BYTES {
        return Err(Refusal::new(Reason::Metadata, "the metadata is larger than 8 KiB of JSON"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Refusal::new(Reason::Metadata, "the metadata is no JSON object")),
        Err(_) => Err(Refusal::new(Reason::Metadata, "the metadata cannot be read as JSON")),
    }
}

/// A list of texts, or one text that is a list.
fn texts(given: &Value) -> Result<Vec<&str>, Refusal> {
    let shape = || Refusal::new(Reason::Permission, "the permissions are no list of texts");
    match given {
        Value::Array(items) => items.iter().map(|item| item.as_str().ok_or_else(shape)).collect(),
        Value::String(text) => {
            Ok(text.split([',', ' ']).map(str::trim).filter(|text| !text.is_empty()).collect())
        }
        _ => Err(shape()),
    }
}

/// The name of the token that an event is about: in a column of its own, or where older versions put it.
pub(super) fn token_name(source: &SourceEvent) -> Option<&str> {
    let given = source.service_token_name.as_deref().filter(|name| !name.is_empty());
    let email = source.user_email.as_deref();
    given
        .or_else(|| email.and_then(|email| email.strip_prefix("service_token:")))
        .or_else(|| email.and_then(|email| email.strip_suffix("@service.local")))
        .or_else(|| {
            let plain = |email: &&str| !email.contains('@') && *email != UNKNOWN && !email.is_empty();
            email.filter(plain).filter(|_| source.event_type == TOKEN_DECISION)
        })
}

/// The event as it is here. `credential` is the one of ours that its token has become.
pub(super) fn event(source: &SourceEvent, credential: Option<CredentialId>) -> DecisionRecord {
    let occurred_at = moment(source.created_at);
    let token_name = token_name(source);
    let email = source.user_email.as_deref().filter(|email| email.contains('@'));
    let is_decision = DECISIONS.contains(&source.event_type.as_str());
    let boxed = |text: Option<&str>| text.map(Box::from);
    DecisionRecord {
        id: EventId::generate(occurred_at, fingerprint("auth2 event", source.id.as_bytes())),
        occurred_at,
        kind: if is_decision { EventKind::Verify } else { EventKind::Imported },
        code: code(source),
        credential_id: credential,
        token_name: boxed(token_name),
        principal_kind: credential.map(|_| PrincipalKind::ServiceToken),
        principal_id: credential.map(|id| id.0),
        asked_by: None,
        publisher_id: None,
        user_email: boxed(email.filter(|_| token_name.is_none())),
        ip_address: source.ip_address.as_deref().and_then(|address| address.parse().ok()),
        user_agent: boxed(source.user_agent.as_deref()),
        method: None,
        endpoint: boxed(source.endpoint.as_deref()),
        cloudflare_ray_id: boxed(source.cloudflare_ray_id.as_deref()),
        request_id: format!("auth2-{}", source.id).into(),
        latency_micros: 0,
        stale: false,
        error_details: details(source).map(|details| details.to_string().into()),
        occurrences: 1,
    }
}

/// The code of ours that says the same; what is said there is kept beside it.
fn code(source: &SourceEvent) -> RecordCode {
    if source.success {
        return RecordCode::Valid;
    }
    let details: Value = source
        .error_details
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    match details["error"].as_str().unwrap_or_default() {
        "token_inactive" => RecordCode::Inactive,
        "token_expired" => RecordCode::Expired,
        "token_revoked" => RecordCode::Revoked,
        "validation_exception" => RecordCode::Unavailable,
        "insufficient_permissions" | "permission_denied" => RecordCode::InsufficientScope,
        "rate_limit_exceeded" | "rate_limited" => RecordCode::RateLimited,
        "Missing authentication token" | "missing_token" => RecordCode::MissingCredential,
        // It was not accepted: as what is not known here, and what nobody vouches for.
        _ => RecordCode::NotFound,
    }
}

/// What has no column of its own; none where all of it has.
fn details(source: &SourceEvent) -> Option<Value> {
    let given = source.error_details.as_deref().map(|text| {
        if text.chars().count() > DETAILS_CHARACTERS {
            json!({ "cut": text.chars().take(DETAILS_CHARACTERS / 2).collect::<String>() })
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| json!({ "unreadable": text }))
        }
    });
    let given = given.filter(|given| !given.is_null());
    // A successful use of a token says nothing that the columns do not, but its own name.
    let name_alone = given.as_ref().is_none_or(|given| match given {
        Value::Object(map) => map.keys().all(|key| key == "service_token_name"),
        _ => false,
    });
    if source.success && source.event_type == TOKEN_DECISION && name_alone {
        return None;
    }
    let mut told = Map::new();
    let kind: String = source.event_type.chars().take(100).collect();
    told.insert("event_type".to_owned(), Value::String(kind));
    if let Some(given) = given {
        told.insert("error_details".to_owned(), given);
    }
    Some(json!({ DETAILS: told }))
}

#[cfg(test)]
mod tests {
    use keywright_core::ScopeSet;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn source() -> SourceToken {
        SourceToken {
            id: Uuid::from_u128(7),
            token_name: Some("ci-cd-token".to_owned()),
            token_hash: Some("ab".repeat(32)),
            metadata: Some(r#"{"permissions": ["api_read", "system_status"], "team": "core"}"#.to_owned()),
            expires_at: Some(SourceMoment(1_900_000_000_000_000)),
            is_active: Some(true),
            usage_count: Some(12),
            last_used: Some(SourceMoment(1_700_000_000_000_000)),
            created_at: Some(SourceMoment(1_600_000_000_000_000)),
        }
    }

    fn taken(source: &SourceToken) -> Candidate {
        token(source, &Permissions::default(), NOW).unwrap()
    }

    fn reason(change: impl FnOnce(&mut SourceToken)) -> Reason {
        let mut source = source();
        change(&mut source);
        token(&source, &Permissions::default(), NOW).unwrap_err().reason.unwrap()
    }

    #[test]
    fn a_token_keeps_what_it_was() {
        let taken = taken(&source());
        assert_eq!(taken.name.as_str(), "ci-cd-token");
        assert_eq!(taken.hash.as_bytes(), &[0xab; 32]);
        assert_eq!(taken.permissions, ScopeSet::parse(["api_read", "system_status"]).unwrap());
        assert_eq!(taken.metadata.to_json(), r#"{"team":"core"}"#);
        assert_eq!((taken.usage_count, taken.is_active), (12, true));
        assert_eq!(taken.expires_at, Some(Timestamp::from_micros(1_900_000_000_000_000)));
        assert_eq!(taken.created_at, Timestamp::from_micros(1_600_000_000_000_000));
        assert!(taken.notes.is_empty(), "{:?}", taken.notes);
    }

    #[test]
    fn what_cannot_be_ours_is_refused_with_the_reason() {
        for (expected, found) in [
            (Reason::Name, reason(|token| token.token_name = Some("a".repeat(256)))),
            (Reason::Name, reason(|token| token.token_name = Some("a\u{202e}b".to_owned()))),
            (Reason::Name, reason(|token| token.token_name = None)),
            (Reason::Name, reason(|token| token.token_name = Some(Uuid::from_u128(1).to_string()))),
            (Reason::Hash, reason(|token| token.token_hash = Some("ab".to_owned()))),
            (Reason::Hash, reason(|token| token.token_hash = None)),
            (Reason::Metadata, reason(|token| token.metadata = Some("[1]".to_owned()))),
            (Reason::Metadata, reason(|token| token.metadata = Some("{".to_owned()))),
            (
                Reason::Metadata,
                reason(|token| token.metadata = Some(format!(r#"{{"a":"{}"}}"#, "x".repeat(9_000)))),
            ),
            (
                Reason::Permission,
                reason(|token| token.metadata = Some(r#"{"permissions": {"a": 1}}"#.to_owned())),
            ),
            (Reason::Permission, reason(|token| token.metadata = Some(r#"{"permissions": [1]}"#.to_owned()))),
            (
                Reason::Permission,
                reason(|token| token.metadata = Some(r#"{"permissions": ["Ä"]}"#.to_owned())),
            ),
        ] {
            assert_eq!(expected, found);
        }
    }

    #[test]
    fn odd_rows_are_taken_for_what_they_say() {
        let odd = SourceToken {
            metadata: None,
            expires_at: Some(SourceMoment::INFINITY),
            is_active: None,
            usage_count: Some(-5),
            last_used: Some(SourceMoment(i64::MAX)),
            created_at: Some(SourceMoment(i64::MAX)),
            ..source()
        };
        let taken = taken(&odd);
        assert_eq!((taken.expires_at, taken.is_active, taken.usage_count), (None, false, 0));
        assert_eq!((taken.created_at, taken.last_used_at), (NOW, Some(NOW)));
        assert_eq!(taken.notes.len(), 2, "{:?}", taken.notes);
        let ended = SourceToken { expires_at: Some(SourceMoment(i64::MIN)), ..source() };
        assert_eq!(self::taken(&ended).expires_at, Some(Timestamp::EPOCH));
    }

    fn recorded(event_type: &str, success: bool, details: Option<&str>) -> SourceEvent {
        SourceEvent {
            created_at: SourceMoment(1_700_000_000_000_000),
            id: Uuid::from_u128(9),
            event_type: event_type.to_owned(),
            success,
            user_email: None,
            service_token_name: Some("ci".to_owned()),
            ip_address: Some("203.0.113.7".to_owned()),
            user_agent: Some("curl/8".to_owned()),
            endpoint: Some("/api/v1/works/7".to_owned()),
            cloudflare_ray_id: Some("8f".to_owned()),
            error_details: details.map(str::to_owned),
        }
    }

    #[test]
    fn a_decision_is_one_and_other_records_are_none() {
        let id = CredentialId(Uuid::from_u128(5));
        let used = event(&recorded("service_token_auth", true, None), Some(id));
        assert!(used.is_use() && used.kind == EventKind::Verify && used.error_details.is_none());
        assert_eq!((used.principal_kind, used.principal_id), (Some(PrincipalKind::ServiceToken), Some(id.0)));
        assert_eq!(used.request_id.as_ref(), format!("auth2-{}", Uuid::from_u128(9)));
        let revoked =
            event(&recorded("service_token_revocation", true, Some(r#"{"reason": "x"}"#)), Some(id));
        assert!(!revoked.is_use() && revoked.kind == EventKind::Imported);
        let details: Value = serde_json::from_str(revoked.error_details.as_deref().unwrap()).unwrap();
        assert_eq!(
            details,
            json!({"auth2": {"event_type": "service_token_revocation", "error_details": {"reason": "x"}}})
        );
        for (error, code) in [
            ("token_expired", RecordCode::Expired),
            ("token_inactive", RecordCode::Inactive),
            ("token_not_found", RecordCode::NotFound),
            ("validation_exception", RecordCode::Unavailable),
            ("something else", RecordCode::NotFound),
        ] {
            let details = json!({"error": error}).to_string();
            let denied = event(&recorded("service_token_auth", false, Some(&details)), None);
            assert_eq!((denied.code, denied.success()), (code, false), "{error}");
            assert!(denied.error_details.unwrap().contains(error));
        }
    }

    #[test]
    fn a_name_is_found_wherever_a_version_has_put_it() {
        let of = |name: Option<&str>, email: Option<&str>, kind: &str| {
            let event = SourceEvent {
                service_token_name: name.map(str::to_owned),
                user_email: email.map(str::to_owned),
                ..recorded(kind, true, None)
            };
            token_name(&event).map(str::to_owned)
        };
        for (name, email, kind, found) in [
            (Some("ci"), Some("other@service.local"), "auth", Some("ci")),
            (None, Some("service_token:ci"), "service_token_revocation", Some("ci")),
            (None, Some("ci@service.local"), "auth_success", Some("ci")),
            (None, Some("ci"), "service_token_auth", Some("ci")),
            (None, Some("ada@example.com"), "jwt_auth", None),
            (None, Some("unknown"), "service_token_auth", None),
            (None, None, "service_token_auth", None),
        ] {
            assert_eq!(of(name, email, kind).as_deref(), found, "{name:?} {email:?} {kind}");
        }
        let login = event(
            &SourceEvent {
                service_token_name: None,
                user_email: Some("ada@example.com".to_owned()),
                ..recorded("jwt_auth", true, None)
            },
            None,
        );
        assert_eq!(login.user_email.as_deref(), Some("ada@example.com"));
    }

    proptest! {
        #[test]
        fn any_row_is_taken_or_refused_and_twice_the_same(
            token_name in proptest::option::of(".{0,300}"), token_hash in proptest::option::of("([0-9a-fA-F]{64}|.{0,70})"),
            metadata in proptest::option::of(".{0,60}|\\{\"permissions\": ?(\\[(\"[a-z:*]{0,9}\",?)*\\]|\".{0,20}\"|[0-9])\\}"),
            expires_at: Option<i64>, usage_count: Option<i64>, created_at: Option<i64>, id: u128,
        ) {
            let source = SourceToken {
                id: Uuid::from_u128(id), token_name, token_hash, metadata,
                expires_at: expires_at.map(SourceMoment), is_active: Some(true), usage_count,
                last_used: None, created_at: created_at.map(SourceMoment),
            };
            let (once, twice) = (token(&source, &Permissions::default(), NOW), token(&source, &Permissions::default(), NOW));
            prop_assert_eq!(&once, &twice);
            if let Ok(taken) = once {
                prop_assert!(taken.created_at <= NOW);
            }
        }

        #[test]
        fn any_event_is_one_of_ours(
            event_type in ".{0,100}", success: bool, user_email in proptest::option::of(".{0,60}"),
            details in proptest::option::of(".{0,2100}"), created_at: i64, address in proptest::option::of(".{0,20}"),
        ) {
            let source = SourceEvent {
                created_at: SourceMoment(created_at), user_email, ip_address: address,
                ..recorded(&event_type, success, details.as_deref())
            };
            let taken = event(&source, None);
            prop_assert_eq!(taken.success(), success);
            if let Some(details) = &taken.error_details {
                prop_assert!(serde_json::from_str::<Value>(details).unwrap().is_object());
                prop_assert!(details.len() < 20_000);
            }
        }
    }
}
