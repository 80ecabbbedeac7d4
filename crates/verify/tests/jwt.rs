//! JWTs as others wrote them: the examples of the RFCs, Wycheproof's vectors, and what attackers try.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::Timestamp;
use keywright_verify::jwt::{
    Claims, ClaimsError, Compact, Expected, JwkError, JwsError, KeySet, KeySetError, PublicKey, Refused,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const RFC7515_PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn key(jwk: &Value) -> Result<PublicKey, JwkError> {
    PublicKey::from_jwk(object(jwk))
}

fn verify(token: &str, key: &PublicKey) -> Result<Vec<u8>, JwsError> {
    Compact::parse(token.as_bytes())?.verify(key)
}

fn rfc8037() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn rfc7515_a2() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
}

fn rfc7515_a3() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
           "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let a4 = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(verify(a4, &key(&rfc8037()).unwrap()).unwrap(), b"Example of Ed25519 signing");
    let a2 = format!(
        "eyJhbGciOiJSUzI1NiJ9.{RFC7515_PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let a3 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{RFC7515_PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    for (token, jwk) in [(a2, rfc7515_a2()), (a3, rfc7515_a3())] {
        let claims = Claims::parse(&verify(&token, &key(&jwk).unwrap()).unwrap()).unwrap();
        assert_eq!(claims.issuer.as_deref(), Some("joe"));
        assert_eq!(claims.expires_at.to_string(), "2011-03-22T18:43:00Z");
        assert_eq!(verify(&token, &key(&rfc8037()).unwrap()), Err(JwsError::Signature));
    }
}

/// The file of Wycheproof's, or `None`, said aloud, where it does not lie beside the repository.
fn wycheproof(name: &str) -> Option<Value> {
    let path = format!("{}/../../../shared/data/wycheproof/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("SKIPPED: no {path} (from github.com/C2SP/wycheproof, testvectors_v1)");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

/// What an issuer would publish of a key, where the vectors have only the private one.
fn published(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    if jwk["kty"] != "oct" {
        object_mut(&mut jwk).retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
    }
    jwk
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}

/// Accepted elsewhere and not here: secret keys, and P-384 and P-521.
fn is_refused_by_design(jwk: &Value) -> bool {
    jwk["kty"] == "oct" || (jwk["kty"] == "EC" && jwk["crv"] != "P-256")
}

fn each_test(vectors: &Value, mut check: impl FnMut(&Value, &Value)) {
    for group in vectors["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            check(group, test);
        }
    }
}

#[test]
fn wycheproofs_signatures_are_judged_as_they_ought_to_be() {
    let Some(vectors) = wycheproof("json_web_signature_test.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    each_test(&vectors, |group, test| {
        let jwk = group.get("public").cloned().unwrap_or_else(|| published(&group["private"]));
        let Some(token) = test["jws"].as_str() else { return };
        let outcome = key(&jwk).map(|key| verify(token, &key).is_ok());
        let name = format!("{} {} {}: {outcome:?}", test["tcId"], group["comment"], test["comment"]);
        // The key of these two is for PS256 by its own word, and the token signed by PS384.
        let contradictory = [346, 350].map(Value::from).contains(&test["tcId"]);
        let valid = test["result"] == "valid" && !is_refused_by_design(&jwk) && !contradictory;
        assert_eq!(outcome == Ok(true), valid, "{name}");
        *(if valid { &mut accepted } else { &mut refused }) += 1;
    });
    assert!(accepted >= 30 && refused >= 300, "{accepted} {refused}");
}

#[test]
fn wycheproofs_sets_of_keys_are_judged_as_they_ought_to_be() {
    let Some(vectors) = wycheproof("json_web_key_test.json") else { return };
    each_test(&vectors, |group, test| {
        let mut set = group.get("public").unwrap_or(&group["private"]).clone();
        let keys = set["keys"].as_array_mut().unwrap();
        for jwk in keys.iter_mut() {
            *jwk = published(jwk);
        }
        let by_design = keys.iter().any(is_refused_by_design);
        let token = Compact::parse(test["jws"].as_str().unwrap().as_bytes());
        let accepted = KeySet::parse(set.to_string().as_bytes()).is_ok_and(|set| {
            token.is_ok_and(|token| {
                token.kid.as_deref().and_then(|kid| set.get(kid)).is_some_and(|key| token.verify(key).is_ok())
            })
        });
        let valid = test["result"] == "valid" && !by_design;
        assert_eq!(accepted, valid, "{} {} {}", test["tcId"], group["comment"], test["comment"]);
    });
}

/// A key pair that everybody knows.
fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn public() -> PublicKey {
    PublicKey::ed25519("k1", pair().public_key().as_ref()).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(header: &str, payload: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    format!("{signed}.{}", encode(pair().sign(signed.as_bytes())))
}

#[test]
fn headers_that_ask_for_more_than_a_signature_are_refused() {
    let good = r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;
    assert!(verify(&signed(good, "{}"), &public()).is_ok());
    for (header, error) in [
        (r#"{"alg":"none"}"#, JwsError::Algorithm),
        (r#"{"alg":"None"}"#, JwsError::Algorithm),
        (r#"{"alg":"HS256"}"#, JwsError::Algorithm),
        (r#"{"alg":"eddsa"}"#, JwsError::Algorithm),
        (r#"{"alg":""}"#, JwsError::Form),
        (r#"{"alg":null}"#, JwsError::Form),
        (r#"{"alg":["EdDSA"]}"#, JwsError::Form),
        (r#"{"kid":"k1"}"#, JwsError::Form),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, JwsError::Form),
        (r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, JwsError::Extension),
        (r#"{"alg":"EdDSA","crit":[]}"#, JwsError::Extension),
        (r#"{"alg":"EdDSA","b64":true}"#, JwsError::Extension),
        (r#"{"alg":"EdDSA","kid":7}"#, JwsError::Form),
        (r#"{"alg":"EdDSA","typ":{}}"#, JwsError::Form),
        (r#"{"alg":"RS256"}"#, JwsError::Signature),
        (r#"["EdDSA"]"#, JwsError::Form),
        ("", JwsError::Form),
    ] {
        assert_eq!(verify(&signed(header, "{}"), &public()), Err(error), "{header}");
    }
}

#[test]
fn keys_that_a_header_brings_along_are_not_used() {
    let stranger = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let x = encode(stranger.public_key());
    let header = format!(
        r#"{{"alg":"EdDSA","kid":"../../k1","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":["AA"],"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}}"#
    );
    let text = format!("{}.{}", encode(&header), encode("{}"));
    let token = format!("{text}.{}", encode(stranger.sign(text.as_bytes())));
    let parsed = Compact::parse(token.as_bytes()).unwrap();
    assert_eq!(parsed.kid.as_deref(), Some("../../k1"));
    assert_eq!(parsed.verify(&public()), Err(JwsError::Signature));
}

#[test]
fn there_is_one_spelling_of_a_token() {
    let token = signed(r#"{"alg":"EdDSA"}"#, "{}");
    let last = token.chars().last().unwrap();
    // 64 bytes end in two characters, the last of which has four bits that say nothing.
    let stray = char::from(last as u8 + 1);
    let (head, _) = token.rsplit_once(last).unwrap();
    for bad in [
        format!("{token}="),
        format!("{token} "),
        format!("{token}."),
        format!(".{token}"),
        format!("{head}{stray}"),
        token.replacen('.', "..", 1),
        token.replace('.', "%2e"),
        token.rsplit_once('.').unwrap().0.to_owned(),
        format!("{}.", token.rsplit_once('.').unwrap().0),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
    ] {
        assert!(verify(&bad, &public()).is_err(), "{bad}");
    }
}

#[test]
fn a_type_is_a_media_type_with_or_without_its_tree() {
    let typed = |typ: &str| {
        let token = signed(&json!({"alg": "EdDSA", "typ": typ}).to_string(), "{}");
        Compact::parse(token.as_bytes()).unwrap().has_type("at+jwt")
    };
    assert!(typed("at+jwt") && typed("AT+JWT") && typed("application/at+jwt"));
    assert!(!typed("JWT") && !typed("application/application/at+jwt") && !typed("at+jwt ") && !typed("ä"));
}

#[test]
fn registered_claims_have_the_one_type_that_they_may_have() {
    let claims = |text: &str| Claims::parse(text.as_bytes());
    for bad in [
        "\"1\"",
        "null",
        "-1",
        "1e400",
        "-0.5",
        "true",
        "[1]",
        "{}",
        "253402300800",
        "1e300",
        "9223372036854775808",
        "18446744073709551616",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let text = if name == "exp" {
                format!(r#"{{"exp":{bad}}}"#)
            } else {
                format!(r#"{{"exp":1,"{name}":{bad}}}"#)
            };
            assert!(claims(&text).is_err(), "{text}");
        }
    }
    for bad in ["7", "null", "[\"a\"]", "{}"] {
        for name in ["iss", "sub", "jti"] {
            let text = format!(r#"{{"exp":1,"{name}":{bad}}}"#);
            assert_eq!(claims(&text), Err(ClaimsError::Claim(name)), "{text}");
        }
    }
    for bad in ["7", "null", "[7]", "[\"a\",null]", "{}"] {
        assert_eq!(claims(&format!(r#"{{"exp":1,"aud":{bad}}}"#)), Err(ClaimsError::Claim("aud")), "{bad}");
    }
    for bad in [r#"{"exp":1,"exp":1}"#, r#"{"exp":1,"a":{"b":1,"b":2}}"#, "[]", "", "{\"exp\":1}x"] {
        assert_eq!(claims(bad), Err(ClaimsError::Form), "{bad}");
    }
    assert_eq!(claims("{}"), Err(ClaimsError::Endless));
    let good = claims(r#"{"exp":1.5,"nbf":0,"iat":1e3,"aud":["a","b"],"sub":""}"#).unwrap();
    assert_eq!(good.expires_at, Timestamp::from_micros(1_500_000));
    assert_eq!(good.issued_at, Some(Timestamp::from_micros(1_000_000_000)));
    assert_eq!(good.audiences.len(), 2);
    assert_eq!(claims(r#"{"exp":1,"aud":"a"}"#).unwrap().audiences[..], [Box::from("a")]);
}

#[test]
fn who_when_and_for_whom_are_checked_with_thirty_seconds_of_leeway() {
    let at = |seconds| Timestamp::EPOCH.plus_seconds(seconds);
    let expected = Expected { issuer: "https://i", audiences: &["a", "b"] };
    let check = |text: &str, now| Claims::parse(text.as_bytes()).unwrap().check(&expected, now);
    let token = r#"{"iss":"https://i","aud":["x","b"],"nbf":1000,"exp":2000}"#;
    assert_eq!(check(token, at(1500)), Ok(()));
    assert_eq!(check(token, at(970)), Ok(()));
    assert_eq!(check(token, at(969)), Err(Refused::NotYet));
    assert_eq!(check(token, at(2029)), Ok(()));
    assert_eq!(check(token, at(2030)), Err(Refused::Expired));
    for (bad, why) in [
        (r#"{"iss":"https://i/","aud":"a","exp":9}"#, Refused::Issuer),
        (r#"{"aud":"a","exp":9}"#, Refused::Issuer),
        (r#"{"iss":"https://i","aud":"A","exp":9}"#, Refused::Audience),
        (r#"{"iss":"https://i","aud":[],"exp":9}"#, Refused::Audience),
        (r#"{"iss":"https://i","exp":9}"#, Refused::Audience),
    ] {
        assert_eq!(check(bad, at(1)), Err(why), "{bad}");
    }
}

#[test]
fn keys_that_nobody_should_trust_are_refused() {
    let with = |jwk: Value, name: &str, value: Value| {
        let mut jwk = jwk;
        object_mut(&mut jwk).insert(name.to_owned(), value);
        key(&jwk).map(|key| key.algorithm()).unwrap_err()
    };
    assert_eq!(key(&json!({"kty": "oct", "k": "AAAA"})).unwrap_err(), JwkError::Secret);
    assert_eq!(with(rfc8037(), "d", json!("AAAA")), JwkError::Secret);
    assert_eq!(with(rfc7515_a2(), "p", json!("AAAA")), JwkError::Secret);
    assert_eq!(with(rfc7515_a3(), "crv", json!("P-384")), JwkError::Unsupported);
    assert_eq!(with(rfc7515_a3(), "crv", json!("secp256k1")), JwkError::Unsupported);
    assert_eq!(with(rfc8037(), "crv", json!("X25519")), JwkError::Unsupported);
    assert_eq!(with(rfc8037(), "alg", json!("RS256")), JwkError::Unsupported);
    assert_eq!(with(rfc7515_a2(), "alg", json!("HS256")), JwkError::Unsupported);
    assert_eq!(with(rfc7515_a2(), "alg", json!("ES256")), JwkError::Unsupported);
    assert_eq!(with(rfc7515_a2(), "alg", json!(256)), JwkError::Form);
    assert_eq!(with(rfc7515_a2(), "use", json!("enc")), JwkError::Use);
    assert_eq!(with(rfc7515_a2(), "key_ops", json!(["encrypt"])), JwkError::Use);
    for weak in ["AQ", "Ag", "AQAAAAE"] {
        assert_eq!(with(rfc7515_a2(), "e", json!(weak)), JwkError::Weak, "{weak}");
    }
    assert_eq!(with(rfc7515_a2(), "e", json!("AAEAAQ")), JwkError::Form);
    assert_eq!(with(rfc7515_a2(), "n", json!(encode([0xff; 255]))), JwkError::Weak);
    assert_eq!(with(rfc7515_a2(), "n", json!(encode([0xff; 1025]))), JwkError::Weak);
    assert_eq!(with(rfc7515_a3(), "y", json!(encode([1; 32]))), JwkError::Invalid);
    assert_eq!(with(rfc7515_a3(), "y", json!(encode([1; 33]))), JwkError::Invalid);
    assert_eq!(with(rfc8037(), "x", json!(encode([1; 31]))), JwkError::Invalid);
}

#[test]
fn a_set_gives_the_key_of_exactly_the_name_that_is_asked_for() {
    let named = |kid: Value| {
        let mut jwk = rfc8037();
        object_mut(&mut jwk).insert("kid".to_owned(), kid);
        jwk
    };
    let set = |keys: Value| KeySet::parse(json!({"keys": keys}).to_string().as_bytes());
    let read = set(json!([named("a".into()), named("B".into()), rfc7515_a2(), {"kty": "oct", "k": "AA"}, named(7.into())])).unwrap();
    assert!(read.get("a").is_some() && read.get("B").is_some());
    assert!(read.get("b").is_none() && read.get("").is_none() && read.get("a\0").is_none());
    assert_eq!((read.keys().len(), read.passed_over), (2, 3));
    assert_eq!(set(json!([named("a".into()), named("a".into())])).unwrap_err(), KeySetError::DuplicateKid);
    assert_eq!(set(json!({})).unwrap_err(), KeySetError::Form);
    assert_eq!(set(json!([7])).unwrap_err(), KeySetError::Form);
    assert_eq!(set(json!(vec![7; 201])).unwrap_err(), KeySetError::Form);
    assert_eq!(KeySet::parse(b"<html>").unwrap_err(), KeySetError::Form);
    assert!(!format!("{read:?}").contains("11qYAYKx"));
}

proptest! {
    #[test]
    fn nothing_but_what_was_signed_verifies(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let token = signed(r#"{"alg":"EdDSA","kid":"k1"}"#, r#"{"exp":1,"sub":"somebody"}"#);
        let at = at.index(token.len());
        let other = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert_eq!(verify(&other, &public()).is_ok(), other == token);
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Compact::parse(&bytes).is_ok(), Claims::parse(&bytes).is_ok(), KeySet::parse(&bytes).is_ok());
    }

    #[test]
    fn times_are_read_as_they_were_written(seconds in 0_i64..253_402_300_800) {
        let claims = Claims::parse(format!(r#"{{"exp":{seconds}}}"#).as_bytes()).unwrap();
        prop_assert_eq!(claims.expires_at, Timestamp::EPOCH.plus_seconds(seconds));
    }
}
