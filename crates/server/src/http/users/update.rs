//! `PATCH /users/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::patch::Patch;
use keywright_api::problem::Problem;
use keywright_api::user::{PatchUser, User};
use keywright_authority::users::{self, Update};
use keywright_core::{BuiltInRole, Name, UserId};

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{JsonBody, NoQuery, PathId, email_address, invalid};
use crate::http::{App, view};

/// Change a user (RFC 7396).
#[utoipa::path(
    patch, path = "/users/{id}", tag = "users", operation_id = "update_user",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchUser = "application/json"), (PatchUser = "application/merge-patch+json"))),
    responses((status = 200, description = "The user as they are now", body = User),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
    JsonBody(request): JsonBody<PatchUser>,
) -> Result<Response, Refused> {
    let wanted = wanted(request)?;
    let user = users::update(app.authority(), caller.call, id, wanted).await?;
    Ok(object(&view::user(&user), user.row.version))
}

fn wanted(request: PatchUser) -> Result<Update, Problem> {
    Ok(Update {
        display_name: match request.display_name {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(name) => {
                Some(Some(Name::parse(&name).map_err(|error| invalid("display_name", &error.to_string()))?))
            }
        },
        email: request.email.as_deref().map(|text| email_address("email", text)).transpose()?,
        platform_role: match request.platform_role {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(_) => Some(Some(BuiltInRole::PlatformAdmin)),
        },
    })
}
