//! `POST /auth/tokens`.

use keywright_core::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Minted, TestApp, on_both_engines, sha256};

on_both_engines![
    a_token_is_made_and_its_secret_shown_once,
    scopes_is_a_synonym_of_permissions_but_not_beside_it,
    an_end_is_by_default_by_days_at_a_moment_or_never,
    an_end_must_lie_ahead,
    names_are_trimmed_normalized_and_unique_among_the_living,
    a_name_that_cannot_be_one_is_refused,
    permissions_must_be_permissions,
    metadata_is_kept_as_given_within_its_bounds,
    every_bad_field_is_named_at_once,
    what_no_caller_may_set_is_forbidden,
    bounds_that_cannot_be_are_refused_not_ignored,
    nobody_grants_what_they_lack,
    an_expired_token_keeps_its_name_since_it_can_be_given_a_longer_life,
];

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn a_token_is_made_and_its_secret_shown_once(app: &TestApp) {
    let body = json!({"token_name": "ci-cd-token", "permissions": ["api_read", "system_status"], "metadata": {"a": [1]}});
    let answer = app.admin().post("/auth/tokens", body).await;
    let made = answer.expect(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!(answer.header("location"), format!("/api/v1/auth/tokens/{id}"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.header("etag").is_empty());
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);
    let hint = format!("sk_{}…{}", &secret[3..7], &secret[63..]);
    let me = app.admin().get("/auth/me").await.expect(200);
    let expected = json!({
        "token": secret, "id": id, "token_name": "ci-cd-token", "token_hint": hint,
        "permissions": ["api_read", "system_status"], "status": "active", "is_active": true,
        "metadata": {"a": [1]}, "service_account_id": null, "rate_limits": null, "ip_allowlist": null,
        "expires_at": made["expires_at"], "usage_count": 0, "last_used_at": null, "rotated_from_id": null,
        "superseded_by_id": null, "grace_expires_at": null, "revoked_at": null, "revoked_reason": null,
        "created_by": me["principal"], "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    app.verify(secret).await.decided("valid");
    let location = answer.header("location").strip_prefix("/api/v1").unwrap();
    let mut seen = app.admin().get(location).await.expect(200);
    seen["token"] = made["token"].clone();
    assert_eq!(seen, made);
    let list = app.admin().get("/auth/tokens").await;
    assert!(!list.text().contains(&secret[3..]) && !list.text().contains(&hex::encode(sha256(secret))));
}

async fn scopes_is_a_synonym_of_permissions_but_not_beside_it(app: &TestApp) {
    let made = app.mint_as(json!({"token_name": "by scopes", "scopes": ["a", "b:c"]})).await;
    assert_eq!(made.body["permissions"], json!(["a", "b:c"]));
    let both = json!({"token_name": "both", "scopes": ["a"], "permissions": ["a"]});
    app.admin().post("/auth/tokens", both).await.bad_field("scopes", "conflict");
    app.admin()
        .post("/auth/tokens", json!({"token_name": "neither"}))
        .await
        .bad_field("permissions", "required");
    let twice = app.mint_as(json!({"token_name": "twice", "permissions": ["b", "a", "b"]})).await;
    assert_eq!(twice.body["permissions"].as_array().unwrap().len(), 2, "{}", twice.body);
}

async fn an_end_is_by_default_by_days_at_a_moment_or_never(app: &TestApp) {
    const DAY: i64 = 86_400_000_000;
    let end = async |name: &str, more: Value| {
        let mut body = json!({"token_name": name, "permissions": ["a"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = app.mint_as(body).await.body;
        (made["expires_at"].clone(), time(&made["created_at"]))
    };
    let (at, made) = end("default", json!({})).await;
    assert_eq!(time(&at).micros_since(made), 90 * DAY);
    let (at, made) = end("days", json!({"expires_in_days": 7})).await;
    assert_eq!(time(&at).micros_since(made), 7 * DAY);
    let (at, _) = end("moment", json!({"expires_at": "2399-12-31T23:59:59.123456789+02:00"})).await;
    assert_eq!(at, "2399-12-31T21:59:59.123456Z");
    for never in [json!({"expires_at": null}), json!({"expires_in_days": null})] {
        let (at, _) = end(&never.to_string(), never.clone()).await;
        assert_eq!(at, Value::Null);
    }
}

async fn an_end_must_lie_ahead(app: &TestApp) {
    let create = async |more: Value| {
        let mut body = json!({"token_name": "x", "permissions": ["a"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.admin().post("/auth/tokens", body).await
    };
    let now = app.now();
    for past in [now, now.plus_seconds(-1), "1970-01-01T00:00:00Z".parse().unwrap()] {
        create(json!({"expires_at": past.to_string()})).await.bad_field("expires_at", "out_of_range");
    }
    for (moment, code) in [
        ("soon", "invalid_format"),
        ("", "too_short"),
        ("2030-01-01", "invalid_format"),
        ("2030-01-01T00:00:00", "invalid_format"),
        ("2030-02-30T00:00:00Z", "invalid_format"),
        ("2030-01-01T25:00:00Z", "invalid_format"),
        ("292278-01-01T00:00:00Z", "invalid_format"),
        ("+292278-01-01T00:00:00Z", "invalid_format"),
        ("9999-12-31T23:59:59-23:59", "invalid_format"),
        ("-0001-01-01T00:00:00Z", "invalid_format"),
    ] {
        let answer = create(json!({"expires_at": moment})).await;
        assert_eq!(
            answer.bad_fields(422, "validation_failed"),
            [("expires_at".into(), code.into())],
            "{moment}"
        );
    }
    for (days, code) in [
        (json!(0), "out_of_range"),
        (json!(-1), "out_of_range"),
        (json!(36_501), "out_of_range"),
        (json!(9_223_372_036_854_775_808_u64), "out_of_range"),
        (json!(1e300), "out_of_range"),
        (json!(1.5), "invalid_type"),
        (json!("7"), "invalid_type"),
        (json!(true), "invalid_type"),
    ] {
        create(json!({"expires_in_days": days})).await.bad_field("expires_in_days", code);
    }
    let both = json!({"expires_in_days": 7, "expires_at": "2399-01-01T00:00:00Z"});
    create(both).await.bad_field("expires_in_days", "conflict");
    create(json!({"expires_in_days": 36_500})).await.expect(201);
}

async fn names_are_trimmed_normalized_and_unique_among_the_living(app: &TestApp) {
    let create = async |name: &str| {
        app.admin().post("/auth/tokens", json!({"token_name": name, "permissions": ["a"]})).await
    };
    let first = create("  Ame\u{301}lie ").await;
    assert_eq!(first.expect(201)["token_name"], "Am\u{e9}lie");
    create("Am\u{e9}lie").await.refused(409, "name_taken");
    create("am\u{e9}lie").await.expect(201);
    let first = Minted::of(&first);
    app.admin().delete(&first.path()).await.expect(204);
    let second = Minted::of(&create("Am\u{e9}lie").await);
    assert_ne!(second.id, first.id);
    app.admin().patch(&second.path(), json!({"is_active": false})).await.expect(200);
    create("Am\u{e9}lie").await.refused(409, "name_taken");
}

async fn a_name_that_cannot_be_one_is_refused(app: &TestApp) {
    for (name, code) in [
        (json!(""), "too_short"),
        (json!("   "), "invalid_format"),
        (json!("x".repeat(256)), "too_long"),
        (json!("a\u{0}b"), "invalid_format"),
        (json!("a\nb"), "invalid_format"),
        (json!("a\u{7f}"), "invalid_format"),
        (json!("a\u{85}"), "invalid_format"),
        (json!("\u{202e}gnp.exe"), "invalid_format"),
        (json!("a\u{2066}b\u{2069}"), "invalid_format"),
        (json!("zero\u{200b}width"), "invalid_format"),
        (json!("0198c0de-0000-7000-8000-000000000000"), "invalid_format"),
        (json!("0198C0DE-0000-7000-8000-000000000000"), "invalid_format"),
        (json!(7), "invalid_type"),
        (Value::Null, "required"),
        (json!(["a"]), "invalid_type"),
    ] {
        let body = json!({"token_name": name, "permissions": ["a"]});
        let answer = app.admin().post("/auth/tokens", body).await;
        let expected = [("token_name".to_owned(), code.to_owned())];
        assert_eq!(answer.bad_fields(422, "validation_failed"), expected, "{name}");
    }
    for name in
        ["x".repeat(255), "é".repeat(255), "名前 שם".to_owned(), "a~b/c?d=e&f".to_owned(), "'; --".to_owned()]
    {
        let made = app.mint(&name, &["a"]).await;
        assert_eq!(made.body["token_name"], name);
    }
}

async fn permissions_must_be_permissions(app: &TestApp) {
    for (permissions, field, code) in [
        (json!("a"), "permissions", "invalid_type"),
        (Value::Null, "permissions", "required"),
        (json!(["a", "A"]), "permissions[1]", "invalid_format"),
        (json!(["a", null]), "permissions[1]", "invalid_type"),
        (json!([""]), "permissions[0]", "too_short"),
        (json!(["a:"]), "permissions[0]", "invalid_format"),
        (json!([":a"]), "permissions[0]", "invalid_format"),
        (json!(["a::b"]), "permissions[0]", "invalid_format"),
        (json!(["a:*:b"]), "permissions[0]", "invalid_format"),
        (json!(["a*"]), "permissions[0]", "invalid_format"),
        (json!(["a b"]), "permissions[0]", "invalid_format"),
        (json!(["a\u{0}"]), "permissions[0]", "invalid_format"),
        (json!(["\u{430}"]), "permissions[0]", "invalid_format"),
        (json!(["a".repeat(101)]), "permissions[0]", "too_long"),
        (json!((0..101).map(|n| format!("p{n}")).collect::<Vec<_>>()), "permissions", "too_many"),
    ] {
        let body = json!({"token_name": "x", "permissions": permissions});
        app.admin().post("/auth/tokens", body).await.bad_field(field, code);
    }
    let most: Vec<_> = (0..100).map(|n| format!("{n:0>100}")).collect();
    let made = app.mint_as(json!({"token_name": "most", "permissions": most})).await;
    app.verify(&made.secret).await.decided("valid");
}

async fn metadata_is_kept_as_given_within_its_bounds(app: &TestApp) {
    let create = async |name: &str, metadata: Value| {
        let body = json!({"token_name": name, "permissions": ["a"], "metadata": metadata});
        app.admin().post("/auth/tokens", body).await
    };
    let odd = json!({"": 0, "\u{202e}": "\u{1f600}", "big": 9_007_199_254_740_993_i64, "deep": [[{"a": null}]], "n": -0.5});
    let made = Minted::of(&create("odd", odd.clone()).await);
    assert_eq!(made.body["metadata"], odd);
    assert_eq!(app.admin().get(&made.path()).await.expect(200)["metadata"], odd);
    assert_eq!(app.verify(&made.secret).await.decided("valid")["context"]["metadata"], odd);
    for (metadata, code) in [
        (json!([]), "invalid_type"),
        (json!("a"), "invalid_type"),
        (json!({"a": "x".repeat(8 * 1024)}), "too_long"),
        (json!({"a": "\u{0}"}), "invalid_format"),
        (json!({"a\u{0}": 1}), "invalid_format"),
    ] {
        create("refused", metadata).await.bad_field("metadata", code);
    }
    let fits = json!({"a": "x".repeat(8 * 1024 - 8)});
    assert_eq!(fits.to_string().len(), 8 * 1024);
    create("fits", fits).await.expect(201);
    create("none", Value::Null).await.expect(201);
}

async fn every_bad_field_is_named_at_once(app: &TestApp) {
    let body = json!({
        "token_name": "", "permissions": ["ok", "Not Ok", 3], "expires_in_days": 0, "metadata": 1,
        "colour": "red", "nickname": "x",
    });
    let fields = app.admin().post("/auth/tokens", body).await.bad_fields(422, "unknown_field");
    let expected = [
        ("colour", "unknown_field"),
        ("expires_in_days", "out_of_range"),
        ("metadata", "invalid_type"),
        ("nickname", "unknown_field"),
        ("permissions[1]", "invalid_format"),
        ("permissions[2]", "invalid_type"),
        ("token_name", "too_short"),
    ];
    assert_eq!(fields, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let list = app.admin().get("/auth/tokens?q=x").await.expect(200);
    assert_eq!(list["items"], json!([]));
}

async fn what_no_caller_may_set_is_forbidden(app: &TestApp) {
    let names = [
        "id",
        "token",
        "token_hash",
        "token_hint",
        "status",
        "is_active",
        "usage_count",
        "last_used_at",
        "rotated_from_id",
        "superseded_by_id",
        "grace_expires_at",
        "revoked_at",
        "revoked_reason",
        "created_by",
        "created_at",
        "user_id",
        "email_verified",
    ];
    for name in names {
        let body = json!({"token_name": "x", "permissions": ["a"], name: null});
        let fields = app.admin().post("/auth/tokens", body).await.bad_fields(403, "forbidden_field");
        assert_eq!(fields, [(name.to_owned(), "forbidden_field".to_owned())]);
    }
}

async fn bounds_that_cannot_be_are_refused_not_ignored(app: &TestApp) {
    for (name, value, field, code) in [
        ("service_account_id", json!("x"), "service_account_id", "invalid_format"),
        ("rate_limits", json!({"per_minute": 0}), "rate_limits.per_minute", "out_of_range"),
        ("rate_limits", json!({"per_second": 1}), "rate_limits.per_second", "unknown_field"),
        ("rate_limits", json!(5), "rate_limits", "invalid_type"),
        ("ip_allowlist", json!(["10.0.0.1/8"]), "ip_allowlist[0]", "invalid_format"),
        ("ip_allowlist", json!("10.0.0.0/8"), "ip_allowlist", "invalid_type"),
    ] {
        let body = json!({"token_name": "x", "permissions": ["a"], name: value});
        app.admin().post("/auth/tokens", body).await.bad_field(field, code);
    }
}

async fn nobody_grants_what_they_lack(app: &TestApp) {
    let caller = app.caller(&["tokens:admin", "a:*", "b:read"]).await;
    let create = async |permissions: &[&str]| {
        let name = format!("granting {permissions:?}");
        caller.post("/auth/tokens", json!({"token_name": name, "permissions": permissions})).await
    };
    for granted in
        [&["a:*"][..], &["a:x:y", "b:read"], &["tokens:read"], &["tokens:admin"], &["a:admin"], &[]]
    {
        create(granted).await.expect(201);
    }
    for exceeding in
        [&["*"][..], &["a"], &["b:*"], &["b:admin"], &["b:read", "c"], &["b:read:x"], &["users:admin"]]
    {
        let problem = create(exceeding).await.refused(403, "scope_exceeds_grantor");
        assert!(problem.get("errors").is_none(), "{problem}");
    }
}

async fn an_expired_token_keeps_its_name_since_it_can_be_given_a_longer_life(app: &TestApp) {
    let body = json!({"token_name": "short-lived", "permissions": ["a"], "expires_in_days": 10});
    let old = app.mint_as(body.clone()).await;
    app.database().await.expire("short-lived").await;
    app.verify(&old.secret).await.decided("expired");
    app.admin().post("/auth/tokens", body.clone()).await.refused(409, "name_taken");
    app.admin().patch(&old.path(), json!({"expires_at": null})).await.expect(200);
    app.verify(&old.secret).await.decided("valid");
    app.admin().delete(&old.path()).await.expect(204);
    app.admin().post("/auth/tokens", body).await.expect(201);
}
