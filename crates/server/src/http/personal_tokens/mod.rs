//! `/users/me/tokens` and `/users/{id}/tokens`: personal access tokens.

pub mod approve;
pub mod cleanup;
pub mod create;
pub mod get;
pub mod list;
pub mod of_user;
pub mod revoke;
pub mod rotate;
pub mod scopes;
pub mod update;
pub mod usage;

use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use keywright_api::patch::Patch;
use keywright_api::personal_token::CreatedPersonalToken;
use keywright_api::problem::Problem;
use keywright_api::secret::Secret;
use keywright_authority::idempotency::Minted;
use keywright_authority::personal_tokens::{PersonalToken, Rights};
use keywright_core::{CredentialName, Epochs, PublisherId, ScopeSet, Timestamp};
use uuid::Uuid;

use super::answer::{json_no_store, object};
use super::input::invalid;
use super::{App, etag, view};

/// The answer that shows a secret, once.
fn minted(app: &App, status: StatusCode, minted: &Minted<PersonalToken>) -> Response {
    let row = &minted.token.row;
    // It is shown as it was when it was made, also when the answer is repeated.
    let epochs = Epochs { personal: row.epoch, ..Epochs::default() };
    let body = CreatedPersonalToken {
        token: minted.secret.as_ref().map(|secret| Secret::new(secret.reveal())),
        object: view::personal_token(&minted.token, epochs, app.authority().now()),
    };
    let mut response = json_no_store(status, &body);
    etag::put(&mut response, row.version);
    let location = format!("{}/users/me/tokens/{}", super::BASE, row.id);
    if let (StatusCode::CREATED, Ok(value)) = (status, HeaderValue::from_str(&location)) {
        response.headers_mut().insert(LOCATION, value);
    }
    if minted.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// A token as it is now.
fn shown(app: &App, (token, epochs): &(PersonalToken, Epochs)) -> Response {
    object(&view::personal_token(token, *epochs, app.authority().now()), token.row.version)
}

fn name(text: &str) -> Result<CredentialName, Problem> {
    CredentialName::parse(text).map_err(|error| invalid("name", &error.to_string()))
}

fn scopes(texts: &[String]) -> Result<ScopeSet, Problem> {
    ScopeSet::parse(texts).map_err(|(at, error)| invalid(&format!("scopes[{at}]"), &error.to_string()))
}

/// What is asked for: chosen scopes, or all of the owner's.
fn rights(chosen: Option<&[String]>, inherits: Option<bool>) -> Result<Option<Rights>, Problem> {
    match (chosen, inherits) {
        (_, Some(true)) => Ok(Some(Rights::Inherited)),
        (Some(texts), _) => scopes(texts).map(|scopes| Some(Rights::Chosen(scopes))),
        (None, _) => Ok(None),
    }
}

fn publishers(ids: Vec<Uuid>) -> Vec<PublisherId> {
    ids.into_iter().map(PublisherId).collect()
}

/// Another end; `Some(None)` is never.
#[expect(clippy::option_option, reason = "three wishes")]
fn end(wanted: Patch<String>) -> Result<Option<Option<Timestamp>>, Problem> {
    Ok(match wanted {
        Patch::Absent => None,
        Patch::Null => Some(None),
        Patch::Value(time) => {
            Some(Some(time.parse().map_err(|error: keywright_core::time::TimestampError| {
                invalid("expires_at", &error.to_string())
            })?))
        }
    })
}
