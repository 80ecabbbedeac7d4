//! `POST /oauth2/introspect`: the decision of a verification, told by RFC 7662; and what this server says of its doors.

use keywright_core::BuiltInRole::{PublisherEditor, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::oauth::claims;
use crate::harness::proxy::{Mode, Proxy};
use crate::harness::{Engine, TestApp, eventually, id, on_both_engines};
use crate::users_me_tokens::{make, person};

on_both_engines![
    each_kind_of_token_is_told_with_what_applies_to_it,
    what_is_not_accepted_is_not_active_and_nothing_else_is_told,
    who_may_not_ask_is_told_nothing,
    what_is_asked_is_decided_counted_and_recorded_as_a_verification,
    what_has_an_allowlist_is_active_where_it_may_be_used,
    nobody_learns_of_what_is_another_publishers,
    what_is_no_request_about_a_token_is_refused,
    what_there_is_is_told_by_the_metadata,
];

/// The members that are there.
fn members(told: &Value) -> Vec<&str> {
    told.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn each_kind_of_token_is_told_with_what_applies_to_it(app: &TestApp) {
    let asker = app.caller(&["tokens:verify"]).await;
    let alone = app.mint("alone", &["works:write", "works:read"]).await;
    let told = asker.introspect(&alone.secret).await;
    let expected = json!({
        "active": true, "scope": "works:read works:write", "token_type": "Bearer", "sub": alone.id,
        "credential_id": alone.id, "principal_id": alone.id, "principal_type": "service_token",
        "exp": told["exp"],
    });
    assert_eq!(told, expected);
    let end = alone.body["expires_at"].as_str().unwrap().parse::<keywright_core::Timestamp>().unwrap();
    assert_eq!(told["exp"], end.as_micros() / 1_000_000);

    let publisher = app.publisher("Songtrust").await;
    let partner = app.partner("partner", &["works:read"], Some(&publisher)).await;
    let told = asker.introspect(&partner.token.secret).await;
    assert_eq!((&told["client_id"], &told["sub"]), (&json!(partner.id), &json!(partner.id)));
    assert_eq!(
        (&told["publisher_id"], &told["principal_type"]),
        (&publisher["id"], &json!("service_account"))
    );
    assert!(["iss", "aud", "iat", "jti", "username"].iter().all(|name| told.get(name).is_none()), "{told}");

    let access = partner.access(app).await;
    let (told, said) = (asker.introspect(&access).await, claims(&access));
    for name in
        ["client_id", "sub", "iss", "aud", "iat", "exp", "jti", "scope", "credential_id", "publisher_id"]
    {
        assert_eq!(told[name], said[name], "{name}");
    }
    assert!(told.get("nbf").is_none() && told.get("username").is_none());

    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let body = json!({"name": "deploy", "scopes": ["tokens:read"], "publisher_ids": [tenant.id]});
    let personal = make(&me, body).await;
    let told = asker.introspect(&personal.secret).await;
    assert_eq!(
        (&told["username"], &told["sub"], &told["scope"], &told["publisher_id"]),
        (&json!("ada@example.com"), &json!(ada.id), &json!("tokens:read"), &json!(tenant.id))
    );
    assert!(told.get("client_id").is_none() && told.get("iss").is_none());

    let session = app.login_for(&ada, &tenant).await;
    let (told, said) = (asker.introspect(&session.access).await, claims(&session.access));
    for name in ["client_id", "sub", "iss", "aud", "iat", "exp", "jti"] {
        assert_eq!(told[name], said[name], "{name}");
    }
    assert_eq!(
        (&told["username"], &told["credential_id"], &told["principal_type"]),
        (&json!("ada@example.com"), &json!(session.id), &json!("user"))
    );
    // Who may do nothing carries no scope.
    let role = app.role(&json!({"id": tenant.id}), "may do nothing", &[]).await;
    let eve = app.person("eve@example.com", None).await;
    app.member(&eve.id.to_string(), &role).await;
    let told = asker.introspect(&app.login(&eve).await.access).await;
    assert!(told["active"] == true && told.get("scope").is_none(), "{told}");
    // One that was replaced ends with its grace.
    let rotation = json!({"reason": "r", "grace_seconds": 60});
    app.admin().post(&format!("{}/rotate", alone.path()), rotation).await.expect(200);
    let left =
        asker.introspect(&alone.secret).await["exp"].as_i64().unwrap() - app.now().as_micros() / 1_000_000;
    assert!(left <= 60, "{left}");
}

async fn what_is_not_accepted_is_not_active_and_nothing_else_is_told(app: &TestApp) {
    let dead = async |name: &str| app.mint(name, &["a"]).await;
    let revoked = dead("revoked").await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let expired = dead("expired").await;
    app.database().await.expire("expired").await;
    let inactive = dead("inactive").await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    let disabled = app.partner("disabled", &["a"], None).await;
    app.admin().post(&format!("{}/disable", disabled.path()), json!({})).await.expect(200);
    let limited =
        app.mint_as(json!({"token_name": "limited", "permissions": [], "rate_limits": {"per_minute": 1}}));
    let limited = limited.await;
    app.verify(&limited.secret).await.decided("valid");
    let ada = app.person("ada@example.com", None).await;
    let tenant = app.tenant("Songs").await;
    app.join(&ada, &tenant, PublisherViewer).await;
    let session = app.login(&ada).await;
    app.bearing(&session.access).post("/auth/logout", json!({})).await;
    let unknown = format!("sk_{}", "0a".repeat(32));
    for token in [
        revoked.secret.as_str(),
        &expired.secret,
        &inactive.secret,
        &disabled.token.secret,
        &limited.secret,
        &session.access,
        &session.refresh,
        &unknown,
        "nonsense",
        "eyJhbGciOiJub25lIn0.e30.",
        " ",
    ] {
        for hint in ["access_token", "refresh_token", "anything"] {
            let form = [("token", token), ("token_type_hint", hint)];
            let answer = app.admin().form("/oauth2/introspect", &form).await;
            answer.expect(200);
            assert_eq!(answer.text(), "{\"active\":false}", "{token}");
        }
    }
}

async fn who_may_not_ask_is_told_nothing(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    let form = [("token", token.secret.as_str())];
    let ask = async |caller: &crate::harness::Caller| caller.form("/oauth2/introspect", &form).await;
    ask(&app.nobody()).await.oauth_error(401, "invalid_client");
    ask(&app.bearing("nonsense")).await.oauth_error(401, "invalid_token");
    ask(&app.bearing(&format!("sk_{}", "0a".repeat(32)))).await.oauth_error(401, "invalid_token");
    let poor = app.partner("poor", &["tokens:read"], None).await;
    ask(&app.bearing(&poor.token.secret)).await.oauth_error(403, "insufficient_scope");
    ask(&poor.caller(app)).await.oauth_error(403, "insufficient_scope");
    ask(&app.bearing(&token.secret)).await.oauth_error(403, "insufficient_scope");
    let away = json!({"name": "away", "service_type": "partner", "scopes": ["tokens:verify"],
        "ip_allowlist": ["192.0.2.0/24"]});
    let away = app.partner_as(away).await;
    ask(&app.bearing(&away.token.secret)).await.oauth_error(403, "access_denied");
    ask(&away.caller(app)).await.oauth_error(401, "invalid_client");
    // Who may not ask is not told either that there is nothing to ask about.
    poor.caller(app).form("/oauth2/introspect", &[]).await.oauth_error(403, "insufficient_scope");
    let asker = app.partner("asker", &["tokens:verify"], None).await;
    for caller in [
        asker.caller(app),
        app.bearing(&asker.token.secret),
        app.nobody().with("x-api-key", &asker.token.secret),
        app.bearing(&asker.access(app).await),
    ] {
        assert_eq!(ask(&caller).await.expect(200)["active"], true);
    }
    let posted =
        [("token", token.secret.as_str()), ("client_id", &asker.id), ("client_secret", &asker.token.secret)];
    let told = app.nobody().form("/oauth2/introspect", &posted).await.expect(200);
    assert_eq!(told["active"], true);
    asker.caller(app).form("/oauth2/introspect", &posted).await.oauth_error(400, "invalid_request");
}

async fn what_is_asked_is_decided_counted_and_recorded_as_a_verification(app: &TestApp) {
    let asker = app.partner("asker", &["tokens:verify"], None).await;
    let body = json!({"token_name": "limited", "permissions": [], "rate_limits": {"per_minute": 3}});
    let token = app.mint_as(body).await;
    let named = |id: &str| asker.caller(app).with("x-request-id", id);
    for number in 0..3 {
        assert_eq!(named(&format!("asked-{number}")).introspect(&token.secret).await["active"], true);
    }
    assert_eq!(named("asked-3").introspect(&token.secret).await, json!({"active": false}));
    app.verify(&token.secret).await.decided("rate_limited");
    let poor = app.partner("poor", &[], None).await;
    let poor = poor.caller(app).with("x-request-id", "asked-poor");
    poor.form("/oauth2/introspect", &[("token", &token.secret)]).await.oauth_error(403, "insufficient_scope");
    app.recorded().await;
    let mut database = app.database().await;
    for (id, code) in [
        ("asked-0", "valid"),
        ("asked-2", "valid"),
        ("asked-3", "rate_limited"),
        ("asked-poor", "insufficient_scope"),
    ] {
        assert_eq!(database.codes_of(id).await, [code], "{id}");
    }
    let path = format!("/audit/authentication-events?credential_id={}&success=true", token.id);
    let events = app.admin().get(&path).await.expect(200);
    let event = &events["items"][0];
    assert_eq!(
        (&event["type"], &event["asked_by_id"]),
        (&json!("verify"), &json!(asker.token.id)),
        "{event}"
    );
    let shown = app.admin().get(&token.path()).await.expect(200);
    assert_eq!(shown["usage_count"], 3);
}

async fn what_has_an_allowlist_is_active_where_it_may_be_used(app: &TestApp) {
    let body = json!({"token_name": "there", "permissions": [], "ip_allowlist": ["192.0.2.0/24"]});
    let token = app.mint_as(body).await;
    for (address, active) in [
        (Some("192.0.2.7"), true),
        (Some("::ffff:192.0.2.7"), true),
        (Some("198.51.100.1"), false),
        (Some("nowhere"), false),
        (Some(""), false),
        (None, false),
    ] {
        let mut form = vec![("token", token.secret.as_str())];
        form.extend(address.map(|address| ("ip_address", address)));
        let told = app.admin().form("/oauth2/introspect", &form).await.expect(200);
        assert_eq!(told["active"], active, "{address:?}");
    }
}

async fn nobody_learns_of_what_is_another_publishers(app: &TestApp) {
    let (one, other) = (app.publisher("One").await, app.publisher("Other").await);
    let asker = app.partner("asker", &["tokens:verify"], Some(&other)).await;
    let partner = app.partner("partner", &["a"], Some(&one)).await;
    let user = app.person("ada@example.com", None).await;
    let role = app.built_in(&one, "publisher_viewer").await;
    app.member(&user.id.to_string(), &role).await;
    let session = app.login(&user).await;
    for token in [&partner.token.secret, &partner.access(app).await, &session.access] {
        for caller in [asker.caller(app), app.bearing(&asker.token.secret)] {
            let answer = caller.form("/oauth2/introspect", &[("token", token)]).await;
            assert_eq!(answer.text(), "{\"active\":false}");
        }
        assert_eq!(app.admin().introspect(token).await["active"], true);
    }
    // What acts everywhere acts there as well.
    let platform = app.mint("of the platform", &["a"]).await;
    let told = asker.caller(app).introspect(&platform.secret).await;
    assert_eq!((&told["active"], &told["publisher_id"]), (&json!(true), &json!(id(&other))));
}

async fn what_is_no_request_about_a_token_is_refused(app: &TestApp) {
    let token = app.mint("a", &["a"]).await;
    for form in ["", "token=", "token_type_hint=access_token", "token=a&token=b", "token=a&x=1&x=1"] {
        let answer = app.admin().form_text("/oauth2/introspect", form).await;
        answer.oauth_error(400, "invalid_request");
    }
    let json = app.admin().with("content-type", "application/json");
    let body = json!({"token": token.secret}).to_string().into_bytes();
    json.send_bytes("POST", "/oauth2/introspect", body).await.oauth_error(400, "invalid_request");
    // What nobody knows is passed over; so is a query, in which no token is looked for.
    let more = [("token", token.secret.as_str()), ("resource", "x"), ("publisher_id", "nonsense")];
    let told = app.admin().form("/oauth2/introspect?token=nonsense", &more).await.expect(200);
    assert_eq!(told["active"], true);
    app.admin().get("/oauth2/introspect").await.refused(405, "method_not_allowed");
}

async fn what_there_is_is_told_by_the_metadata(app: &TestApp) {
    let answer = app.nobody().get("/.well-known/oauth-authorization-server").await;
    let told = answer.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.header("cache-control").starts_with("public"), "{:?}", answer.headers);
    let at = |path: &str| json!(format!("https://auth.example.com{path}"));
    assert_eq!(told["issuer"], "https://auth.example.com");
    for (name, path) in [
        ("token_endpoint", "/oauth2/token"),
        ("introspection_endpoint", "/oauth2/introspect"),
        ("revocation_endpoint", "/oauth2/revoke"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(told[name], at(path), "{name}");
    }
    assert_eq!(told["response_types_supported"], json!(["none"]));
    assert_eq!(told["grant_types_supported"], json!(["client_credentials", "refresh_token"]));
    let known = members(&told);
    // There is no authorization endpoint, and so nothing that goes with one.
    let absent = ["authorization_endpoint", "code_challenge_methods_supported", "registration_endpoint"];
    assert!(absent.iter().all(|name| !known.contains(name)), "{known:?}");
    // What is told is there.
    let keys = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    assert!(!keys["keys"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_known_is_never_told_as_not_active() {
    let Some(direct) = TestApp::start(Engine::Postgres).await else { return };
    let proxy = Proxy::before(direct.url()).await;
    let app = direct.another(Some(proxy.url()), &[("verify.stale_grace_seconds", "3600")]).await;
    eventually("the node hears its own heartbeat", async || {
        let now = keywright_verify::clock::boot_micros();
        app.authority().verifier().freshness().lag_micros(now).is_some()
    })
    .await;
    let known = app.partner("known", &["tokens:verify"], None).await;
    let asker = app.bearing(&known.token.secret);
    let (access, unseen) = (known.access(&app).await, app.partner("unseen", &["a"], None).await);
    for token in [&known.token.secret, &access] {
        assert_eq!(asker.introspect(token).await["active"], true);
    }
    proxy.set(Mode::Refuse);
    eventually("the node knows that the store is away", async || {
        app.nobody().get("/system/health").await.json()["store"] == "unavailable"
    })
    .await;
    for token in [&known.token.secret, &access] {
        assert_eq!(asker.introspect(token).await["active"], true);
    }
    // What signs is asked for anew, so that no key that was revoked meanwhile does.
    let signed = asker.with("accept", "application/token-introspection+jwt");
    let form = [("token", known.token.secret.as_str())];
    signed.form("/oauth2/introspect", &form).await.oauth_error(503, "temporarily_unavailable");
    let form = [("token", unseen.token.secret.as_str())];
    asker.form("/oauth2/introspect", &form).await.oauth_error(503, "temporarily_unavailable");
    app.bearing(&unseen.token.secret)
        .form("/oauth2/introspect", &form)
        .await
        .oauth_error(503, "temporarily_unavailable");
    // Neither is anything given or ended that depends on it.
    for secret in [&unseen, &known] {
        let given = secret.caller(&app).client_credentials(&[]).await;
        given.oauth_error(503, "temporarily_unavailable");
        let form = [("token", secret.token.secret.as_str())];
        let ended = app.nobody().form("/oauth2/revoke", &form).await;
        ended.oauth_error(503, "temporarily_unavailable");
    }
    let refresh = format!("rt_{}", "0e".repeat(32));
    let ended = app.nobody().form("/oauth2/revoke", &[("token", &refresh)]).await;
    ended.oauth_error(503, "temporarily_unavailable");
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    app.nobody().form("/oauth2/token", &form).await.oauth_error(503, "temporarily_unavailable");
    proxy.set(Mode::Pass);
    eventually("what was unseen is known, and alive", async || {
        let answer = asker.form("/oauth2/introspect", &[("token", &unseen.token.secret)]).await;
        answer.status == 200 && answer.json()["active"] == true
    })
    .await;
    app.verify(&known.token.secret).await.decided("valid");
    app.stop().await;
    direct.stop().await;
}
