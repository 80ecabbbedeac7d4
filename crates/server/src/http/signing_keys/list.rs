//! `GET /signing-keys`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::signing_key::SigningKey;
use keywright_authority::signing_keys;
use keywright_core::SigningKeyId;

use super::shown;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::Cursor;
use crate::http::gate::{Caller, KeysAdmin};
use crate::http::input::Query;

/// The keys that sign, will sign, or have signed, newest first.
#[utoipa::path(
    get, path = "/signing-keys", tag = "signing keys", operation_id = "list_signing_keys",
    params(PageQuery),
    responses((status = 200, description = "A page of keys", body = Page<SigningKey>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<KeysAdmin>,
    Query(query): Query<PageQuery>,
) -> Result<Response, Refused> {
    let limit = query.limit();
    let after = Cursor::after(&query)?;
    let after = after.map(|cursor| (cursor.at, SigningKeyId(cursor.id)));
    let mut rows = signing_keys::list(app.authority(), &caller.call, after, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let now = app.authority().now();
    let last = rows.last().filter(|_| more);
    let page = Page {
        next_cursor: last.map(|row| Cursor { at: row.created_at, id: row.id.0 }.encode()),
        items: rows.iter().map(|row| shown(row, now)).collect::<Vec<_>>(),
    };
    Ok(json_no_store(StatusCode::OK, &page))
}
