//! The gate before every handler: a handler cannot be reached without naming what its caller must be
//! allowed to do, as a type.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_authority::{Call, Idempotency};
use keywright_core::{Actor, Bearer, Denial, DenialCode, Grant, Requirements, Scope, ScopeSet, address};
use keywright_verify::{EventKind, Known, Lookup, RecordCode, RecordRef};
use std::net::IpAddr;

use super::answer::{Refused, denied};
use super::client::{Presented, presented, user_agent};
use super::outer::Arrived;
use super::shown::{details, shown};
use super::{App, etag};

/// Marks requests of the local operator: over the operator's socket, or in the operator's own process.
#[derive(Clone, Copy, Debug)]
pub struct LocalOperator;

/// What a caller must be allowed to do.
pub trait Permission: Send + Sync + 'static {
    /// The permission; none for handlers that any usable credential may call.
    const SCOPE: Option<&'static str>;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $scope:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Permission for $name {
            const SCOPE: Option<&'static str> = $scope;
        }
    )*};
}

permissions! {
    /// Any usable credential.
    Anyone = None;
    /// See service tokens.
    TokensRead = Some("tokens:read");
    /// Manage service tokens.
    TokensAdmin = Some("tokens:admin");
    /// Rotate the very credential that calls.
    TokensRotateSelf = Some("tokens:rotate_self");
    /// Ask about other credentials.
    TokensVerify = Some("tokens:verify");
    /// Emergency revocation.
    EmergencyRevoke = Some("emergency:revoke");
    /// Read events.
    AuditRead = Some("audit:read");
    /// Write CI/CD events.
    AuditLog = Some("audit_log");
    /// Read the system's status.
    SystemStatus = Some("system_status");
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
        let (actor, permissions) = door.let_in(P::SCOPE).await?;
        let confirm = actor == Actor::Operator;
        let call = Call {
            actor,
            permissions,
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
fn expected_version(parts: &Parts) -> Result<Option<u64>, Problem> {
    if parts.method.is_safe() { Ok(None) } else { etag::expected(&parts.headers) }
}

fn outside() -> Refused {
    Refused::from(Problem::new(Refusal::InternalError, "The request came past the outer layer."))
}

struct Door<'a> {
    app: &'a App,
    parts: &'a Parts,
    arrived: &'a Arrived,
}

impl Door<'_> {
    async fn let_in(&self, scope: Option<&str>) -> Result<(Actor, ScopeSet), Refused> {
        match presented(&self.parts.headers) {
            Presented::Nothing if self.parts.extensions.get::<LocalOperator>().is_some() => {
                Ok((Actor::Operator, ScopeSet::all()))
            }
            Presented::Nothing => self.refuse(RecordCode::MissingCredential, None, missing()).await,
            Presented::Conflicting => {
                self.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await
            }
            Presented::Credential(credential) => self.judge(credential, scope).await,
        }
    }

    async fn judge(&self, credential: &[u8], scope: Option<&str>) -> Result<(Actor, ScopeSet), Refused> {
        let wanted = requirements(scope)?;
        let clock = self.app.authority().clock();
        let looked =
            look_up(self.app, Bearer::sort(credential), self.arrived.ip_address, clock.boot_micros());
        let (known, at) = match looked.await {
            Looked::Known(known, at) => (known, at),
            Looked::Denied(code) => return self.refuse(code.into(), None, denied(code, &[])).await,
            Looked::Unavailable => return self.refuse(RecordCode::Unavailable, None, unavailable()).await,
        };
        let grant = &known.entry.grant;
        match self.app.authority().verifier().decide_at(&known, &wanted, clock.at(at)) {
            Ok(()) => {
                let _ = self.arrived.let_in.set((grant.credential_id, grant.name.to_string()));
                let actor = Actor::Credential { id: grant.credential_id, name: grant.name.to_string() };
                Ok((actor, grant.scopes.clone()))
            }
            Err(denial) => {
                let problem = problem_of(&denial);
                self.refuse_for(denial.code.into(), Some(&known), details(&denial), problem).await
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

fn record<'a>(door: &'a Door<'_>, code: RecordCode, known: Option<&'a Known>) -> RecordRef<'a> {
    let grant: Option<&Grant> = known.map(|known| &known.entry.grant);
    RecordRef {
        occurred_at: door.app.authority().now(),
        kind: EventKind::Gate,
        code,
        credential_id: grant.map(|grant| grant.credential_id),
        token_name: grant.map(|grant| &*grant.name),
        principal_kind: grant.map(|grant| grant.principal),
        principal_id: grant.map(|grant| grant.credential_id.0),
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
        publisher_id: None,
        user_email: None,
        occurrences: 1,
    }
}

/// What a look-up found.
pub enum Looked {
    /// A credential, as it was known at this moment of the boot-time clock.
    Known(Known, i64),
    /// None of ours.
    Denied(DenialCode),
    /// The answer cannot be known now.
    Unavailable,
}

/// Looks a credential up, in the cache first. `now` was read from the boot-time clock just now.
pub async fn look_up(app: &App, bearer: Bearer, client: Option<IpAddr>, now: i64) -> Looked {
    let Bearer::Service(hash) = bearer else { return Looked::Denied(DenialCode::Malformed) };
    let verifier = app.authority().verifier();
    let (found, at) = if let Some(found) = verifier.peek_at(&hash, now) {
        (found, now)
    } else {
        // Boxed, so that the future of a hit, which is moved about, stays small.
        let found = Box::pin(verifier.resolve(hash, client.map(address::network))).await;
        // That took its time: the decision is made at the moment at which it is made.
        (found, app.authority().clock().boot_micros())
    };
    match found {
        Lookup::Known(known) => Looked::Known(known, at),
        Lookup::Unknown => Looked::Denied(DenialCode::NotFound),
        Lookup::Unavailable => Looked::Unavailable,
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
pub fn problem_of(denial: &Denial) -> Problem {
    let missing: Vec<_> = denial.missing_scopes.iter().map(Scope::as_str).collect();
    denied(denial.code, &missing)
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
