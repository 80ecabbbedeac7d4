//! `GET /auth/tokens/{id}/security-events`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::event::SecurityEvent;
use keywright_api::event_query::EventQuery;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_authority::audit;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::audit::security_events::{filter, page};
use crate::http::gate::{Caller, TokensRead};
use crate::http::input::{PathId, Query};

/// What was done to a service token.
#[utoipa::path(
    get, path = "/auth/tokens/{id}/security-events", tag = "service tokens",
    operation_id = "list_service_token_security_events",
    params(("id" = uuid::Uuid, Path, description = "The token"), EventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = Page<SecurityEvent>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<EventQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    named_already(&query)?;
    let limit = query.page.limit();
    let filter = filter(query, limit + 1)?;
    let rows = audit::list_of_token(app.authority(), &caller.call, id, filter).await?;
    Ok(page(rows, limit))
}

/// The query must not name a token beside the one in the path.
pub(crate) fn named_already(query: &EventQuery) -> Result<(), Problem> {
    if query.credential_id.is_none() {
        return Ok(());
    }
    let detail = "the path names the token already";
    Err(Problem::of_fields(vec![FieldError::new("credential_id", FieldCode::OutOfRange, detail)]))
}
