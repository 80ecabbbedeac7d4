//! A node in the process of a service, `keywright-embedded`: it decides as the doors do, on both engines.

use std::sync::Arc;

use keywright_client::{ClientError, Decide, Principal, Question, Requirements, Undecided, Verdict};
use keywright_core::BuiltInRole;
use keywright_verify::clock::wall_clock;
use serde_json::{Value, json};

use super::rust_client::{arriving, served};
use crate::harness::embedded::{Home, embedded_on_both_engines, in_the_stead_of, question, wanting};
use crate::harness::issuer::TestIssuer;
use crate::harness::{Database, Minted, TestApp, eventually};

embedded_on_both_engines![
    it_lets_pass_and_refuses_as_the_doors_do,
    what_is_revoked_is_refused_when_the_call_has_returned,
    a_hit_asks_the_store_nothing,
    personal_tokens_and_sessions_are_known,
    a_token_of_another_issuer_is_known,
    the_limit_of_a_credential_is_exact,
    an_allowlist_is_held_against_the_address_of_the_connection,
    a_publisher_that_is_chosen_is_decided_for,
    a_decision_is_on_record_with_the_facts_of_the_request_and_no_secret,
    a_look_takes_nothing_and_counts_as_no_use,
    a_cost_is_bounded_as_at_the_door,
    each_decision_has_one_event_once_it_is_closed,
    what_was_decided_before_it_was_dropped_is_brought_in,
    once_closed_it_lets_nothing_pass,
];

async fn it_lets_pass_and_refuses_as_the_doors_do(app: TestApp) {
    let token = app
        .mint_as(json!({"token_name": "caller", "permissions": ["works:read"], "metadata": {"a": 1}}))
        .await;
    let revoked = app.mint("revoked", &["works:read"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let (home, _rest) = in_the_stead_of(app).await;
    let passed = home.ask("/works", &token.secret).await;
    assert_eq!((passed.status, passed.text.as_str()), (200, "caller 1"));
    let unknown = format!("sk_{}", "0b".repeat(32));
    for (path, credential, status, code) in [
        ("/both", token.secret.as_str(), 403, "insufficient_scope"),
        ("/any", revoked.secret.as_str(), 401, "revoked"),
        ("/any", unknown.as_str(), 401, "not_found"),
        ("/any", "nonsense", 401, "malformed"),
    ] {
        let refused = home.ask(path, credential).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{path}");
    }
    for (credential, scope) in [
        (&token.secret, "works:read"),
        (&token.secret, "works:write"),
        (&revoked.secret, "works:read"),
        (&unknown, "works:read"),
    ] {
        let body = json!({"token": credential, "required_scopes": [scope], "ip_address": "192.0.2.1"});
        let told =
            home.admin().with("x-request-id", "by-the-service").post("/auth/verify", body).await.expect(200);
        match home.embedded.decide(question(credential, &wanting(scope))).await.unwrap() {
            Verdict::Denied(denial) => assert_eq!(json!(denial), told),
            Verdict::Valid(principal, limit) => {
                let mut decision: keywright_client::api::verify::ValidDecision =
                    serde_json::from_value(told).unwrap();
                decision.request_id = String::new();
                assert_eq!((Some(principal), limit), (Principal::of(decision), None));
            }
        }
    }
    home.close().await;
}

async fn what_is_revoked_is_refused_when_the_call_has_returned(app: TestApp) {
    let (home, _rest) = in_the_stead_of(app).await;
    for round in 0..10 {
        let body = json!({"token_name": format!("round {round}"), "permissions": ["works:read"]});
        let token = home.mint(body).await;
        assert_eq!(home.ask("/works", &token.secret).await.status, 200);
        home.admin().delete(&token.path()).await.expect(204);
        assert_eq!(home.ask("/works", &token.secret).await.code(), "revoked");
    }
    let token = home.mint(json!({"token_name": "narrowed", "permissions": ["works:read"]})).await;
    assert_eq!(home.ask("/works", &token.secret).await.text, "narrowed 1");
    let narrower = json!({"permissions": ["songs:read", "songs:write"]});
    home.admin().patch(&token.path(), narrower).await.expect(200);
    assert_eq!(home.ask("/works", &token.secret).await.code(), "insufficient_scope");
    assert_eq!(home.ask("/either", &token.secret).await.text, "narrowed 2", "it is told as it is now");
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    home.admin().post("/auth/emergency-revoke", body).await.expect(200);
    assert_eq!(home.ask("/either", &token.secret).await.code(), "revoked");
    home.close().await;
}

async fn a_hit_asks_the_store_nothing(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let (home, _rest) = in_the_stead_of(app).await;
    let before = home.embedded.statistics();
    let mut asked = 0;
    // On a machine that has much to do a heartbeat may be late now and then; then it is asked.
    eventually("most is known", async || {
        assert_eq!(home.ask("/works", &token.secret).await.status, 200);
        asked += 1;
        home.embedded.statistics().hits >= before.hits + 20
    })
    .await;
    let after = home.embedded.statistics();
    assert_eq!(after.hits - before.hits + after.misses - before.misses, asked);
    home.close().await;
}

async fn personal_tokens_and_sessions_are_known(app: TestApp) {
    let tenant = app.tenant("Songs").await;
    let ada = app.member_of("ada@example.com", &tenant, BuiltInRole::PublisherEditor).await;
    let session = app.login_for(&ada, &tenant).await;
    let me = app.bearing(&session.access);
    let scopes = json!({"name": "script", "scopes": ["tokens:read"], "publisher_ids": [tenant.id]});
    let personal = Minted::of(&me.post("/users/me/tokens", scopes).await);
    let (home, _rest) = in_the_stead_of(app).await;
    let nothing = Requirements::none();
    for (credential, kind) in [(&session.access, "user"), (&personal.secret, "personal")] {
        for _ in 0..2 {
            let verdict = home.embedded.decide(question(credential, &nothing)).await.unwrap();
            let Verdict::Valid(principal, _) = verdict else { panic!("{verdict:?}") };
            assert_eq!(json!(principal.token_type()), kind);
            assert_eq!((principal.id(), principal.publisher_id()), (ada.id.0, Some(tenant.id.0)));
            assert_eq!(principal.name(), "ada@example.com");
        }
    }
    assert_eq!(home.ask("/any", &format!("{}x", session.access)).await.status, 401);
    let me = home.nobody().bearing(&session.access);
    me.delete(&format!("/auth/sessions/{}", session.id)).await.expect(204);
    assert_eq!(home.ask("/any", &session.access).await.code(), "revoked");
    assert_eq!(home.ask("/any", &personal.secret).await.status, 200, "it is no session's");
    home.close().await;
}

async fn a_token_of_another_issuer_is_known(app: TestApp) {
    let issuer = TestIssuer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.toml");
    let text = format!(
        "[issuers.idp]\nissuer = '{}'\naudiences = ['keywright']\n\
         [[issuers.idp.rules]]\nclaim = 'common_name'\nvalue = 'abc.access'\nprincipal = 'ingest'\n\
         scopes = ['works:read']\n",
        issuer.url()
    );
    std::fs::write(&file, text).unwrap();
    let rest = app.stop().await;
    let home = Home::over(rest.url(), rest.admin_token(), |options| options.file(&file)).await;
    let claims = json!({"common_name": "abc.access", "email": null});
    let token = issuer.token_at(wall_clock(), "k1", &claims);
    for _ in 0..3 {
        assert_eq!(home.ask("/works", &token).await.text, "ingest 1");
    }
    assert_eq!(home.ask("/both", &token).await.code(), "insufficient_scope");
    let forged = issuer.token_at(wall_clock(), "unknown", &claims);
    assert_eq!(home.ask("/works", &forged).await.status, 401);
    home.close().await;
}

async fn the_limit_of_a_credential_is_exact(app: TestApp) {
    let limits = json!({"per_minute": null, "per_hour": 100});
    let token = app
        .mint_as(json!({"token_name": "limited", "permissions": ["works:read"], "rate_limits": limits}))
        .await;
    let (home, _rest) = in_the_stead_of(app).await;
    let home = Arc::new(home);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (home, token) = (Arc::clone(&home), token.secret.clone());
        asking.spawn(async move { home.ask("/works", &token).await });
    }
    let answers = asking.join_all().await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(200), of(429)), (100, 200));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.code(), "rate_limited");
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_661).contains(&seconds), "{seconds}");
    let passed = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(passed.headers["ratelimit-policy"], "\"hour\";q=100;w=3600");
    Arc::into_inner(home).unwrap().close().await;
}

async fn an_allowlist_is_held_against_the_address_of_the_connection(app: TestApp) {
    let body =
        json!({"token_name": "at home", "permissions": ["works:read"], "ip_allowlist": ["192.0.2.0/24"]});
    let token = app.mint_as(body).await;
    let (home, _rest) = in_the_stead_of(app).await;
    let at = async |address| served(&home.service, arriving("/works", &token.secret, address)).await;
    for (address, status) in
        [("192.0.2.77", 200), ("::ffff:192.0.2.77", 200), ("198.51.100.1", 403), ("::1", 403)]
    {
        assert_eq!(at(address).await.status, status, "{address}");
    }
    assert_eq!(at("198.51.100.1").await.code(), "ip_not_allowed");
    let wanted = wanting("works:read");
    let nowhere = Question { ip_address: None, ..question(&token.secret, &wanted) };
    let verdict = home.embedded.decide(nowhere).await.unwrap();
    assert!(matches!(verdict, Verdict::Denied(denial) if json!(denial.code) == "ip_not_allowed"));
    home.close().await;
}

async fn a_publisher_that_is_chosen_is_decided_for(app: TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let ada = app.member_of("ada@example.com", &songs, BuiltInRole::PublisherAdmin).await;
    app.join(&ada, &films, BuiltInRole::PublisherEditor).await;
    let me = app.bearing(&app.login_for(&ada, &songs).await.access);
    let body =
        json!({"name": "script", "inherit_user_permissions": true, "publisher_ids": [songs.id, films.id]});
    let token = Minted::of(&me.post("/users/me/tokens", body).await);
    let stranger = app.tenant("Stranger").await;
    let (home, _rest) = in_the_stead_of(app).await;
    let mut scopes = Vec::new();
    let nothing = Requirements::none();
    for publisher in [&songs, &films, &songs] {
        let asked = Question { publisher_id: Some(publisher.id.0), ..question(&token.secret, &nothing) };
        let verdict = home.embedded.decide(asked).await.unwrap();
        let Verdict::Valid(principal, _) = verdict else { panic!("{verdict:?}") };
        assert_eq!(principal.publisher_id(), Some(publisher.id.0));
        scopes.push(principal.scopes().len());
    }
    assert_ne!(scopes[0], scopes[1], "an administrator there, an editor here");
    assert_eq!(scopes[0], scopes[2]);
    let asked = Question { publisher_id: Some(stranger.id.0), ..question(&token.secret, &nothing) };
    let verdict = home.embedded.decide(asked).await.unwrap();
    assert!(matches!(verdict, Verdict::Denied(denial) if json!(denial.code) == "wrong_publisher"));
    home.close().await;
}

async fn a_decision_is_on_record_with_the_facts_of_the_request_and_no_secret(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let (home, _rest) = in_the_stead_of(app).await;
    let mut request = arriving(&format!("/works?token={}", token.secret), &token.secret, "192.0.2.9");
    request.headers_mut().insert("x-request-id", "by-the-layer".parse().unwrap());
    request.headers_mut().insert("user-agent", format!("partner/1 {}", token.secret).parse().unwrap());
    assert_eq!(served(&home.service, request).await.status, 200);
    let path = format!("/audit/authentication-events?credential_id={}", token.id);
    let mut events = Value::Null;
    eventually("it is on record", async || {
        events = home.admin().get(&path).await.expect(200)["items"].clone();
        events != json!([])
    })
    .await;
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    for (field, value) in [
        ("request_id", json!("by-the-layer")),
        ("ip_address", json!("192.0.2.9")),
        ("user_agent", json!("partner/1 sk_")),
        ("method", json!("GET")),
        ("endpoint", json!("/works")),
        ("code", json!("valid")),
        ("type", json!("verify")),
        ("asked_by_id", Value::Null),
    ] {
        assert_eq!(events[0][field], value, "{field}");
    }
    home.close().await;
}

async fn a_look_takes_nothing_and_counts_as_no_use(app: TestApp) {
    let limits = json!({"per_minute": null, "per_hour": 1});
    let token = app
        .mint_as(json!({"token_name": "limited", "permissions": ["works:read"], "rate_limits": limits}))
        .await;
    let (home, _rest) = in_the_stead_of(app).await;
    let wanted = wanting("works:read");
    for _ in 0..3 {
        let look = Question { cost: 0, ..question(&token.secret, &wanted) };
        let verdict = home.embedded.decide(look).await.unwrap();
        assert!(matches!(verdict, Verdict::Valid(_, Some(limit)) if limit.remaining == 1), "{verdict:?}");
    }
    assert_eq!(home.ask("/works", &token.secret).await.status, 200);
    assert_eq!(home.ask("/works", &token.secret).await.status, 429);
    let used = async || home.admin().get(&token.path()).await.expect(200)["usage_count"].clone();
    eventually("one use is counted", async || used().await == 1).await;
    let mut database = home.database().await;
    home.close().await;
    let looks = "SELECT COUNT(*) FROM authentication_events WHERE event_type = 'look'";
    assert_eq!(database.number(looks).await, 3);
}

/// How many events the decisions of the service have, by their code.
async fn on_record(database: &mut Database, code: &str) -> i64 {
    let sql = format!(
        "SELECT COUNT(*) FROM authentication_events WHERE code = '{code}' AND request_id = 'by-the-service'"
    );
    database.number(&sql).await
}

async fn a_cost_is_bounded_as_at_the_door(app: TestApp) {
    let token = app.mint("costly", &["works:read"]).await;
    let (home, _rest) = in_the_stead_of(app).await;
    let wanted = wanting("works:read");
    for (cost, refused) in [(10_000, false), (10_001, true), (u32::MAX, true)] {
        let asked = Question { cost, ..question(&token.secret, &wanted) };
        let answer = home.embedded.decide(asked).await;
        let body = json!({"token": token.secret, "required_scopes": ["works:read"], "cost": cost});
        let door = home.admin().post("/auth/verify", body).await;
        match answer {
            Ok(verdict) => assert!(!refused && matches!(verdict, Verdict::Valid(..)), "{cost}: {verdict:?}"),
            Err(Undecided::Client(ClientError::Problem(problem))) => {
                assert!(refused, "{cost}");
                assert_eq!(json!(problem)["errors"], door.refused(422, "validation_failed")["errors"]);
            }
            Err(fault) => panic!("{cost}: {fault}"),
        }
        assert_eq!(door.status, if refused { 422 } else { 200 }, "{cost}");
    }
    home.close().await;
}

async fn each_decision_has_one_event_once_it_is_closed(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let (home, rest) = in_the_stead_of(app).await;
    let mut deciding = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (embedded, token) = (home.embedded.clone(), token.secret.clone());
        deciding.spawn(async move {
            for _ in 0..25 {
                embedded.decide(question(&token, &wanting("works:read"))).await.unwrap();
                embedded.decide(question(&token, &wanting("works:write"))).await.unwrap();
                embedded.decide(question("nonsense", &Requirements::none())).await.unwrap();
            }
        });
    }
    deciding.join_all().await;
    home.close().await;
    let mut database = rest.database().await;
    for code in ["valid", "insufficient_scope", "malformed"] {
        assert_eq!(on_record(&mut database, code).await, 200, "{code}");
    }
}

async fn what_was_decided_before_it_was_dropped_is_brought_in(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let (mut home, rest) = in_the_stead_of(app).await;
    for round in 0..3 {
        for _ in 0..20 {
            home.embedded.decide(question(&token.secret, &wanting("works:read"))).await.unwrap();
        }
        // It goes without a word, and another begins where it has been.
        home = home.abandoned().await;
        let what = format!("round {round}: it answers");
        eventually(&what, async || home.ask("/works", &token.secret).await.status == 200).await;
    }
    home.close().await;
    assert_eq!(on_record(&mut rest.database().await, "valid").await, 60);
}

async fn once_closed_it_lets_nothing_pass(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let (home, _rest) = in_the_stead_of(app).await;
    assert_eq!(home.ask("/works", &token.secret).await.status, 200);
    home.embedded.close().await.unwrap();
    for credential in [token.secret.as_str(), "nonsense"] {
        assert_eq!(home.ask("/any", credential).await.status, 503);
    }
    home.embedded.close().await.expect("once is enough");
}
