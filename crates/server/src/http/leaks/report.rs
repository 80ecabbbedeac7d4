//! `POST /leaks/report`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::leak::{LeakOutcome, LeakedType, LeaksReported, ReportLeaks, ReportedLeak};
use keywright_authority::leaks::{self, Found, FoundKind};
use keywright_core::CredentialKind;

use super::leak;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, LeaksReport};
use crate::http::input::{JsonBody, NoQuery};

/// Report credentials that were found where they should not be: each is revoked at once, where it was found is
/// kept, and an alert is opened. Of a refresh token or an access token the session ends, or the service token that it
/// was made from; a link from a mail is used up. Within a publisher, tokens of others are unknown. What was reported from a place
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
    let mut all = Vec::with_capacity(request.items.len());
    for item in request.items {
        all.push(leak(&app, item.token.expose(), item.found_in).await?);
    }
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
        credential_id: match found.kind {
            FoundKind::Credential(_, id) => Some(id.0),
            FoundKind::Mailed(_) => None,
        },
        token_type: Some(match found.kind {
            FoundKind::Credential(CredentialKind::Personal, _) => LeakedType::Personal,
            FoundKind::Credential(CredentialKind::User, _) => LeakedType::User,
            FoundKind::Credential(..) => LeakedType::Service,
            FoundKind::Mailed(_) => LeakedType::Mailed,
        }),
        name: found.name,
    }
}
