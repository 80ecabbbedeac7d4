//! `PATCH /auth/me`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::account::PatchMe;
use keywright_api::patch::Patch;
use keywright_api::problem::Problem;
use keywright_api::user::User;
use keywright_authority::accounts::{self, Profile};
use keywright_core::{Name, PublisherId};

use crate::http::answer::{Refused, object};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{JsonBody, NoQuery, invalid};
use crate::http::{App, view};

/// Change one's own profile (RFC 7396).
#[utoipa::path(
    patch, path = "/auth/me", tag = "accounts", operation_id = "update_me",
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchMe = "application/json"), (PatchMe = "application/merge-patch+json"))),
    responses((status = 200, description = "The user as they are now", body = User),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBody(request): JsonBody<PatchMe>,
) -> Result<Response, Refused> {
    let wanted = wanted(request)?;
    let user = accounts::update_profile(app.authority(), caller.call, wanted).await?;
    Ok(object(&view::user(&user), user.row.version))
}

fn wanted(request: PatchMe) -> Result<Profile, Problem> {
    Ok(Profile {
        display_name: match request.display_name {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(name) => {
                Some(Some(Name::parse(&name).map_err(|error| invalid("display_name", &error.to_string()))?))
            }
        },
        preferences: match request.preferences {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(patch) => Some(Some(patch)),
        },
        default_publisher_id: match request.default_publisher_id {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(id) => Some(Some(PublisherId(id))),
        },
    })
}
