//! `PATCH /publishers/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher::Publisher;
use keywright_api::publisher_request::PatchPublisher;
use keywright_authority::publishers::{self, SettingsUpdate, Update};
use keywright_core::{Name, PublisherId};

use super::settings_change;
use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, PublishersAdmin};
use crate::http::input::{JsonBody, NoQuery, PathId, invalid};
use crate::http::{App, view};

/// Change a publisher (RFC 7396).
#[utoipa::path(
    patch, path = "/publishers/{id}", tag = "publishers", operation_id = "update_publisher",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchPublisher = "application/json"), (PatchPublisher = "application/merge-patch+json"))),
    responses((status = 200, description = "The publisher as it is now", body = Publisher),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    JsonBody(request): JsonBody<PatchPublisher>,
) -> Result<Response, Refused> {
    let name = request.name.as_deref().map(Name::parse).transpose();
    let settings = request.settings.map(|settings| settings_change(settings, "settings.")).transpose()?;
    let wanted = Update {
        name: name.map_err(|error| invalid("name", &error.to_string()))?,
        settings: settings.map(SettingsUpdate::Merge),
    };
    let row = publishers::update(app.authority(), caller.call, id, wanted).await?;
    Ok(object(&view::publisher(&row), row.version))
}
