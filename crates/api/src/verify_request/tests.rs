use super::{BorrowedVerify, MAX_COST, VerifyRequest};
use crate::request::{Format, FormatFault, FromFields};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A rule like the server's: no spaces in a permission.
fn rules(format: Format, text: &str) -> Result<(), FormatFault> {
    if format == Format::Scope && text.contains(' ') {
        return Err((crate::problem::FieldCode::InvalidFormat, "has a space".into()));
    }
    Ok(())
}

fn strict(body: &[u8]) -> Option<Value> {
    let request = VerifyRequest::from_body_or_empty(body, &rules).ok()?;
    Some(json!({
        "token": request.token.as_ref().map(crate::secret::Secret::expose),
        "required_scopes": request.required_scopes,
        "any_scopes": request.any_scopes,
        "ip_address": request.ip_address,
        "user_agent": request.user_agent,
        "method": request.method,
        "endpoint": request.endpoint,
        "cloudflare_ray_id": request.cloudflare_ray_id,
        "cost": request.cost,
    }))
}

fn shortcut(body: &[u8]) -> Option<Value> {
    let request = BorrowedVerify::read(body, &rules)?;
    Some(json!({
        "token": request.token,
        "required_scopes": request.required_scopes.unwrap_or_default(),
        "any_scopes": request.any_scopes,
        "ip_address": request.ip_address,
        "user_agent": request.user_agent,
        "method": request.method,
        "endpoint": request.endpoint,
        "cloudflare_ray_id": request.cloudflare_ray_id,
        "cost": request.cost,
    }))
}

#[test]
fn an_ordinary_verification_takes_the_shortcut() {
    for body in [
        "{}",
        r#"{"token":"sk_0"}"#,
        r#" {"token" : "sk_0", "required_scopes": ["catalog:read", "*"], "any_scopes": ["a"]} "#,
        r#"{"token":"x","ip_address":"192.0.2.1","user_agent":"curl/8","method":"GET","endpoint":"/é",
            "cloudflare_ray_id":"8f","cost":0}"#,
        r#"{"token":null,"cost":null,"required_scopes":null,"any_scopes":null}"#,
    ] {
        assert!(shortcut(body.as_bytes()).is_some(), "{body}");
        assert_eq!(shortcut(body.as_bytes()), strict(body.as_bytes()), "{body}");
    }
}

#[test]
fn what_the_shortcut_cannot_keep_as_it_stands_is_left_to_the_strict_reader() {
    for body in [
        json!([]),
        json!(["sk_0"]),
        json!({"token": "a\"b"}),
        json!({"user_agent": "x".repeat(513)}),
        json!({"user_agent": "a\u{7f}"}),
        json!({"endpoint": "x".repeat(1025)}),
        json!({"method": "x".repeat(33)}),
        json!({"ip_address": "x".repeat(65)}),
        json!({"cloudflare_ray_id": "x".repeat(65)}),
        json!({"required_scopes": ["a b"]}),
        json!({"required_scopes": [""]}),
        json!({"any_scopes": []}),
        json!({"any_scopes": vec!["a"; 101]}),
        json!({"any_scopes": ["x".repeat(101)]}),
        json!({"cost": MAX_COST + 1}),
        json!({"bogus": 1}),
    ] {
        assert_eq!(shortcut(body.to_string().as_bytes()), None, "{body}");
    }
    assert_eq!(shortcut(br#"{"token":"a","token":"a"}"#), None);
    assert_eq!(shortcut(b""), None);
}

#[test]
fn any_token_text_is_a_matter_for_the_decision() {
    for token in ["", " ", "sk_", "a\0b", "é", "\u{202e}", &"x".repeat(60_000)] {
        let body = json!({"token": token}).to_string();
        assert_eq!(strict(body.as_bytes()).unwrap()["token"], json!(token));
    }
    let body = br#"{"token":7}"#;
    assert!(strict(body).is_none() && shortcut(body).is_none());
}

#[test]
fn odd_facts_are_no_fault_of_the_caller() {
    let agent = format!("evil\r\n{}", "x".repeat(2000));
    let body = json!({"user_agent": agent, "ip_address": "not an address", "method": "GET\0"});
    let read = strict(body.to_string().as_bytes()).unwrap();
    assert_eq!(read["user_agent"].as_str().unwrap().chars().count(), 512);
    assert_eq!(read["method"], "GET\u{fffd}");
    assert_eq!(read["ip_address"], "not an address");
}

#[test]
fn a_publisher_is_named_by_its_id() {
    let body = br#"{"publisher_id":"01980000-0000-7000-8000-000000000001"}"#;
    assert!(strict(body).is_some() && shortcut(body) == strict(body));
    for other in [r#"{"publisher_id":"acme"}"#, r#"{"publisher_id":"0198000000007000800000000000 001"}"#] {
        let problem = VerifyRequest::from_body(other.as_bytes(), &rules).unwrap_err();
        assert_eq!((problem.status, problem.code.as_ref()), (422, "validation_failed"));
        assert!(shortcut(other.as_bytes()).is_none());
    }
}

#[test]
fn the_plain_token_shows_in_no_debug_output() {
    let request = VerifyRequest::from_body(br#"{"token":"sk_cafe"}"#, &rules).unwrap();
    assert!(!format!("{request:?}").contains("cafe"));
}

/// Values near what the fields take, good and bad.
fn near() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".{0,20}",
        "[a-z:*]{0,110}",
        "[ -~]{60,70}",
        "[a-z]{500,520}",
        Just("\u{7f}".to_owned()),
        Just("a\"b\\c".to_owned()),
        Just("01980000-0000-7000-8000-000000000001".to_owned())
    ];
    let number = prop_oneof![Just(0), Just(i64::from(MAX_COST)), Just(i64::from(MAX_COST) + 1), any::<i64>()];
    prop_oneof![
        text.clone().prop_map(Value::from),
        prop::collection::vec(text, 0..3).prop_map(Value::from),
        prop::collection::vec(Just("a"), 99..102).prop_map(Value::from),
        number.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!({})),
        Just(json!(true)),
    ]
}

proptest! {
    #[test]
    fn the_shortcut_takes_only_what_is_taken_and_to_the_same_effect(
        fields in prop::collection::btree_map(
            prop::sample::select(vec![
                "token", "required_scopes", "any_scopes", "ip_address", "user_agent", "method",
                "endpoint", "cloudflare_ray_id", "cost", "publisher_id", "bogus",
            ]),
            near(),
            0..5,
        ),
    ) {
        let members: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let body = serde_json::to_vec(&members).unwrap();
        if let Some(taken) = shortcut(&body) {
            prop_assert_eq!(Some(taken), strict(&body));
        }
    }

    #[test]
    fn no_bytes_fool_the_shortcut(
        start in prop::sample::select(vec!["{", r#"{"token":"a","token":"b""#, r#"{"token":"a""#, "[", ""]),
        rest in r#"[{}\[\]:," a\\u0d8-]{0,12}"#,
    ) {
        let body = format!("{start}{rest}");
        if let Some(taken) = shortcut(body.as_bytes()) {
            prop_assert_eq!(Some(taken), strict(body.as_bytes()));
        }
    }
}
