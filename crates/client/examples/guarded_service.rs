//! A service of axum behind Keywright: `KEYWRIGHT_URL=… KEYWRIGHT_TOKEN=sk_… cargo run --example guarded_service`.
//!
//! The token needs `tokens:verify`. Then `curl -H "Authorization: Bearer sk_…" http://127.0.0.1:3000/works`.

use std::error::Error;
use std::net::SocketAddr;

use axum::routing::{get, post};
use axum::{Extension, Router};
use keywright_client::{Client, ClientOptions, KeywrightLayer, Principal, Secret};

async fn list(Extension(principal): Extension<Principal>) -> String {
    format!("the works of {}\n", principal.publisher_id().map_or("all".to_owned(), |id| id.to_string()))
}

async fn create(Extension(principal): Extension<Principal>) -> String {
    format!("made by {}\n", principal.name())
}

pub(crate) fn router(gate: &KeywrightLayer) -> Result<Router, Box<dyn Error>> {
    let works = get(list).route_layer(gate.require_scope("works:read")?);
    let writing = post(create).route_layer(gate.require_any(["works:write", "works:admin"])?);
    Ok(Router::new().route("/works", works.merge(writing)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (url, token) = (std::env::var("KEYWRIGHT_URL")?, std::env::var("KEYWRIGHT_TOKEN")?);
    let client = Client::new(&ClientOptions::new(url, Secret::new(token)))?;
    let gate = KeywrightLayer::new(client);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // With the addresses of connections, by which allowlists are decided.
    let service = router(&gate)?.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
