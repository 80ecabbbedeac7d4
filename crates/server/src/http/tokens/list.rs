//! `GET /auth/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::WireEnum;
use keywright_api::page::{DEFAULT_LIMIT, Page};
use keywright_api::service_token::ServiceToken;
use keywright_api::service_token_request::ServiceTokenQuery;
use keywright_authority::service_tokens;
use keywright_core::{CredentialId, Status};
use keywright_store::service_tokens::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::Cursor;
use crate::http::gate::{Caller, TokensRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Service tokens, newest first.
#[utoipa::path(
    get, path = "/auth/tokens", tag = "service tokens", operation_id = "list_service_tokens",
    params(ServiceTokenQuery),
    responses((status = 200, description = "A page of tokens", body = Page<ServiceToken>),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<ServiceTokenQuery>,
) -> Result<Response, Refused> {
    let now = app.authority().now();
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let filter = |epochs: keywright_core::Epochs| ListFilter {
        status: query.status.and_then(|status| Status::parse(status.as_str())),
        name: query.name,
        q: query.q,
        expiring_before: query.expiring_within_days.map(|days| now.plus_days(days.into())),
        after: after.map(|cursor| (cursor.at, CredentialId(cursor.id))),
        limit: limit + 1,
        now,
        epoch: epochs.service,
    };
    let (mut rows, epochs) = service_tokens::list(app.authority(), &caller.call, filter).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let page = Page {
        next_cursor: last.map(|row| Cursor { at: row.created_at, id: row.id.0 }.encode()),
        items: rows.iter().map(|row| view::service_token(row, epochs, now)).collect::<Vec<_>>(),
    };
    Ok(json_no_store(StatusCode::OK, &page))
}
