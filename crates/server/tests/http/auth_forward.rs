//! `ANY /auth/forward`: what passes, what does not, what the service behind the proxy is told, and whom we believe.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherViewer};
use keywright_core::Timestamp;
use serde_json::json;

use crate::harness::proxy::{Mode, Proxy};
use crate::harness::{Answer, Caller, Engine, Minted, TestApp, behind_a_proxy, eventually, id};

behind_a_proxy![
    what_passes_is_told_by_headers_alone,
    each_kind_of_credential_is_told_as_what_it_is,
    each_denial_has_the_status_of_a_gate,
    all_scopes_are_needed_and_the_query_is_read_strictly,
    the_address_of_the_client_is_the_one_that_the_proxy_saw,
    what_can_be_read_in_two_ways_is_refused,
    the_record_tells_of_the_original_request,
    whatever_is_refused_is_recorded_once,
    every_method_is_answered_alike_and_no_body_is_looked_at,
    a_use_is_counted_as_that_of_any_verification,
    limits_are_told_and_used_up,
    a_revoked_token_is_refused_when_its_revocation_returns,
    a_superseded_token_passes_marked_until_the_end_of_its_grace,
    another_publisher_is_answered_as_none,
];

const PATH: &str = "/auth/forward";
/// Who the proxy says that the client is.
const CLIENT: &str = "203.0.113.7";
pub(crate) const HEADERS: [&str; 8] = [
    "x-auth-principal-type",
    "x-auth-principal-id",
    "x-auth-principal-name",
    "x-auth-publisher-id",
    "x-auth-scopes",
    "x-auth-credential-id",
    "x-auth-token-type",
    "x-auth-rotation",
];

/// A proxy that forwards this request of nobody.
fn forwarding(app: &TestApp, method: &str, uri: &str) -> Caller {
    let proxy = app.nobody().with("x-forwarded-method", method).with("x-forwarded-uri", uri);
    proxy.with("x-forwarded-for", CLIENT)
}

/// A proxy that forwards a request with this credential.
fn proxy(app: &TestApp, credential: &str) -> Caller {
    forwarding(app, "GET", "/works/17").bearing(credential)
}

/// The eight headers of an answer that lets pass.
#[track_caller]
fn passed(answer: &Answer) -> [String; 8] {
    assert_eq!((answer.status, answer.text()), (200, ""), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let told = answer.headers.keys().filter(|name| name.as_str().starts_with("x-auth-")).count();
    assert_eq!(told, HEADERS.len(), "{answer:?}");
    HEADERS.map(|name| {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {answer:?}");
        answer.header(name).to_owned()
    })
}

/// The same of a refusal: nothing is told of anybody.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    answer.refused(status, code);
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("x-auth-")), "{answer:?}");
}

async fn what_passes_is_told_by_headers_alone(app: &TestApp) {
    let token = app.mint("Wärme & \"pumpe\"; 50%", &["works:read", "catalog:*"]).await;
    let answer = proxy(app, &token.secret).get(&format!("{PATH}?scope=works:read")).await;
    let name = "W%C3%A4rme%20%26%20%22pumpe%22%3B%2050%25";
    let told = passed(&answer);
    let scopes: std::collections::BTreeSet<_> = told[4].split(' ').collect();
    assert_eq!(scopes, ["works:read", "catalog:*"].into());
    let (id, scopes) = (token.id.as_str(), told[4].as_str());
    assert_eq!(told, ["service_token", id, name, "", scopes, id, "service", ""]);
    let key = forwarding(app, "GET", "/works/17").with("x-api-key", &token.secret);
    passed(&key.get(PATH).await);
    let older = app.nobody().with("x-original-method", "GET").with("x-original-uri", "/works/17?page=2");
    passed(&older.bearing(&token.secret).get(PATH).await);
}

async fn each_kind_of_credential_is_told_as_what_it_is(app: &TestApp) {
    let publisher = app.publisher("Song & Co").await;
    let account = app
        .account(json!({"name": "delivery", "service_type": "partner", "scopes": ["works:read"],
            "publisher_id": publisher["id"]}))
        .await;
    let token = app.token_of(&account, json!({"token_name": "nightly"})).await;
    let told = passed(&proxy(app, &token.secret).get(PATH).await);
    let expected =
        ["service_account", id(&account), "delivery", id(&publisher), "works:read", &token.id, "service", ""];
    assert_eq!(told, expected);

    let tenant = app.tenant("Tenant").await;
    let ada = app.member_of("ada+k@example.com", &tenant, PublisherAdmin).await;
    let session = app.login_for(&ada, &tenant).await;
    let (user, publisher) = (ada.id.to_string(), tenant.id.to_string());
    let told = passed(&proxy(app, &session.access).get(PATH).await);
    let expected = ["user", &user, "ada%2Bk%40example.com", &publisher, "*", &session.id, "user", ""];
    assert_eq!(told, expected);

    let script = json!({"name": "script", "scopes": ["works:read"]});
    let script = Minted::of(&app.bearing(&session.access).post("/users/me/tokens", script).await);
    let told = passed(&proxy(app, &script.secret).get(PATH).await);
    let expected =
        ["user", &user, "ada%2Bk%40example.com", &publisher, "works:read", &script.id, "personal", ""];
    assert_eq!(told, expected);

    // Of the platform: for the publisher that is asked about, and for none.
    let root = app.person("root@example.com", Some(PlatformAdmin)).await;
    let root = app.login(&root).await;
    let asked = passed(&proxy(app, &root.access).get(&format!("{PATH}?publisher={publisher}")).await);
    assert_eq!((asked[3].as_str(), asked[4].as_str()), (publisher.as_str(), "*"));
    assert_eq!(passed(&proxy(app, &root.access).get(PATH).await)[3], "");
}

async fn each_denial_has_the_status_of_a_gate(app: &TestApp) {
    let gone = app.mint("gone", &["a"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let expired = app.mint("expired", &["a"]).await;
    app.database().await.expire("expired").await;
    let inactive = app.mint("inactive", &["a"]).await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    let elsewhere =
        json!({"token_name": "elsewhere", "permissions": ["a"], "ip_allowlist": ["192.0.2.0/24"]});
    let elsewhere = app.mint_as(elsewhere).await;
    let tenant = app.tenant("Suspended").await;
    let of_tenant = |name: &str| {
        json!({"name": name, "service_type": "partner", "scopes": ["a"],
        "publisher_id": tenant.id})
    };
    let account = app.account(of_tenant("partner")).await;
    let suspended = app.token_of(&account, json!({"token_name": "suspended"})).await;
    let other = app.account(of_tenant("other")).await;
    let disabled = app.token_of(&other, json!({"token_name": "disabled"})).await;
    app.admin().post(&format!("/service-accounts/{}/disable", id(&other)), json!({})).await.expect(200);
    let unknown = format!("sk_{}", "0f".repeat(32));
    let poor = app.mint("poor", &["b"]).await;
    for (credential, query, status, code) in [
        ("nonsense", "", 401, "malformed"),
        ("", "", 401, "malformed"),
        (&unknown, "", 401, "not_found"),
        (&gone.secret, "", 401, "revoked"),
        (&expired.secret, "", 401, "expired"),
        (&inactive.secret, "", 401, "inactive"),
        (&disabled.secret, "", 401, "principal_disabled"),
        (&elsewhere.secret, "", 403, "ip_not_allowed"),
        (&suspended.secret, "?publisher=0198c0de-0000-7000-8000-000000000000", 403, "wrong_publisher"),
        (&poor.secret, "?scope=a", 403, "insufficient_scope"),
    ] {
        refused(&proxy(app, credential).get(&format!("{PATH}{query}")).await, status, code);
    }
    let problem = proxy(app, &poor.secret).get(&format!("{PATH}?scope=b&scope=a&scope=c")).await;
    let detail = problem.refused(403, "insufficient_scope")["detail"].clone();
    assert_eq!(detail, "The credential does not carry a, c.");
    app.admin().post(&format!("/publishers/{}/suspend", tenant.id), json!({})).await.expect(200);
    refused(&proxy(app, &suspended.secret).get(PATH).await, 401, "publisher_suspended");
    refused(&forwarding(app, "GET", "/").get(PATH).await, 401, "missing_credential");
    let two = proxy(app, &poor.secret).with("x-api-key", &gone.secret);
    refused(&two.get(PATH).await, 400, "conflicting_credentials");
}

async fn all_scopes_are_needed_and_the_query_is_read_strictly(app: &TestApp) {
    let token = app.mint("two scopes", &["a:read", "b:*"]).await;
    let ask = async |query: &str| proxy(app, &token.secret).get(&format!("{PATH}{query}")).await;
    for query in ["", "?", "?scope=a:read", "?scope=a%3Aread&scope=b:x&scope=b:y", "?scope=b:*"] {
        passed(&ask(query).await);
    }
    for query in ["?scope=a:write", "?scope=a:read&scope=c", "?scope=*", "?scope=a:read&scope=a:read&scope=b"]
    {
        refused(&ask(query).await, 403, "insufficient_scope");
    }
    for (query, field, code) in [
        ("?scope=", "scope[0]", "too_short"),
        ("?scope=a:read&scope=", "scope[1]", "too_short"),
        ("?scope=a:read%20b:x", "scope[0]", "invalid_format"),
        ("?scope=a:read,b:x", "scope[0]", "invalid_format"),
        ("?publisher=acme", "publisher", "invalid_format"),
        ("?scopes=a:read", "scopes", "unknown_field"),
        ("?Scope=a:read", "Scope", "unknown_field"),
        ("?required_scopes=a:read", "required_scopes", "unknown_field"),
    ] {
        ask(query).await.bad_field(field, code);
    }
    // A credential in the address least of all.
    let token = ask(&format!("?token={}", token.secret)).await;
    assert_eq!(token.bad_fields(403, "forbidden_field"), [("token".into(), "forbidden_field".into())]);
}

async fn the_address_of_the_client_is_the_one_that_the_proxy_saw(app: &TestApp) {
    let body = json!({"token_name": "at home", "permissions": [], "ip_allowlist": ["203.0.113.0/24"]});
    let token = app.mint_as(body).await;
    let from = async |addresses: &[&str]| {
        let bare = app.nobody().with("x-forwarded-method", "GET").with("x-forwarded-uri", "/");
        let proxy = addresses.iter().fold(bare, |proxy, address| proxy.with("x-forwarded-for", address));
        proxy.bearing(&token.secret).get(PATH).await
    };
    for good in [
        &["203.0.113.9"][..],
        &["198.51.100.7, 203.0.113.9"],
        &["198.51.100.7", "203.0.113.9"],
        &["198.51.100.7, 203.0.113.9, 127.0.0.1"],
        &["::ffff:203.0.113.9"],
    ] {
        passed(&from(good).await);
    }
    for bad in [
        &["203.0.113.9, 198.51.100.7"][..],
        &["203.0.113.9", "198.51.100.7"],
        &["203.0.113.9, unknown"],
        &["203.0.113.9:443"],
        &[""],
        &["127.0.0.1"],
        // A proxy that tells no address is not itself the client.
        &[],
    ] {
        refused(&from(bad).await, 403, "ip_not_allowed");
    }
    let own = json!({"token_name": "on this machine", "permissions": [], "ip_allowlist": ["127.0.0.0/8"]});
    let own = app.mint_as(own).await;
    let silent = app.nobody().with("x-forwarded-method", "GET").with("x-forwarded-uri", "/");
    refused(&silent.bearing(&own.secret).get(PATH).await, 403, "ip_not_allowed");
}

async fn what_can_be_read_in_two_ways_is_refused(app: &TestApp) {
    let token = app.mint("good", &["*"]).await;
    let before = app.loads();
    for uri in [
        "//works",
        "/works//17",
        "/works/../admin",
        "/works/%2e%2e/admin",
        "/works/%2E%2E%2Fadmin",
        "/works/%252e%252e/admin",
        "/works/..;/admin",
        "/works\\17",
        "/works/%5c17",
        "/works/%00",
        "/works/%0d%0aX-Auth-Scopes:%20*",
        "/%61dmin",
        "/works/%",
        "/works/%c0%ae",
        "/works 17",
        "/works#17",
        "http://127.0.0.1/works",
        "works",
        "*",
        "",
    ] {
        let answer = forwarding(app, "GET", uri).bearing(&token.secret).get(PATH).await;
        refused(&answer, 400, "invalid_original_request");
    }
    let good = forwarding(app, "PUT", "/works/17").bearing(&token.secret);
    for (name, value) in [
        ("x-original-uri", "/public"),
        ("x-original-method", "GET"),
        ("x-forwarded-uri", "/works/17"),
        ("x-forwarded-method", "PUT"),
        ("x-forwarded-host", "user@internal"),
        ("x-forwarded-host", "a.example.com, b.example.com"),
    ] {
        refused(&good.with(name, value).get(PATH).await, 400, "invalid_original_request");
    }
    for method in ["", "GET PUT", "GET,PUT", "G\\T"] {
        let odd = app.nobody().with("x-forwarded-method", method).with("x-forwarded-uri", "/");
        refused(&odd.bearing(&token.secret).get(PATH).await, 400, "invalid_original_request");
    }
    let silent = app.bearing(&token.secret);
    refused(&silent.get(PATH).await, 400, "invalid_original_request");
    refused(&silent.with("x-forwarded-method", "GET").get(PATH).await, 400, "invalid_original_request");
    refused(&silent.with("x-forwarded-uri", "/").get(PATH).await, 400, "invalid_original_request");
    assert_eq!(app.loads(), before, "nothing of this asks the store");
    // The same said twice is one thing.
    let twice = good.with("x-original-uri", "/works/17").with("x-original-method", "PUT");
    passed(&twice.with("x-forwarded-host", "api.example.com:8443").get(PATH).await);
}

/// What the record of a request says of it.
async fn told(app: &TestApp, request_id: &str) -> Vec<String> {
    app.recorded().await;
    let mut database = app.database().await;
    let address = match app.url() {
        url if url.starts_with("sqlite") => "ip_address",
        _ => "host(ip_address)",
    };
    let columns = ["event_type", "code", "method", "endpoint", address, "user_agent"];
    let columns = columns.map(|column| format!("COALESCE(CAST({column} AS TEXT), '-')")).join(" || ' ' || ");
    let sql = format!("SELECT {columns} FROM authentication_events WHERE request_id = '{request_id}'");
    database.texts(&sql).await
}

async fn the_record_tells_of_the_original_request(app: &TestApp) {
    let token = app.mint("recorded", &["a"]).await;
    let ask = async |request_id: &str, method: &str, uri: &str, query: &str| {
        let proxy = forwarding(app, method, uri).with("user-agent", "curl/8").bearing(&token.secret);
        proxy.with("x-request-id", request_id).get(&format!("{PATH}{query}")).await
    };
    passed(&ask("passes", "PURGE", "/works/17?secret=x", "").await);
    refused(&ask("lacks", "PUT", "/works/17", "?scope=b").await, 403, "insufficient_scope");
    passed(&ask("leaky", "GET", &format!("/works/{}/x", token.secret), "").await);
    refused(&ask("odd", "GET", "/works/../admin?x=y", "").await, 400, "invalid_original_request");
    let nobody = forwarding(app, "DELETE", "/works/17").with("user-agent", "curl/8");
    refused(&nobody.with("x-request-id", "nobody").get(PATH).await, 401, "missing_credential");
    for (request_id, expected) in [
        ("passes", "verify valid PURGE /works/17 203.0.113.7 curl/8"),
        ("lacks", "verify insufficient_scope PUT /works/17 203.0.113.7 curl/8"),
        ("leaky", "verify valid GET /works/sk_ 203.0.113.7 curl/8"),
        ("odd", "gate invalid_original_request - /works/../admin 203.0.113.7 curl/8"),
        ("nobody", "gate missing_credential DELETE /works/17 203.0.113.7 curl/8"),
    ] {
        assert_eq!(told(app, request_id).await, [expected]);
    }
}

async fn whatever_is_refused_is_recorded_once(app: &TestApp) {
    let gone = app.mint("gone", &["a"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let mut expected = Vec::new();
    for (caller, code) in [
        (forwarding(app, "GET", "/"), "missing_credential"),
        (proxy(app, "nonsense"), "malformed"),
        (proxy(app, &gone.secret), "revoked"),
        (proxy(app, &gone.secret).with("x-api-key", "another"), "conflicting_credentials"),
        (proxy(app, &gone.secret).with("x-forwarded-uri", "/"), "invalid_original_request"),
    ] {
        let request_id = format!("refused-{}", expected.len());
        let answer = caller.with("x-request-id", &request_id).get(PATH).await;
        assert!(matches!(answer.status, 400 | 401), "{answer:?}");
        expected.push((request_id, code));
    }
    app.recorded().await;
    let mut database = app.database().await;
    for (request_id, code) in expected {
        assert_eq!(database.codes_of(&request_id).await, [code], "{request_id}");
    }
}

async fn every_method_is_answered_alike_and_no_body_is_looked_at(app: &TestApp) {
    let token = app.mint("by any method", &["a"]).await;
    let (good, bad) = (proxy(app, &token.secret), proxy(app, "nonsense"));
    let expected = passed(&good.get(PATH).await);
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "BREW"] {
        assert_eq!(passed(&good.send(method, PATH, None).await), expected, "{method}");
        refused(&bad.send(method, PATH, None).await, 401, "malformed");
    }
    for body in [b"{".to_vec(), vec![b'x'; 20_000]] {
        passed(&good.send_bytes("POST", PATH, body).await);
    }
    assert_eq!(passed(&good.send("HEAD", PATH, None).await), expected);
    let head = bad.send("HEAD", PATH, None).await;
    assert_eq!((head.status, head.text()), (401, ""));
    assert_eq!(head.header("www-authenticate"), "Bearer realm=\"keywright\", error=\"invalid_token\"");
}

async fn a_use_is_counted_as_that_of_any_verification(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    for _ in 0..3 {
        passed(&proxy(app, &token.secret).get(PATH).await);
        refused(&proxy(app, &token.secret).get(&format!("{PATH}?scope=b")).await, 403, "insufficient_scope");
    }
    app.verify(&token.secret).await.decided("valid");
    app.recorded().await;
    let seen = app.admin().get(&token.path()).await.expect(200);
    assert_eq!(seen["usage_count"], 4);
    let loads = app.loads();
    for _ in 0..10 {
        passed(&proxy(app, &token.secret).get(PATH).await);
    }
    assert_eq!(app.loads(), loads, "what is known is not asked for");
}

async fn limits_are_told_and_used_up(app: &TestApp) {
    let body = json!({"token_name": "two an hour", "permissions": ["a"], "rate_limits": {"per_hour": 2}});
    let token = app.mint_as(body).await;
    for left in [1, 0] {
        let answer = proxy(app, &token.secret).get(PATH).await;
        passed(&answer);
        assert_eq!(answer.header("ratelimit-policy"), "\"hour\";q=2;w=3600");
        assert!(answer.header("ratelimit").starts_with(&format!("\"hour\";r={left};t=")), "{answer:?}");
    }
    let answer = proxy(app, &token.secret).get(PATH).await;
    refused(&answer, 429, "rate_limited");
    assert!(answer.header("ratelimit").starts_with("\"hour\";r=0;t="), "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    app.verify(&token.secret).await.decided("rate_limited");
    // What is not limited has nothing to tell.
    let free = app.mint("free", &[]).await;
    let answer = proxy(app, &free.secret).get(PATH).await;
    assert!(!answer.headers.contains_key("ratelimit"), "{answer:?}");
}

async fn a_revoked_token_is_refused_when_its_revocation_returns(app: &TestApp) {
    for round in 0..10 {
        let token = app.mint(&format!("revoked {round}"), &["a"]).await;
        passed(&proxy(app, &token.secret).get(PATH).await);
        app.admin().delete(&token.path()).await.expect(204);
        refused(&proxy(app, &token.secret).get(PATH).await, 401, "revoked");
    }
}

async fn a_superseded_token_passes_marked_until_the_end_of_its_grace(app: &TestApp) {
    let old = app.mint("rotated", &["a"]).await;
    let rotation = json!({"reason": "yearly", "grace_seconds": 36_000});
    let new = app.admin().post(&format!("{}/rotate", old.path()), rotation).await;
    let told = passed(&proxy(app, &old.secret).get(PATH).await);
    let end = app.admin().get(&old.path()).await.expect(200)["grace_expires_at"].as_str().unwrap().to_owned();
    assert_eq!(told[7], format!("superseded; grace_expires_at={end}"));
    assert_eq!(passed(&proxy(app, &Minted::of(&new).secret).get(PATH).await)[7], "");
    let end: Timestamp = end.parse().unwrap();
    let ask = async || proxy(app, &old.secret).get(PATH).await;
    passed(&app.at(end.plus_seconds(-60), ask).await);
    refused(&app.at(end, ask).await, 401, "expired");
}

/// Byte for byte, whether it exists or not.
async fn another_publisher_is_answered_as_none(app: &TestApp) {
    let (home, elsewhere) = (app.tenant("Home").await, app.tenant("Elsewhere").await);
    let stranger = app.member_of("eve@home.example", &home, PublisherAdmin).await;
    app.member_of("ada@elsewhere.example", &elsewhere, PublisherViewer).await;
    let stranger = app.login_for(&stranger, &home).await;
    let ask = async |publisher: String| {
        let proxy = proxy(app, &stranger.access).with("x-request-id", "same");
        let answer = proxy.get(&format!("{PATH}?publisher={publisher}")).await;
        refused(&answer, 403, "wrong_publisher");
        let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "date").collect();
        format!("{headers:?} {}", answer.text())
    };
    let nobodys = "0198c0de-0000-7000-8000-000000000000".to_owned();
    assert_eq!(ask(elsewhere.id.to_string()).await, ask(nobodys).await);
    let own = proxy(app, &stranger.access).get(&format!("{PATH}?publisher={}", home.id)).await;
    assert_eq!(passed(&own)[3], home.id.to_string());
}

/// Whoever is not named is believed nothing, however good the credential, and whatever the request says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_not_trusted_is_refused_and_that_is_recorded() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        // A network beside this machine's own.
        let settings = [("server.trusted_proxies", "127.0.0.2/32, 10.0.0.0/8")];
        let Some(app) = TestApp::start_with(engine, &settings).await else { continue };
        let admin = proxy(&app, app.admin_token()).with("user-agent", "curl/8");
        let answer = admin.with("x-request-id", "untrusted").get(PATH).await;
        refused(&answer, 403, "untrusted_proxy");
        refused(&admin.get(&format!("{PATH}?nonsense=1")).await, 403, "untrusted_proxy");
        refused(&app.nobody().send("POST", PATH, None).await, 403, "untrusted_proxy");
        let through = admin.with("x-forwarded-for", "10.0.0.1").with("x-real-ip", "10.0.0.1");
        refused(&through.get(PATH).await, 403, "untrusted_proxy");
        let record = "gate untrusted_proxy GET /api/v1/auth/forward 127.0.0.1 curl/8";
        assert_eq!(told(&app, "untrusted").await, [record]);
        app.stop().await;
    }
}

/// What cannot be known is 503 and never 401, and nobody takes it for a permission.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_known_tokens_pass_and_others_are_503() {
    let Some(direct) = TestApp::start(Engine::Postgres).await else { return };
    let way = Proxy::before(direct.url()).await;
    let settings = [("server.trusted_proxies", "127.0.0.1/32"), ("verify.stale_grace_seconds", "3600")];
    let app = direct.another(Some(way.url()), &settings).await;
    let known = app.mint("known", &["a"]).await;
    let unseen = direct.mint("unseen", &["a"]).await;
    eventually("it is known", async || proxy(&app, &known.secret).get(PATH).await.status == 200).await;
    way.set(Mode::Refuse);
    eventually("the node knows that the store is away", async || {
        app.nobody().get("/system/health").await.json()["store"] == "unavailable"
    })
    .await;
    passed(&proxy(&app, &known.secret).get(PATH).await);
    refused(&proxy(&app, &known.secret).get(&format!("{PATH}?scope=b")).await, 403, "insufficient_scope");
    for secret in [unseen.secret.clone(), format!("sk_{}", "0a".repeat(32))] {
        let answer = proxy(&app, &secret).get(PATH).await;
        refused(&answer, 503, "unavailable");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    way.set(Mode::Pass);
    eventually("it passes", async || proxy(&app, &unseen.secret).get(PATH).await.status == 200).await;
    app.stop().await;
    direct.stop().await;
}
