//! `POST /auth/tokens/{id}/rotate` and `POST /auth/tokens/self/rotate`.

use keywright_core::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Minted, TestApp, on_both_engines};

on_both_engines![
    a_rotation_makes_a_new_token_and_the_old_one_lives_on_through_its_grace,
    grace_has_bounds_and_never_outlives_the_old_end,
    the_new_one_may_be_given_another_end,
    of_fifty_rotations_at_once_one_wins,
    what_cannot_be_rotated_says_why,
    a_token_may_rotate_itself_with_the_permission,
    who_rotates_only_itself_cannot_live_longer,
    nobody_takes_over_what_they_could_not_grant,
    a_version_that_was_not_seen_is_not_rotated,
    a_chain_of_rotations_holds_together,
    what_is_asked_must_be_well_formed,
];

const DAY: i64 = 86_400_000_000;

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

fn rotation(token: &Minted) -> String {
    format!("{}/rotate", token.path())
}

async fn a_rotation_makes_a_new_token_and_the_old_one_lives_on_through_its_grace(app: &TestApp) {
    let body =
        json!({"token_name": "ci", "permissions": ["a", "b:*"], "metadata": {"k": 1}, "expires_in_days": 30});
    let old = app.mint_as(body).await;
    let answer = app.admin().post(&rotation(&old), json!({"reason": "yearly"})).await;
    let new = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("location").is_empty());
    let new_token = Minted::of(&answer);
    assert_ne!((&new_token.id, &new_token.secret), (&old.id, &old.secret));
    for same in ["permissions", "metadata", "token_name", "is_active"] {
        assert_eq!(new[same], old.body[same], "{same}");
    }
    assert_eq!((&new["rotated_from_id"], &new["superseded_by_id"]), (&json!(old.id), &Value::Null));
    assert_eq!(time(&new["expires_at"]).micros_since(time(&new["created_at"])), 30 * DAY);
    let seen = app.admin().get(&old.path()).await.expect(200);
    assert_eq!(seen["status"], "superseded");
    assert_eq!(seen["superseded_by_id"], new["id"]);
    assert_eq!(seen["token_name"], format!("ci~{}", &old.id[28..]));
    assert_eq!(time(&seen["grace_expires_at"]).micros_since(time(&new["created_at"])), DAY);
    let decision = app.verify(&old.secret).await.decided("valid");
    let grace = json!({"superseded": true, "grace_expires_at": seen["grace_expires_at"]});
    assert_eq!(decision["rotation"], grace);
    let decision = app.verify(&new_token.secret).await.decided("valid");
    assert_eq!(decision["rotation"], json!({"superseded": false, "grace_expires_at": null}));
}

async fn grace_has_bounds_and_never_outlives_the_old_end(app: &TestApp) {
    let rotate = async |name: &str, days: u32, grace: Value| {
        let old = app.mint_as(json!({"token_name": name, "permissions": [], "expires_in_days": days})).await;
        let answer = app.admin().post(&rotation(&old), json!({"reason": "r", "grace_seconds": grace})).await;
        (old, answer)
    };
    let (old, answer) = rotate("none", 9, json!(0)).await;
    answer.expect(200);
    app.verify(&old.secret).await.decided("expired");
    let (old, answer) = rotate("longest", 99, json!(2_592_000)).await;
    let end = app.admin().get(&old.path()).await.expect(200)["grace_expires_at"].clone();
    assert_eq!(time(&end).micros_since(time(&answer.expect(200)["created_at"])), 30 * DAY);
    let (old, answer) = rotate("capped", 2, json!(2_592_000)).await;
    answer.expect(200);
    let end = app.admin().get(&old.path()).await.expect(200)["grace_expires_at"].clone();
    assert_eq!(end, old.body["expires_at"]);
    for (name, grace, code) in [
        ("too long", json!(2_592_001), "out_of_range"),
        ("negative", json!(-1), "out_of_range"),
        ("fraction", json!(1.5), "invalid_type"),
        ("text", json!("60"), "invalid_type"),
    ] {
        let (old, answer) = rotate(name, 9, grace).await;
        answer.bad_field("grace_seconds", code);
        assert_eq!(app.admin().get(&old.path()).await.expect(200)["status"], "active");
    }
}

async fn the_new_one_may_be_given_another_end(app: &TestApp) {
    for (name, end) in [("never", Value::Null), ("later", json!("2399-01-01T00:00:00Z"))] {
        let old = app.mint(name, &["a"]).await;
        let body = json!({"reason": "r", "expires_at": end});
        let new = app.admin().post(&rotation(&old), body).await.expect(200);
        assert_eq!(new["expires_at"], end);
    }
    let immortal =
        app.mint_as(json!({"token_name": "immortal", "permissions": [], "expires_at": null})).await;
    let new = app.admin().post(&rotation(&immortal), json!({"reason": "r"})).await.expect(200);
    assert_eq!(new["expires_at"], Value::Null);
    let old = app.mint("past", &["a"]).await;
    let body = json!({"reason": "r", "expires_at": app.now().plus_seconds(-1).to_string()});
    app.admin().post(&rotation(&old), body).await.bad_field("expires_at", "out_of_range");
}

async fn of_fifty_rotations_at_once_one_wins(app: &TestApp) {
    for round in 0..3 {
        let old = app.mint(&format!("round {round}"), &["a"]).await;
        let (admin, path) = (app.admin(), rotation(&old));
        let asked = (0..50).map(|_| admin.post(&path, json!({"reason": "race"})));
        let answers = futures::future::join_all(asked).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.refused(409, "rotation_in_progress");
        }
        let winner = Minted::of(won[0]);
        app.verify(&winner.secret).await.decided("valid");
        let seen = app.admin().get(&old.path()).await.expect(200);
        assert_eq!(seen["superseded_by_id"], winner.id);
        let list = app.admin().get(&format!("/auth/tokens?q=round%20{round}")).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 2);
    }
}

async fn what_cannot_be_rotated_says_why(app: &TestApp) {
    let body = || json!({"reason": "r"});
    let token = app.mint("rotated", &["a"]).await;
    app.admin().post(&rotation(&token), body()).await.expect(200);
    app.admin().post(&rotation(&token), body()).await.refused(409, "rotation_in_progress");
    app.admin().delete(&token.path()).await.expect(204);
    app.admin().post(&rotation(&token), body()).await.refused(409, "not_rotatable");
    let token = app.mint("expired", &["a"]).await;
    app.database().await.expire("expired").await;
    app.admin().post(&rotation(&token), body()).await.refused(409, "not_rotatable");
    for id in ["0198c0de-0000-7000-8000-000000000000", "nonsense"] {
        app.admin().post(&format!("/auth/tokens/{id}/rotate"), body()).await.refused(404, "not_found");
    }
    let off = app.mint("switched off", &["a"]).await;
    app.admin().patch(&off.path(), json!({"is_active": false})).await.expect(200);
    let new = Minted::of(&app.admin().post(&rotation(&off), body()).await);
    app.verify(&new.secret).await.decided("inactive");
}

async fn a_token_may_rotate_itself_with_the_permission(app: &TestApp) {
    let token = app.mint("self-rotating", &["tokens:rotate_self", "a"]).await;
    let body = json!({"reason": "weekly", "grace_seconds": 60});
    let answer = app.bearing(&token.secret).post("/auth/tokens/self/rotate", body).await;
    let new = Minted::of(&answer);
    assert_eq!(answer.expect(200)["created_by"]["id"], token.id);
    app.verify(&new.secret).await.decided("valid");
    assert_eq!(app.verify(&token.secret).await.decided("valid")["rotation"]["superseded"], true);
    // The old one cannot be rotated twice, not even by itself.
    let again = app.bearing(&token.secret).post("/auth/tokens/self/rotate", json!({"reason": "r"})).await;
    again.refused(409, "rotation_in_progress");
    let without = app.caller(&["a"]).await;
    without.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await.refused(403, "insufficient_scope");
    app.bearing(&token.secret)
        .post(&rotation(&token), json!({"reason": "r"}))
        .await
        .refused(403, "insufficient_scope");
}

async fn who_rotates_only_itself_cannot_live_longer(app: &TestApp) {
    let body = json!({"token_name": "short", "permissions": ["tokens:rotate_self"], "expires_in_days": 2});
    let token = app.mint_as(body).await;
    let rotate = async |end: Value| {
        let body = json!({"reason": "r", "expires_at": end});
        app.bearing(&token.secret).post("/auth/tokens/self/rotate", body).await
    };
    rotate(Value::Null).await.refused(403, "scope_exceeds_grantor");
    rotate(json!(app.now().plus_days(3).to_string())).await.refused(403, "scope_exceeds_grantor");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "active");
    rotate(json!(app.now().plus_days(1).to_string())).await.expect(200);
}

async fn nobody_takes_over_what_they_could_not_grant(app: &TestApp) {
    let powerful = app.mint("powerful", &["z:*"]).await;
    let caller = app.caller(&["tokens:admin", "a:*"]).await;
    let answer = caller.post(&rotation(&powerful), json!({"reason": "mine now"})).await;
    answer.refused(403, "scope_exceeds_grantor");
    assert_eq!(app.admin().get(&powerful.path()).await.expect(200)["status"], "active");
}

async fn a_version_that_was_not_seen_is_not_rotated(app: &TestApp) {
    let token = app.mint("versioned", &["tokens:rotate_self"]).await;
    let tag = app.admin().get(&token.path()).await.header("etag").to_owned();
    let stale = app.admin().with("if-match", "\"99\"");
    stale.post(&rotation(&token), json!({"reason": "r"})).await.refused(412, "precondition_failed");
    let own = app.bearing(&token.secret).with("if-match", "\"99\"");
    own.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await.refused(412, "precondition_failed");
    let caller = app.admin().with("if-match", &tag);
    caller.post(&rotation(&token), json!({"reason": "r"})).await.expect(200);
}

async fn a_chain_of_rotations_holds_together(app: &TestApp) {
    let mut current = app.mint("chain", &["a"]).await;
    for _ in 0..5 {
        let next = Minted::of(&app.admin().post(&rotation(&current), json!({"reason": "next"})).await);
        assert_eq!(next.body["rotated_from_id"], current.id);
        assert_eq!(next.body["token_name"], "chain");
        app.verify(&current.secret).await.decided("valid");
        current = next;
    }
    let list = app.admin().get("/auth/tokens?q=chain&status=superseded").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 5);
    let long = "n".repeat(255);
    let token = app.mint(&long, &["a"]).await;
    let new = app.admin().post(&rotation(&token), json!({"reason": "long"})).await.expect(200);
    assert_eq!(new["token_name"], long);
}

async fn what_is_asked_must_be_well_formed(app: &TestApp) {
    let token = app.mint("asked", &["a"]).await;
    let rotate = async |body: Value| app.admin().post(&rotation(&token), body).await;
    rotate(json!({})).await.bad_field("reason", "required");
    rotate(json!({"reason": null})).await.bad_field("reason", "required");
    rotate(json!({"reason": ""})).await.bad_field("reason", "too_short");
    rotate(json!({"reason": "x".repeat(501)})).await.bad_field("reason", "too_long");
    rotate(json!({"reason": "a\nb"})).await.bad_field("reason", "invalid_format");
    rotate(json!({"reason": "r", "permissions": ["*"]})).await.bad_field("permissions", "unknown_field");
    let fields = rotate(json!({"reason": "r", "token": "sk_mine"})).await.bad_fields(403, "forbidden_field");
    assert_eq!(fields, [("token".into(), "forbidden_field".into())]);
    app.admin().send("POST", &rotation(&token), None).await.refused(400, "invalid_json");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "active");
}
