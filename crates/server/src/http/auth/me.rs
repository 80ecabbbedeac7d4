//! `GET /auth/me`: who the caller is.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::me::{Me, MyCredential};
use keywright_api::verify::TokenType;
use keywright_authority::service_tokens;

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::NoQuery;
use crate::http::{App, view};

/// Who the caller is, whatever its kind, and what it may do.
#[utoipa::path(
    get, path = "/auth/me", tag = "verification", operation_id = "get_me",
    responses((status = 200, description = "The caller", body = Me),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not available at the moment", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn me(State(app): State<App>, caller: Caller<Anyone>, _: NoQuery) -> Result<Response, Refused> {
    let found = service_tokens::myself(app.authority(), &caller.call).await?;
    let credential = found.as_ref().map(|(row, epochs)| MyCredential {
        id: row.id.0,
        token_type: TokenType::Service,
        name: row.token_name.as_str().to_owned(),
        token_hint: Some(row.token_hint.0.clone()),
        status: view::status(row.status(*epochs, app.authority().now())),
        scopes: row.permissions.iter().map(ToString::to_string).collect(),
        expires_at: row.expires_at.map(view::time),
        rotation: view::rotation(row),
    });
    let me = Me {
        principal: view::actor(&caller.call.actor.to_ref()),
        publishers: Vec::new(),
        permissions: caller.call.permissions.iter().map(ToString::to_string).collect(),
        credential,
    };
    Ok(json_no_store(StatusCode::OK, &me))
}
