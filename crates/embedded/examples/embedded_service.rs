//! A service of axum with Keywright in its own process, over the store that `keywright serve` would be given:
//!
//! ```sh
//! export DATABASE_URL=sqlite://./data/keywright.db KEYWRIGHT_MASTER_KEY=$(openssl rand -base64 32)
//! cargo run -p keywright-embedded --example embedded_service
//! keywright token create --name a-caller --permissions works:read    # in another terminal, with the same two
//! curl -H "Authorization: Bearer sk_…" http://127.0.0.1:3000/works
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::routing::{get, post};
use axum::{Extension, Router};
use keywright_client::{KeywrightLayer, Principal};
use keywright_embedded::{Embedded, EmbeddedOptions};

async fn list(Extension(principal): Extension<Principal>) -> String {
    format!("the works of {}\n", principal.publisher_id().map_or("all".to_owned(), |id| id.to_string()))
}

async fn create(Extension(principal): Extension<Principal>) -> String {
    format!("made by {}\n", principal.name())
}

fn router(gate: &KeywrightLayer) -> Result<Router, Box<dyn Error>> {
    let reading = get(list).route_layer(gate.require_scope("works:read")?);
    let writing = post(create).route_layer(gate.require_any(["works:write", "works:admin"])?);
    Ok(Router::new().route("/works", reading.merge(writing)))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells where it listens")]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = Embedded::open(&EmbeddedOptions::from_environment().named("the works").migrate()).await?;
    let service = router(&KeywrightLayer::over(embedded.clone()))?;
    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    // With the addresses of connections, by which allowlists are decided.
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stopped()).await?;
    // What was decided last is brought into the store, and the other nodes are told.
    Ok(embedded.close().await?)
}

/// SIGTERM or Ctrl-C.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
