//! `GET /service-accounts`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::service_account::{AccountStatus, ServiceAccount};
use keywright_api::service_account_request::ServiceAccountQuery;
use keywright_authority::service_accounts;
use keywright_core::{PublisherId, ServiceAccountId};
use keywright_store::service_accounts::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Service accounts, newest first; within a publisher its own.
#[utoipa::path(
    get, path = "/service-accounts", tag = "service accounts", operation_id = "list_service_accounts",
    params(ServiceAccountQuery, PageQuery),
    responses((status = 200, description = "A page of accounts", body = Page<ServiceAccount>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    Query(query): Query<ServiceAccountQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        disabled: query.status.map(|status| status == AccountStatus::Disabled),
        service_type: query.service_type.map(view::stored_service_type),
        name: query.name,
        q: query.q,
        after: after.map(|cursor| (cursor.at, ServiceAccountId(cursor.id))),
        limit: limit + 1,
    };
    let found = service_accounts::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::service_account);
    Ok(json_no_store(StatusCode::OK, &page))
}
