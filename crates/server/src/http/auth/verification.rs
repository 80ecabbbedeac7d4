//! One verification, from the question to its record: what `POST /auth/verify`, its batch, proxies and services in this
//! process share.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderMap;
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::Problem;
use keywright_core::{
    CredentialId, DenialCode, Grant, PublisherId, Requirements, ServiceAccountId, Standing,
};
use keywright_verify::journal::Writer;
use keywright_verify::{EventKind, Known, Limiter, RecordCode, RecordRef, Taken};

use super::verify_write;
use crate::http::App;
use crate::http::answer::denied;
use crate::http::client::user_agent;
use crate::http::gate::{
    Permission, TokensVerify, conflicting, missing, problem_of, requirements, unavailable, unrecorded,
};
use crate::http::look_up::{Found, Looked, Verdict, look_up};
use crate::http::shown::details;

/// Who asks, and from where.
pub struct Asked<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The client's address.
    pub ip_address: Option<IpAddr>,
    /// When the request arrived, on the boot-time clock.
    pub at: i64,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its path, below which no secret stands.
    pub path: &'a str,
    /// Over the operator's socket, or in the operator's process.
    pub operator: bool,
    /// By which uses are counted on this thread.
    pub limiter: &'a Limiter,
    /// What became of the budgets of the credential that the request bears; set on the way.
    pub taken: OnceLock<Taken>,
}

/// The facts of the original request, and what is wanted of the credential.
pub struct Question<'a> {
    /// What the credential must carry.
    pub wanted: Cow<'a, Requirements>,
    /// The publisher to decide for; none is the credential's only one, else its owner's default.
    pub publisher: Option<PublisherId>,
    /// Where the original request came from.
    pub ip_address: Option<IpAddr>,
    /// Its user agent.
    pub user_agent: Option<&'a str>,
    /// Its method.
    pub method: Option<&'a str>,
    /// Its path.
    pub endpoint: Option<&'a str>,
    /// Its `CF-Ray`.
    pub cloudflare_ray_id: Option<&'a str>,
    /// Units to take from the credential's budgets; 0 looks without taking.
    pub cost: u32,
}

impl Question<'_> {
    /// Asked by somebody who belongs to a publisher, it is about that one, unless another is named.
    pub(in crate::http) fn of(self, asker: Option<Asker>) -> Self {
        let publisher = self.publisher.or(asker.and_then(|asker| asker.home));
        Self { publisher, ..self }
    }
}

/// Who asks about another credential.
#[derive(Clone, Copy)]
pub(in crate::http) struct Asker {
    id: CredentialId,
    /// The publisher that it belongs to; none at platform level.
    pub(super) home: Option<PublisherId>,
}

impl Asker {
    pub(in crate::http) fn of(found: &Found) -> Self {
        Self { id: found.known.grant().credential_id, home: found.home }
    }

    /// Whether the asker may learn anything of a credential: within its own publisher only, of what has a part
    /// in it.
    fn may_know_of(self, found: &Found, question: &Question<'_>) -> bool {
        let Some(home) = self.home else { return true };
        let standing = found.known.grant().tenancy().map(|tenancy| tenancy.standing);
        question.publisher == Some(home)
            && !found.elsewhere
            && standing.is_some_and(|standing| standing != Standing::Foreign)
    }
}

/// What is recorded of a decision.
struct Outcome {
    kind: EventKind,
    code: RecordCode,
    details: Option<String>,
}

impl Outcome {
    fn verify(code: RecordCode) -> Self {
        Self { kind: EventKind::Verify, code, details: None }
    }
}

/// The form in which a decision is told.
pub(in crate::http) trait Told: Sized {
    /// About a credential that is known.
    fn known(known: Known, verdict: &Verdict, request_id: &str) -> Result<Self, Problem>;
    /// About one of which nothing may be told but the code.
    fn bare(code: DenialCode, request_id: &str) -> Result<Self, Problem>;
}

/// As an object, whatever it is.
impl Told for Bytes {
    fn known(known: Known, verdict: &Verdict, request_id: &str) -> Result<Self, Problem> {
        Ok(verify_write::known(&known, verdict, request_id))
    }

    fn bare(code: DenialCode, request_id: &str) -> Result<Self, Problem> {
        Ok(verify_write::bare(code.as_str(), request_id))
    }
}

/// A verification under way.
pub(in crate::http) struct Verification<'a> {
    pub(in crate::http) app: &'a App,
    pub(in crate::http) writer: &'a Writer,
    pub(in crate::http) asked: &'a Asked<'a>,
    /// On the boot-time clock, just now.
    pub(in crate::http) now: i64,
}

impl Verification<'_> {
    /// The caller that asks about another credential: it needs `tokens:verify`. Its own verdict is
    /// recorded only when it is refused.
    pub(in crate::http) async fn asker(&self) -> Result<Option<Asker>, Problem> {
        match presented(self.asked.headers) {
            Presented::Nothing if self.asked.operator => Ok(None),
            Presented::Nothing => self.refuse(RecordCode::MissingCredential, None, missing()).await,
            Presented::Conflicting => {
                self.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await
            }
            Presented::Credential(credential) => {
                let wanted = requirements(TokensVerify::SCOPE).map_err(|refused| refused.0)?;
                Ok(Some(Asker::of(&self.caller(credential, None, &wanted).await?)))
            }
        }
    }

    /// Whoever bears a credential that is good for what is wanted; where an account is named, one of that
    /// account: any other is as good as unknown. Its own verdict is recorded only when it is refused.
    pub(in crate::http) async fn caller(
        &self,
        credential: &[u8],
        account: Option<ServiceAccountId>,
        wanted: &Requirements,
    ) -> Result<Found, Problem> {
        let found = match look_up(self.app, (credential, None), self.asked.ip_address, self.now).await {
            Looked::Known(found) => found,
            Looked::Denied(code) => return self.refuse(code.into(), None, denied(code, &[])).await,
            Looked::Unavailable => return self.refuse(RecordCode::Unavailable, None, unavailable()).await,
        };
        let of = found.known.grant().account().map(|account| account.id);
        if account.is_some() && account != of {
            let code = DenialCode::NotFound;
            return self.refuse(code.into(), None, denied(code, &[])).await;
        }
        let verdict = found.decide(self.app, self.asked.limiter, wanted, self.asked.ip_address, 1).await;
        self.note(&verdict);
        match &verdict.decision {
            Ok(()) => Ok(found),
            Err(denial) => {
                self.refuse(denial.code.into(), Some(&found.known), problem_of(&verdict, denial)).await
            }
        }
    }

    /// Looks for the credential, decides on it, and gives the answer once that is recorded.
    pub(in crate::http) async fn decide<T: Told>(
        &self,
        credential: &[u8],
        question: &Question<'_>,
        asker: Option<Asker>,
    ) -> Result<T, Problem> {
        let client = question.ip_address.or(self.asked.ip_address);
        let looked = look_up(self.app, (credential, question.publisher), client, self.now).await;
        self.conclude(looked, question, asker).await
    }

    /// The same of a credential that was looked for already.
    pub(in crate::http) async fn conclude<T: Told>(
        &self,
        looked: Looked,
        question: &Question<'_>,
        asker: Option<Asker>,
    ) -> Result<T, Problem> {
        let asked_by = asker.as_ref().map(|asker| asker.id);
        match looked {
            // What is of no concern to the asker's publisher is as good as unknown (api.md, Acting publisher).
            Looked::Known(found) if asker.is_some_and(|asker| !asker.may_know_of(&found, question)) => {
                self.unknown(DenialCode::NotFound, question, asked_by).await
            }
            Looked::Known(found) => {
                let (limiter, address) = (self.asked.limiter, question.ip_address);
                let verdict = found.decide(self.app, limiter, &question.wanted, address, question.cost).await;
                if asked_by.is_none() && !self.asked.operator {
                    self.note(&verdict);
                }
                let denied = verdict.decision.as_ref().err();
                let code = denied.map_or(RecordCode::Valid, |denial| denial.code.into());
                let details = denied.and_then(|denial| details(denial, verdict.taken.as_ref()));
                // Accepted for nothing, it was looked at and not used.
                let looked = question.cost == 0 && code == RecordCode::Valid;
                let kind = if looked { EventKind::Look } else { EventKind::Verify };
                let outcome = Outcome { kind, code, details };
                self.record(&outcome, Some(&found.known), question, asked_by, found.at).await?;
                T::known(found.known, &verdict, self.asked.request_id)
            }
            Looked::Denied(code) => self.unknown(code, question, asked_by).await,
            Looked::Unavailable => {
                self.record(&Outcome::verify(RecordCode::Unavailable), None, question, asked_by, self.now)
                    .await?;
                Err(unavailable())
            }
        }
    }

    /// What became of the budgets of the credential that the request itself bears, for its headers.
    fn note(&self, verdict: &Verdict) {
        if let Some(taken) = verdict.taken {
            let _ = self.asked.taken.set(taken);
        }
    }

    /// Nothing is told of the credential but the code.
    async fn unknown<T: Told>(
        &self,
        code: DenialCode,
        question: &Question<'_>,
        asked_by: Option<CredentialId>,
    ) -> Result<T, Problem> {
        self.record(&Outcome::verify(code.into()), None, question, asked_by, self.now).await?;
        T::bare(code, self.asked.request_id)
    }

    /// The request is refused, which is recorded first.
    pub(in crate::http) async fn refuse<T>(
        &self,
        code: RecordCode,
        known: Option<&Known>,
        problem: Problem,
    ) -> Result<T, Problem> {
        self.refuse_of(&self.own_request(), code, known, problem).await
    }

    /// The same, for those who have more to say of it than the problem that there is to answer.
    pub(in crate::http) async fn refusal(
        &self,
        code: RecordCode,
        known: Option<&Known>,
        problem: Problem,
    ) -> Problem {
        self.refuse::<()>(code, known, problem).await.err().unwrap_or_else(unrecorded)
    }

    /// The caller's own credential was used, which is recorded.
    pub(in crate::http) async fn used(&self, found: &Found) -> Result<(), Problem> {
        let outcome = Outcome::verify(RecordCode::Valid);
        self.record(&outcome, Some(&found.known), &self.own_request(), None, found.at).await
    }

    /// The request itself, as what is recorded of a caller.
    fn own_request(&self) -> Question<'_> {
        Question {
            wanted: Cow::default(),
            publisher: None,
            ip_address: self.asked.ip_address,
            user_agent: user_agent(self.asked.headers),
            method: Some("POST"),
            endpoint: Some(self.asked.path),
            cloudflare_ray_id: None,
            cost: 0,
        }
    }

    /// The same, of the request that a question is about.
    pub(in crate::http) async fn refuse_of<T>(
        &self,
        question: &Question<'_>,
        code: RecordCode,
        known: Option<&Known>,
        problem: Problem,
    ) -> Result<T, Problem> {
        let outcome = Outcome { kind: EventKind::Gate, code, details: None };
        self.record(&outcome, known, question, None, self.now).await?;
        Err(problem)
    }

    /// No answer without a record.
    async fn record(
        &self,
        outcome: &Outcome,
        known: Option<&Known>,
        question: &Question<'_>,
        asked_by: Option<CredentialId>,
        at: i64,
    ) -> Result<(), Problem> {
        let grant = known.map(Known::grant);
        let record = RecordRef {
            occurred_at: self.app.authority().clock().at(at),
            kind: outcome.kind,
            code: outcome.code,
            credential_id: grant.map(|grant| grant.credential_id),
            token_name: grant.and_then(Grant::own_name),
            principal_kind: grant.map(|grant| grant.principal),
            principal_id: grant.map(Grant::principal_id),
            asked_by,
            ip_address: question.ip_address,
            user_agent: question.user_agent,
            method: question.method,
            endpoint: question.endpoint,
            cloudflare_ray_id: question.cloudflare_ray_id,
            request_id: self.asked.request_id,
            latency_micros: u32::try_from(at - self.asked.at).unwrap_or(u32::MAX),
            stale: known.is_some_and(|known| known.stale),
            error_details: outcome.details.as_deref(),
            publisher_id: grant.and_then(Grant::publisher).map(|id| id.0),
            user_email: None,
            occurrences: 1,
        };
        self.writer.append_durably(&record).await.map_err(|_| unrecorded())
    }
}
