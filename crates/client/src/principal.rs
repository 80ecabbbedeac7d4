//! Who a request speaks for.

use std::sync::Arc;

use keywright_api::actor::PrincipalType;
use keywright_api::verify::{RotationState, TokenType, ValidDecision};
use keywright_core::{Scope, ScopeSet};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Who a request speaks for, and by which credential: what [`KeywrightLayer`](crate::KeywrightLayer) puts among the
/// extensions of a request that it lets pass. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    told: Arc<Told>,
}

/// What a decision told, with its scopes as what they are.
#[derive(Debug, PartialEq)]
struct Told {
    decision: ValidDecision,
    scopes: ScopeSet,
}

impl Principal {
    /// Of a decision; `None` where it carries something that is no scope, which Keywright never says.
    pub fn of(decision: ValidDecision) -> Option<Self> {
        let scopes = ScopeSet::parse(&decision.scopes).ok()?;
        Some(Self { told: Arc::new(Told { decision, scopes }) })
    }

    /// What it is.
    pub fn kind(&self) -> PrincipalType {
        self.told.decision.principal.kind
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.told.decision.principal.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.told.decision.principal.name
    }

    /// As it stood on the wire.
    pub(crate) fn wire(&self) -> &keywright_api::actor::Principal {
        &self.told.decision.principal
    }

    /// The kind of its credential.
    pub fn token_type(&self) -> TokenType {
        self.told.decision.token_type
    }

    /// The id of its credential.
    pub fn credential_id(&self) -> Uuid {
        self.told.decision.credential_id
    }

    /// The name of its credential.
    pub fn credential_name(&self) -> &str {
        &self.told.decision.name
    }

    /// The publisher that was decided for; none at platform level.
    pub fn publisher_id(&self) -> Option<Uuid> {
        self.told.decision.publisher_id
    }

    /// The publishers in which the credential is valid; empty at platform level.
    pub fn publishers(&self) -> &[Uuid] {
        &self.told.decision.publishers
    }

    /// What it may do.
    pub fn scopes(&self) -> &ScopeSet {
        &self.told.scopes
    }

    /// Whether it may do this. For what a route always needs, let the layer ask: its refusals are on record.
    pub fn may(&self, scope: &Scope) -> bool {
        self.told.scopes.covers(scope)
    }

    /// When the credential's life ends, in RFC 3339; `None` is never.
    pub fn expires_at(&self) -> Option<&str> {
        self.told.decision.expires_at.as_deref()
    }

    /// Whether the credential is about to be replaced.
    pub fn rotation(&self) -> &RotationState {
        &self.told.decision.rotation
    }

    /// What else its kind has to tell, and the metadata of credential and account.
    pub fn context(&self) -> &Map<String, Value> {
        &self.told.decision.context
    }
}
