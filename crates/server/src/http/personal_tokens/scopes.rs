//! `GET /users/me/tokens/scopes`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::personal_token::{Grantable, GrantableScopes};
use keywright_authority::personal_tokens;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::NoQuery;

/// What the caller could grant to a personal token, publisher by publisher.
#[utoipa::path(
    get, path = "/users/me/tokens/scopes", tag = "personal tokens", operation_id = "list_grantable_scopes",
    responses((status = 200, description = "What could be granted", body = GrantableScopes),
        Refused),
)]
pub async fn list(State(app): State<App>, caller: Caller<Anyone>, _: NoQuery) -> Result<Response, Refused> {
    let found = personal_tokens::grantable(app.authority(), &caller.call).await?;
    let view = |own: personal_tokens::Grantable| Grantable {
        publisher_id: own.publisher.as_ref().map(|(id, _)| id.0),
        publisher_name: own.publisher.map(|(_, name)| name.as_str().to_owned()),
        scopes: own.permissions.iter().map(ToString::to_string).collect(),
        may_create: own.may_create,
        max_days: own.policy.max_days,
        require_approval: own.policy.require_approval,
    };
    Ok(json_no_store(StatusCode::OK, &GrantableScopes { items: found.into_iter().map(view).collect() }))
}
