//! `GET /audit/security-events/verify`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::event::{ChainBreak, ChainVerification};
use keywright_api::kind::Plain;
use keywright_api::request::{Fields, FromFields};
use keywright_authority::audit;
use keywright_authority::audit::chain::{SignedHead, Verified};

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{AuditVerify, Caller};
use crate::http::input::{Query, invalid};

/// What may be asked.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyChain {
    /// A head that you kept, `SEQ:MAC`, as the log prints it: the chain must go through it.
    #[param(nullable = false)]
    pub head: Option<String>,
}

impl FromFields for VerifyChain {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, keywright_api::request::Refused> {
        let head = fields.optional("head", Plain).map(|head| head.expose().to_owned());
        fields.finish(|| Some(Self { head }))
    }
}

/// Whether the chain of security events holds, or where it breaks.
#[utoipa::path(
    get, path = "/audit/security-events/verify", tag = "audit", operation_id = "verify_security_events",
    params(VerifyChain),
    responses((status = 200, description = "What was found", body = ChainVerification),
        Refused),
)]
pub async fn verify(
    State(app): State<App>,
    caller: Caller<AuditVerify>,
    Query(query): Query<VerifyChain>,
) -> Result<Response, Refused> {
    let known: Option<SignedHead> =
        query.head.map(|head| head.parse()).transpose().map_err(|detail: &str| invalid("head", detail))?;
    let verified = audit::verify(app.authority(), &caller.call, known.as_ref()).await?;
    Ok(json_no_store(StatusCode::OK, &view(verified)))
}

fn view(verified: Verified) -> ChainVerification {
    let number = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    ChainVerification {
        holds: verified.broken_at.is_none(),
        checked: verified.checked,
        first_seq: (verified.checked > 0).then_some(1),
        head_seq: verified.head.as_ref().map(|head| number(head.seq)),
        head_mac: verified.head.map(|head| hex::encode(head.mac)),
        unsealed: verified.unsealed,
        broken_at: verified.broken_at.map(|found| ChainBreak {
            seq: number(found.seq),
            event_id: found.event_id.map(|id| id.0),
            problem: found.problem,
        }),
    }
}
