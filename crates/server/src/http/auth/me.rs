//! `GET /auth/me`: who the caller is.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::actor::Actor;
use keywright_api::me::{Me, MyCredential, MyMembership, MyUser};
use keywright_api::service_token::TokenStatus;
use keywright_api::verify::{RotationState, TokenType};
use keywright_authority::personal_tokens::{self, Mine};
use keywright_authority::sessions::{self, MySession};
use keywright_authority::{Call, service_tokens};
use keywright_core::{Bearing, Wanted};
use keywright_store::memberships::UserPublisher;
use keywright_store::users::UserRow;

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::NoQuery;
use crate::http::{App, view};

/// Who the caller is, whatever its kind, and what it may do.
#[utoipa::path(
    get, path = "/auth/me", tag = "verification", operation_id = "get_me",
    responses((status = 200, description = "The caller", body = Me),
        Refused),
)]
pub async fn me(State(app): State<App>, caller: Caller<Anyone>, _: NoQuery) -> Result<Response, Refused> {
    Ok(json_no_store(StatusCode::OK, &describe(&app, &caller.call).await?))
}

/// Who calls.
///
/// # Errors
/// As the store.
pub async fn describe(app: &App, call: &Call) -> Result<Me, Refused> {
    let mine = personal_tokens::myself(app.authority(), call).await?;
    let myself = sessions::myself(app.authority(), call).await?;
    let personal = mine.as_ref().map(|mine| personal(app, call, mine));
    let (user, session) = match (myself, mine) {
        (Some(MySession { user, publishers, session }), _) => {
            (Some(my_user(user, &publishers)), session.map(|row| view::session(&row, true)))
        }
        (None, Some(mine)) => (Some(my_user(mine.user, &mine.publishers)), None),
        (None, None) => (None, None),
    };
    // All of a user's own; of a personal token those that it is for; of anybody else the one that they belong to.
    let publishers = match &user {
        Some(user) => user.memberships.iter().map(|membership| membership.publisher_id).collect(),
        None => call.home().iter().map(|id| id.0).collect(),
    };
    let credential = match personal {
        Some(personal) => Some(personal),
        None => credential(app, call).await?,
    };
    Ok(Me {
        principal: principal(call, user.as_ref()),
        publishers,
        permissions: permissions(call),
        credential,
        publisher_id: call.publisher.map(|id| id.0),
        user,
        session,
    })
}

fn my_user(user: UserRow, publishers: &[UserPublisher]) -> MyUser {
    MyUser {
        id: user.id.0,
        email: user.email.as_str().to_owned(),
        email_verified: user.email_verified_at.is_some(),
        display_name: user.display_name.map(|name| name.as_str().to_owned()),
        preferences: user.preferences.as_map().clone(),
        default_publisher_id: user.default_publisher_id.map(|id| id.0),
        platform_role: user.platform_role,
        memberships: publishers
            .iter()
            .map(|publisher| MyMembership {
                publisher_id: publisher.id.0,
                publisher_name: publisher.name.as_str().to_owned(),
                is_suspended: publisher.is_suspended,
                role: publisher.role_name.as_str().to_owned(),
                joined_at: view::time(publisher.joined_at),
            })
            .collect(),
    }
}

/// A personal token.
fn personal(app: &App, call: &Call, mine: &Mine) -> MyCredential {
    let (row, now) = (&mine.token, app.authority().now());
    MyCredential {
        id: row.id.0,
        token_type: TokenType::Personal,
        name: row.terms.name.as_str().to_owned(),
        token_hint: Some(row.token_hint.0.clone()),
        status: view::status(row.status(mine.epochs, now)),
        scopes: permissions(call),
        expires_at: row.terms.expires_at.map(view::time),
        rotation: RotationState {
            superseded: row.superseded_by_id.is_some(),
            grace_expires_at: row.grace_expires_at.map(view::time),
        },
    }
}

/// The caller itself is told by its name, which records do not keep of a user.
fn principal(call: &Call, user: Option<&MyUser>) -> Actor {
    let own = || call.actor.bearing().map(|bearing| bearing.credential_name.clone());
    let name = user.map(|user| user.email.clone()).or_else(own);
    let principal = view::actor(&call.actor.to_ref());
    Actor { name: principal.name.or(name), ..principal }
}

fn permissions(call: &Call) -> Vec<String> {
    call.permissions.iter().map(ToString::to_string).collect()
}

async fn credential(app: &App, call: &Call) -> Result<Option<MyCredential>, Refused> {
    let Some(bearing) = call.actor.bearing() else { return Ok(None) };
    if !matches!(bearing.wanted, Wanted::Token { .. }) {
        return Ok(Some(of_token(call, bearing)));
    }
    let found = service_tokens::myself(app.authority(), call).await?;
    Ok(found.map(|(row, epochs)| MyCredential {
        id: row.id.0,
        token_type: TokenType::Service,
        name: row.token_name.as_str().to_owned(),
        token_hint: Some(row.token_hint.0.clone()),
        status: view::status(row.status(epochs, app.authority().now())),
        scopes: row.permissions.iter().map(ToString::to_string).collect(),
        expires_at: row.expires_at.map(view::time),
        rotation: view::rotation(&row),
    }))
}

/// A JWT, ours or another issuer's: all that is known of it stands in itself.
fn of_token(call: &Call, bearing: &Bearing) -> MyCredential {
    MyCredential {
        id: bearing.credential_id.0,
        token_type: match bearing.wanted {
            Wanted::Session { .. } => TokenType::User,
            Wanted::Token { .. } | Wanted::TokenAccess { .. } => TokenType::Service,
            Wanted::Personal { .. } => TokenType::Personal,
            Wanted::External { .. } => TokenType::External,
        },
        name: bearing.credential_name.clone(),
        token_hint: None,
        status: TokenStatus::Active,
        scopes: permissions(call),
        expires_at: bearing.claimed.as_ref().and_then(|claimed| claimed.expires_at).map(view::time),
        rotation: RotationState { superseded: false, grace_expires_at: None },
    }
}
