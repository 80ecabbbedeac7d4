//! Tokens of other issuers: who they are here, what they may do, and what becomes of them.

use serde_json::{Value, json};

use crate::harness::issuer::{Mood, TestIssuer};
use crate::harness::people::{People, id};
use crate::harness::{Engine, TestApp, eventually};

/// The settings of a node that believes an issuer.
fn believing(issuer: &TestIssuer) -> String {
    format!(
        "[issuers.idp]\nissuer = '{}'\naudiences = ['keywright', 'other']\nemail_domains = ['example.com']\n\
         [[issuers.idp.rules]]\nclaim = 'common_name'\nvalue = 'abc.access'\nprincipal = 'ingest'\n\
         scopes = ['works:read']\n\
         [[issuers.idp.rules]]\nclaim = 'groups'\nvalue = 'song'\nprincipal = 'song-robot'\n\
         scopes = ['works:write']\npublisher = '{}'\n",
        issuer.url(),
        id(1),
    )
}

/// A node that believes an issuer, on each engine that the tests run on.
async fn on_each_engine(check: impl AsyncFn(&TestApp, &TestIssuer)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let issuer = TestIssuer::start().await;
        let file = believing(&issuer);
        let Some(app) = TestApp::start_with(engine, &[("file", &file)]).await else { continue };
        check(&app, &issuer).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_only_the_header_of_cloudflare_is_known() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let token = issuer.token(app, "k1", &json!({}));
        let client = app.nobody().with("cf-access-jwt-assertion", &token);
        let decision = client.send("POST", "/auth/verify", None).await.decided("valid");
        let expected = json!({
            "token_type": "external", "name": "ada@example.com",
            "principal": {"type": "user", "id": people.user, "name": "ada@example.com"},
            "publisher_id": people.publisher, "publishers": [people.publisher],
            "scopes": ["works:read", "works:write"],
            "context": {"issuer": issuer.url(), "subject": "idp|1", "email": "ada@example.com"},
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&decision[name], value, "{name}");
        }
        let me = client.get("/auth/me").await.expect(200);
        assert_eq!((&me["principal"]["id"], &me["session"]), (&json!(people.user), &Value::Null));
        client.get("/auth/tokens").await.refused(403, "insufficient_scope");
        // With a credential of its own the header is not looked at.
        let other = app.mint("other", &["a"]).await;
        let both = client.bearing(&other.secret);
        assert_eq!(both.send("POST", "/auth/verify", None).await.decided("valid")["name"], "other");
        app.verify(&token).await.decided("valid");
        let loads = app.loads();
        app.verify(&token).await.decided("valid");
        assert_eq!(app.loads(), loads);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_use_pins_an_identity_to_its_user() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let verify = async |changes: &Value| app.verify(&issuer.token(app, "k1", changes)).await;
        let uses = (0..20).map(|n| json!({"jti": n.to_string()})).collect::<Vec<_>>();
        let answers = futures::future::join_all(uses.iter().map(verify)).await;
        answers.iter().for_each(|answer| drop(answer.decided("valid")));
        let mut database = app.database().await;
        assert_eq!(database.number("SELECT COUNT(*) FROM external_identities").await, 1);
        let events = "SELECT COUNT(*) FROM security_events WHERE type = 'external_identity.pinned'";
        assert_eq!(database.number(events).await, 1);
        // Another takes the address over: the identity stays with its user, and a new one gets the new user.
        let user = database.uuid(people.user);
        let moved = format!(
            "UPDATE users SET email = 'old@example.com', email_folded = 'old@example.com' WHERE id = {user}"
        );
        database.execute(&moved).await;
        people.user(&mut database, id(31), "ada@example.com").await;
        app.authority().verifier().invalidate([people.user]);
        let same = verify(&json!({})).await.decided("valid");
        assert_eq!(same["principal"]["id"], json!(people.user));
        let other = verify(&json!({"sub": "idp|2"})).await.decided("valid");
        assert_eq!(other["principal"]["id"], json!(id(31)));
        assert_eq!((&other["publisher_id"], &other["scopes"]), (&Value::Null, &json!([])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_issuer_may_not_speak_for_is_nobody() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        people.user(&mut app.database().await, id(41), "eve@elsewhere.test").await;
        for changes in [
            json!({"email": "eve@elsewhere.test"}),
            json!({"email": "nobody@example.com"}),
            json!({"email_verified": false}),
            json!({"email": null}),
            json!({"sub": null}),
            json!({"aud": "another application"}),
            json!({"aud": null}),
            json!({"iss": "https://idp.example"}),
        ] {
            let decision = app.verify(&issuer.token(app, "k1", &changes)).await.decided("not_found");
            assert!(decision["principal"].is_null(), "{changes}");
        }
        assert_eq!(app.database().await.number("SELECT COUNT(*) FROM external_identities").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_makes_a_principal_of_a_claim() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let platform =
            issuer.token(app, "k1", &json!({"common_name": "abc.access", "sub": "", "email": null}));
        let decision = app.verify(&platform).await.decided("valid");
        assert_eq!(decision["principal"]["type"], "external");
        assert_eq!((&decision["name"], &decision["scopes"]), (&json!("ingest"), &json!(["works:read"])));
        let about = json!({"token": platform, "publisher_id": people.publisher});
        app.verify_body(about).await.decided("valid");

        let robot = issuer.token(app, "k1", &json!({"groups": ["x", "song"]}));
        let decision = app.verify(&robot).await.decided("valid");
        assert_eq!(decision["publisher_id"], json!(people.publisher));
        people.publisher(&mut app.database().await, id(51), id(52), "Other").await;
        let about = |publisher| json!({"token": robot, "publisher_id": publisher});
        app.verify_body(about(id(51))).await.decided("wrong_publisher");
        app.verify_body(about(people.publisher)).await.decided("valid");
        app.bearing(&robot).get("/auth/me").await.expect(200);
        assert_eq!(app.database().await.number("SELECT COUNT(*) FROM external_identities").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_and_a_lock_out_reach_external_tokens() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let user = issuer.token(app, "k1", &json!({}));
        let robot = issuer.token(app, "k1", &json!({"groups": "song"}));
        let mut database = app.database().await;
        let now = database.moment("2026-01-01T00:00:00Z");
        let rows = [
            ("users", people.user, "revoked", "valid"),
            ("publishers", people.publisher, "revoked", "revoked"),
        ];
        for (table, id, of_user, of_robot) in rows {
            app.verify(&user).await.decided("valid");
            app.verify(&robot).await.decided("valid");
            let row = database.uuid(id);
            let set =
                |value: &str| format!("UPDATE {table} SET external_refused_at = {value} WHERE id = {row}");
            database.execute(&set(&now)).await;
            app.authority().verifier().invalidate([id]);
            app.verify(&user).await.decided(of_user);
            app.verify(&robot).await.decided(of_robot);
            database.execute(&set("NULL")).await;
            app.authority().verifier().invalidate([id]);
        }
        database.execute(&format!("UPDATE platform SET external_refused_at = {now}")).await;
        app.authority().verifier().invalidate_platform();
        app.verify(&user).await.decided("revoked");
        app.verify(&robot).await.decided("revoked");
        database.execute("UPDATE platform SET external_refused_at = NULL").await;
        let row = database.uuid(people.user);
        database.execute(&format!("UPDATE users SET disabled_at = {now} WHERE id = {row}")).await;
        app.authority().verifier().invalidate([people.user]);
        app.authority().verifier().invalidate_platform();
        app.verify(&user).await.decided("principal_disabled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_and_an_outage_is_bridged() {
    on_each_engine(async |app, issuer| {
        People::settle(app).await;
        let tokens = app.app().tokens();
        app.verify(&issuer.token(app, "k1", &json!({}))).await.decided("valid");
        let asked = issuer.asked();
        for number in 0..20 {
            let made_up = issuer.token(app, &format!("made up {number}"), &json!({}));
            app.verify(&made_up).await.decided("not_found");
        }
        assert_eq!(issuer.asked(), asked, "not more than once in half a minute");
        issuer.publish(&["k2"]);
        assert!(tokens.fetch_now().await.iter().all(|(_, fetched)| *fetched));
        app.verify(&issuer.token(app, "k2", &json!({}))).await.decided("valid");
        app.verify(&issuer.token(app, "k1", &json!({}))).await.decided("not_found");
        let trap = format!("http://{}/keys", app.address());
        for mood in
            [Mood::Fails, Mood::Redirects(trap), Mood::Huge, Mood::Names("http://10.0.0.1/keys".into())]
        {
            issuer.set(mood);
            assert!(tokens.fetch_now().await.iter().all(|(_, fetched)| !*fetched));
            app.verify(&issuer.token(app, "k2", &json!({"jti": issuer.asked().to_string()})))
                .await
                .decided("valid");
        }
        // Of a key that the issuer may have, but cannot tell of, nothing is known.
        app.bearing(&issuer.token(app, "k3", &json!({})))
            .send("POST", "/auth/verify", None)
            .await
            .refused(503, "unavailable");
        let scrape = app.admin().get("/metrics").await;
        assert!(
            scrape.text().contains("keywright_issuer_fetches_total{issuer=\"idp\",result=\"failed\"} 4"),
            "{}",
            scrape.text()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_issuer_slows_nobody_else() {
    on_each_engine(async |app, issuer| {
        People::settle(app).await;
        eventually("the keys are fetched", async || issuer.asked() > 0).await;
        issuer.set(Mood::Silent);
        let tokens = app.app().tokens().clone();
        let fetching = tokio::spawn(async move { tokens.fetch_now().await });
        eventually("it is asked again", async || issuer.asked() > 1).await;
        app.verify(&issuer.token(app, "k1", &json!({}))).await.decided("valid");
        let other = app.mint("other", &["a"]).await;
        app.verify(&other.secret).await.decided("valid");
        let unknown = issuer.token(app, "k9", &json!({}));
        app.bearing(&unknown).send("POST", "/auth/verify", None).await.refused(503, "unavailable");
        fetching.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_a_change_by_an_external_token_is_read_again() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let mut database = app.database().await;
        let row = database.uuid(people.user);
        let role = |value: &str| format!("UPDATE users SET platform_role = {value} WHERE id = {row}");
        database.execute(&role("'platform_admin'")).await;
        let bearer = app.bearing(&issuer.token(app, "k1", &json!({})));
        let mint = async |name: &str| {
            bearer.post("/auth/tokens", json!({"token_name": name, "permissions": ["works:read"]})).await
        };
        let made = mint("one").await.expect(201);
        assert_eq!(made["created_by"], json!({"type": "user", "id": people.user, "name": null}));
        // The cache still knows an administrator of the platform; the transaction finds one of a publisher.
        let everything =
            format!("UPDATE roles SET permissions = '[\"*\"]' WHERE id = {}", database.uuid(people.role));
        database.execute(&everything).await;
        database.execute(&role("NULL")).await;
        mint("two").await.refused(403, "wrong_publisher");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_refuses_external_tokens_until_they_are_allowed_again() {
    on_each_engine(async |app, issuer| {
        let people = People::settle(app).await;
        let user = issuer.token(app, "k1", &json!({}));
        let robot = issuer.token(app, "k1", &json!({"common_name": "abc.access"}));
        for (scope, of_robot) in
            [(json!({"all": true}), "revoked"), (json!({"user_id": people.user}), "valid")]
        {
            app.verify(&user).await.decided("valid");
            app.verify(&robot).await.decided("valid");
            let body =
                json!({"reason": "drill", "scope": scope, "include": ["external"], "keep_caller": true});
            app.admin().post("/auth/emergency-revoke", body).await.expect(200);
            app.verify(&user).await.decided("revoked");
            app.verify(&robot).await.decided(of_robot);
            let allow = json!({"scope": scope});
            app.admin().post("/auth/emergency-revoke/allow-external", allow).await.expect(200);
        }
        app.verify(&user).await.decided("valid");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_pin_an_identity_once_and_agree_on_its_user() {
    let issuer = TestIssuer::start().await;
    let file = believing(&issuer);
    let Some(one) = TestApp::start_with(Engine::Postgres, &[("file", &file)]).await else { return };
    let other = one.another(None, &[("file", &file)]).await;
    let people = People::settle(&one).await;
    let nodes = [&one, &other];
    let verify = async |number: usize, changes: &Value| {
        nodes[number % 2].verify(&issuer.token(&one, "k1", changes)).await.decided("valid")
    };
    let uses = (0..20).map(|n| json!({"jti": n.to_string()})).collect::<Vec<_>>();
    let decisions = uses.iter().enumerate().map(|(number, changes)| verify(number, changes));
    for decision in futures::future::join_all(decisions).await {
        assert_eq!(decision["principal"]["id"], json!(people.user));
    }
    let mut database = one.database().await;
    assert_eq!(database.number("SELECT COUNT(*) FROM external_identities").await, 1);
    let events = "SELECT COUNT(*) FROM security_events WHERE type = 'external_identity.pinned'";
    assert_eq!(database.number(events).await, 1);
    // The address moves on: each node goes by what was pinned, also one that never saw the identity before.
    let path = format!("/users/{}", people.user);
    one.admin().patch(&path, json!({"email": "old@example.com"})).await.expect(200);
    people.user(&mut database, id(31), "ada@example.com").await;
    let late = one.another(None, &[("file", &file)]).await;
    for node in [&one, &other, &late] {
        let decision = node.verify(&issuer.token(&one, "k1", &json!({"jti": "late"}))).await.decided("valid");
        assert_eq!(decision["principal"]["id"], json!(people.user));
    }
    // What one locks out, the other refuses.
    one.admin().post(&format!("{path}/disable"), json!({})).await.expect(200);
    let token = issuer.token(&one, "k1", &json!({}));
    one.verify(&token).await.decided("principal_disabled");
    eventually("the other node refuses", async || {
        other.verify(&token).await.json()["code"] == "principal_disabled"
    })
    .await;
    for node in [late, other, one] {
        node.stop().await;
    }
}
