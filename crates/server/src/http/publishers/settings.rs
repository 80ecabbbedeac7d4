//! `GET`, `PUT` and `PATCH /publishers/{id}/settings`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher::PublisherSettings;
use keywright_api::publisher_request::ChangePublisherSettings;
use keywright_api::request::FromFields;
use keywright_authority::Call;
use keywright_authority::publishers::{self, SettingsChange, SettingsUpdate, Update};
use keywright_core::PublisherId;

use super::settings_change;
use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, PublishersAdmin};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules};
use crate::http::{App, view};

/// What a publisher sets for itself.
#[utoipa::path(
    get, path = "/publishers/{id}/settings", tag = "publishers", operation_id = "get_publisher_settings",
    params(("id" = uuid::Uuid, Path, description = "The publisher")),
    responses((status = 200, description = "The settings", body = PublisherSettings),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
) -> Result<Response, Refused> {
    let row = publishers::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::publisher_settings(&row.settings), row.version))
}

/// Replace the settings of a publisher: what is left out is as by default.
#[utoipa::path(
    put, path = "/publishers/{id}/settings", tag = "publishers", operation_id = "replace_publisher_settings",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = ChangePublisherSettings,
    responses((status = 200, description = "The settings as they are now", body = PublisherSettings),
        Refused),
)]
pub async fn replace(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    change(&app, caller.call, id, &body, SettingsUpdate::Replace).await
}

/// Change settings of a publisher (RFC 7396).
#[utoipa::path(
    patch, path = "/publishers/{id}/settings", tag = "publishers", operation_id = "update_publisher_settings",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((ChangePublisherSettings = "application/json"), (ChangePublisherSettings = "application/merge-patch+json"))),
    responses((status = 200, description = "The settings as they are now", body = PublisherSettings),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    change(&app, caller.call, id, &body, SettingsUpdate::Merge).await
}

async fn change(
    app: &App,
    call: Call,
    id: PublisherId,
    body: &[u8],
    how: fn(SettingsChange) -> SettingsUpdate,
) -> Result<Response, Refused> {
    let request = ChangePublisherSettings::from_body(body, &rules(app))?;
    let settings = Some(how(settings_change(request, "")?));
    let row = publishers::update(app.authority(), call, id, Update { name: None, settings }).await?;
    Ok(object(&view::publisher_settings(&row.settings), row.version))
}
