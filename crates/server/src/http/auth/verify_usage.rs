//! `POST /auth/verify/usage`: what a cache elsewhere has decided by itself.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use keywright_api::problem::Problem;
use keywright_api::remote_cache::{ReportUsage, ReportedCode, ReportedDecision, UsageReported};
use keywright_api::request::FromFields;
use keywright_authority::remote_caches::{self, Reported};
use keywright_core::{Denial, DenialCode, Scope, address};
use keywright_verify::RecordCode;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, TokensVerify};
use crate::http::input::{NoQuery, invalid, is_json, not_json, read_body, rules};
use crate::http::shown::{details, shown};

/// Most bytes of a body: 1,000 decisions with their vouchers.
const MAX_BODY: usize = 1024 * 1024;

/// Report decisions that were made by what a verification let a cache keep.
///
/// Each is taken once, however often it is reported, and is then an authentication event as any other. All of a report
/// are taken, or none.
#[utoipa::path(
    post, path = "/auth/verify/usage", tag = "verification", operation_id = "report_usage",
    request_body = ReportUsage,
    responses(
        (status = 200, description = "All of them are on record", body = UsageReported),
        (status = "4XX", description = "Refused; none was taken", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not recorded, or that is not known; report them again", body = keywright_api::problem::Document, content_type = "application/problem+json"),
    ),
)]
pub async fn report_usage(
    State(app): State<App>,
    caller: Caller<TokensVerify>,
    _: NoQuery,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    if !is_json(content_type.map(http::HeaderValue::as_bytes)) {
        return Err(not_json().into());
    }
    let request = ReportUsage::from_body(&body, &rules(&app))?;
    let decisions = request.decisions.into_iter().map(reported).collect::<Result<_, Problem>>()?;
    let recorded = remote_caches::report(app.authority(), &caller.call, decisions).await?;
    Ok(json_no_store(StatusCode::OK, &UsageReported { recorded }))
}

/// Texts of somebody else's request may hold credentials, which are kept nowhere.
fn reported(decision: ReportedDecision) -> Result<Reported, Problem> {
    let moment = |error: keywright_core::time::TimestampError| invalid("occurred_at", &error.to_string());
    let clean = |text: Option<String>| text.map(|text| shown(&text).to_owned());
    Ok(Reported {
        event_id: decision.event_id,
        voucher: decision.voucher,
        code: match decision.code {
            ReportedCode::Valid => RecordCode::Valid,
            ReportedCode::IpNotAllowed => RecordCode::IpNotAllowed,
            ReportedCode::InsufficientScope => RecordCode::InsufficientScope,
        },
        looked: decision.looked == Some(true),
        occurred_at: decision.occurred_at.parse().map_err(moment)?,
        ip_address: decision.ip_address.as_deref().and_then(address::parse),
        user_agent: clean(decision.user_agent),
        method: clean(decision.method),
        endpoint: clean(decision.endpoint),
        cloudflare_ray_id: clean(decision.cloudflare_ray_id),
        request_id: clean(decision.request_id),
        latency_micros: decision.latency_microseconds.unwrap_or(0),
        error_details: missing(decision.code, decision.missing_scopes.as_deref().unwrap_or_default()),
    })
}

/// Told as of a decision that was made here.
fn missing(code: ReportedCode, scopes: &[String]) -> Option<String> {
    let missing_scopes: Vec<Scope> = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
    let denial = Denial { code: DenialCode::InsufficientScope, missing_scopes };
    (code == ReportedCode::InsufficientScope).then(|| details(&denial, None))?
}
