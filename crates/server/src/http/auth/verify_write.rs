//! Writing decisions: by hand, as this is the one answer given a hundred thousand times a second. A
//! test holds every byte of it against the wire type.

use std::io::Write as _;

use bytes::Bytes;
use keywright_core::{CredentialKind, Denial, DenialCode, Grant, RateLimits, Scope, ScopeSet, Timestamp};
use keywright_verify::{Known, LimitState, Taken};

use crate::http::look_up::Verdict;

/// The answer about a credential that is known.
pub(super) fn known(known: &Known, verdict: &Verdict, request_id: &str) -> Bytes {
    match &verdict.decision {
        Ok(()) => valid(known, verdict.taken.as_ref(), request_id),
        Err(denial) => denied(known, denial, verdict.taken.as_ref(), request_id),
    }
}

/// The answer for a valid credential.
fn valid(known: &Known, taken: Option<&Taken>, request_id: &str) -> Bytes {
    let (grant, held) = (known.grant(), known.scopes());
    let mut out = Vec::with_capacity(768);
    out.extend_from_slice(b"{\"valid\":true,\"code\":\"valid\"");
    about(&mut out, grant);
    out.extend_from_slice(b",\"expires_at\":");
    time(&mut out, expires_at(known));
    out.extend_from_slice(b",\"publisher_id\":");
    optional_uuid(&mut out, grant.publisher().map(|id| id.0));
    out.extend_from_slice(b",\"publishers\":");
    publishers(&mut out, grant);
    out.extend_from_slice(b",\"scopes\":");
    scopes(&mut out, &held);
    out.extend_from_slice(b",\"rate_limit\":");
    rate_limit(&mut out, taken);
    out.extend_from_slice(b",\"context\":");
    context(&mut out, known, &held);
    end(out, request_id)
}

/// What the kind of credential has to tell: of a token its claims, of one that was made from a service token
/// beside what there is to tell of that.
fn context(out: &mut Vec<u8>, known: &Known, held: &ScopeSet) {
    let grant = known.grant();
    let claims = known.token.as_ref().map(|token| token.claims.as_bytes());
    if let (Some(claims), false) = (claims, grant.kind == CredentialKind::Service) {
        out.extend_from_slice(claims);
        return;
    }
    if let (CredentialKind::Personal, Some(user)) = (grant.kind, grant.user()) {
        out.extend_from_slice(b"{\"user_id\":");
        uuid(out, user.id.0);
        out.extend_from_slice(b",\"token_id\":");
        uuid(out, grant.credential_id.0);
        out.extend_from_slice(b",\"name\":");
        text(out, &grant.name);
    } else {
        let account = grant.account();
        out.extend_from_slice(b"{\"service_account_id\":");
        optional_uuid(out, account.map(|account| account.id.0));
        out.extend_from_slice(b",\"service_name\":");
        text(out, account.map_or(&grant.name, |account| &account.name));
    }
    out.extend_from_slice(b",\"publisher_id\":");
    optional_uuid(out, grant.publisher().map(|id| id.0));
    out.extend_from_slice(b",\"scopes\":");
    scopes(out, held);
    if grant.kind == CredentialKind::Personal {
        out.extend_from_slice(b",\"inherit_user_permissions\":");
        let inherits = grant.bonds.as_ref().is_some_and(|bonds| bonds.inherits);
        out.extend_from_slice(if inherits { b"true" } else { b"false" });
    }
    let limits = grant.bounds.as_ref().map_or(RateLimits::UNLIMITED, |bounds| bounds.limits);
    out.extend_from_slice(b",\"rate_limits\":{\"per_minute\":");
    number(out, limits.per_minute);
    out.extend_from_slice(b",\"per_hour\":");
    number(out, limits.per_hour);
    out.extend_from_slice(b"},\"metadata\":");
    match &grant.metadata {
        Some(metadata) => out.extend_from_slice(metadata.to_json().as_bytes()),
        None => out.extend_from_slice(b"{}"),
    }
    if let Some(claims) = claims {
        out.extend_from_slice(b",\"claims\":");
        out.extend_from_slice(claims);
    }
    out.push(b'}');
}

/// The end of the credential or of the very token, whichever comes first.
pub(in crate::http) fn expires_at(known: &Known) -> Option<Timestamp> {
    let claimed = known.claimed().and_then(|claimed| claimed.expires_at);
    match (known.grant().expires_at, claimed) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The answer for a known credential that is denied.
fn denied(known: &Known, denial: &Denial, taken: Option<&Taken>, request_id: &str) -> Bytes {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"valid\":false,\"code\":\"");
    out.extend_from_slice(denial.code.as_str().as_bytes());
    out.push(b'"');
    about(&mut out, known.grant());
    if let Some(end) = expires_at(known) {
        out.extend_from_slice(b",\"expires_at\":");
        time(&mut out, Some(end));
    }
    if denial.code == DenialCode::RateLimited {
        out.extend_from_slice(b",\"rate_limit\":");
        rate_limit(&mut out, taken);
    }
    if !denial.missing_scopes.is_empty() {
        out.extend_from_slice(b",\"missing_scopes\":");
        list(&mut out, denial.missing_scopes.iter());
    }
    end(out, request_id)
}

/// The answer about a credential of which nothing may be told.
pub(super) fn bare(code: &str, request_id: &str) -> Bytes {
    let mut out = Vec::with_capacity(96);
    out.extend_from_slice(b"{\"valid\":false,\"code\":\"");
    out.extend_from_slice(code.as_bytes());
    out.push(b'"');
    end(out, request_id)
}

fn about(out: &mut Vec<u8>, grant: &Grant) {
    out.extend_from_slice(b",\"token_type\":\"");
    out.extend_from_slice(grant.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"credential_id\":");
    uuid(out, grant.credential_id.0);
    out.extend_from_slice(b",\"name\":");
    text(out, &grant.name);
    out.extend_from_slice(b",\"principal\":{\"type\":\"");
    out.extend_from_slice(grant.principal.as_str().as_bytes());
    out.extend_from_slice(b"\",\"id\":");
    uuid(out, grant.principal_id());
    out.extend_from_slice(b",\"name\":");
    text(out, principal_name(grant));
    out.extend_from_slice(b"},\"rotation\":{\"superseded\":");
    out.extend_from_slice(if grant.superseded { b"true" } else { b"false" });
    out.extend_from_slice(b",\"grace_expires_at\":");
    time(out, grant.grace_expires_at);
    out.push(b'}');
}

/// What the principal is called: a user by the address, a stand-alone token by its own name.
pub(super) fn principal_name(grant: &Grant) -> &str {
    let account = grant.account().map(|account| &account.name);
    grant.user().map(|user| &user.email).or(account).unwrap_or(&grant.name)
}

fn end(mut out: Vec<u8>, request_id: &str) -> Bytes {
    out.extend_from_slice(b",\"request_id\":");
    text(&mut out, request_id);
    out.push(b'}');
    out.into()
}

fn scopes(out: &mut Vec<u8>, scopes: &ScopeSet) {
    list(out, scopes.iter());
}

fn list<'a>(out: &mut Vec<u8>, scopes: impl Iterator<Item = &'a Scope>) {
    out.push(b'[');
    for (i, scope) in scopes.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        // The grammar of a scope has no character that JSON escapes.
        out.push(b'"');
        out.extend_from_slice(scope.as_str().as_bytes());
        out.push(b'"');
    }
    out.push(b']');
}

fn uuid(out: &mut Vec<u8>, id: uuid::Uuid) {
    let mut buffer = uuid::Uuid::encode_buffer();
    out.push(b'"');
    out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
    out.push(b'"');
}

fn optional_uuid(out: &mut Vec<u8>, id: Option<uuid::Uuid>) {
    match id {
        Some(id) => uuid(out, id),
        None => out.extend_from_slice(b"null"),
    }
}

/// The tightest window.
fn rate_limit(out: &mut Vec<u8>, taken: Option<&Taken>) {
    let Some(taken) = taken else { return out.extend_from_slice(b"null") };
    let LimitState { window, limit, remaining, reset_seconds } = taken.tightest;
    // Writing to memory does not fail.
    let _ = write!(
        out,
        r#"{{"window":"{}","limit":{limit},"remaining":{remaining},"reset_seconds":{reset_seconds}}}"#,
        window.as_str()
    );
}

fn number(out: &mut Vec<u8>, number: Option<u32>) {
    match number {
        Some(number) => drop(write!(out, "{number}")),
        None => out.extend_from_slice(b"null"),
    }
}

fn publishers(out: &mut Vec<u8>, grant: &Grant) {
    out.push(b'[');
    for (i, publisher) in grant.bonds.iter().flat_map(|bonds| &bonds.publishers).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        uuid(out, publisher.0);
    }
    out.push(b']');
}

fn time(out: &mut Vec<u8>, moment: Option<Timestamp>) {
    match moment {
        Some(moment) => drop(write!(out, "\"{moment}\"")),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::limits;
    use keywright_api::verify::Decision;
    use keywright_core::{
        Bonds, Claimed, CredentialId, CredentialKind, DenialCode, Epochs, Metadata, Owner, PrincipalKind,
        PublisherId, Standing, Tenancy, UserId, Window,
    };
    use keywright_verify::VerifiedToken;
    use keywright_verify::cache::Entry;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn any_known() -> impl Strategy<Value = Known> {
        let time = || proptest::option::of((0i64..1 << 52).prop_map(Timestamp::from_micros));
        let scope = "(\\*|[a-z]{1,4}(:[a-z_]{1,4}){0,2})";
        (
            any::<u128>(),
            "\\PC{1,20}",
            proptest::collection::vec(scope, 0..4),
            time(),
            time(),
            any::<bool>(),
            any::<bool>(),
            0u8..6,
        )
            .prop_map(|(id, name, scopes, expires_at, grace, superseded, metadata, number)| {
                let credential_id = CredentialId(uuid::Uuid::from_u128(id));
                let map = json!({"creator": {"id": name.clone()}}).as_object().cloned().unwrap_or_default();
                let grant = Grant {
                    credential_id,
                    kind: CredentialKind::Service,
                    name: name.into(),
                    principal: PrincipalKind::ServiceToken,
                    scopes: ScopeSet::parse(scopes).unwrap(),
                    metadata: metadata.then(|| Box::new(Metadata::new(map).unwrap())),
                    expires_at,
                    is_active: true,
                    revoked: false,
                    superseded,
                    grace_expires_at: grace,
                    epoch: 1,
                    bonds: (number % 2 == 0).then(|| Box::new(bonds(number))),
                    bounds: None,
                };
                let token = (number % 3 == 0).then(|| Arc::new(token()));
                Known { entry: Arc::new(entry(grant)), epochs: Epochs::default(), stale: false, token }
            })
    }

    fn entry(grant: Grant) -> Entry {
        let noted = <keywright_verify::Stamps>::with_slots(1).note();
        let era = keywright_verify::Freshness::alone().era();
        Entry { grant, epochs: Arc::default(), noted, loaded_at: 0, era }
    }

    fn bonds(number: u8) -> Bonds {
        let id = |n: u8| uuid::Uuid::from_u128(n.into());
        let user = Owner { id: UserId(id(1)), email: "a\"da@example.com".into(), enabled: true };
        let tenancy = Tenancy { id: PublisherId(id(2)), standing: Standing::Good, role: None };
        Bonds {
            user: (number > 1).then_some(user),
            publisher: Some(tenancy),
            publishers: (0..number).map(|n| PublisherId(id(n))).collect(),
            ..Bonds::default()
        }
    }

    fn token() -> VerifiedToken {
        let claimed = Claimed { expires_at: Some(Timestamp::from_micros(1 << 40)), scopes: None };
        VerifiedToken { claimed, claims: r#"{"sub":"x","exp":1}"#.into() }
    }

    /// What was written is exactly the wire type: read as one, and written as one again, it is the same.
    fn is_the_wire_type(bytes: &Bytes) -> Decision {
        let written: Value = serde_json::from_slice(bytes).unwrap();
        let decision: Decision = serde_json::from_slice(bytes).unwrap();
        assert_eq!(serde_json::to_value(&decision).unwrap(), written);
        decision
    }

    fn any_taken(granted: bool) -> impl Strategy<Value = Taken> {
        (any::<[u32; 3]>(), any::<bool>()).prop_map(move |([limit, remaining, reset_seconds], minute)| {
            let window = if minute { Window::Minute } else { Window::Hour };
            let tightest = LimitState { window, limit, remaining, reset_seconds };
            Taken { granted, tightest, retry_after_seconds: 0 }
        })
    }

    proptest! {
        #[test]
        fn a_valid_decision_is_the_wire_type(
            known in any_known(), request_id in "[a-z0-9]{1,9}", taken in proptest::option::of(any_taken(true)),
        ) {
            let decision = is_the_wire_type(&valid(&known, taken.as_ref(), &request_id));
            prop_assert!(decision.is_valid());
            let Decision::Valid(told) = &decision else { unreachable!() };
            prop_assert_eq!(told.rate_limit, taken.map(|taken| limits::state(&taken.tightest)));
            prop_assert_eq!(decision.request_id(), request_id);
        }

        #[test]
        fn a_denial_is_the_wire_type(
            known in any_known(), at in 2..DenialCode::ALL.len(), taken in any_taken(false),
        ) {
            let code = DenialCode::ALL[at];
            let missing: Vec<Scope> = if code == DenialCode::InsufficientScope { known.grant().scopes.iter().cloned().collect() } else { vec![] };
            let decision = is_the_wire_type(&denied(&known, &Denial { code, missing_scopes: missing }, Some(&taken), "r"));
            let Decision::Denied(told) = &decision else { unreachable!() };
            prop_assert_eq!(told.rate_limit.is_some(), code == DenialCode::RateLimited);
            prop_assert_eq!(decision.code(), code.as_str());
        }
    }

    #[test]
    fn nothing_is_told_about_what_is_not_ours() {
        for code in ["malformed", "not_found"] {
            let bytes = bare(code, "r");
            assert_eq!(is_the_wire_type(&bytes).code(), code);
            assert_eq!(
                bytes,
                format!("{{\"valid\":false,\"code\":\"{code}\",\"request_id\":\"r\"}}").into_bytes()
            );
        }
    }
}
