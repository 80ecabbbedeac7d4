//! `GET /maintenance-windows` and `/maintenance-windows/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::maintenance_window::{MaintenanceWindow, MaintenanceWindowQuery};
use keywright_api::page::{Page, PageQuery};
use keywright_authority::maintenance_windows;
use keywright_core::{MaintenanceWindowId, PublisherId};
use keywright_store::maintenance_windows::ListFilter;

use super::window;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId, Query};
use crate::http::{App, view};

/// Maintenance windows, newest first; within a publisher its own.
#[utoipa::path(
    get, path = "/maintenance-windows", tag = "rotation", operation_id = "list_maintenance_windows",
    params(MaintenanceWindowQuery, PageQuery),
    responses((status = 200, description = "A page of windows", body = Page<MaintenanceWindow>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<MaintenanceWindowQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        name: query.name,
        after: after.map(|cursor| (cursor.at, MaintenanceWindowId(cursor.id))),
        limit: limit + 1,
    };
    let found = maintenance_windows::list(app.authority(), &caller.call, filter).await?;
    let now = app.authority().now();
    let shown = |row: &_| view::maintenance_window(row, now);
    let page = page(found, limit, |row| (row.created_at, row.id.0), shown);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// One maintenance window.
#[utoipa::path(
    get, path = "/maintenance-windows/{id}", tag = "rotation", operation_id = "get_maintenance_window",
    params(("id" = uuid::Uuid, Path, description = "The window")),
    responses((status = 200, description = "The window", body = MaintenanceWindow),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<MaintenanceWindowId>,
) -> Result<Response, Refused> {
    Ok(window(&app, &maintenance_windows::get(app.authority(), &caller.call, id).await?))
}
