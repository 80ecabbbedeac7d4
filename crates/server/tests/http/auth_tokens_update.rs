//! `PATCH /auth/tokens/{id}`.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    what_is_given_changes_and_the_rest_stays,
    metadata_is_merged,
    an_end_moves_within_reason,
    a_merge_patch_may_say_that_it_is_one,
    a_change_of_nothing_changes_nothing,
    a_change_of_another_version_is_refused,
    of_many_changes_to_one_version_one_is_made,
    a_revoked_token_cannot_change,
    nobody_widens_beyond_what_they_hold,
    what_may_not_be_set_is_refused,
];

async fn what_is_given_changes_and_the_rest_stays(app: &TestApp) {
    let token =
        app.mint_as(json!({"token_name": "before", "permissions": ["a"], "metadata": {"k": 1}})).await;
    let mut expected = token.body.clone();
    expected.as_object_mut().unwrap().remove("token");
    let mut change = async |body: Value, seen: Value| {
        let answer = app.admin().patch(&token.path(), body).await;
        expected.as_object_mut().unwrap().extend(seen.as_object().unwrap().clone());
        assert_eq!(answer.expect(200), expected);
        assert_eq!(app.admin().get(&token.path()).await.expect(200), expected);
        assert_eq!(answer.header("etag"), app.admin().get(&token.path()).await.header("etag"));
    };
    change(json!({"token_name": " after "}), json!({"token_name": "after"})).await;
    change(json!({"permissions": ["b", "c:*"]}), json!({"permissions": ["b", "c:*"]})).await;
    change(json!({"scopes": []}), json!({"permissions": []})).await;
    change(json!({"is_active": false}), json!({"is_active": false, "status": "inactive"})).await;
    change(json!({"is_active": true}), json!({"is_active": true, "status": "active"})).await;
    change(json!({"expires_at": "2399-01-01T00:00:00Z"}), json!({"expires_at": "2399-01-01T00:00:00Z"}))
        .await;
    change(json!({"expires_at": null}), json!({"expires_at": null})).await;
    change(json!({"metadata": null}), json!({"metadata": {}})).await;
    change(json!({}), json!({})).await;
}

async fn metadata_is_merged(app: &TestApp) {
    let metadata = json!({"keep": 1, "gone": 2, "deep": {"keep": [1, 2], "gone": 3}});
    let token =
        app.mint_as(json!({"token_name": "merged", "permissions": ["a"], "metadata": metadata})).await;
    let patch =
        json!({"metadata": {"gone": null, "new": {"x": null, "y": 1}, "deep": {"gone": null, "new": 4}}});
    let changed = app.admin().patch(&token.path(), patch).await.expect(200);
    let expected = json!({"keep": 1, "deep": {"keep": [1, 2], "new": 4}, "new": {"y": 1}});
    assert_eq!(changed["metadata"], expected);
    assert_eq!(app.verify(&token.secret).await.decided("valid")["context"]["metadata"], expected);
    let half = json!({"metadata": {"a": "x".repeat(5_000)}});
    app.admin().patch(&token.path(), half).await.expect(200);
    let too_much = json!({"metadata": {"b": "x".repeat(5_000)}});
    let answer = app.admin().patch(&token.path(), too_much).await;
    assert_eq!(answer.bad_fields(422, "validation_failed")[0].0, "metadata");
    let seen = app.admin().get(&token.path()).await.expect(200);
    assert!(seen["metadata"].get("b").is_none(), "{seen}");
}

async fn an_end_moves_within_reason(app: &TestApp) {
    let token = app.mint("mortal", &["a"]).await;
    let patch = async |end: Value| app.admin().patch(&token.path(), json!({"expires_at": end})).await;
    patch(json!(app.now().plus_seconds(-1).to_string())).await.bad_field("expires_at", "out_of_range");
    patch(json!("tomorrow")).await.bad_field("expires_at", "invalid_format");
    patch(json!(1_900_000_000)).await.bad_field("expires_at", "invalid_type");
    patch(json!("292278-01-01T00:00:00Z")).await.bad_field("expires_at", "invalid_format");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["expires_at"], token.body["expires_at"]);
    let sooner = json!({"expires_in_days": 1});
    app.admin().patch(&token.path(), sooner).await.bad_field("expires_in_days", "unknown_field");
}

async fn a_merge_patch_may_say_that_it_is_one(app: &TestApp) {
    let token = app.mint("patched", &["a"]).await;
    let caller = app.admin().with("content-type", "application/merge-patch+json");
    let body = br#"{"token_name": "patched so"}"#.to_vec();
    let changed = caller.send_bytes("PATCH", &token.path(), body.clone()).await.expect(200);
    assert_eq!(changed["token_name"], "patched so");
    caller.send_bytes("POST", "/auth/tokens", body).await.refused(415, "unsupported_media_type");
}

async fn a_change_of_nothing_changes_nothing(app: &TestApp) {
    let token = app.mint("still", &["a"]).await;
    let before = app.admin().get(&token.path()).await;
    let same = json!({"token_name": "still", "permissions": ["a"], "is_active": true, "metadata": {}});
    for body in [json!({}), same] {
        let after = app.admin().patch(&token.path(), body).await;
        assert_eq!((after.expect(200), after.header("etag")), (before.json(), before.header("etag")));
    }
    let events = format!("/audit/security-events?credential_id={}&type=token.updated", token.id);
    assert_eq!(app.admin().get(&events).await.expect(200)["items"], json!([]));
}

async fn a_change_of_another_version_is_refused(app: &TestApp) {
    let token = app.mint("versioned", &["a"]).await;
    let tag = app.admin().get(&token.path()).await.header("etag").to_owned();
    let patch = async |tag: &str, name: &str| {
        app.admin().with("if-match", tag).patch(&token.path(), json!({"token_name": name})).await
    };
    let changed = patch(&tag, "second").await;
    changed.expect(200);
    let newer = changed.header("etag").to_owned();
    assert_ne!(newer, tag);
    for stale in [
        tag.as_str(),
        "\"0\"",
        "\"nonsense\"",
        "nonsense",
        "",
        "W/\"1\"",
        &format!("W/{newer}"),
        &format!("{tag}, W/{newer}"),
        &newer.replacen('"', "\"0", 1),
        &newer.replacen('"', "\"+", 1),
        "\"99999999999999999999\"",
    ] {
        patch(stale, "third").await.refused(412, "precondition_failed");
    }
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["token_name"], "second");
    let third = patch(&format!("{tag}, {newer}"), "third").await;
    third.expect(200);
    let two_headers = app.admin().with("if-match", &tag).with("if-match", third.header("etag"));
    two_headers.patch(&token.path(), json!({"token_name": "fourth"})).await.expect(200);
    patch("*", "fifth").await.expect(200);
}

async fn of_many_changes_to_one_version_one_is_made(app: &TestApp) {
    let token = app.mint("contended", &["a"]).await;
    let tag = app.admin().get(&token.path()).await.header("etag").to_owned();
    let callers: Vec<_> = (0..20).map(|_| app.admin().with("if-match", &tag)).collect();
    let path = token.path();
    let change =
        |number: usize| callers[number].patch(&path, json!({"token_name": format!("winner {number}")}));
    let answers = futures::future::join_all((0..20).map(change)).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(412, "precondition_failed");
    }
    assert_eq!(app.admin().get(&path).await.expect(200)["token_name"], won[0].json()["token_name"]);
}

async fn a_revoked_token_cannot_change(app: &TestApp) {
    let token = app.mint("dead", &["a"]).await;
    app.admin().delete(&token.path()).await.expect(204);
    for body in
        [json!({"is_active": true}), json!({"token_name": "alive"}), json!({"expires_at": null}), json!({})]
    {
        app.admin().patch(&token.path(), body).await.refused(409, "already_revoked");
    }
    app.verify(&token.secret).await.decided("revoked");
    let nobodys = "/auth/tokens/0198c0de-0000-7000-8000-000000000000";
    app.admin().patch(nobodys, json!({"is_active": true})).await.refused(404, "not_found");
}

async fn nobody_widens_beyond_what_they_hold(app: &TestApp) {
    let token = app.mint("powerful", &["z:read", "a:read"]).await;
    let caller = app.caller(&["tokens:admin", "a:*"]).await;
    let patch = async |body: Value| caller.patch(&token.path(), body).await;
    patch(json!({"permissions": ["z:read", "a:read", "a:write"]}))
        .await
        .refused(403, "scope_exceeds_grantor");
    patch(json!({"permissions": ["z:*"]})).await.refused(403, "scope_exceeds_grantor");
    patch(json!({"expires_at": null})).await.refused(403, "scope_exceeds_grantor");
    // Taking away is allowed; giving back what was taken is not.
    patch(json!({"is_active": false})).await.expect(200);
    patch(json!({"is_active": true})).await.refused(403, "scope_exceeds_grantor");
    patch(json!({"permissions": ["z:read"]})).await.expect(200);
    patch(json!({"permissions": ["z:read", "a:read"]})).await.refused(403, "scope_exceeds_grantor");
    patch(json!({"permissions": ["a:read", "a:write"]})).await.expect(200);
    // The caller itself is no exception.
    let me = caller.get("/auth/me").await.expect(200)["credential"]["id"].as_str().unwrap().to_owned();
    let own = caller.patch(&format!("/auth/tokens/{me}"), json!({"permissions": ["*"]})).await;
    own.refused(403, "scope_exceeds_grantor");
}

async fn what_may_not_be_set_is_refused(app: &TestApp) {
    let token = app.mint("guarded", &["a"]).await;
    for name in
        ["usage_count", "revoked_at", "token_hash", "status", "id", "created_by", "user_id", "email_verified"]
    {
        let answer = app.admin().patch(&token.path(), json!({"token_name": "x", name: 1})).await;
        assert_eq!(answer.bad_fields(403, "forbidden_field"), [(name.into(), "forbidden_field".into())]);
    }
    let elsewhere = json!({"service_account_id": null});
    app.admin().patch(&token.path(), elsewhere).await.refused(403, "forbidden_field");
    for (body, field, code) in [
        (json!({"token_name": null}), "token_name", "required"),
        (json!({"is_active": null}), "is_active", "required"),
        (json!({"is_active": "true"}), "is_active", "invalid_type"),
        (json!({"permissions": null}), "permissions", "required"),
        (json!({"metadata": []}), "metadata", "invalid_type"),
        (json!({"scopes": ["a"], "permissions": ["a"]}), "scopes", "conflict"),
        (json!({"reason": "x"}), "reason", "unknown_field"),
    ] {
        app.admin().patch(&token.path(), body).await.bad_field(field, code);
    }
    app.mint("taken", &["a"]).await;
    let taken = app.admin().patch(&token.path(), json!({"token_name": "taken"})).await;
    taken.refused(409, "name_taken");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["token_name"], "guarded");
}
