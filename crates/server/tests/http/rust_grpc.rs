//! A service of tonic behind the layer of `keywright-client`: what a client of tonic is told.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use bytes::{Buf as _, BufMut as _};
use http::uri::PathAndQuery;
use keywright_client::{KeywrightLayer, KeywrightService, Principal};
use serde_json::json;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::UnaryService;
use tonic::{Code, Status};
use tower::{Layer as _, Service};

use super::rust_client::verifier;
use crate::harness::embedded::{Home, gate};
use crate::harness::{Engine, PATIENCE, TestApp, on_both_engines};

on_both_engines![a_client_of_grpc_is_told_by_statuses_who_may_and_who_may_not];

/// Messages are the text itself.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Status::invalid_argument("no text"))
    }
}

/// A service with one method, which greets its caller.
#[derive(Clone)]
struct Greeter;

impl UnaryService<String> for Greeter {
    type Response = String;
    type Future = Ready<Result<tonic::Response<String>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        let name = request.extensions().get::<Principal>().map_or("nobody", Principal::name);
        ready(Ok(tonic::Response::new(format!("{}, {name}", request.get_ref()))))
    }
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let own = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(own, request).await) })
    }
}

/// A service of tonic behind a gate, and a client of it.
struct Served(KeywrightService<Greeter>);

impl Served {
    fn behind(gate: &KeywrightLayer) -> Self {
        Self(gate.require_scope("works:read").unwrap().layer(Greeter))
    }

    async fn greet(&self, credential: Option<&str>) -> Result<String, Status> {
        let mut client = tonic::client::Grpc::new(self.0.clone());
        client.ready().await.unwrap();
        let mut request = tonic::Request::new("hello".to_owned());
        let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(credential) = credential {
            let value = format!("Bearer {credential}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let path = PathAndQuery::from_static("/test.Greeter/Greet");
        Ok(client.unary(request, path, Text).await?.into_inner())
    }

    /// The status of a call that is refused, and the code that its message tells.
    async fn refused(&self, credential: Option<&str>) -> (Code, String) {
        let status = self.greet(credential).await.unwrap_err();
        let message = status.message().to_owned();
        let code = message.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(code, _)| code);
        (status.code(), code.unwrap_or_else(|| panic!("{message}")).to_owned())
    }
}

/// What a client is told, whoever decides behind the layer.
async fn told(app: &TestApp, served: &Served) {
    let token = app.mint("caller", &["works:read"]).await;
    let other = app.mint("other", &["songs:read"]).await;
    let revoked = app.mint("revoked", &["works:read"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let limits = json!({"per_minute": null, "per_hour": 1});
    let body = json!({"token_name": "limited", "permissions": ["works:read"], "rate_limits": limits});
    let limited = app.mint_as(body).await;
    assert_eq!(served.greet(Some(&token.secret)).await.unwrap(), "hello, caller");
    assert_eq!(served.greet(Some(&limited.secret)).await.unwrap(), "hello, limited");
    for (credential, code, told) in [
        (None, Code::Unauthenticated, "missing_credential"),
        (Some("nonsense"), Code::Unauthenticated, "malformed"),
        (Some(revoked.secret.as_str()), Code::Unauthenticated, "revoked"),
        (Some(other.secret.as_str()), Code::PermissionDenied, "insufficient_scope"),
        (Some(limited.secret.as_str()), Code::ResourceExhausted, "rate_limited"),
    ] {
        assert_eq!(served.refused(credential).await, (code, told.to_owned()));
    }
    for (name, network, passes) in [("here", "192.0.2.0/24", true), ("elsewhere", "127.0.0.0/8", false)] {
        let body = json!({"token_name": name, "permissions": ["works:read"], "ip_allowlist": [network]});
        let bound = app.mint_as(body).await;
        if passes {
            assert_eq!(served.greet(Some(&bound.secret)).await.unwrap(), "hello, here");
        } else {
            let refused = served.refused(Some(&bound.secret)).await;
            assert_eq!(refused, (Code::PermissionDenied, "ip_not_allowed".to_owned()));
        }
    }
}

async fn a_client_of_grpc_is_told_by_statuses_who_may_and_who_may_not(app: &TestApp) {
    let gate = KeywrightLayer::new(verifier(app).await).timeout(PATIENCE);
    told(app, &Served::behind(&gate)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_in_the_process_tells_a_client_of_grpc_the_same() {
    let Some(app) = TestApp::start(Engine::Postgres).await else { return };
    let home = Home::over(app.url(), app.admin_token(), |options| options).await;
    let served = Served::behind(&gate(&home.embedded));
    told(&app, &served).await;
    drop(served);
    home.close().await;
    app.stop().await;
}
