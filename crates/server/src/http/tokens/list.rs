//! `GET /auth/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::WireEnum;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::Problem;
use keywright_api::service_token::ServiceToken;
use keywright_api::service_token_request::ServiceTokenQuery;
use keywright_authority::service_tokens;
use keywright_core::{CredentialId, Epochs, ServiceAccountId, Status, Timestamp};
use keywright_store::service_tokens::{ListFilter, ServiceTokenRow};

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{self, Cursor};
use crate::http::gate::{Caller, TokensRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Service tokens, newest first.
#[utoipa::path(
    get, path = "/auth/tokens", tag = "service tokens", operation_id = "list_service_tokens",
    params(ServiceTokenQuery, PageQuery),
    responses((status = 200, description = "A page of tokens", body = Page<ServiceToken>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<ServiceTokenQuery>,
) -> Result<Response, Refused> {
    let now = app.authority().now();
    let (limit, filter) = filter(query, now)?;
    let found = service_tokens::list(app.authority(), &caller.call, filter).await?;
    Ok(page(found, limit, now))
}

/// How many are asked for, and what the query asks for: one more than that.
pub fn filter(
    query: ServiceTokenQuery,
    now: Timestamp,
) -> Result<(u32, impl FnOnce(Epochs) -> ListFilter), Problem> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = move |epochs: Epochs| ListFilter {
        account: query.service_account_id.map(ServiceAccountId),
        status: query.status.and_then(|status| Status::parse(status.as_str())),
        name: query.name,
        q: query.q,
        expiring_before: query.expiring_within_days.map(|days| now.plus_days(days.into())),
        after: after.map(|cursor| (cursor.at, CredentialId(cursor.id))),
        ..ListFilter::all(limit + 1, now, epochs.service)
    };
    Ok((limit, filter))
}

/// The page of rows that were found for a [`filter`].
pub fn page((rows, epochs): (Vec<ServiceTokenRow>, Epochs), limit: u32, now: Timestamp) -> Response {
    let place = |row: &ServiceTokenRow| (row.created_at, row.id.0);
    let page = cursor::page(rows, limit, place, |row| view::service_token(row, epochs, now));
    json_no_store(StatusCode::OK, &page)
}
