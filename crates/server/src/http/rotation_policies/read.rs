//! `GET /rotation-policies`, `/rotation-policies/{id}` and `/rotation-policies/effective`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::rotation::{EffectiveRotationPolicy, RotationPolicy};
use keywright_api::rotation_request::{EffectivePolicyQuery, RotationPolicyQuery};
use keywright_authority::rotation_policies;
use keywright_core::{CredentialId, PublisherId, RotationPolicyId};
use keywright_store::rotation_policies::ListFilter;

use super::policy;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId, Query};
use crate::http::{App, view};

/// Policies of automated rotation, newest first; within a publisher its own.
#[utoipa::path(
    get, path = "/rotation-policies", tag = "rotation", operation_id = "list_rotation_policies",
    params(RotationPolicyQuery, PageQuery),
    responses((status = 200, description = "A page of policies", body = Page<RotationPolicy>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<RotationPolicyQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        level: query.level.map(view::stored_level),
        after: after.map(|cursor| (cursor.at, RotationPolicyId(cursor.id))),
        limit: limit + 1,
    };
    let found = rotation_policies::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::rotation_policy);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// One policy of automated rotation.
#[utoipa::path(
    get, path = "/rotation-policies/{id}", tag = "rotation", operation_id = "get_rotation_policy",
    params(("id" = uuid::Uuid, Path, description = "The policy")),
    responses((status = 200, description = "The policy", body = RotationPolicy),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<RotationPolicyId>,
) -> Result<Response, Refused> {
    Ok(policy(&rotation_policies::get(app.authority(), &caller.call, id).await?))
}

/// What holds for a service token, value by value: the nearest policy that says something wins.
#[utoipa::path(
    get, path = "/rotation-policies/effective", tag = "rotation", operation_id = "get_effective_rotation_policy",
    params(EffectivePolicyQuery),
    responses((status = 200, description = "What holds", body = EffectiveRotationPolicy),
        Refused),
)]
pub async fn effective(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<EffectivePolicyQuery>,
) -> Result<Response, Refused> {
    let id = query.credential_id.map(CredentialId).ok_or_else(|| {
        Problem::of_fields(vec![FieldError::new("credential_id", FieldCode::Required, "is needed")])
    })?;
    let found = rotation_policies::effective(app.authority(), &caller.call, id).await?;
    Ok(json_no_store(StatusCode::OK, &view::effective_policy(id, &found)))
}
