//! The crate for services in Rust, `keywright-client`, against a real node.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Extension, Router};
use http::Request;
use http_body_util::BodyExt as _;
use keywright_client::api::patch::Patch;
use keywright_client::api::service_token_request::{
    CreateServiceToken, RotateServiceToken, ServiceTokenQuery,
};
use keywright_client::api::verify::Decision;
use keywright_client::api::verify_request::VerifyRequest;
use keywright_client::{Client, ClientError, ClientOptions, KeywrightLayer, Principal, Secret};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::harness::{PATIENCE, TestApp, eventually, on_both_engines};

on_both_engines![
    the_client_makes_finds_rotates_and_revokes_a_token,
    a_denial_is_an_answer_and_a_refusal_an_error,
    a_creation_repeated_under_its_key_makes_one_token,
    a_wait_that_does_not_fit_into_the_time_limit_is_told_at_once,
    the_layer_lets_valid_requests_pass_and_refuses_the_others_as_the_server_does,
    grpc_is_answered_by_its_own_statuses,
    a_route_wants_all_or_one_of_its_scopes,
    the_decisions_of_the_layer_are_on_record_with_the_facts_of_the_request,
    the_limits_of_a_credential_hold_behind_the_layer,
    an_allowlist_is_held_against_the_address_of_the_connection,
    a_gate_that_may_not_ask_lets_nothing_pass,
    the_example_is_a_whole_service,
];

#[path = "../../../client/examples/guarded_service.rs"]
#[expect(dead_code, reason = "what it does on its own is not tried")]
mod guarded_service;

pub(crate) fn client(app: &TestApp, credential: &str) -> Client {
    let options = ClientOptions::new(format!("http://{}", app.address()), Secret::new(credential));
    Client::new(&options).unwrap()
}

/// A client whose token may ask about others.
pub(crate) async fn verifier(app: &TestApp) -> Client {
    client(app, &app.mint("of the gate", &["tokens:verify"]).await.secret)
}

fn verification(token: &str) -> VerifyRequest {
    VerifyRequest { token: Some(Secret::new(token)), ..VerifyRequest::default() }
}

/// A gate that is in no hurry, on a machine that has much to do.
fn gate(client: Client) -> KeywrightLayer {
    KeywrightLayer::new(client).timeout(PATIENCE)
}

/// A service with one open door for all that is valid, and one each for a scope, for all and for one of two.
pub(crate) fn service(gate: &KeywrightLayer) -> Router {
    let whoever =
        || get(async |Extension(one): Extension<Principal>| format!("{} {}", one.name(), one.scopes().len()));
    Router::new()
        .route("/any", whoever().route_layer(gate.clone()))
        .route("/works", whoever().route_layer(gate.require_scope("works:read").unwrap()))
        .route("/both", whoever().route_layer(gate.require_all(["works:read", "works:write"]).unwrap()))
        .route("/either", whoever().route_layer(gate.require_any(["works:read", "songs:read"]).unwrap()))
}

/// What a service answered.
pub(crate) struct Served {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Served {
    pub(crate) fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// A request that came over a connection from an address.
pub(crate) fn arriving(path: &str, credential: &str, address: &str) -> Request<Body> {
    let request = Request::get(path).header("authorization", format!("Bearer {credential}"));
    let mut request = request.body(Body::empty()).unwrap();
    let address: IpAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 4711)));
    request
}

pub(crate) async fn served(service: &Router, request: Request<Body>) -> Served {
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Served {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn the_client_makes_finds_rotates_and_revokes_a_token(app: &TestApp) {
    let client = client(app, app.admin_token());
    assert!(client.me().await.unwrap().permissions.contains(&"*".to_owned()));
    let tokens = client.service_tokens();
    let wanted = CreateServiceToken {
        token_name: "ci & cd".to_owned(),
        permissions: Some(vec!["works:read".to_owned()]),
        expires_in_days: Patch::Value(7),
        ..CreateServiceToken::default()
    };
    let made = tokens.create(&wanted, None).await.unwrap();
    let secret = made.token.unwrap();
    assert!(client.verify(&verification(secret.expose())).await.unwrap().is_valid());
    let query = ServiceTokenQuery { name: Some("ci & cd".to_owned()), ..ServiceTokenQuery::default() };
    let found = tokens.list(&query).await.unwrap();
    assert_eq!(found.items.iter().map(|token| token.id).collect::<Vec<_>>(), [made.object.id]);
    let rotation =
        RotateServiceToken { reason: "test".to_owned(), grace_seconds: Some(0), ..Default::default() };
    let rotated = tokens.rotate(made.object.id, &rotation, None).await.unwrap();
    assert_eq!(rotated.object.rotated_from_id, Some(made.object.id));
    let successor = rotated.token.unwrap();
    assert_eq!(client.verify(&verification(secret.expose())).await.unwrap().code(), "expired");
    tokens.revoke(rotated.object.id, Some("done with it")).await.unwrap();
    tokens.revoke(rotated.object.id, None).await.unwrap();
    let gone = tokens.get(rotated.object.id).await.unwrap();
    assert_eq!(gone.revoked_reason.as_deref(), Some("done with it"));
    let codes =
        client.verify_batch(&[verification(successor.expose()), verification("nonsense")]).await.unwrap();
    assert_eq!(codes.iter().map(Decision::code).collect::<Vec<_>>(), ["revoked", "malformed"]);
}

async fn a_denial_is_an_answer_and_a_refusal_an_error(app: &TestApp) {
    let client = client(app, &app.mint("may nothing", &[]).await.secret);
    // Its own credential.
    assert!(client.verify(&VerifyRequest::default()).await.unwrap().is_valid());
    let error = client.verify(&verification(app.admin_token())).await.unwrap_err();
    assert_eq!(error.status(), Some(403), "{error}");
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!(problem.code, "insufficient_scope");
    assert!(!problem.request_id.is_empty());
    let error = client.service_tokens().get(Uuid::nil()).await.unwrap_err();
    assert_eq!(error.status(), Some(403), "{error}");
}

async fn a_creation_repeated_under_its_key_makes_one_token(app: &TestApp) {
    let client = client(app, app.admin_token());
    let wanted = CreateServiceToken {
        token_name: "once".to_owned(),
        permissions: Some(vec!["a".to_owned()]),
        ..CreateServiceToken::default()
    };
    let key = Some("0123456789abcdef-once");
    let first = client.service_tokens().create(&wanted, key).await.unwrap();
    let second = client.service_tokens().create(&wanted, key).await.unwrap();
    assert_eq!(first.object.id, second.object.id);
    assert_eq!(first.token.unwrap().expose(), second.token.unwrap().expose());
    let error = client.service_tokens().create(&wanted, None).await.unwrap_err();
    assert_eq!(error.status(), Some(409), "another key is another wish: {error}");
}

async fn a_wait_that_does_not_fit_into_the_time_limit_is_told_at_once(app: &TestApp) {
    let token = app
        .mint_as(json!({"token_name": "limited", "permissions": ["tokens:read"], "rate_limits": {"per_minute": 1, "per_hour": null}}))
        .await;
    let mut options =
        ClientOptions::new(format!("http://{}", app.address()), Secret::new(token.secret.as_str()));
    // A time limit that the wait which the server asks for does not fit into: the refusal is told at once.
    options.timeout = Duration::from_millis(900);
    let client = Client::new(&options).unwrap();
    client.me().await.unwrap();
    let error = client.me().await.unwrap_err();
    assert_eq!(error.status(), Some(429), "{error}");
    assert!(error.retry_after_seconds().is_some_and(|seconds| seconds >= 1));
}

async fn the_layer_lets_valid_requests_pass_and_refuses_the_others_as_the_server_does(app: &TestApp) {
    let service = service(&gate(verifier(app).await));
    let token = app.mint("caller", &["works:read"]).await;
    let at = |path: &str, credential: &str| arriving(path, credential, "192.0.2.1");
    let passed = served(&service, at("/works", &token.secret)).await;
    assert_eq!((passed.status, passed.text.as_str()), (200, "caller 1"));
    for (path, credential, status, code) in [
        ("/both", token.secret.as_str(), 403, "insufficient_scope"),
        ("/any", "nonsense", 401, "malformed"),
        ("/any", &format!("sk_{}", "0b".repeat(32)), 401, "not_found"),
    ] {
        let refused = served(&service, at(path, credential)).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{path} {credential}");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        assert_eq!(refused.headers["cache-control"], "no-store");
    }
    let challenge = served(&service, at("/both", &token.secret)).await.headers["www-authenticate"].clone();
    assert_eq!(challenge, "Bearer realm=\"keywright\", error=\"insufficient_scope\"");
    app.admin().delete(&token.path()).await.expect(204);
    let revoked = served(&service, at("/works", &token.secret)).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "revoked"));
}

async fn grpc_is_answered_by_its_own_statuses(app: &TestApp) {
    let service = service(&gate(verifier(app).await));
    let token = app.mint("caller", &["works:read"]).await;
    for (path, credential, status) in [("/any", "nonsense", "16"), ("/both", token.secret.as_str(), "7")] {
        let mut request = arriving(path, credential, "192.0.2.1");
        request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        let answered = served(&service, request).await;
        assert_eq!((answered.status, answered.text.as_str()), (200, ""));
        assert_eq!(answered.headers["grpc-status"], status, "{path}");
        assert_eq!(answered.headers["content-type"], "application/grpc");
    }
}

async fn a_route_wants_all_or_one_of_its_scopes(app: &TestApp) {
    let service = service(&gate(verifier(app).await));
    for (scopes, both, either) in [
        (vec!["works:read", "works:write"], 200, 200),
        (vec!["works:*"], 200, 200),
        (vec!["songs:read"], 403, 200),
        (vec!["catalog:read"], 403, 403),
    ] {
        let token = app.mint(&scopes.join(" "), &scopes).await;
        for (path, status) in [("/both", both), ("/either", either), ("/any", 200)] {
            let answered = served(&service, arriving(path, &token.secret, "192.0.2.1")).await;
            assert_eq!(answered.status, status, "{path} with {scopes:?}: {}", answered.text);
        }
    }
}

async fn the_decisions_of_the_layer_are_on_record_with_the_facts_of_the_request(app: &TestApp) {
    let asker = app.mint("of the gate", &["tokens:verify"]).await;
    let service = service(&gate(client(app, &asker.secret)));
    let token = app.mint("caller", &["works:read"]).await;
    let mut request = arriving("/works?secret=1", &token.secret, "192.0.2.9");
    request.headers_mut().insert("x-request-id", "by-the-layer".parse().unwrap());
    request.headers_mut().insert("user-agent", "partner/1".parse().unwrap());
    assert_eq!(served(&service, request).await.status, 200);
    app.recorded().await;
    let path = format!("/audit/authentication-events?credential_id={}", token.id);
    let events = app.admin().get(&path).await.expect(200);
    let event = &events["items"][0];
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "{events}");
    for (field, value) in [
        ("request_id", json!("by-the-layer")),
        ("ip_address", json!("192.0.2.9")),
        ("user_agent", json!("partner/1")),
        ("method", json!("GET")),
        ("endpoint", json!("/works")),
        ("code", json!("valid")),
        ("asked_by_id", json!(asker.id)),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
}

async fn the_limits_of_a_credential_hold_behind_the_layer(app: &TestApp) {
    let service = service(&gate(verifier(app).await));
    let token = app
        .mint_as(json!({"token_name": "limited", "permissions": ["works:read"], "rate_limits": {"per_minute": 2, "per_hour": null}}))
        .await;
    let ask = || served(&service, arriving("/works", &token.secret, "192.0.2.1"));
    let first = ask().await;
    assert_eq!(
        (first.status, first.headers["ratelimit-policy"].to_str().unwrap()),
        (200, "\"minute\";q=2;w=60")
    );
    assert_eq!(ask().await.status, 200);
    let third = ask().await;
    assert_eq!((third.status, third.code().as_str()), (429, "rate_limited"));
    let seconds: u64 = third.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
}

async fn an_allowlist_is_held_against_the_address_of_the_connection(app: &TestApp) {
    let service = service(&gate(verifier(app).await));
    let token = app
        .mint_as(
            json!({"token_name": "at home", "permissions": ["works:read"], "ip_allowlist": ["192.0.2.0/24"]}),
        )
        .await;
    let at = async |address| {
        let mut request = arriving("/works", &token.secret, address);
        request.headers_mut().insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
        served(&service, request).await
    };
    assert_eq!(at("192.0.2.77").await.status, 200);
    let elsewhere = at("198.51.100.1").await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (403, "ip_not_allowed"));
}

async fn a_gate_that_may_not_ask_lets_nothing_pass(app: &TestApp) {
    let asker = app.mint("of the gate", &["tokens:verify"]).await;
    let service = service(&gate(client(app, &asker.secret)));
    let token = app.mint("caller", &["works:read"]).await;
    let ask = || served(&service, arriving("/works", &token.secret, "192.0.2.1"));
    assert_eq!(ask().await.status, 200);
    app.admin().delete(&asker.path()).await.expect(204);
    eventually("the gate is refused", async || ask().await.status == 503).await;
    let refused = ask().await;
    assert_eq!(refused.code(), "unavailable");
    assert!(!refused.text.contains(&asker.secret), "{}", refused.text);
}

async fn the_example_is_a_whole_service(app: &TestApp) {
    let gate = gate(verifier(app).await);
    let service = guarded_service::router(&gate).unwrap();
    let reader = app.mint("of the example", &["works:read"]).await;
    let read = served(&service, arriving("/works", &reader.secret, "192.0.2.1")).await;
    assert_eq!((read.status, read.text.as_str()), (200, "the works of all\n"));
    assert_eq!(served(&service, arriving("/works", "nonsense", "192.0.2.1")).await.status, 401);
    let mut write = arriving("/works", &reader.secret, "192.0.2.1");
    *write.method_mut() = http::Method::POST;
    let refused = served(&service, write).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
}
