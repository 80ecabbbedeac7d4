//! Who comes without a credential, to get one: what is known of them, and the record of what came of it.

use axum::extract::FromRequestParts;
use http::Method;
use http::request::Parts;
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_authority::sessions::{Attempt, Tokens, Visitor};
use keywright_core::{CredentialId, PrincipalKind};
use keywright_verify::{EventKind, RecordRef};

use super::App;
use super::answer::Refused;
use super::client::user_agent;
use super::gate::unrecorded;
use super::outer::Arrived;
use super::shown::shown;

/// A guest at the door.
#[derive(Clone, Debug)]
pub struct Guest {
    arrived: Arrived,
    user_agent: Option<String>,
    method: Method,
}

impl FromRequestParts<App> for Guest {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refused> {
        let arrived = parts.extensions.get::<Arrived>().cloned();
        let outside = || Problem::new(Refusal::InternalError, "The request came past the outer layer.");
        Ok(Self {
            arrived: arrived.ok_or_else(outside)?,
            user_agent: user_agent(&parts.headers).map(str::to_owned),
            method: parts.method.clone(),
        })
    }
}

impl Guest {
    /// As use cases know them.
    pub fn visitor(&self) -> Visitor {
        Visitor {
            request_id: self.arrived.request_id.clone(),
            ip_address: self.arrived.ip_address,
            user_agent: self.user_agent.clone(),
        }
    }

    /// Records what came of an attempt, before it is answered.
    ///
    /// # Errors
    /// The refusal of the attempt; 503 when it cannot be recorded.
    pub async fn record(&self, app: &App, kind: EventKind, attempt: Attempt) -> Result<Tokens, Refused> {
        let who = attempt.who.as_ref();
        let elapsed = app.authority().clock().boot_micros() - self.arrived.at;
        let user = who.and_then(|who| who.user);
        let record = RecordRef {
            occurred_at: app.authority().now(),
            kind,
            code: attempt.code,
            credential_id: who.and_then(|who| who.session).map(|id| CredentialId(id.0)),
            token_name: None,
            principal_kind: user.map(|_| PrincipalKind::User),
            principal_id: user.map(|id| id.0),
            asked_by: None,
            publisher_id: who.and_then(|who| who.publisher).map(|id| id.0),
            // Users are kept by their id alone: records outlive the personal data of whoever is deleted.
            user_email: who.filter(|who| who.user.is_none()).map(|who| who.email.as_str()),
            ip_address: self.arrived.ip_address,
            user_agent: self.user_agent.as_deref(),
            method: Some(shown(self.method.as_str())),
            endpoint: Some(&self.arrived.path),
            cloudflare_ray_id: None,
            request_id: &self.arrived.request_id,
            latency_micros: u32::try_from(elapsed).unwrap_or(u32::MAX),
            stale: false,
            error_details: None,
            occurrences: 1,
        };
        if app.writer().append_durably(&record).await.is_err() {
            return Err(unrecorded().into());
        }
        attempt.outcome.map_err(Refused::recorded)
    }
}
