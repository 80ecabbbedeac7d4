//! The gate before every handler: a handler cannot be reached without naming what its caller must be
//! allowed to do, as a type.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_api::verify::DenialCode as WireDenialCode;
use keywright_authority::{Call, Idempotency};
use keywright_core::{Actor, Denial, DenialCode, Grant, PublisherId, Requirements, Scope, ScopeSet};
use keywright_verify::{EventKind, Known, RecordCode, RecordRef, Taken};

use super::answer::{Refused, denied};
use super::client::user_agent;
use super::look_up::{Found, Looked, Verdict, look_up};
use super::outer::Arrived;
use super::shown::{details, shown};
use super::{App, etag, limits};

/// Marks requests of the local operator: over the operator's socket, or in the operator's own process.
#[derive(Clone, Copy, Debug)]
pub struct LocalOperator;

/// What a caller must be allowed to do.
pub trait Permission: Send + Sync + 'static {
    /// The permission; none for handlers that any usable credential may call.
    const SCOPE: Option<&'static str>;
    /// Where it must be held.
    const LEVEL: Level;
}

/// Where a permission must be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Within the publisher that the caller acts for, or at platform level.
    Publisher,
    /// At platform level: whoever belongs to a publisher does not have it, whatever their role.
    Platform,
}

/// What a call of one of our own endpoints takes from the budgets of its credential.
const COST: u32 = 1;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $scope:expr, $level:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Permission for $name {
            const SCOPE: Option<&'static str> = $scope;
            const LEVEL: Level = Level::$level;
        }
    )*};
}

permissions! {
    /// Any usable credential.
    Anyone = None, Publisher;
    /// See service tokens.
    TokensRead = Some("tokens:read"), Publisher;
    /// Manage service tokens.
    TokensAdmin = Some("tokens:admin"), Publisher;
    /// Rotate the very credential that calls.
    TokensRotateSelf = Some("tokens:rotate_self"), Publisher;
    /// Ask about other credentials.
    TokensVerify = Some("tokens:verify"), Publisher;
    /// Clean up service tokens, those of all.
    TokensCleanUp = Some("tokens:admin"), Platform;
    /// Emergency revocation.
    EmergencyRevoke = Some("emergency:revoke"), Publisher;
    /// Read events.
    AuditRead = Some("audit:read"), Publisher;
    /// Check the chain of events, which is one for all.
    AuditVerify = Some("audit:read"), Platform;
    /// See how all credentials are used.
    AnalyticsRead = Some("tokens:read"), Platform;
    /// See service accounts and their tokens.
    ServiceAccountsRead = Some("service_accounts:read"), Publisher;
    /// Manage service accounts and their tokens.
    ServiceAccountsAdmin = Some("service_accounts:admin"), Publisher;
    /// Manage publishers, or one's own.
    PublishersAdmin = Some("publishers:admin"), Publisher;
    /// Make, suspend and delete publishers.
    PublishersManage = Some("publishers:admin"), Platform;
    /// See members and roles.
    UsersRead = Some("users:read"), Publisher;
    /// Manage members and roles.
    UsersAdmin = Some("users:admin"), Publisher;
    /// Make personal tokens for oneself.
    PersonalTokensWrite = Some("personal_tokens:write"), Publisher;
    /// See alerts, channels, subscriptions, maintenance windows, rotation policies and rotations.
    MonitoringRead = Some("monitoring:read"), Publisher;
    /// Manage them.
    MonitoringAdmin = Some("monitoring:admin"), Publisher;
    /// Write CI/CD events.
    AuditLog = Some("audit_log"), Publisher;
    /// Report credentials that were found where they should not be.
    LeaksReport = Some("leaks:report"), Publisher;
    /// Manage signing keys.
    KeysAdmin = Some("keys:admin"), Platform;
    /// Read the system's status.
    SystemStatus = Some("system_status"), Platform;
}

/// A caller that the gate let in.
#[derive(Clone, Debug)]
pub struct Caller<P: Permission> {
    /// The call that it may make.
    pub call: Call,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<App> for Caller<P> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let arrived = parts.extensions.get::<Arrived>().cloned().ok_or_else(outside)?;
        let door = Door { app, parts, arrived: &arrived };
        let publisher = named_publisher(&parts.headers)?;
        let let_in = door.let_in(P::SCOPE, P::LEVEL, publisher).await?;
        let confirm = let_in.actor == Actor::Operator;
        let call = Call {
            actor: let_in.actor,
            permissions: let_in.permissions,
            publisher: let_in.publisher,
            request_id: arrived.request_id.clone(),
            ip_address: arrived.ip_address,
            user_agent: user_agent(&parts.headers).map(str::to_owned),
            idempotency: None,
            if_version: expected_version(parts)?,
            confirm,
        };
        Ok(Self { call, permission: PhantomData })
    }
}

/// `If-Match` speaks of the object that a request changes; on one that only reads it says nothing here.
fn expected_version(parts: &Parts) -> Result<Option<Box<[u64]>>, Problem> {
    if parts.method.is_safe() { Ok(None) } else { etag::expected(&parts.headers) }
}

fn outside() -> Refused {
    Refused::from(Problem::new(Refusal::InternalError, "The request came past the outer layer."))
}

/// `X-Publisher-Id`: the publisher that a caller of the platform acts for.
fn named_publisher(headers: &http::HeaderMap) -> Result<Option<PublisherId>, Problem> {
    let mut values = headers.get_all("x-publisher-id").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    match id {
        Some(id) if values.next().is_none() => Ok(Some(id)),
        _ => Err(Problem::new(Refusal::InvalidHeader, "X-Publisher-Id must be the id of one publisher.")),
    }
}

/// Who was let in, and for which publisher.
struct LetIn {
    actor: Actor,
    permissions: ScopeSet,
    publisher: Option<PublisherId>,
}

struct Door<'a> {
    app: &'a App,
    parts: &'a Parts,
    arrived: &'a Arrived,
}

impl Door<'_> {
    async fn let_in(
        &self,
        scope: Option<&str>,
        level: Level,
        publisher: Option<PublisherId>,
    ) -> Result<LetIn, Refused> {
        match presented(&self.parts.headers) {
            Presented::Nothing if self.parts.extensions.get::<LocalOperator>().is_some() => {
                Ok(LetIn { actor: Actor::Operator, permissions: ScopeSet::all(), publisher })
            }
            Presented::Nothing => self.refuse(RecordCode::MissingCredential, None, missing()).await,
            Presented::Conflicting => {
                self.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await
            }
            Presented::Credential(credential) => self.judge(credential, scope, level, publisher).await,
        }
    }

    async fn judge(
        &self,
        credential: &[u8],
        scope: Option<&str>,
        level: Level,
        publisher: Option<PublisherId>,
    ) -> Result<LetIn, Refused> {
        let wanted = requirements(scope)?;
        let clock = self.app.authority().clock();
        let looked = look_up(self.app, (credential, publisher), self.arrived.ip_address, clock.boot_micros());
        let found = match looked.await {
            Looked::Known(found) => found,
            Looked::Denied(code) => return self.refuse(code.into(), None, denied(code, &[])).await,
            Looked::Unavailable => return self.refuse(RecordCode::Unavailable, None, unavailable()).await,
        };
        let known = &found.known;
        let mut verdict =
            found.decide(self.app, self.app.limiter(), &wanted, self.arrived.ip_address, COST).await;
        if let Some(taken) = verdict.taken {
            let _ = self.arrived.taken.set(taken);
        }
        if verdict.decision.is_ok() {
            verdict.decision = at_level(&found, level, &wanted);
        }
        match &verdict.decision {
            Ok(()) => {
                let bearing = found.bearing(self.arrived.ip_address);
                let _ = self.arrived.let_in.set(bearing.clone());
                let publisher = known.grant().publisher();
                let permissions = known.scopes().into_owned();
                Ok(LetIn { actor: Actor::Bearer(Box::new(bearing)), permissions, publisher })
            }
            Err(denial) => {
                let problem = problem_of(&verdict, denial);
                let details = details(denial, verdict.taken.as_ref());
                self.refuse_for(denial.code.into(), Some(known), details, problem).await
            }
        }
    }

    async fn refuse<T>(
        &self,
        code: RecordCode,
        known: Option<&Known>,
        problem: Problem,
    ) -> Result<T, Refused> {
        self.refuse_for(code, known, None, problem).await
    }

    /// Every refused request is recorded before it is answered.
    async fn refuse_for<T>(
        &self,
        code: RecordCode,
        known: Option<&Known>,
        details: Option<String>,
        problem: Problem,
    ) -> Result<T, Refused> {
        let record = RecordRef { error_details: details.as_deref(), ..record(self, code, known) };
        match self.app.writer().append_durably(&record).await {
            Ok(()) => Err(problem.into()),
            Err(_) => Err(unrecorded().into()),
        }
    }
}

/// What a publisher's role grants does not reach what is the platform's.
fn at_level(found: &Found, level: Level, wanted: &Requirements) -> Result<(), Denial> {
    if level == Level::Platform && found.home.is_some() {
        let missing_scopes = wanted.required_scopes.iter().cloned().collect();
        return Err(Denial { code: DenialCode::InsufficientScope, missing_scopes });
    }
    Ok(())
}

fn record<'a>(door: &'a Door<'_>, code: RecordCode, known: Option<&'a Known>) -> RecordRef<'a> {
    let grant = known.map(Known::grant);
    RecordRef {
        occurred_at: door.app.authority().now(),
        kind: EventKind::Gate,
        code,
        credential_id: grant.map(|grant| grant.credential_id),
        token_name: grant.and_then(Grant::own_name),
        principal_kind: grant.map(|grant| grant.principal),
        principal_id: grant.map(Grant::principal_id),
        asked_by: None,
        ip_address: door.arrived.ip_address,
        user_agent: user_agent(&door.parts.headers),
        method: Some(shown(door.parts.method.as_str())),
        endpoint: Some(&door.arrived.path),
        cloudflare_ray_id: None,
        request_id: &door.arrived.request_id,
        latency_micros: u32::try_from(door.app.authority().clock().boot_micros() - door.arrived.at)
            .unwrap_or(u32::MAX),
        stale: known.is_some_and(|known| known.stale),
        error_details: None,
        publisher_id: grant.and_then(Grant::publisher).map(|id| id.0),
        user_email: None,
        occurrences: 1,
    }
}

/// The requirements of a gate.
///
/// # Errors
/// Only for a permission that is none: a mistake of ours.
pub fn requirements(scope: Option<&str>) -> Result<Requirements, Refused> {
    let Some(scope) = scope else { return Ok(Requirements::none()) };
    let scope: Scope =
        scope.parse().map_err(|_| Problem::new(Refusal::InternalError, "The gate names no permission."))?;
    Ok(Requirements::scope(scope))
}

/// The problem of a denial at the gate.
pub fn problem_of(verdict: &Verdict, denial: &Denial) -> Problem {
    if let Some(taken @ Taken { granted: false, .. }) = &verdict.taken {
        return too_often(taken);
    }
    let missing: Vec<_> = denial.missing_scopes.iter().map(Scope::as_str).collect();
    denied(denial.code, &missing)
}

fn too_often(taken: &Taken) -> Problem {
    let seconds = taken.retry_after_seconds;
    let detail = format!(
        "The credential, its account or its publisher was used too often: {} are allowed. Try again in {seconds} s.",
        limits::in_words(&taken.tightest)
    );
    Problem::new(WireDenialCode::RateLimited, detail).retry_after(seconds.into())
}

/// No credential.
pub fn missing() -> Problem {
    Problem::new(Refusal::MissingCredential, "Send a credential as Authorization: Bearer CREDENTIAL.")
}

/// Two credentials.
pub fn conflicting() -> Problem {
    Problem::new(Refusal::ConflictingCredentials, "The headers carry different credentials; send one.")
}

/// The store is away and the cache does not know.
pub fn unavailable() -> Problem {
    Problem::new(Refusal::Unavailable, "The answer cannot be known at the moment.")
}

/// The decision cannot be recorded.
pub fn unrecorded() -> Problem {
    Problem::new(Refusal::JournalUnavailable, "Decisions cannot be recorded at the moment, so none is given.")
}

/// Takes the `Idempotency-Key` of a request that creates or rotates.
///
/// # Errors
/// 400 for a header that is no key.
pub fn idempotency(
    headers: &http::HeaderMap,
    operation: &str,
    body: &[u8],
) -> Result<Option<Idempotency>, Refused> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Refusal::InvalidHeader, "Send one Idempotency-Key.").into());
    }
    let key = value.to_str().unwrap_or_default();
    Idempotency::new(key, operation, body)
        .map(Some)
        .map_err(|detail| Problem::new(Refusal::InvalidHeader, detail).into())
}
