//! `GET /auth/tokens/{id}/locations` and `GET /users/me/tokens/{id}/locations`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::location::{LocationQuery, Locations};
use keywright_authority::locations as use_cases;

use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller, TokensRead};
use crate::http::input::{PathId, Query};
use crate::http::{App, locations};

/// From where a service token was used.
#[utoipa::path(
    get, path = "/auth/tokens/{id}/locations", tag = "service tokens", operation_id = "get_service_token_locations",
    params(("id" = uuid::Uuid, Path, description = "The token"), LocationQuery),
    responses((status = 200, description = "Countries and networks", body = Locations),
        Refused),
)]
pub async fn locations(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<LocationQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let found = use_cases::of_service_token(app.authority(), &caller.call, id, query.days).await?;
    Ok(locations::answer(id, found))
}

/// From where one of the caller's own personal tokens was used.
#[utoipa::path(
    get, path = "/users/me/tokens/{id}/locations", tag = "personal tokens",
    operation_id = "get_personal_token_locations",
    params(("id" = uuid::Uuid, Path, description = "The token"), LocationQuery),
    responses((status = 200, description = "Countries and networks", body = Locations),
        Refused),
)]
pub async fn of_own(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<LocationQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let found = use_cases::of_own_token(app.authority(), &caller.call, id, query.days).await?;
    Ok(locations::answer(id, found))
}
