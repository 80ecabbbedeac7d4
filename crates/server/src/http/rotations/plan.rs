//! `GET /rotations/plan`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::rotation::RotationPlan;
use keywright_api::rotation_request::RotationPlanQuery;
use keywright_authority::rotations;

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// How many days a plan looks ahead when nobody says.
const DEFAULT_DAYS: u32 = 30;

/// What would be rotated within the next days, as the policies are now. Nothing is changed.
#[utoipa::path(
    get, path = "/rotations/plan", tag = "rotation", operation_id = "plan_rotations",
    params(RotationPlanQuery),
    responses((status = 200, description = "What would be rotated", body = RotationPlan),
        Refused),
)]
pub async fn plan(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<RotationPlanQuery>,
) -> Result<Response, Refused> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    let plan = rotations::plan(app.authority(), &caller.call, days).await?;
    Ok(json_no_store(StatusCode::OK, &view::rotation_plan(&plan)))
}
