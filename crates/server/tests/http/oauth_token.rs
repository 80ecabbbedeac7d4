//! `POST /oauth2/token`: access tokens of service accounts, what they are worth, and how they end; and sessions
//! refreshed by the same door.

use keywright_core::BuiltInRole::PublisherViewer;
use serde_json::{Value, json};

use crate::harness::oauth::{Partner, claims};
use crate::harness::{Answer, Engine, TestApp, eventually, id, on_both_engines, standing_still};

on_both_engines![
    a_service_account_is_given_an_access_token,
    a_scope_narrows_and_never_widens,
    an_account_that_is_narrowed_narrows_its_access_tokens_at_once,
    whatever_ends_the_service_token_ends_what_was_made_from_it,
    an_emergency_ends_it,
    of_one_that_was_revoked_while_it_minted_nothing_is_left,
    a_token_that_was_seen_before_asks_the_store_nothing_and_a_miss_asks_once,
    it_makes_nothing_that_lasts_and_no_other_access_token,
    it_counts_against_the_limits_of_its_service_token,
    it_is_used_from_where_its_service_token_is,
    it_is_decided_on_wherever_its_service_token_is,
    it_is_none_of_another_publishers_concern,
    who_is_no_client_is_given_nothing,
    a_client_says_who_it_is_in_one_way,
    what_is_no_request_for_a_token_is_refused,
    what_was_decided_is_recorded_once,
    a_session_is_refreshed,
    a_refresh_token_that_is_used_twice_ends_its_session,
];

standing_still![it_lives_a_quarter_of_an_hour_and_never_longer_than_its_service_token];

#[track_caller]
fn access(given: &Answer) -> String {
    let body = given.expect(200);
    assert_eq!(given.header("cache-control"), "no-store");
    assert_eq!(given.header("pragma"), "no-cache");
    assert_eq!(body["token_type"], "Bearer");
    body["access_token"].as_str().unwrap().to_owned()
}

async fn a_service_account_is_given_an_access_token(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let partner = app.partner("songtrust-api", &["works:read", "works:write"], Some(&publisher)).await;
    let given = partner.caller(app).client_credentials(&[]).await;
    let (token, body) = (access(&given), given.json());
    assert_eq!((&body["expires_in"], &body["scope"]), (&json!(900), &json!("works:read works:write")));
    assert!(body.get("refresh_token").is_none());
    let said = claims(&token);
    let expected = json!({
        "sub": partner.id, "client_id": partner.id, "type": "service", "credential_id": partner.token.id,
        "publisher_id": publisher["id"], "scope": "works:read works:write",
        "iss": "https://auth.example.com", "aud": "https://auth.example.com",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    assert!(said["jti"].as_str().is_some_and(|jti| jti.len() == 36));
    assert_ne!(said["jti"], claims(&partner.access(app).await)["jti"]);
    let decision = app.verify(&token).await.decided("valid");
    let expected = json!({
        "token_type": "service", "credential_id": partner.token.id, "name": "token of songtrust-api",
        "principal": {"type": "service_account", "id": partner.id, "name": "songtrust-api"},
        "publisher_id": publisher["id"], "publishers": [publisher["id"]],
        "scopes": ["works:read", "works:write"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&decision[name], value, "{name}");
    }
    let context = &decision["context"];
    assert_eq!(
        (&context["service_account_id"], &context["service_name"], &context["claims"]),
        (&json!(partner.id), &json!("songtrust-api"), &said)
    );
    // What it ends by is its own end, not that of the service token.
    let end = decision["expires_at"].as_str().unwrap().parse::<keywright_core::Timestamp>().unwrap();
    assert_eq!(end.as_micros() / 1_000_000, said["exp"].as_i64().unwrap());
    let me = app.bearing(&token).get("/auth/me").await.expect(200);
    assert_eq!(
        (&me["principal"]["id"], &me["credential"]["token_type"], &me["publisher_id"]),
        (&json!(partner.id), &json!("service"), &publisher["id"])
    );
    // Of the client's own token the context says nothing more than before.
    assert!(app.verify(&partner.token.secret).await.decided("valid")["context"].get("claims").is_none());
}

async fn a_scope_narrows_and_never_widens(app: &TestApp) {
    let partner = app.partner("partner", &["works:*", "catalog:read"], None).await;
    let caller = partner.caller(app);
    for (scope, carried) in [
        ("works:read", json!(["works:read"])),
        ("works:read  catalog:read ", json!(["catalog:read", "works:read"])),
        ("works:*", json!(["works:*"])),
    ] {
        let given = caller.client_credentials(&[("scope", scope)]).await;
        let token = access(&given);
        assert_eq!(app.verify(&token).await.decided("valid")["scopes"], carried);
        let told: Vec<_> = carried.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
        assert_eq!(given.json()["scope"], told.join(" "));
        assert_eq!(claims(&token)["scope"], told.join(" "));
        let other = json!({"token": token, "required_scopes": ["catalog:write"]});
        app.verify_body(other).await.decided("insufficient_scope");
    }
    let many = (0..101).map(|number| format!("works:{number}")).collect::<Vec<_>>().join(" ");
    for scope in ["catalog:write", "works:read catalog:write", "*", "works:read,catalog:read", "WORKS", &many]
    {
        caller.client_credentials(&[("scope", scope)]).await.oauth_error(400, "invalid_scope");
    }
    // Without any scope there is nothing to say of it.
    let nothing = app.partner("may do nothing", &[], None).await;
    let given = nothing.caller(app).client_credentials(&[]).await;
    let token = access(&given);
    assert!(given.json().get("scope").is_none() && claims(&token).get("scope").is_none());
    assert_eq!(app.verify(&token).await.decided("valid")["scopes"], json!([]));
}

async fn an_account_that_is_narrowed_narrows_its_access_tokens_at_once(app: &TestApp) {
    let partner = app.partner("partner", &["works:read", "works:write"], None).await;
    let token = partner.access(app).await;
    app.verify(&token).await.decided("valid");
    let path = format!("{}/scopes", partner.path());
    app.admin().put(&path, json!({"scopes": ["works:read", "catalog:read"]})).await.expect(200);
    assert_eq!(app.verify(&token).await.decided("valid")["scopes"], json!(["works:read"]));
    // What was given for less than all is not widened either.
    app.admin().put(&path, json!({"scopes": ["works:read", "works:write"]})).await.expect(200);
    let narrow = access(&partner.caller(app).client_credentials(&[("scope", "works:read")]).await);
    app.admin().put(&path, json!({"scopes": ["works:*", "*"]})).await.expect(200);
    assert_eq!(app.verify(&narrow).await.decided("valid")["scopes"], json!(["works:read"]));
}

async fn it_lives_a_quarter_of_an_hour_and_never_longer_than_its_service_token(app: &TestApp) {
    let partner = app.partner("partner", &["works:read"], None).await;
    let token = partner.access(app).await;
    let ask = async |seconds: i64, code: &str| {
        app.advance(seconds);
        app.verify(&token).await.decided(code);
    };
    ask(900, "valid").await;
    // Half a minute is allowed for clocks that differ, as of every access token.
    ask(29, "valid").await;
    ask(1, "expired").await;
    let end = app.now().plus_seconds(300);
    let body = json!({"token_name": "short", "expires_at": end.to_string()});
    let short = Partner { token: app.token_of(&partner.account, body).await, ..partner.clone() };
    let given = short.caller(app).client_credentials(&[]).await.expect(200);
    assert!(given["expires_in"].as_u64().unwrap() <= 300, "{given}");
    let token = given["access_token"].as_str().unwrap();
    app.advance(299);
    app.verify(token).await.decided("valid");
    // Of the end of the service token itself nothing is allowed for.
    app.advance(1);
    app.verify(token).await.decided("expired");
    let rotation = json!({"reason": "r", "grace_seconds": 60});
    app.admin().post(&format!("{}/rotate", partner.token.path()), rotation).await.expect(200);
    let given = partner.caller(app).client_credentials(&[]).await.expect(200);
    assert!(given["expires_in"].as_u64().unwrap() <= 60, "{given}");
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(app.verify(token).await.decided("valid")["rotation"]["superseded"], true);
    app.advance(60);
    app.verify(token).await.decided("expired");
    partner.caller(app).client_credentials(&[]).await.oauth_error(401, "invalid_client");
}

/// Something that ends a service token, or what it speaks for.
#[derive(Clone, Copy, Debug)]
enum End {
    Revoked,
    SwitchedOff,
    Rotated,
    AccountDisabled,
    AccountDeleted,
    AllRevoked,
    PublisherSuspended,
    KeysRevoked,
    RevokedByItself,
}

const ENDS: [(End, &str); 9] = [
    (End::Revoked, "revoked"),
    (End::SwitchedOff, "inactive"),
    (End::Rotated, "expired"),
    (End::AccountDisabled, "principal_disabled"),
    (End::AccountDeleted, "revoked"),
    (End::AllRevoked, "revoked"),
    (End::PublisherSuspended, "publisher_suspended"),
    (End::RevokedByItself, "revoked"),
    // Last, as it ends all.
    (End::KeysRevoked, "not_found"),
];

async fn bring(app: &TestApp, end: End, partner: &Partner) {
    let (admin, path, token) = (app.admin(), partner.path(), partner.token.path());
    let reason = json!({"reason": "r"});
    match end {
        End::Revoked => admin.delete(&token).await.expect(204),
        End::SwitchedOff => admin.patch(&token, json!({"is_active": false})).await.expect(200),
        End::Rotated => {
            let body = json!({"reason": "r", "grace_seconds": 0});
            admin.post(&format!("{token}/rotate"), body).await.expect(200)
        }
        End::AccountDisabled => admin.post(&format!("{path}/disable"), reason).await.expect(200),
        End::AccountDeleted => admin.delete(&path).await.expect(204),
        End::AllRevoked => admin.post(&format!("{path}/tokens/revoke-all"), reason).await.expect(200),
        End::PublisherSuspended => {
            let publisher = partner.account["publisher_id"].as_str().unwrap();
            admin.post(&format!("/publishers/{publisher}/suspend"), reason).await.expect(200)
        }
        End::RevokedByItself => {
            app.bearing(&partner.token.secret).delete("/auth/tokens/self").await.expect(204)
        }
        End::KeysRevoked => {
            admin.post("/signing-keys/rotate", json!({"reason": "r", "revoke": true})).await.expect(200)
        }
    };
}

async fn whatever_ends_the_service_token_ends_what_was_made_from_it(app: &TestApp) {
    for (end, code) in ENDS {
        let publisher = app.publisher(&format!("{end:?}")).await;
        let partner = app.partner(&format!("{end:?} partner"), &["works:read"], Some(&publisher)).await;
        let token = partner.access(app).await;
        let unseen = partner.access(app).await;
        app.verify(&token).await.decided("valid");
        bring(app, end, &partner).await;
        // Known to this node, and never seen by it: both at once.
        app.verify(&token).await.decided(code);
        app.verify(&unseen).await.decided(code);
        app.bearing(&token).get("/auth/me").await.refused(401, code);
        assert_eq!(app.admin().introspect(&token).await, json!({"active": false}), "{end:?}");
        if !matches!(end, End::KeysRevoked) {
            partner.caller(app).client_credentials(&[]).await.oauth_error(401, "invalid_client");
        }
    }
}

async fn an_emergency_ends_it(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    for (number, scope) in
        [json!({"all": true}), json!({"publisher_id": publisher["id"]}), json!({"service_account_id": null})]
            .into_iter()
            .enumerate()
    {
        let partner = app.partner(&format!("partner {number}"), &["a"], Some(&publisher)).await;
        let token = partner.access(app).await;
        app.verify(&token).await.decided("valid");
        let mut scope = scope;
        if scope.get("service_account_id").is_some() {
            scope["service_account_id"] = json!(partner.id);
        }
        // What reaches sessions alone spares it: it is no session.
        let sessions =
            json!({"reason": "r", "scope": scope, "include": ["sessions", "personal", "external"]});
        app.admin().post("/auth/emergency-revoke", sessions).await.expect(200);
        app.verify(&token).await.decided("valid");
        let body = json!({"reason": "r", "scope": scope, "include": ["service"], "keep_caller": true});
        app.admin().post("/auth/emergency-revoke", body).await.expect(200);
        app.verify(&token).await.decided("revoked");
    }
}

async fn of_one_that_was_revoked_while_it_minted_nothing_is_left(app: &TestApp) {
    for round in 0..5 {
        let partner = app.partner(&format!("partner {round}"), &["a"], None).await;
        let (caller, path) = (partner.caller(app), partner.token.path());
        let admin = app.admin();
        let minting = futures::future::join_all((0..20).map(|_| caller.client_credentials(&[])));
        let (minted, revoked) = tokio::join!(minting, admin.delete(&path));
        revoked.expect(204);
        for answer in &minted {
            if answer.status == 200 {
                app.verify(&access(answer)).await.decided("revoked");
            } else if answer.status != 503 {
                // So many at once may find no connection free.
                answer.oauth_error(401, "invalid_client");
            }
        }
        caller.client_credentials(&[]).await.oauth_error(401, "invalid_client");
    }
}

async fn a_token_that_was_seen_before_asks_the_store_nothing_and_a_miss_asks_once(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let tokens = [partner.access(app).await, partner.access(app).await];
    let loads = app.loads();
    app.verify(&tokens[0]).await.decided("valid");
    assert_eq!(app.loads(), loads + 1);
    // Another one from the same service token needs no other grant.
    for token in [&tokens[0], &tokens[1], &tokens[0]] {
        app.verify(token).await.decided("valid");
    }
    assert_eq!(app.loads(), loads + 1);
}

async fn it_makes_nothing_that_lasts_and_no_other_access_token(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let scopes = ["tokens:*", "service_accounts:*", "personal_tokens:write", "works:read", "users:*"];
    let partner = app.partner("administers", &scopes, Some(&publisher)).await;
    let token = partner.access(app).await;
    let (caller, end) = (app.bearing(&token), claims(&token)["exp"].as_i64().unwrap());
    // It is no secret of a client, by whichever way, nor a refresh token.
    for client in [app.nobody().as_client(&partner.id, &token), caller.clone()] {
        client.client_credentials(&[]).await.oauth_error(401, "invalid_client");
    }
    let posted = [("client_id", partner.id.as_str()), ("client_secret", &token)];
    app.nobody().client_credentials(&posted).await.oauth_error(401, "invalid_client");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    app.nobody().form("/oauth2/token", &refresh).await.oauth_error(400, "invalid_grant");
    // It is not its service token, and does nothing to it.
    caller.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await.refused(404, "not_found");
    caller.delete("/auth/tokens/self").await.refused(404, "not_found");
    // What it makes ends when it does.
    let path = format!("{}/tokens", partner.path());
    let day = json!({"token_name": "longer", "expires_in_days": 1});
    caller.post(&path, day).await.refused(403, "scope_exceeds_grantor");
    caller
        .post(&format!("{path}/{}/rotate", partner.token.id), json!({"reason": "r"}))
        .await
        .refused(403, "scope_exceeds_grantor");
    let made = caller.post(&path, json!({"token_name": "within"})).await.expect(201);
    let expires = made["expires_at"].as_str().unwrap().parse::<keywright_core::Timestamp>().unwrap();
    assert!(expires.as_micros() / 1_000_000 <= end, "{made}");
    // What is a person's or a session's is neither's.
    caller.post("/auth/switch-publisher", json!({"publisher_id": null})).await.refused(404, "not_found");
    caller.post("/users/me/tokens", json!({"name": "x", "scopes": []})).await.refused(403, "user_required");
    caller.patch("/auth/me", json!({})).await.refused(403, "user_required");
    caller.post("/auth/logout", json!({})).await;
    assert_eq!(caller.get("/auth/sessions").await.expect(200)["items"], json!([]));
    app.verify(&token).await.decided("valid");
    app.verify(&partner.token.secret).await.decided("valid");
}

async fn it_counts_against_the_limits_of_its_service_token(app: &TestApp) {
    let body = json!({"name": "limited", "service_type": "partner", "scopes": ["a"],
        "rate_limits": {"per_minute": 4}});
    let partner = app.partner_as(body).await;
    let given = partner.caller(app).client_credentials(&[]).await;
    assert_eq!(given.header("ratelimit-policy"), "\"minute\";q=4;w=60");
    let token = access(&given);
    assert_eq!(app.verify(&token).await.decided("valid")["rate_limit"]["remaining"], 2);
    app.verify(&partner.token.secret).await.decided("valid");
    assert_eq!(app.verify(&token).await.decided("valid")["rate_limit"]["remaining"], 0);
    app.verify(&token).await.decided("rate_limited");
    app.verify(&partner.token.secret).await.decided("rate_limited");
    let refused = partner.caller(app).client_credentials(&[]).await;
    refused.oauth_error(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(refused.header("ratelimit").split(';').nth(1), Some("r=0"));
}

async fn it_is_used_from_where_its_service_token_is(app: &TestApp) {
    let body = json!({"name": "here", "service_type": "partner", "scopes": ["a"],
        "ip_allowlist": ["127.0.0.0/8"]});
    let partner = app.partner_as(body).await;
    let token = partner.access(app).await;
    app.verify(&token).await.decided("valid");
    let from = |address: &str| json!({"token": token, "ip_address": address});
    app.verify_body(from("127.0.0.1")).await.decided("valid");
    app.verify_body(from("192.0.2.1")).await.decided("ip_not_allowed");
    app.verify_body(json!({"token": token})).await.decided("ip_not_allowed");
    let body = json!({"name": "elsewhere", "service_type": "partner", "scopes": ["a"],
        "ip_allowlist": ["192.0.2.0/24"]});
    let elsewhere = app.partner_as(body).await;
    elsewhere.caller(app).client_credentials(&[]).await.oauth_error(401, "invalid_client");
}

async fn it_is_decided_on_wherever_its_service_token_is(app: &TestApp) {
    let partner = app.partner("partner", &["works:read", "tokens:verify"], None).await;
    let token = partner.access(app).await;
    let items = json!({"items": [{"token": token}, {"token": token, "required_scopes": ["x"]}]});
    let batch = app.bearing(&token).post("/auth/verify/batch", items).await.expect(200);
    let codes: Vec<_> = batch["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!(codes, [&json!("valid"), &json!("insufficient_scope")]);
    let publisher = app.publisher("any").await;
    let about = |publisher: &Value| json!({"token": token, "publisher_id": publisher});
    assert_eq!(
        app.verify_body(about(&publisher["id"])).await.decided("valid")["publisher_id"],
        publisher["id"]
    );
    app.verify_body(about(&json!("0198c0de-0000-7000-8000-000000000000"))).await.decided("wrong_publisher");
    // It asks about others, as its service token would.
    assert_eq!(app.bearing(&token).introspect(&partner.token.secret).await["active"], true);
    // What it does and may is told of the service token.
    app.recorded().await;
    let shown = app.admin().get(&partner.token.path()).await.expect(200);
    assert!(shown["usage_count"].as_u64().unwrap() >= 4, "{shown}");
    let radius = format!("{}/blast-radius?since=2020-01-01T00:00:00Z", partner.token.path());
    app.admin().get(&radius).await.expect(200);
}

async fn it_is_none_of_another_publishers_concern(app: &TestApp) {
    let (one, other) = (app.publisher("One").await, app.publisher("Other").await);
    let partner = app.partner("partner", &["works:read"], Some(&one)).await;
    let neighbour = app.partner("neighbour", &["tokens:verify"], Some(&one)).await;
    let stranger = app.partner("stranger", &["tokens:verify"], Some(&other)).await;
    let token = partner.access(app).await;
    let unknown = format!("sk_{}", "0b".repeat(32));
    for asking in [stranger.token.secret.clone(), stranger.access(app).await] {
        let asking = app.bearing(&asking);
        let about = async |token: &str| {
            let answer = asking.post("/auth/verify", json!({"token": token})).await;
            answer.text().replace(answer.request_id(), "")
        };
        assert_eq!(about(&token).await, about(&unknown).await);
        assert_eq!(asking.introspect(&token).await, json!({"active": false}));
    }
    for asking in [neighbour.token.secret.clone(), neighbour.access(app).await] {
        let decision = app.bearing(&asking).post("/auth/verify", json!({"token": token})).await;
        assert_eq!(decision.decided("valid")["publisher_id"], one["id"]);
        assert_eq!(app.bearing(&asking).introspect(&token).await["active"], true);
    }
    // Naming another publisher's things takes it nowhere.
    let path = format!("/publishers/{}", id(&other));
    app.bearing(&partner.access(app).await).get(&path).await.refused(403, "insufficient_scope");
    let elsewhere = app.bearing(&token).with("x-publisher-id", id(&other));
    elsewhere.get("/auth/me").await.refused(403, "wrong_publisher");
}

async fn who_is_no_client_is_given_nothing(app: &TestApp) {
    let (partner, other) = (app.partner("a", &["a"], None).await, app.partner("b", &["a"], None).await);
    let alone = app.mint("alone", &["a"]).await;
    let gone = app.token_of(&partner.account, json!({"token_name": "gone"})).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let unknown = format!("sk_{}", "0c".repeat(32));
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    let good = partner.token.secret.as_str();
    let mut answers = Vec::new();
    for (client, secret) in [
        (partner.id.as_str(), unknown.as_str()),
        (&partner.id, &other.token.secret),
        (&other.id, good),
        (nobody, good),
        (nobody, &alone.secret),
        (&alone.id, &alone.secret),
        (&partner.token.id, good),
        ("partner", good),
        ("", good),
        (&partner.id, ""),
        (&partner.id, "password"),
        (&partner.id, &gone.secret),
    ] {
        let by_header = app.nobody().as_client(client, secret).client_credentials(&[]).await;
        by_header.oauth_error(401, "invalid_client");
        answers.push(by_header.text().to_owned());
        let posted = [("client_id", client), ("client_secret", secret)];
        let posted = app.nobody().client_credentials(&posted).await;
        posted.oauth_error(401, "invalid_client");
        answers.push(posted.text().to_owned());
    }
    // Whatever is wrong, no more is told than that.
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    for caller in [app.nobody(), app.admin(), app.bearing(good), app.nobody().with("x-api-key", good)] {
        caller.client_credentials(&[]).await.oauth_error(401, "invalid_client");
    }
}

async fn a_client_says_who_it_is_in_one_way(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let (client, secret) = (partner.id.as_str(), partner.token.secret.as_str());
    let posted = [("client_id", client), ("client_secret", secret)];
    access(&app.nobody().client_credentials(&posted).await);
    access(&partner.caller(app).client_credentials(&[]).await);
    access(&partner.caller(app).client_credentials(&[("client_id", client)]).await);
    for (caller, more) in [
        (partner.caller(app), posted.as_slice()),
        (partner.caller(app), &[("client_id", "another")]),
        (partner.caller(app).with("x-api-key", secret), &[]),
        (partner.caller(app).bearing(secret), &[]),
        (partner.caller(app).as_client(client, secret), &[]),
        (app.bearing(secret), &posted),
    ] {
        caller.client_credentials(more).await.oauth_error(400, "invalid_request");
    }
}

async fn what_is_no_request_for_a_token_is_refused(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let caller = partner.caller(app);
    for (form, error) in [
        ("", "invalid_request"),
        ("scope=a", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&scope=a&scope=a", "invalid_request"),
        ("grant_type=client_credentials&x=1&x=2", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=authorization_code&code=a", "unsupported_grant_type"),
        ("grant_type=CLIENT_CREDENTIALS", "unsupported_grant_type"),
        ("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"),
    ] {
        caller.form_text("/oauth2/token", form).await.oauth_error(400, error);
    }
    // What nobody knows is passed over, once.
    let more = [("resource", "https://api.example.com"), ("x", ""), ("scope", "")];
    access(&caller.client_credentials(&more).await);
    let form = b"grant_type=client_credentials".to_vec();
    for media in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let other = caller.with("content-type", media);
        other.send_bytes("POST", "/oauth2/token", form.clone()).await.oauth_error(400, "invalid_request");
    }
    caller.send_bytes("POST", "/oauth2/token", form.clone()).await.oauth_error(400, "invalid_request");
    let charset = caller.with("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
    access(&charset.send_bytes("POST", "/oauth2/token", form).await);
    let large = format!("grant_type=client_credentials&x={}", "x".repeat(64 * 1024));
    let refused = caller.form_text("/oauth2/token", &large).await;
    refused.oauth_error(413, "invalid_request");
    for method in ["GET", "PUT", "OPTIONS"] {
        let answer =
            caller.with("origin", "https://app.example.com").send(method, "/oauth2/token", None).await;
        answer.refused(405, "method_not_allowed");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

async fn what_was_decided_is_recorded_once(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let named = |id: &str| partner.caller(app).with("x-request-id", id);
    access(&named("token-good").client_credentials(&[]).await);
    named("token-beyond").client_credentials(&[("scope", "b")]).await.oauth_error(400, "invalid_scope");
    let nobody = app.nobody().with("x-request-id", "token-nobody");
    nobody.client_credentials(&[]).await.oauth_error(401, "invalid_client");
    let twice = named("token-twice").with("x-api-key", "x");
    twice.client_credentials(&[]).await.oauth_error(400, "invalid_request");
    let unknown = format!("sk_{}", "0d".repeat(32));
    let stranger = app.nobody().as_client(&partner.id, &unknown).with("x-request-id", "token-stranger");
    stranger.client_credentials(&[]).await.oauth_error(401, "invalid_client");
    app.recorded().await;
    let mut database = app.database().await;
    for (id, code) in [
        ("token-good", "valid"),
        ("token-beyond", "insufficient_scope"),
        ("token-nobody", "missing_credential"),
        ("token-twice", "conflicting_credentials"),
        ("token-stranger", "not_found"),
    ] {
        assert_eq!(database.codes_of(id).await, [code], "{id}");
    }
    let path = format!("/audit/authentication-events?credential_id={}&success=true", partner.token.id);
    let events = app.admin().get(&path).await.expect(200);
    let event = &events["items"][0];
    assert_eq!(
        (&event["type"], &event["endpoint"], &event["principal_id"]),
        (&json!("verify"), &json!("/oauth2/token"), &json!(partner.id)),
        "{event}"
    );
}

async fn a_session_is_refreshed(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherViewer).await;
    let session = app.login(&ada).await;
    let refresh = async |token: &str| {
        app.nobody().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    let given = refresh(&session.refresh).await;
    let (token, next) = (access(&given), given.json()["refresh_token"].as_str().unwrap().to_owned());
    assert_eq!(app.verify(&token).await.decided("valid")["credential_id"], session.id);
    assert_eq!(given.json()["expires_in"], 900);
    // Sent again it gives the same successor, by either door.
    assert_eq!(refresh(&session.refresh).await.expect(200)["refresh_token"], next);
    assert_eq!(app.refresh(&session.refresh).await.expect(200)["refresh_token"], next);
    // A session has no client.
    let form = [("grant_type", "refresh_token"), ("refresh_token", next.as_str())];
    let partner = app.partner("partner", &["a"], None).await;
    for caller in [partner.caller(app), app.bearing(&token)] {
        caller.form("/oauth2/token", &form).await.oauth_error(400, "invalid_request");
    }
    let with_scope = [&form[..], &[("scope", "works:read")]].concat();
    app.nobody().form("/oauth2/token", &with_scope).await.oauth_error(400, "invalid_scope");
    let form = [("grant_type", "refresh_token")];
    app.nobody().form("/oauth2/token", &form).await.oauth_error(400, "invalid_request");
    // None of that used it up. A client that has an id and no secret may say so.
    let public = [("grant_type", "refresh_token"), ("refresh_token", next.as_str()), ("client_id", "app")];
    access(&app.nobody().form("/oauth2/token", &public).await);
    for token in ["rt_nonsense", &format!("rt_{}", "0e".repeat(32)), &partner.token.secret] {
        refresh(token).await.oauth_error(400, "invalid_grant");
    }
}

async fn a_refresh_token_that_is_used_twice_ends_its_session(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let tenant = app.tenant("Songtrust").await;
    app.join(&ada, &tenant, PublisherViewer).await;
    let session = app.login(&ada).await;
    let refresh = async |token: &str| {
        app.nobody().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    let next = refresh(&session.refresh).await.expect(200);
    let last = refresh(next["refresh_token"].as_str().unwrap()).await;
    let token = access(&last);
    refresh(&session.refresh).await.oauth_error(400, "invalid_grant");
    app.verify(&token).await.decided("revoked");
    refresh(last.json()["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_ends_the_other_denies() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    let other = one.another(None, &[]).await;
    for (end, code) in ENDS {
        let publisher = one.publisher(&format!("{end:?}")).await;
        let partner = one.partner(&format!("{end:?} partner"), &["a"], Some(&publisher)).await;
        let token = partner.access(&one).await;
        let seen = async || other.verify(&token).await.expect(200)["code"].clone();
        eventually("the other node knows the key", async || seen().await == "valid").await;
        bring(&one, end, &partner).await;
        eventually("the other node denies", async || seen().await == code).await;
    }
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_public_address_nothing_is_signed_and_nothing_told() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_with(engine, &[("server.public_url", ""), ("mail.folder", "")]).await
        else {
            continue;
        };
        let partner = app.partner("partner", &["a"], None).await;
        let answer = partner.caller(&app).client_credentials(&[]).await;
        answer.oauth_error(400, "unsupported_grant_type");
        let metadata = app.nobody().get("/.well-known/oauth-authorization-server").await;
        metadata.refused(404, "not_found");
        // What needs no signature goes on.
        assert_eq!(app.admin().introspect(&partner.token.secret).await["active"], true);
        app.stop().await;
    }
}
