//! `GET /.well-known/jwks.json`.

use axum::extract::State;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use keywright_api::signing_key::JsonWebKeySet;
use keywright_authority::signing_keys::{self, JWKS_MAX_AGE_SECONDS};

use crate::http::App;
use crate::http::answer::{Refused, json};
use crate::http::input::NoQuery;

/// The path, outside the base path.
pub const PATH: &str = "/.well-known/jwks.json";

/// The public keys by which access tokens are verified elsewhere, the next one included (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "signing keys", operation_id = "get_jwks", security(()),
    responses((status = 200, description = "The keys", body = JsonWebKeySet),
        Refused),
)]
pub async fn jwks(State(app): State<App>, _: NoQuery) -> Result<Response, Refused> {
    let published = signing_keys::jwks(app.authority()).await?;
    let mut response = json(StatusCode::OK, &JsonWebKeySet { keys: published.to_vec() });
    let kept = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE_SECONDS}"));
    if let Ok(kept) = kept {
        response.headers_mut().insert(CACHE_CONTROL, kept);
    }
    Ok(response)
}
