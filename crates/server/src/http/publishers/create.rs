//! `POST /publishers`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::publisher::Publisher;
use keywright_api::publisher_request::CreatePublisher;
use keywright_api::request::FromFields;
use keywright_authority::publishers::{self, Create};
use keywright_core::Name;

use super::settings_change;
use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, PublishersManage, idempotency};
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};
use crate::http::{App, view};

/// Create a publisher, with its built-in roles and without members.
#[utoipa::path(
    post, path = "/publishers", tag = "publishers", operation_id = "create_publisher",
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreatePublisher,
    responses((status = 201, description = "Created", body = Publisher),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<PublishersManage>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, "POST /publishers", &body)?;
    let request = CreatePublisher::from_body(&body, &rules(&app))?;
    let wanted = Create {
        name: Name::parse(&request.name).map_err(|error| invalid("name", &error.to_string()))?,
        settings: settings_change(request.settings.unwrap_or_default(), "settings.")?,
    };
    let made = publishers::create(app.authority(), caller.call, wanted).await?;
    let row = &made.object;
    Ok(created(&view::publisher(row), row.version, &format!("/publishers/{}", row.id), made.repeated))
}
