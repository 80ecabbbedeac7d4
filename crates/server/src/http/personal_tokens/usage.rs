//! `GET /users/me/tokens/{id}/usage` and `GET /users/me/tokens/{id}/security-events`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::analytics::{AnalyticsQuery, DEFAULT_DAYS, TokenAnalytics};
use keywright_api::event::SecurityEvent;
use keywright_api::event_query::EventQuery;
use keywright_api::page::{Page, PageQuery};
use keywright_authority::personal_tokens;

use crate::http::App;
use crate::http::analytics::shown;
use crate::http::answer::{Refused, json_no_store};
use crate::http::audit::security_events::{filter, page};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{PathId, Query};
use crate::http::tokens::security_events::named_already;

/// How one of the caller's own personal tokens was used.
#[utoipa::path(
    get, path = "/users/me/tokens/{id}/usage", tag = "personal tokens", operation_id = "get_personal_token_usage",
    params(("id" = uuid::Uuid, Path, description = "The token"), AnalyticsQuery),
    responses((status = 200, description = "What was decided about it", body = TokenAnalytics),
        Refused),
)]
pub async fn usage(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<AnalyticsQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    let found = personal_tokens::usage(app.authority(), &caller.call, id, days).await?;
    Ok(json_no_store(StatusCode::OK, &shown(found, days)))
}

/// What was done to one of the caller's own personal tokens.
#[utoipa::path(
    get, path = "/users/me/tokens/{id}/security-events", tag = "personal tokens",
    operation_id = "list_personal_token_security_events",
    params(("id" = uuid::Uuid, Path, description = "The token"), EventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = Page<SecurityEvent>),
        Refused),
)]
pub async fn security_events(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<EventQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    named_already(&query)?;
    let limit = query.page.limit();
    let filter = filter(query, limit + 1)?;
    let rows = personal_tokens::security_events(app.authority(), &caller.call, id, filter).await?;
    Ok(page(rows, limit))
}
