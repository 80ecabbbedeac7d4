//! `PATCH /roles/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::request::FromFields;
use keywright_api::role::{PatchRole, Role};
use keywright_authority::roles::{self, Update};
use keywright_core::{Name, RoleId, ScopeSet};

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{JsonBytes, NoQuery, PathId, invalid, rules};
use crate::http::{App, view};

/// Change a role (RFC 7396), and with it at once what all who hold it may do.
#[utoipa::path(
    patch, path = "/roles/{id}", tag = "roles", operation_id = "update_role",
    params(("id" = uuid::Uuid, Path, description = "The role"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchRole = "application/json"), (PatchRole = "application/merge-patch+json"))),
    responses((status = 200, description = "The role as it is now", body = Role),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<RoleId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = PatchRole::from_body(&body, &rules(&app))?;
    let name = request.name.as_deref().map(Name::parse).transpose();
    let permissions = request.permissions.map(ScopeSet::parse).transpose();
    let wanted = Update {
        name: name.map_err(|error| invalid("name", &error.to_string()))?,
        description: request.description,
        permissions: permissions
            .map_err(|(at, error)| invalid(&format!("permissions[{at}]"), &error.to_string()))?,
    };
    let row = roles::update(app.authority(), caller.call, id, wanted).await?;
    Ok(object(&view::role(&row), row.version))
}
