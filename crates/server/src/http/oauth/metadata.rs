//! `GET /.well-known/oauth-authorization-server` (RFC 8414).

use axum::extract::State;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use keywright_api::oauth::AuthorizationServer;
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_authority::signing_keys::JWKS_MAX_AGE_SECONDS;
use keywright_core::SigningAlgorithm;

use crate::http::App;
use crate::http::answer::{Refused, json};
use crate::http::input::NoQuery;
use crate::http::signing_keys::jwks;

/// What this server offers in OAuth's form.
///
/// There is nothing to tell before `server.public_url` is set: the issuer is that address, and nothing is signed
/// without one.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "oauth",
    operation_id = "get_authorization_server", security(()),
    responses((status = 200, description = "What there is", body = AuthorizationServer),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn metadata(State(app): State<App>, _: NoQuery) -> Result<Response, Refused> {
    let Some(issuer) = app.authority().settings().jwt.issuer.as_deref() else {
        let detail = "There is nothing to tell before server.public_url says under which address clients \
                      reach this server.";
        return Err(Problem::new(Refusal::NotFound, detail).into());
    };
    let mut response = json(StatusCode::OK, &offered(issuer));
    let kept = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE_SECONDS}"));
    if let Ok(kept) = kept {
        response.headers_mut().insert(CACHE_CONTROL, kept);
    }
    Ok(response)
}

fn offered(issuer: &str) -> AuthorizationServer {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let by_secret = ["client_secret_basic", "client_secret_post"];
    AuthorizationServer {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/oauth2/token"),
        jwks_uri: format!("{issuer}{}", jwks::PATH),
        introspection_endpoint: format!("{issuer}/oauth2/introspect"),
        revocation_endpoint: format!("{issuer}/oauth2/revoke"),
        // A list without an element must be left out, and this one must be there (RFC 8414 §2, §3.2).
        response_types_supported: words(&["none"]),
        grant_types_supported: words(&["client_credentials", "refresh_token"]),
        // A refresh token is used without a client.
        token_endpoint_auth_methods_supported: words(&[by_secret[0], by_secret[1], "none"]),
        // The last is a type of access token, which RFC 8414 §2 lets stand here.
        introspection_endpoint_auth_methods_supported: words(&[by_secret[0], by_secret[1], "Bearer"]),
        introspection_signing_alg_values_supported: words(
            &SigningAlgorithm::ALL.map(SigningAlgorithm::as_str),
        ),
        // Who has the token in the hand needs nothing else.
        revocation_endpoint_auth_methods_supported: words(&[by_secret[0], by_secret[1], "none"]),
    }
}
