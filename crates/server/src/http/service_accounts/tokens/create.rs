//! `POST /service-accounts/{id}/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::request::FromFields;
use keywright_api::service_token::CreatedServiceToken;
use keywright_api::service_token_request::CreateAccountToken;
use keywright_authority::service_tokens::{self, Holder};
use keywright_core::ServiceAccountId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules};
use crate::http::tokens::create::wanted;
use crate::http::tokens::minted;

/// Create a token of a service account. Its secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/service-accounts/{id}/tokens", tag = "service accounts", operation_id = "create_service_account_token",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateAccountToken,
    responses((status = 201, description = "Created", body = CreatedServiceToken),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let path = format!("/service-accounts/{id}/tokens");
    caller.call.idempotency = idempotency(&headers, &format!("POST {path}"), &body)?;
    let request = CreateAccountToken::from_body(&body, &rules(&app))?;
    let wanted = wanted(&request.into(), Holder::Above(id))?;
    let made = service_tokens::create(app.authority(), caller.call, wanted).await?;
    Ok(minted(&app, StatusCode::CREATED, &made, &path))
}
