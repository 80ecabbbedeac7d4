//! `POST /rotation-policies`, `PATCH` and `DELETE /rotation-policies/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::patch::Patch;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::rotation::ChangedRotationPolicy;
use keywright_api::rotation_request::{CreateRotationPolicy, PatchRotationPolicy, PolicyTerms};
use keywright_authority::idempotency::Minted;
use keywright_authority::rotation_policies::{self, Create, PolicySubject, Update};
use keywright_core::{CredentialId, MaintenanceWindowId, PublisherId, RotationPolicyId, ServiceAccountId};
use keywright_store::rotation_policies::PolicyRow;

use super::{delivery, delivery_of, secret_of, terms};
use crate::http::answer::{Refused, created, object};
use crate::http::bounds::wish;
use crate::http::gate::{Caller, MonitoringAdmin, idempotency};
use crate::http::input::{JsonBody, JsonBytes, NoQuery, PathId, invalid, rules};
use crate::http::{App, view};

fn subject(request: &CreateRotationPolicy) -> Result<PolicySubject, Problem> {
    let CreateRotationPolicy { credential_id, service_account_id, publisher_id, .. } = request;
    let named = [
        credential_id.map(|id| ("credential_id", PolicySubject::ServiceToken(CredentialId(id)))),
        service_account_id
            .map(|id| ("service_account_id", PolicySubject::ServiceAccount(ServiceAccountId(id)))),
        publisher_id.map(|id| ("publisher_id", PolicySubject::Publisher(PublisherId(id)))),
    ];
    let mut named = named.into_iter().flatten();
    let Some((_, subject)) = named.next() else { return Ok(PolicySubject::Everything) };
    match named.next() {
        None => Ok(subject),
        Some((field, _)) => Err(invalid(field, "a policy is on one thing")),
    }
}

/// Create a policy of automated rotation, on a service token, an account, a publisher or the platform.
///
/// Where secrets go to is for those alone who could make such tokens themselves. What a webhook is signed with is in
/// this answer and in no other.
#[utoipa::path(
    post, path = "/rotation-policies", tag = "rotation", operation_id = "create_rotation_policy",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateRotationPolicy,
    responses((status = 201, description = "Created", body = ChangedRotationPolicy),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let within = caller.call.within().map(|id| id.to_string()).unwrap_or_default();
    caller.call.idempotency = idempotency(&headers, &format!("POST /rotation-policies {within}"), &body)?;
    let request = CreateRotationPolicy::from_body(&body, &rules(&app))?;
    let (subject, asked) = (subject(&request)?, request.terms());
    let wanted = Create { subject, terms: terms(&asked), delivery: delivery_of(asked.delivery)? };
    let made = rotation_policies::create(app.authority(), caller.call, wanted).await?;
    let path = format!("/rotation-policies/{}", made.token.id);
    Ok(created(&changed(&made), made.token.version, &path, made.repeated))
}

fn changed(made: &Minted<PolicyRow>) -> ChangedRotationPolicy {
    ChangedRotationPolicy { secret: secret_of(made), object: view::rotation_policy(&made.token) }
}

fn change(asked: PolicyTerms) -> Result<Update, Problem> {
    Ok(Update {
        enabled: wish(asked.enabled),
        max_age_days: wish(asked.max_age_days),
        rotate_before_expiry_days: wish(asked.rotate_before_expiry_days),
        high_usage_threshold: wish(asked.high_usage_threshold),
        high_usage_max_age_days: wish(asked.high_usage_max_age_days),
        grace_seconds: wish(asked.grace_seconds),
        quiet_hours: wish(asked.quiet_hours),
        confirm_within_hours: wish(asked.confirm_within_hours),
        maintenance_window_id: wish(asked.maintenance_window_id.map(MaintenanceWindowId)),
        delivery: match asked.delivery {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(asked) => Some(Some(delivery(asked)?)),
        },
    })
}

/// Change a policy of automated rotation (RFC 7396); rotations that have begun go on as they were decided on.
#[utoipa::path(
    patch, path = "/rotation-policies/{id}", tag = "rotation", operation_id = "update_rotation_policy",
    params(("id" = uuid::Uuid, Path, description = "The policy"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchRotationPolicy = "application/json"), (PatchRotationPolicy = "application/merge-patch+json"))),
    responses((status = 200, description = "The policy as it is now", body = ChangedRotationPolicy),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<RotationPolicyId>,
    JsonBody(request): JsonBody<PatchRotationPolicy>,
) -> Result<Response, Refused> {
    let wanted = change(request.terms())?;
    let made = rotation_policies::update(app.authority(), caller.call, id, wanted).await?;
    Ok(object(&changed(&made), made.token.version))
}

/// Delete a policy of automated rotation; rotations that have begun go on.
#[utoipa::path(
    delete, path = "/rotation-policies/{id}", tag = "rotation", operation_id = "delete_rotation_policy",
    params(("id" = uuid::Uuid, Path, description = "The policy"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<RotationPolicyId>,
) -> Result<StatusCode, Refused> {
    rotation_policies::delete(app.authority(), caller.call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
