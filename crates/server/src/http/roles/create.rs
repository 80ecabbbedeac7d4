//! `POST /roles`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::request::FromFields;
use keywright_api::role::{CreateRole, Role};
use keywright_authority::roles::{self, Create};
use keywright_core::{Name, ScopeSet};

use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, UsersAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};
use crate::http::{App, view};

/// Create a role of the publisher that the call acts for.
#[utoipa::path(
    post, path = "/roles", tag = "roles", operation_id = "create_role",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher, for callers who belong to none"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateRole,
    responses((status = 201, description = "Created", body = Role),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<UsersAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let publisher = caller.call.acting_for()?;
    caller.call.idempotency = idempotency(&headers, &format!("POST /roles {publisher}"), &body)?;
    let request = CreateRole::from_body(&body, &rules(&app))?;
    let wanted = Create {
        name: Name::parse(&request.name).map_err(|error| invalid("name", &error.to_string()))?,
        description: request.description.unwrap_or_default(),
        permissions: ScopeSet::parse(&request.permissions)
            .map_err(|(at, error)| invalid(&format!("permissions[{at}]"), &error.to_string()))?,
    };
    let made = roles::create(app.authority(), caller.call, wanted).await?;
    let row = &made.object;
    Ok(created(&view::role(row), row.version, &format!("/roles/{}", row.id), made.repeated))
}
