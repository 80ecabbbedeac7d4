//! `/service-accounts`: the accounts themselves.

use serde_json::{Value, json};

use crate::harness::accounts::{PATH, body, path, with};
use crate::harness::{Minted, TestApp, id, on_both_engines};

on_both_engines![
    an_account_shows_what_it_was_made_with,
    an_account_belongs_to_the_publisher_that_is_named_or_to_none,
    a_name_is_unique_among_siblings_and_free_afterwards,
    a_change_names_what_it_changes_and_put_replaces_the_rest,
    one_part_of_an_account_is_replaced_at_its_version,
    networks_have_one_form_and_no_host_bits,
    accounts_are_listed_by_what_they_are,
    nobody_makes_an_account_that_may_more_than_they,
    a_token_of_an_account_makes_nothing_wider_than_itself,
    a_deleted_account_is_gone_with_its_tokens,
    a_deleted_publisher_takes_its_accounts_along,
    what_was_done_is_told_with_the_account,
];

async fn an_account_shows_what_it_was_made_with(app: &TestApp) {
    let wanted = with(
        body("songtrust-api", &["works:read"]),
        json!({"description": "Delivers", "owner_email": " Ops@Songtrust.example ", "metadata": {"tier": 1},
            "rate_limits": {"per_minute": 100}, "ip_allowlist": ["192.0.2.7", "2001:DB8::/32", "192.0.2.7"]}),
    );
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let answer = caller.post(PATH, wanted.clone()).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&made)));
    for (field, value) in [
        ("publisher_id", Value::Null),
        ("name", json!("songtrust-api")),
        ("description", json!("Delivers")),
        ("service_type", json!("partner")),
        ("status", json!("active")),
        ("scopes", json!(["works:read"])),
        ("rate_limits", json!({"per_minute": 100, "per_hour": null})),
        ("ip_allowlist", json!(["192.0.2.7/32", "2001:db8::/32"])),
        ("owner_email", json!("Ops@songtrust.example")),
        ("metadata", json!({"tier": 1})),
        ("disabled_at", Value::Null),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let again = caller.post(PATH, wanted).await;
    assert_eq!((again.expect(201), again.header("idempotency-replayed")), (made.clone(), "true"));
    caller.post(PATH, body("other", &[])).await.refused(409, "idempotency_mismatch");
    let seen = app.admin().get(&path(&made)).await;
    assert_eq!((seen.expect(200), seen.header("etag")), (made, answer.header("etag")));
    let bare = app.account(body("bare", &[])).await;
    assert_eq!((&bare["rate_limits"], &bare["ip_allowlist"]), (&Value::Null, &Value::Null));
    for (wrong, field, code) in [
        (json!({"service_type": "bank"}), "service_type", "invalid_value"),
        (json!({"scopes": ["A"]}), "scopes[0]", "invalid_format"),
        (json!({"owner_email": "nobody"}), "owner_email", "invalid_format"),
        (json!({"rate_limits": {"per_minute": 0}}), "rate_limits.per_minute", "out_of_range"),
        (json!({"rate_limits": {"per_day": 1}}), "rate_limits.per_day", "unknown_field"),
        (json!({"publisher_id": "0198c0de-0000-7000-8000-000000000000"}), "publisher_id", "out_of_range"),
    ] {
        app.admin().post(PATH, with(body("wrong", &[]), wrong)).await.bad_field(field, code);
    }
    let status = with(body("wrong", &[]), json!({"status": "disabled"}));
    app.admin().post(PATH, status).await.refused(403, "forbidden_field");
}

async fn an_account_belongs_to_the_publisher_that_is_named_or_to_none(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let of_one = with(body("a", &[]), json!({"publisher_id": one["id"]}));
    let acting = app.admin().with("x-publisher-id", id(&one));
    assert_eq!(acting.post(PATH, body("by header", &[])).await.expect(201)["publisher_id"], one["id"]);
    assert_eq!(acting.post(PATH, of_one.clone()).await.expect(201)["publisher_id"], one["id"]);
    let admin = app.of_publisher(&two, "admin of two", &["*"]).await;
    admin.post(PATH, of_one).await.bad_field("publisher_id", "out_of_range");
    let own = admin.post(PATH, body("own", &["works:read"])).await.expect(201);
    assert_eq!(own["publisher_id"], two["id"]);
    acting.get(&path(&own)).await.refused(404, "not_found");
    let platforms = app.account(body("platform's", &[])).await;
    for verb in ["GET", "DELETE"] {
        admin.send(verb, &path(&platforms), None).await.refused(404, "not_found");
    }
    admin.patch(&path(&platforms), json!({})).await.refused(404, "not_found");
    admin.post(&format!("{}/tokens/revoke-all", path(&platforms)), json!({})).await.refused(404, "not_found");
    admin.get("/system/status").await.refused(403, "insufficient_scope");
}

async fn a_name_is_unique_among_siblings_and_free_afterwards(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let made = app.account(body("Partner", &[])).await;
    app.admin().post(PATH, body("Partner", &[])).await.refused(409, "name_taken");
    app.account(with(body("Partner", &[]), json!({"publisher_id": publisher["id"]}))).await;
    let other = app.account(body("Other", &[])).await;
    app.admin().patch(&path(&other), json!({"name": "Partner"})).await.refused(409, "name_taken");
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().patch(&path(&other), json!({"name": "Partner"})).await.expect(200);
    let nobodys = body("0198c0de-0000-7000-8000-000000000000", &[]);
    app.admin().post(PATH, nobodys).await.bad_field("name", "invalid_format");
}

async fn a_change_names_what_it_changes_and_put_replaces_the_rest(app: &TestApp) {
    let whole = with(
        body("a", &["works:read"]),
        json!({"description": "d", "rate_limits": {"per_minute": 5, "per_hour": 50},
            "ip_allowlist": ["10.0.0.0/8"], "owner_email": "a@b.example", "metadata": {"x": 1, "y": 2}}),
    );
    let made = app.account(whole).await;
    let tag = app.admin().get(&path(&made)).await.header("etag").to_owned();
    let change =
        json!({"rate_limits": {"per_minute": 7}, "metadata": {"x": null, "z": 3}, "owner_email": null});
    let caller = app.admin().with("if-match", &tag);
    let patched = caller.patch(&path(&made), change.clone()).await.expect(200);
    caller.patch(&path(&made), change).await.refused(412, "precondition_failed");
    assert_eq!(patched["rate_limits"], json!({"per_minute": 7, "per_hour": 50}));
    assert_eq!((&patched["metadata"], &patched["owner_email"]), (&json!({"y": 2, "z": 3}), &Value::Null));
    assert_eq!((&patched["description"], &patched["ip_allowlist"]), (&json!("d"), &json!(["10.0.0.0/8"])));
    let unlimited = app.admin().patch(&path(&made), json!({"rate_limits": null, "ip_allowlist": null})).await;
    let unlimited = unlimited.expect(200);
    assert_eq!((&unlimited["rate_limits"], &unlimited["ip_allowlist"]), (&Value::Null, &Value::Null));

    // What was read may be written back as it is, read-only fields included.
    let put = app.admin().put(&path(&made), unlimited.clone()).await.expect(200);
    assert_eq!(put, unlimited);
    let bare = app.admin().put(&path(&made), body("b", &["works:read"])).await.expect(200);
    assert_eq!(
        (&bare["name"], &bare["description"], &bare["metadata"]),
        (&json!("b"), &json!(""), &json!({}))
    );
    for (field, value) in [
        ("publisher_id", json!("0198c0de-0000-7000-8000-000000000000")),
        ("status", json!("disabled")),
        ("id", json!("0198c0de-0000-7000-8000-000000000000")),
        ("created_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let changed = with(bare.clone(), json!({ field: value }));
        app.admin().put(&path(&made), changed).await.refused(403, "forbidden_field");
    }
    app.admin()
        .put(&path(&made), json!({"name": "c", "scopes": []}))
        .await
        .bad_field("service_type", "required");
}

async fn one_part_of_an_account_is_replaced_at_its_version(app: &TestApp) {
    let made = app.account(body("a", &["works:*"])).await;
    let parts = [
        ("scopes", json!({"scopes": ["works:read"]}), json!({"scopes": ["works:read"]})),
        ("rate-limits", json!({"per_hour": 9}), json!({"per_minute": null, "per_hour": 9})),
        ("ip-allowlist", json!({"ip_allowlist": ["::1"]}), json!({"ip_allowlist": ["::1/128"]})),
        ("ip-allowlist", json!({"ip_allowlist": []}), json!({"ip_allowlist": null})),
    ];
    for (part, wanted, shown) in parts {
        let path = format!("{}/{part}", path(&made));
        let tag = app.admin().get(&path).await.header("etag").to_owned();
        let caller = app.admin().with("if-match", &tag);
        assert_eq!(caller.put(&path, wanted.clone()).await.expect(200), shown);
        assert_eq!(app.admin().get(&path).await.expect(200), shown);
        caller.put(&path, wanted).await.refused(412, "precondition_failed");
    }
    let scopes = format!("{}/scopes", path(&made));
    app.admin().put(&scopes, json!({})).await.bad_field("scopes", "required");
    let allowlist = format!("{}/ip-allowlist", path(&made));
    app.admin().put(&allowlist, json!({})).await.bad_field("ip_allowlist", "required");
    let after = app.admin().get(&path(&made)).await.expect(200);
    assert_eq!((&after["scopes"], &after["rate_limits"]["per_hour"]), (&json!(["works:read"]), &json!(9)));
}

async fn networks_have_one_form_and_no_host_bits(app: &TestApp) {
    let made = app.account(body("a", &[])).await;
    for wrong in
        ["10.0.0.1/8", "10.0.0.0/33", "::/129", "010.0.0.0/8", "10.0.0.0/+8", "example.com", "10.0.0.0/"]
    {
        let answer = app.admin().patch(&path(&made), json!({"ip_allowlist": ["192.0.2.0/24", wrong]})).await;
        answer.bad_field("ip_allowlist[1]", "invalid_format");
    }
    let problem = app.admin().patch(&path(&made), json!({"ip_allowlist": ["10.0.0.1/8"]})).await;
    let detail = problem.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("10.0.0.0/8"), "{detail}");
    let mapped = json!({"ip_allowlist": ["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]});
    let shown = app.admin().patch(&path(&made), mapped).await.expect(200);
    assert_eq!(shown["ip_allowlist"], json!(["10.0.0.0/8", "192.0.2.1/32"]));
    let many: Vec<_> = (0..101).map(|number| format!("10.0.{number}.0/24")).collect();
    let answer = app.admin().patch(&path(&made), json!({"ip_allowlist": many})).await;
    answer.bad_field("ip_allowlist", "too_many");
}

async fn accounts_are_listed_by_what_they_are(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let off = app.account(with(body("Off", &[]), json!({"service_type": "mobile"}))).await;
    let within = app.account(with(body("Within", &[]), json!({"publisher_id": publisher["id"]}))).await;
    app.admin().post(&format!("{}/disable", path(&off)), json!({"reason": "r"})).await.expect(200);
    let ids = async |query: &str| {
        let page = app.admin().get(&format!("{PATH}{query}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect::<Vec<_>>()
    };
    let [off, within] = [id(&off).to_owned(), id(&within).to_owned()];
    assert_eq!(ids("").await, [within.as_str(), &off]);
    assert_eq!(ids("?status=disabled").await, [off.as_str()]);
    assert_eq!(ids("?status=active").await, [within.as_str()]);
    assert_eq!(ids("?service_type=mobile").await, [off.as_str()]);
    assert_eq!(ids("?name=Within").await, [within.as_str()]);
    assert_eq!(ids("?q=OF").await, [off.as_str()]);
    assert_eq!(ids(&format!("?publisher_id={}", id(&publisher))).await, [within.as_str()]);
    let first = app.admin().get(&format!("{PATH}?limit=1")).await.expect(200);
    let next = format!("?cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&next).await, [off.as_str()]);
}

async fn nobody_makes_an_account_that_may_more_than_they(app: &TestApp) {
    let caller = app.caller(&["service_accounts:admin", "works:*"]).await;
    caller.post(PATH, body("a", &["works:read", "tokens:read"])).await.refused(403, "scope_exceeds_grantor");
    let made = caller.post(PATH, body("a", &["works:read"])).await.expect(201);
    for wider in [json!({"scopes": ["*"]}), json!({"scopes": ["works:read", "a"]})] {
        caller.patch(&path(&made), wider).await.refused(403, "scope_exceeds_grantor");
    }
    // Whoever holds less than an account may take from it, and switch it off, but not on again.
    let powerful =
        app.account(with(body("b", &["a:b", "c"]), json!({"rate_limits": {"per_minute": 5}}))).await;
    for looser in [json!({"rate_limits": null}), json!({"scopes": ["a:b", "c", "works:read"]})] {
        caller.patch(&path(&powerful), looser).await.refused(403, "scope_exceeds_grantor");
    }
    caller
        .patch(&path(&powerful), json!({"scopes": ["c"], "rate_limits": {"per_minute": 1}}))
        .await
        .expect(200);
    let off = caller.post(&format!("{}/disable", path(&powerful)), json!({})).await.expect(200);
    assert_eq!(off["status"], "disabled");
    let enable = format!("{}/enable", path(&powerful));
    caller.post(&enable, json!({})).await.refused(403, "scope_exceeds_grantor");
    assert_eq!(app.admin().post(&enable, json!({})).await.expect(200)["status"], "active");
}

async fn a_token_of_an_account_makes_nothing_wider_than_itself(app: &TestApp) {
    let scopes = ["service_accounts:admin", "tokens:admin", "works:*"];
    let own = with(
        body("own", &scopes),
        json!({"rate_limits": {"per_minute": 1000}, "ip_allowlist": ["127.0.0.0/8", "10.0.0.0/8"]}),
    );
    let account = app.account(own).await;
    let token = json!({"token_name": "t", "expires_in_days": 10, "rate_limits": {"per_hour": 900}});
    let caller = app.bearing(&app.token_of(&account, token).await.secret);
    let bounds =
        json!({"rate_limits": {"per_minute": 1000, "per_hour": 900}, "ip_allowlist": ["10.0.0.0/8"]});
    let within = |more: Value| with(with(body("other", &["works:read"]), bounds.clone()), more);
    for wider in [
        json!({"scopes": ["works:read", "b"]}),
        json!({"rate_limits": {"per_minute": 1001, "per_hour": 900}}),
        json!({"rate_limits": {"per_minute": 1000}}),
        json!({"rate_limits": null}),
        json!({"ip_allowlist": null}),
        json!({"ip_allowlist": ["10.0.0.0/7"]}),
    ] {
        caller.post(PATH, within(wider)).await.refused(403, "scope_exceeds_grantor");
    }
    let other = caller.post(PATH, within(json!({}))).await.expect(201);
    for (part, wider) in [
        ("rate-limits", json!({"per_minute": 1000})),
        ("ip-allowlist", json!({"ip_allowlist": null})),
        ("scopes", json!({"scopes": ["*"]})),
    ] {
        let answer = caller.put(&format!("{}/{part}", path(&other)), wider).await;
        answer.refused(403, "scope_exceeds_grantor");
    }
    let tokens = format!("{}/tokens", path(&other));
    for longer in [json!({"expires_in_days": 11}), json!({"expires_at": null})] {
        let answer = caller.post(&tokens, with(json!({"token_name": "u"}), longer)).await;
        answer.refused(403, "scope_exceeds_grantor");
    }
    let me = caller.get("/auth/me").await.expect(200);
    let made = Minted::of(&caller.post(&tokens, json!({"token_name": "no end named"})).await);
    assert_eq!(made.body["expires_at"], me["credential"]["expires_at"], "as its maker's");
    let made = caller.post(&tokens, json!({"token_name": "u", "expires_in_days": 9})).await;
    let made = Minted::of(&made);
    // Neither by a change, nor by a rotation, nor as a token that stands alone.
    let longer = json!({"expires_at": "2399-01-01T00:00:00Z"});
    caller
        .patch(&format!("{tokens}/{}", made.id), longer.clone())
        .await
        .refused(403, "scope_exceeds_grantor");
    let rotate = format!("{tokens}/{}/rotate", made.id);
    let body = with(json!({"reason": "r"}), longer);
    caller.post(&rotate, body).await.refused(403, "scope_exceeds_grantor");
    let alone = json!({"token_name": "alone", "permissions": [], "expires_in_days": 1});
    caller.post("/auth/tokens", alone).await.refused(403, "scope_exceeds_grantor");
    // Its own account it cannot widen either, but what it makes within all bounds works.
    let wider = json!({"rate_limits": {"per_minute": 1001}});
    caller.patch(&path(&account), wider).await.refused(403, "scope_exceeds_grantor");
    Minted::of(&caller.post(&rotate, json!({"reason": "r"})).await);
}

async fn a_deleted_account_is_gone_with_its_tokens(app: &TestApp) {
    let account = app.account(body("a", &["works:read"])).await;
    let token = app.token_of(&account, json!({"token_name": "t"})).await;
    app.verify(&token.secret).await.decided("valid");
    app.admin().delete(&path(&account)).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    app.admin().delete(&path(&account)).await.expect(204);
    for (method, at) in [
        ("GET", ""),
        ("GET", "/tokens"),
        ("GET", "/usage"),
        ("GET", "/security-events"),
        ("GET", "/scopes"),
        ("POST", "/enable"),
        ("POST", "/tokens/revoke-all"),
    ] {
        let body = (method == "POST").then(|| json!({}));
        let answer = app.admin().send(method, &format!("{}{at}", path(&account)), body.as_ref()).await;
        answer.refused(404, "not_found");
    }
    let below = format!("{}/tokens/{}", path(&account), token.id);
    app.admin().get(&below).await.refused(404, "not_found");
    app.admin().patch(&below, json!({})).await.refused(404, "not_found");
    // The token itself stays readable, as what it is.
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "revoked");
    let nobody = "/service-accounts/0198c0de-0000-7000-8000-000000000000";
    app.admin().delete(nobody).await.refused(404, "not_found");
}

async fn a_deleted_publisher_takes_its_accounts_along(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let account = app.account(with(body("a", &[]), json!({"publisher_id": publisher["id"]}))).await;
    let token = app.token_of(&account, json!({"token_name": "t"})).await;
    app.verify(&token.secret).await.decided("valid");
    app.admin().delete(&format!("/publishers/{}", id(&publisher))).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    app.admin().get(&path(&account)).await.refused(404, "not_found");
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["status"], "revoked");
}

async fn what_was_done_is_told_with_the_account(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let wanted = json!({"publisher_id": publisher["id"], "owner_email": "owner@secret.example"});
    let account = app.account(with(body("a", &["works:read"]), wanted)).await;
    let token = app.token_of(&account, json!({"token_name": "t"})).await;
    app.admin().patch(&path(&account), json!({"scopes": []})).await.expect(200);
    app.admin().post(&format!("{}/disable", path(&account)), json!({"reason": "why"})).await.expect(200);
    app.admin().post(&format!("{}/enable", path(&account)), json!({})).await.expect(200);
    app.admin()
        .post(&format!("{}/tokens/revoke-all", path(&account)), json!({"reason": "leak"}))
        .await
        .expect(200);
    let events = app.admin().get(&format!("{}/security-events?order=asc", path(&account))).await.expect(200);
    let items = events["items"].as_array().unwrap();
    let told: Vec<_> = items.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "service_account.created",
        "token.created",
        "service_account.updated",
        "service_account.disabled",
        "service_account.enabled",
        "service_account.tokens_revoked",
    ];
    assert_eq!(told, expected);
    assert!(items.iter().all(|event| event["publisher_id"] == publisher["id"]));
    assert_eq!(
        (&items[2]["before"]["scopes"], &items[2]["after"]["scopes"]),
        (&json!(["works:read"]), &json!([]))
    );
    assert_eq!((&items[3]["reason"], &items[5]["details"]["revoked"]), (&json!("why"), &json!(1)));
    let text = events.to_string();
    assert!(!text.contains("secret.example") && !text.contains(&token.secret), "{text}");
    // Whoever reads the publisher's trail finds them there.
    let auditor = app.of_publisher(&publisher, "auditor", &["audit:read"]).await;
    let trail = auditor.get("/audit/security-events?type=service_account.disabled").await.expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
}
