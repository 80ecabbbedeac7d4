//! `POST /audit/cicd-event`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::cicd::RecordCicdEvent;
use keywright_api::event::SecurityEvent;
use keywright_api::request::FromFields;
use keywright_authority::cicd::{self, Told};
use serde_json::{Map, Value};

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{AuditLog, Caller, idempotency};
use crate::http::input::{JsonBytes, NoQuery, rules};
use crate::http::shown::shown;
use crate::http::view;

/// Record what a pipeline did, as a security event of the type `cicd.EVENT_TYPE`, in the trail of the publisher that the
/// call is about.
#[utoipa::path(
    post, path = "/audit/cicd-event", tag = "audit", operation_id = "record_cicd_event",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RecordCicdEvent,
    responses((status = 201, description = "Recorded", body = SecurityEvent),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not recorded, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn record(
    State(app): State<App>,
    mut caller: Caller<AuditLog>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, "POST /audit/cicd-event", &body)?;
    let told = told(RecordCicdEvent::from_body(&body, &rules(&app))?);
    let row = cicd::record(app.authority(), caller.call, told).await?;
    Ok(json_no_store(StatusCode::CREATED, &view::security_event(row)))
}

/// Pipelines pass on what they have, credentials included: none may end up in the trail.
fn told(request: RecordCicdEvent) -> Told {
    let clean = |text: String| shown(&text).to_owned();
    Told {
        event_type: clean(request.event_type),
        status: clean(request.status),
        repository: request.repository.map(clean),
        workflow: request.workflow.map(clean),
        run_id: request.run_id.map(clean),
        // 64 hexadecimal digits are what a commit of SHA-256 looks like, and no credential of ours.
        commit: request.commit,
        environment: request.environment.map(clean),
        details: request.details.map(clean_members),
    }
}

fn clean_members(members: Map<String, Value>) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (shown(&name).to_owned(), clean_value(value))).collect()
}

fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown(&text).to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(clean_value).collect()),
        Value::Object(members) => Value::Object(clean_members(members)),
        other => other,
    }
}
