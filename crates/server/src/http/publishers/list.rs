//! `GET /publishers`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::publisher::{Publisher, PublisherStatus};
use keywright_api::publisher_request::PublisherQuery;
use keywright_authority::publishers;
use keywright_core::PublisherId;
use keywright_store::publishers::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, PublishersAdmin};
use crate::http::input::Query;
use crate::http::{App, view};

/// Publishers, newest first: all, or the one that the caller belongs to.
#[utoipa::path(
    get, path = "/publishers", tag = "publishers", operation_id = "list_publishers",
    params(PublisherQuery, PageQuery),
    responses((status = 200, description = "A page of publishers", body = Page<Publisher>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    Query(query): Query<PublisherQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        only: None,
        name: query.name,
        q: query.q,
        suspended: query.status.map(|status| status == PublisherStatus::Suspended),
        after: after.map(|cursor| (cursor.at, PublisherId(cursor.id))),
        limit: limit + 1,
    };
    let rows = publishers::list(app.authority(), &caller.call, filter).await?;
    let page = page(rows, limit, |row| (row.created_at, row.id.0), view::publisher);
    Ok(json_no_store(StatusCode::OK, &page))
}
