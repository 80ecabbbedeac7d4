//! `POST /maintenance-windows`, `PATCH` and `DELETE /maintenance-windows/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::maintenance_window::{CreateMaintenanceWindow, MaintenanceWindow, PatchMaintenanceWindow};
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_authority::maintenance_windows::{self, Create, Update};
use keywright_core::{MaintenanceWindowId, Name, PublisherId};

use super::window;
use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, MonitoringAdmin, idempotency};
use crate::http::input::{JsonBody, JsonBytes, NoQuery, PathId, invalid, rules};
use crate::http::{App, view};

fn name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| invalid("name", &error.to_string()))
}

/// Create a maintenance window, of a publisher or of the platform.
#[utoipa::path(
    post, path = "/maintenance-windows", tag = "rotation", operation_id = "create_maintenance_window",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateMaintenanceWindow,
    responses((status = 201, description = "Created", body = MaintenanceWindow),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let within = caller.call.within().map(|id| id.to_string()).unwrap_or_default();
    caller.call.idempotency = idempotency(&headers, &format!("POST /maintenance-windows {within}"), &body)?;
    let request = CreateMaintenanceWindow::from_body(&body, &rules(&app))?;
    let wanted = Create {
        publisher: request.publisher_id.map(PublisherId),
        name: name(&request.name)?,
        cron: request.cron,
        duration_minutes: request.duration_minutes,
        time_zone: request.time_zone.unwrap_or_else(|| "UTC".to_owned()),
    };
    let made = maintenance_windows::create(app.authority(), caller.call, wanted).await?;
    let row = &made.object;
    let shown = view::maintenance_window(row, app.authority().now());
    Ok(created(&shown, row.version, &format!("/maintenance-windows/{}", row.id), made.repeated))
}

/// Change a maintenance window (RFC 7396); rotations that have begun go on.
#[utoipa::path(
    patch, path = "/maintenance-windows/{id}", tag = "rotation", operation_id = "update_maintenance_window",
    params(("id" = uuid::Uuid, Path, description = "The window"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchMaintenanceWindow = "application/json"), (PatchMaintenanceWindow = "application/merge-patch+json"))),
    responses((status = 200, description = "The window as it is now", body = MaintenanceWindow),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<MaintenanceWindowId>,
    JsonBody(request): JsonBody<PatchMaintenanceWindow>,
) -> Result<Response, Refused> {
    let wanted = Update {
        name: request.name.as_deref().map(name).transpose()?,
        cron: request.cron,
        duration_minutes: request.duration_minutes,
        time_zone: request.time_zone,
    };
    Ok(window(&app, &maintenance_windows::update(app.authority(), caller.call, id, wanted).await?))
}

/// Delete a maintenance window that no policy names.
#[utoipa::path(
    delete, path = "/maintenance-windows/{id}", tag = "rotation", operation_id = "delete_maintenance_window",
    params(("id" = uuid::Uuid, Path, description = "The window"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<MaintenanceWindowId>,
) -> Result<StatusCode, Refused> {
    maintenance_windows::delete(app.authority(), caller.call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
