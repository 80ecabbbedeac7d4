//! `GET /service-accounts/{id}/usage`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::analytics::{AnalyticsQuery, DEFAULT_DAYS};
use keywright_api::service_account::AccountUsage;
use keywright_authority::analytics;
use keywright_core::ServiceAccountId;

use crate::http::App;
use crate::http::analytics::{course, used};
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::{PathId, Query};

/// How the tokens of a service account were used, together and each.
#[utoipa::path(
    get, path = "/service-accounts/{id}/usage", tag = "service accounts", operation_id = "get_service_account_usage",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        AnalyticsQuery),
    responses((status = 200, description = "What was decided about them", body = AccountUsage),
        Refused),
)]
pub async fn usage(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    Query(query): Query<AnalyticsQuery>,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    let found = analytics::of_account(app.authority(), &caller.call, id, days).await?;
    let body = AccountUsage {
        service_account_id: found.account.id.0,
        name: found.account.name.as_str().to_owned(),
        course: course(found.course, days),
        tokens: found.tokens.into_iter().map(used).collect(),
    };
    Ok(json_no_store(StatusCode::OK, &body))
}
