//! `/service-accounts/{id}/tokens`, and tokens of accounts under `/auth/tokens`.

use keywright_core::BuiltInRole;
use serde_json::{Value, json};

use crate::harness::accounts::{body, path, with};
use crate::harness::{Minted, TestApp, id, on_both_engines};

on_both_engines![
    a_token_lies_within_its_account,
    what_a_token_does_not_say_its_account_says,
    narrowing_an_account_narrows_its_tokens_at_once,
    a_disabled_account_and_a_suspended_publisher_lock_its_tokens_out,
    tokens_are_listed_and_changed_below_their_account_alone,
    all_tokens_of_an_account_are_rotated_at_once_or_none,
    all_tokens_of_an_account_are_revoked_at_once,
    a_publisher_sees_the_tokens_of_its_own_accounts_alone,
    a_token_of_an_account_manages_itself,
    a_life_without_end_is_given_at_platform_level_alone,
    a_token_that_stands_alone_has_bounds_too,
    usage_is_told_of_the_account_and_of_each_token,
    what_is_left_of_the_limits_of_an_account_is_told_of_all_its_tokens_together,
];

fn tokens(account: &Value) -> String {
    format!("{}/tokens", path(account))
}

/// The scopes that a decision tells.
async fn carried(app: &TestApp, token: &Minted) -> Value {
    app.verify(&token.secret).await.decided("valid")["scopes"].clone()
}

async fn a_token_lies_within_its_account(app: &TestApp) {
    let bounds = json!({"rate_limits": {"per_minute": 100}, "ip_allowlist": ["10.0.0.0/8"]});
    let account = app.account(with(body("a", &["works:*", "reports:read"]), bounds)).await;
    for (wider, field) in [
        (json!({"permissions": ["works:read", "catalog:read"]}), "permissions"),
        (json!({"scopes": ["*"]}), "permissions"),
        (json!({"rate_limits": {"per_minute": 101, "per_hour": 1}}), "rate_limits.per_minute"),
        (json!({"ip_allowlist": ["10.0.0.0/8", "11.0.0.0/8"]}), "ip_allowlist"),
    ] {
        let wanted = with(json!({"token_name": "t"}), wider.clone());
        app.admin().post(&tokens(&account), wanted.clone()).await.bad_field(field, "out_of_range");
        let named = with(wanted, json!({"service_account_id": account["id"]}));
        let answer = app.admin().post("/auth/tokens", named).await;
        answer.bad_field(field, "out_of_range");
        let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(["works:*", "100", "10.0.0.0/8"].iter().any(|own| detail.contains(own)), "{detail}");
    }
    let within = json!({"token_name": "t", "permissions": ["works:read"], "rate_limits": {"per_minute": 5},
        "ip_allowlist": ["10.1.0.0/16"], "metadata": {"a": 1}, "expires_in_days": 3});
    let answer = app.admin().post(&tokens(&account), within).await;
    let made = Minted::of(&answer);
    assert_eq!(answer.header("location"), format!("/api/v1{}/{}", tokens(&account), made.id));
    assert_eq!(made.body["service_account_id"], account["id"]);
    assert_eq!(made.body["rate_limits"], json!({"per_minute": 5, "per_hour": null}));
    assert_eq!(made.body["ip_allowlist"], json!(["10.1.0.0/16"]));
    let own = format!("{}/{}", tokens(&account), made.id);
    for (wider, field) in [
        (json!({"permissions": ["*"]}), "permissions"),
        (json!({"rate_limits": {"per_minute": 101}}), "rate_limits.per_minute"),
        (json!({"ip_allowlist": ["0.0.0.0/0"]}), "ip_allowlist"),
    ] {
        app.admin().patch(&own, wider.clone()).await.bad_field(field, "out_of_range");
        app.admin().patch(&made.path(), wider).await.bad_field(field, "out_of_range");
    }
    let changed = json!({"rate_limits": {"per_hour": 7}, "ip_allowlist": null});
    let changed = app.admin().patch(&own, changed).await.expect(200);
    assert_eq!(changed["rate_limits"], json!({"per_minute": 5, "per_hour": 7}));
    assert_eq!(changed["ip_allowlist"], Value::Null);
    let nobody = json!({"token_name": "u", "service_account_id": "0198c0de-0000-7000-8000-000000000000"});
    app.admin().post("/auth/tokens", nobody.clone()).await.bad_field("service_account_id", "out_of_range");
    app.admin().post(&tokens(&account), nobody).await.refused(403, "forbidden_field");
    let missing = "/service-accounts/0198c0de-0000-7000-8000-000000000000/tokens";
    app.admin().post(missing, json!({"token_name": "u"})).await.refused(404, "not_found");
}

async fn what_a_token_does_not_say_its_account_says(app: &TestApp) {
    let bounds = json!({"rate_limits": {"per_minute": 100}, "ip_allowlist": ["10.0.0.0/8"],
        "metadata": {"tier": 1, "region": "eu"}});
    let account = app.account(with(body("a", &["works:read", "catalog:read"]), bounds)).await;
    let token = app.token_of(&account, json!({"token_name": "t", "metadata": {"region": "us"}})).await;
    assert_eq!(token.body["permissions"], json!(["catalog:read", "works:read"]));
    assert_eq!((&token.body["rate_limits"], &token.body["ip_allowlist"]), (&Value::Null, &Value::Null));
    let ask =
        async |address: &str| app.verify_body(json!({"token": token.secret, "ip_address": address})).await;
    for elsewhere in ["192.0.2.1", "11.0.0.1", "::1", "2001:db8::1"] {
        ask(elsewhere).await.decided("ip_not_allowed");
    }
    app.verify_body(json!({"token": token.secret})).await.decided("ip_not_allowed");
    for within in ["10.9.9.9", "::ffff:10.0.0.1"] {
        ask(within).await.decided("valid");
    }
    let decision = ask("10.0.0.1").await.decided("valid");
    assert_eq!(decision["principal"], json!({"type": "service_account", "id": account["id"], "name": "a"}));
    let context = &decision["context"];
    assert_eq!((&context["service_account_id"], &context["service_name"]), (&account["id"], &json!("a")));
    assert_eq!(context["metadata"], json!({"tier": 1, "region": "us"}));
    // Neither an address is taken for another, nor a missing one guessed.
    app.verify(&token.secret).await.decided("ip_not_allowed");
    app.bearing(&token.secret).get("/auth/me").await.refused(403, "ip_not_allowed");
}

async fn narrowing_an_account_narrows_its_tokens_at_once(app: &TestApp) {
    let account = app.account(body("a", &["works:*", "catalog:read"])).await;
    let wanted = json!({"token_name": "t", "permissions": ["works:read", "works:write", "catalog:read"]});
    let token = app.token_of(&account, wanted).await;
    assert_eq!(carried(app, &token).await, json!(["catalog:read", "works:read", "works:write"]));
    let scopes = format!("{}/scopes", path(&account));
    app.admin().put(&scopes, json!({"scopes": ["works:read"]})).await.expect(200);
    assert_eq!(carried(app, &token).await, json!(["works:read"]));
    let asked = json!({"token": token.secret, "required_scopes": ["works:write"]});
    app.verify_body(asked).await.decided("insufficient_scope");
    app.admin().put(&scopes, json!({"scopes": ["*"]})).await.expect(200);
    assert_eq!(carried(app, &token).await, json!(["catalog:read", "works:read", "works:write"]));

    let allowlist = format!("{}/ip-allowlist", path(&account));
    app.admin().put(&allowlist, json!({"ip_allowlist": ["192.0.2.0/24"]})).await.expect(200);
    app.verify(&token.secret).await.decided("ip_not_allowed");
    app.admin().put(&allowlist, json!({"ip_allowlist": ["127.0.0.0/8"]})).await.expect(200);
    app.verify(&token.secret).await.decided("valid");

    let limits = format!("{}/rate-limits", path(&account));
    app.admin().put(&limits, json!({"per_minute": 7, "per_hour": 70})).await.expect(200);
    let context = &app.verify(&token.secret).await.decided("valid")["context"];
    assert_eq!(context["rate_limits"], json!({"per_minute": 7, "per_hour": 70}));
    app.admin().patch(&path(&account), json!({"metadata": {"creator_id": "c-1"}})).await.expect(200);
    let decision = app.verify(&token.secret).await.decided("valid");
    assert_eq!(decision["context"]["metadata"], json!({"creator_id": "c-1"}));
}

async fn a_disabled_account_and_a_suspended_publisher_lock_its_tokens_out(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let wanted = json!({"publisher_id": publisher["id"]});
    let account = app.account(with(body("a", &["service_accounts:read"]), wanted)).await;
    let token = app.token_of(&account, json!({"token_name": "t"})).await;
    app.verify(&token.secret).await.decided("valid");
    let act = async |what: &str| {
        app.admin().post(&format!("{}/{what}", path(&account)), json!({})).await.expect(200)
    };
    act("disable").await;
    app.verify(&token.secret).await.decided("principal_disabled");
    app.bearing(&token.secret).get("/service-accounts").await.refused(401, "principal_disabled");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "active");
    act("disable").await;
    act("enable").await;
    app.verify(&token.secret).await.decided("valid");
    let publisher = format!("/publishers/{}", id(&publisher));
    app.admin().post(&format!("{publisher}/suspend"), json!({})).await.expect(200);
    app.verify(&token.secret).await.decided("publisher_suspended");
    app.admin().post(&format!("{publisher}/resume"), json!({})).await.expect(200);
    app.verify(&token.secret).await.decided("valid");
    let elsewhere = app.publisher("q").await;
    let asked = json!({"token": token.secret, "publisher_id": elsewhere["id"]});
    app.verify_body(asked).await.decided("wrong_publisher");
}

async fn tokens_are_listed_and_changed_below_their_account_alone(app: &TestApp) {
    let [one, two] = [app.account(body("one", &[])).await, app.account(body("two", &[])).await];
    let token = app.token_of(&one, json!({"token_name": "t"})).await;
    app.token_of(&two, json!({"token_name": "t"})).await;
    app.admin().post(&tokens(&one), json!({"token_name": "t"})).await.refused(409, "name_taken");
    let names = async |path: &str| {
        let page = app.admin().get(path).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&tokens(&one)).await, [token.id.as_str()]);
    assert_eq!(names(&format!("{}?status=revoked", tokens(&one))).await, Vec::<String>::new());
    assert_eq!(names(&format!("/auth/tokens?service_account_id={}", id(&one))).await, [token.id.as_str()]);
    let below = |account: &Value| format!("{}/{}", tokens(account), token.id);
    assert_eq!(app.admin().get(&below(&one)).await.expect(200)["id"], token.id);
    app.admin().get(&below(&two)).await.refused(404, "not_found");
    app.admin().patch(&below(&two), json!({"is_active": false})).await.refused(404, "not_found");
    app.admin().delete(&below(&two)).await.refused(404, "not_found");
    let rotate = |account: &Value| format!("{}/rotate", below(account));
    app.admin().post(&rotate(&two), json!({"reason": "r"})).await.refused(404, "not_found");
    app.verify(&token.secret).await.decided("valid");

    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let answer = caller.post(&rotate(&one), json!({"reason": "r"})).await;
    let new = Minted::of(&answer);
    assert_eq!(Minted::of(&caller.post(&rotate(&one), json!({"reason": "r"})).await).secret, new.secret);
    assert_eq!(
        (&new.body["service_account_id"], &new.body["rotated_from_id"]),
        (&one["id"], &json!(token.id))
    );
    app.verify(&token.secret).await.decided("valid");
    app.admin().delete(&format!("{}?reason=done", below(&one))).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    app.verify(&new.secret).await.decided("valid");
}

async fn all_tokens_of_an_account_are_rotated_at_once_or_none(app: &TestApp) {
    let account = app.account(body("a", &["works:read"])).await;
    let mut old = Vec::new();
    for name in ["t", "u", "v"] {
        old.push(app.token_of(&account, json!({"token_name": name})).await);
    }
    app.admin().delete(&old[2].path()).await.expect(204);
    let rotate = format!("{}/rotate-all", tokens(&account));
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let wanted = json!({"reason": "quarterly", "grace_seconds": 3600});
    let answer = caller.post(&rotate, wanted.clone()).await;
    let body = answer.expect(200);
    let items = body["items"].as_array().unwrap();
    assert_eq!((items.len(), answer.header("cache-control")), (2, "no-store"));
    for new in items {
        app.verify(new["token"].as_str().unwrap()).await.decided("valid");
        let from = old.iter().find(|old| new["rotated_from_id"] == json!(old.id)).unwrap();
        let decision = app.verify(&from.secret).await.decided("valid");
        assert_eq!(decision["rotation"]["superseded"], true);
        assert_eq!(new["token_name"], from.body["token_name"]);
    }
    let again = caller.post(&rotate, wanted).await;
    assert_eq!((again.expect(200), again.header("idempotency-replayed")), (body, "true"));
    // Nobody rotates what they could not have made: then none is.
    let weak = app.caller(&["service_accounts:admin"]).await;
    weak.post(&rotate, json!({"reason": "r"})).await.refused(403, "scope_exceeds_grantor");
    app.admin().post(&rotate, json!({})).await.bad_field("reason", "required");
    let empty = app.account(self::body("empty", &[])).await;
    let none = app.admin().post(&format!("{}/rotate-all", tokens(&empty)), json!({"reason": "r"})).await;
    assert_eq!(none.expect(200)["items"], json!([]));
}

async fn all_tokens_of_an_account_are_revoked_at_once(app: &TestApp) {
    let [account, other] = [app.account(body("a", &[])).await, app.account(body("b", &[])).await];
    let mut all = Vec::new();
    for name in ["t", "u"] {
        all.push(app.token_of(&account, json!({"token_name": name})).await);
    }
    let spared = app.token_of(&other, json!({"token_name": "t"})).await;
    for token in all.iter().chain([&spared]) {
        app.verify(&token.secret).await.decided("valid");
    }
    let revoke = format!("{}/revoke-all", tokens(&account));
    let answer = app.admin().post(&revoke, json!({"reason": "leak"})).await.expect(200);
    assert_eq!(answer["revoked"], 2);
    for token in &all {
        app.verify(&token.secret).await.decided("revoked");
        assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "revoked");
    }
    app.verify(&spared.secret).await.decided("valid");
    // The account lives on, and the names are free at once.
    let next = app.token_of(&account, json!({"token_name": "t"})).await;
    app.verify(&next.secret).await.decided("valid");
    assert_eq!(app.admin().post(&revoke, json!({})).await.expect(200)["revoked"], 1);
    let active = app.admin().get(&format!("{}?status=active", tokens(&account))).await.expect(200);
    assert_eq!(active["items"], json!([]));
}

async fn a_publisher_sees_the_tokens_of_its_own_accounts_alone(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let own = app.account(with(body("own", &["works:read"]), json!({"publisher_id": one["id"]}))).await;
    let theirs = app.account(with(body("theirs", &[]), json!({"publisher_id": two["id"]}))).await;
    let token = app.token_of(&own, json!({"token_name": "t"})).await;
    let stranger = app.token_of(&theirs, json!({"token_name": "t"})).await;
    let alone = app.mint("alone", &[]).await;
    let admin = app.of_publisher(&one, "admin", &["*"]).await;
    let page = admin.get("/auth/tokens").await.expect(200);
    let seen: Vec<_> = page["items"].as_array().unwrap().iter().map(id).collect();
    assert!(seen.contains(&token.id.as_str()) && seen.len() == 2, "{seen:?}");
    for hidden in [&stranger, &alone] {
        admin.get(&hidden.path()).await.refused(404, "not_found");
        admin.patch(&hidden.path(), json!({})).await.refused(404, "not_found");
        admin.delete(&hidden.path()).await.refused(404, "not_found");
        let rotate = format!("{}/rotate", hidden.path());
        admin.post(&rotate, json!({"reason": "r"})).await.refused(404, "not_found");
        admin.get(&format!("{}/analytics", hidden.path())).await.refused(404, "not_found");
        admin.get(&format!("{}/security-events", hidden.path())).await.refused(404, "not_found");
    }
    assert_eq!(admin.get(&token.path()).await.expect(200)["id"], token.id);
    admin.get(&format!("{}/analytics", token.path())).await.expect(200);
    let events = admin.get(&format!("{}/security-events", token.path())).await.expect(200);
    assert_eq!(events["items"][0]["type"], "token.created");
    admin.patch(&token.path(), json!({"metadata": {"a": 1}})).await.expect(200);
    let unbound = json!({"token_name": "u", "permissions": []});
    admin.post("/auth/tokens", unbound).await.bad_field("service_account_id", "out_of_range");
    let strange = json!({"token_name": "u", "service_account_id": theirs["id"]});
    admin.post("/auth/tokens", strange).await.bad_field("service_account_id", "out_of_range");
    let made = admin.post("/auth/tokens", json!({"token_name": "u", "service_account_id": own["id"]})).await;
    Minted::of(&made);
    admin.post("/auth/tokens/cleanup", json!({})).await.refused(403, "insufficient_scope");
    // Who acts for a publisher is in the same place.
    let acting = app.admin().with("x-publisher-id", id(&two));
    acting.get(&token.path()).await.refused(404, "not_found");
    assert_eq!(acting.get(&stranger.path()).await.expect(200)["id"], stranger.id);
}

async fn a_token_of_an_account_manages_itself(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let scopes = ["tokens:rotate_self", "works:read"];
    let account = app.account(with(body("a", &scopes), json!({"publisher_id": publisher["id"]}))).await;
    let token = app.token_of(&account, json!({"token_name": "t", "expires_in_days": 5})).await;
    let me = app.bearing(&token.secret).get("/auth/me").await.expect(200);
    assert_eq!(me["principal"], json!({"type": "service_account", "id": account["id"], "name": "a"}));
    assert_eq!((&me["publishers"], &me["credential"]["id"]), (&json!([publisher["id"]]), &json!(token.id)));
    let rotate = "/auth/tokens/self/rotate";
    let longer = json!({"reason": "r", "expires_at": "2399-01-01T00:00:00Z"});
    app.bearing(&token.secret).post(rotate, longer).await.refused(403, "scope_exceeds_grantor");
    let new = Minted::of(&app.bearing(&token.secret).post(rotate, json!({"reason": "r"})).await);
    assert_eq!(new.body["service_account_id"], account["id"]);
    app.bearing(&new.secret).delete("/auth/tokens/self").await.expect(204);
    app.verify(&new.secret).await.decided("revoked");
}

async fn a_life_without_end_is_given_at_platform_level_alone(app: &TestApp) {
    let tenant = app.tenant("p").await;
    let account = app.account(with(body("a", &[]), json!({"publisher_id": tenant.id}))).await;
    let endless = json!({"token_name": "t", "expires_at": null});
    let person = app.member_of("admin@example.com", &tenant, BuiltInRole::PublisherAdmin).await;
    let admin = app.bearing(&app.login(&person).await.access);
    admin.post(&tokens(&account), endless.clone()).await.refused(403, "scope_exceeds_grantor");
    let manager = app.caller(&["service_accounts:admin"]).await;
    manager.post(&tokens(&account), endless.clone()).await.refused(403, "scope_exceeds_grantor");
    let token = Minted::of(&app.admin().post(&tokens(&account), endless).await);
    assert_eq!(token.body["expires_at"], Value::Null);
    let finite = Minted::of(&admin.post(&tokens(&account), json!({"token_name": "u"})).await);
    let below = format!("{}/{}", tokens(&account), finite.id);
    admin.patch(&below, json!({"expires_at": null})).await.refused(403, "scope_exceeds_grantor");
}

async fn a_token_that_stands_alone_has_bounds_too(app: &TestApp) {
    let wanted = json!({"token_name": "ci", "permissions": ["works:read"], "ip_allowlist": ["192.0.2.0/24"],
        "rate_limits": {"per_hour": 10}});
    let token = app.mint_as(wanted).await;
    assert_eq!(token.body["rate_limits"], json!({"per_minute": null, "per_hour": 10}));
    let ask =
        async |address: &str| app.verify_body(json!({"token": token.secret, "ip_address": address})).await;
    ask("192.0.2.9").await.decided("valid");
    ask("192.0.3.9").await.decided("ip_not_allowed");
    app.admin().patch(&token.path(), json!({"ip_allowlist": ["192.0.3.0/24"]})).await.expect(200);
    ask("192.0.2.9").await.decided("ip_not_allowed");
    ask("192.0.3.9").await.decided("valid");
    let new = app.admin().post(&format!("{}/rotate", token.path()), json!({"reason": "r"})).await;
    let new = Minted::of(&new);
    assert_eq!(
        (&new.body["ip_allowlist"], &new.body["rate_limits"]["per_hour"]),
        (&json!(["192.0.3.0/24"]), &json!(10))
    );
}

async fn usage_is_told_of_the_account_and_of_each_token(app: &TestApp) {
    let account = app.account(body("a", &["works:read"])).await;
    let [busy, idle] = [
        app.token_of(&account, json!({"token_name": "busy"})).await,
        app.token_of(&account, json!({"token_name": "idle"})).await,
    ];
    app.token_of(&account, json!({"token_name": "never"})).await;
    for _ in 0..3 {
        app.verify(&busy.secret).await.decided("valid");
    }
    app.verify(&idle.secret).await.decided("valid");
    let asked = json!({"token": idle.secret, "required_scopes": ["works:write"]});
    app.verify_body(asked).await.decided("insufficient_scope");
    app.recorded().await;
    let usage = app.admin().get(&format!("{}/usage?days=7", path(&account))).await.expect(200);
    assert_eq!((&usage["service_account_id"], &usage["name"]), (&account["id"], &json!("a")));
    assert_eq!(
        (&usage["decisions"], &usage["successes"], &usage["denials"]),
        (&json!(5), &json!(4), &json!(1))
    );
    assert_eq!(usage["denials_by_code"], json!([{"code": "insufficient_scope", "denials": 1}]));
    let each: Vec<_> = usage["tokens"].as_array().unwrap().iter().collect();
    let told =
        |token: &Value| (token["token_name"].clone(), token["successes"].clone(), token["denials"].clone());
    assert_eq!(each.len(), 2);
    assert_eq!(told(each[0]), (json!("busy"), json!(3), json!(0)));
    assert_eq!(told(each[1]), (json!("idle"), json!(1), json!(1)));
}

async fn what_is_left_of_the_limits_of_an_account_is_told_of_all_its_tokens_together(app: &TestApp) {
    let publisher = app.publisher("Songs").await;
    let limits = json!({"rate_limits": {"per_hour": 10}});
    app.admin().patch(&format!("/publishers/{}/settings", id(&publisher)), limits).await.expect(200);
    let more = json!({"publisher_id": publisher["id"], "rate_limits": {"per_minute": 3}});
    let account = app.account(with(body("a", &[]), more)).await;
    let [one, other] = [
        app.token_of(&account, json!({"token_name": "one", "rate_limits": {"per_minute": 1}})).await,
        app.token_of(&account, json!({"token_name": "other"})).await,
    ];
    for token in [&one, &other] {
        app.verify(&token.secret).await.decided("valid");
    }
    let told = |state: &Value| ["of", "window", "limit", "remaining"].map(|name| state[name].clone());
    for _ in 0..2 {
        let state = app.admin().get(&format!("{}/limit-state", path(&account))).await.expect(200);
        assert_eq!((&state["service_account_id"], &state["shared"]), (&account["id"], &json!(false)));
        // What one token has for itself is not told.
        let limits: Vec<_> = state["limits"].as_array().unwrap().iter().map(told).collect();
        let of_account = [json!("service_account"), json!("minute"), json!(3), json!(1)];
        let of_publisher = [json!("publisher"), json!("hour"), json!(10), json!(8)];
        assert_eq!(limits, [of_account, of_publisher]);
        assert_eq!(state["rate_limit"]["window"], "minute");
    }
    let unlimited = app.account(body("b", &[])).await;
    let state = app.admin().get(&format!("{}/limit-state", path(&unlimited))).await.expect(200);
    assert_eq!((&state["rate_limit"], &state["limits"]), (&Value::Null, &json!([])));
}
