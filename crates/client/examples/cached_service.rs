//! The same service with a cache, which decides by itself and is told of changes:
//! `KEYWRIGHT_URL=… KEYWRIGHT_TOKEN=sk_… cargo run --example cached_service`.

use std::error::Error;
use std::net::SocketAddr;

use axum::routing::get;
use axum::{Extension, Router};
use keywright_client::{CacheOptions, Cached, Client, ClientOptions, KeywrightLayer, Principal, Secret};

async fn list(Extension(principal): Extension<Principal>) -> String {
    format!("the works of {}\n", principal.publisher_id().map_or("all".to_owned(), |id| id.to_string()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (url, token) = (std::env::var("KEYWRIGHT_URL")?, std::env::var("KEYWRIGHT_TOKEN")?);
    let client = Client::new(&ClientOptions::new(url, Secret::new(token)))?;
    // A folder of its own, on a disk: what was decided and is not reported yet lies there.
    let cached = Cached::start(client, &CacheOptions::new("/var/lib/partner/decisions"))?;
    let gate = KeywrightLayer::over(cached);
    let works = get(list).route_layer(gate.require_scope("works:read")?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let service = Router::new().route("/works", works).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
