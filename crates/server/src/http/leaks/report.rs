//! `POST /leaks/report`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::leak::{LeakOutcome, LeaksReported, ReportLeaks, ReportedLeak};
use keywright_api::verify::TokenType;
use keywright_authority::leaks::{self, Found, Leak};
use keywright_core::CredentialKind;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, LeaksReport};
use crate::http::input::{JsonBody, NoQuery};

/// Report credentials that were found where they should not be: each is revoked at once, where it was found is
/// kept, and an alert is opened. Within a publisher, tokens of others are unknown. What was reported from a place
/// before changes nothing.
#[utoipa::path(
    post, path = "/leaks/report", tag = "leaks", operation_id = "report_leaks",
    request_body = ReportLeaks,
    responses((status = 200, description = "What became of each, in the same order", body = LeaksReported),
        Refused),
)]
pub async fn report(
    State(app): State<App>,
    caller: Caller<LeaksReport>,
    _: NoQuery,
    JsonBody(request): JsonBody<ReportLeaks>,
) -> Result<Response, Refused> {
    let all = request.items.into_iter().map(|item| Leak::new(item.token.expose(), item.found_in)).collect();
    let found = leaks::report(app.authority(), caller.call, all).await?;
    let body = LeaksReported { items: found.into_iter().map(shown).collect() };
    Ok(json_no_store(StatusCode::OK, &body))
}

fn shown(found: Option<Found>) -> ReportedLeak {
    let Some(found) = found else {
        return ReportedLeak {
            outcome: LeakOutcome::Unknown,
            credential_id: None,
            token_type: None,
            name: None,
        };
    };
    ReportedLeak {
        outcome: if found.revoked { LeakOutcome::Revoked } else { LeakOutcome::AlreadyRevoked },
        credential_id: Some(found.id.0),
        token_type: Some(match found.kind {
            CredentialKind::Personal => TokenType::Personal,
            CredentialKind::User => TokenType::User,
            _ => TokenType::Service,
        }),
        name: found.name,
    }
}
