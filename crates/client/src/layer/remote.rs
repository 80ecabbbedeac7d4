//! Deciding by asking the authority each time.

use keywright_api::secret::Secret;
use keywright_api::verify::Decision;
use keywright_api::verify_request::VerifyRequest;
use keywright_core::{Scope, ScopeSet};

use super::{Decide, Deciding, Question, Undecided, Verdict};
use crate::client::Client;
use crate::error::ClientError;
use crate::principal::Principal;
use crate::transport::Call;

impl Decide for Client {
    fn decide<'a>(&'a self, question: Question<'a>) -> Deciding<'a> {
        Deciding::awaited(async move { verdict(self.ask(&question, false).await?) })
    }
}

impl Client {
    /// Asks about the credential of a request, and whether the answer may be kept. The request's own time limit ends it.
    pub(crate) async fn ask(
        &self,
        question: &Question<'_>,
        cacheable: bool,
    ) -> Result<Decision, ClientError> {
        let call = Call::post("/auth/verify", &request(question, cacheable))?.repeatable();
        let call = Call { request_id: Some(question.request_id.to_owned()), ..call };
        self.transport().send(&call).await
    }
}

/// As it is asked on the wire.
fn request(question: &Question<'_>, cacheable: bool) -> VerifyRequest {
    let any = texts(&question.wanted.any_scopes);
    VerifyRequest {
        token: Some(Secret::new(question.token)),
        required_scopes: texts(&question.wanted.required_scopes),
        any_scopes: (!any.is_empty()).then_some(any),
        publisher_id: question.publisher_id,
        ip_address: question.ip_address.map(|address| address.to_string()),
        user_agent: question.user_agent.map(str::to_owned),
        method: Some(question.method.to_owned()),
        endpoint: Some(question.endpoint.to_owned()),
        cloudflare_ray_id: question.cloudflare_ray_id.map(str::to_owned),
        cost: Some(question.cost),
        cacheable: cacheable.then_some(true),
    }
}

fn texts(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(Scope::as_str).map(str::to_owned).collect()
}

/// What a decision of the wire says.
pub(crate) fn verdict(decision: Decision) -> Result<Verdict, Undecided> {
    match decision {
        Decision::Valid(valid) => {
            let limit = valid.rate_limit;
            let principal = Principal::of(*valid).ok_or(ClientError::Unexpected {
                status: 200,
                what: "it carries something that is no scope",
                retry_after_seconds: None,
            })?;
            Ok(Verdict::Valid(principal, limit))
        }
        Decision::Denied(denial) => Ok(Verdict::Denied(denial)),
    }
}
