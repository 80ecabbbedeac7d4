//! What a credential could do, and did.

use crate::{
    Time,
    kind::time,
    location::SeenPlace,
    request::{Fields, FromFields, Refused},
    service_token::TokenStatus,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// From when on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BlastRadiusQuery {
    /// From the hour of this moment on; since the token was made when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub since: Option<Time>,
}

impl FromFields for BlastRadiusQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let since = fields.optional("since", time());
        fields.finish(|| Some(Self { since }))
    }
}

/// What a service token could do, and did. Lists have at most 100 entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlastRadius {
    /// The token.
    pub token_id: Uuid,
    /// Its name.
    pub token_name: String,
    /// Its status now.
    pub status: TokenStatus,
    /// What it may do, as verification would grant it were it not over.
    pub permissions: Vec<String>,
    /// The account that it is of; null when it stands alone.
    #[schema(required = true)]
    pub service_account_id: Option<Uuid>,
    /// The publisher that it acts within; null at platform level, where it reaches all.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// The begin of the first hour that was looked through; places are told of the whole of its day (UTC).
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// Decisions about it, by how they ended, the most frequent first.
    pub outcomes: Vec<OutcomeCount>,
    /// Endpoints asked for, ids in their paths as `{id}`; `other` stands for those too many to be told apart.
    pub endpoints: Vec<EndpointCount>,
    /// Countries that it was used from.
    pub countries: Vec<SeenPlace>,
    /// Networks that it was used from, where the database of places has them.
    pub networks: Vec<SeenPlace>,
    /// Addresses that it was used from.
    pub addresses: Vec<SeenPlace>,
    /// User agents that it was used with.
    pub user_agents: Vec<SeenPlace>,
    /// Its line of rotations, the oldest first, itself among them.
    pub lineage: Vec<LineageToken>,
    /// What its principal changed here, by type of event: of a service account also by its other tokens.
    pub changes: Vec<ChangeTally>,
    /// The tokens and accounts that its principal made here, the latest first.
    pub made: Vec<MadeThing>,
    /// Where it was found, the latest report first.
    pub leaks: Vec<LeakPlace>,
}

/// Decisions that ended alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeCount {
    /// `valid`, or the code of the denial.
    pub code: String,
    /// How many.
    pub decisions: u64,
}

/// Decisions about an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointCount {
    /// The path; empty where none was told.
    pub endpoint: String,
    /// How many.
    pub decisions: u64,
    /// Those that did not accept it.
    pub denials: u64,
}

/// A token of a line of rotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageToken {
    /// The token.
    pub token_id: Uuid,
    /// Its name.
    pub token_name: String,
    /// Its status now.
    pub status: TokenStatus,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

/// Changes of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeTally {
    /// The type of their events.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many.
    pub changes: u64,
    /// The last of them.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Time,
}

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeThing {
    /// `service_token`, `personal_token` or `service_account`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    #[schema(required = true)]
    pub id: Option<Uuid>,
    /// Its name then; null where none is kept.
    #[schema(required = true)]
    pub name: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Time,
}

/// Where a credential was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeakPlace {
    /// The place.
    pub found_in: String,
    /// `report`, or `github` by its secret scanning.
    pub source: String,
    /// Whether that report revoked it.
    pub revoked: bool,
    /// When it was reported.
    #[schema(value_type = String, format = DateTime)]
    pub reported_at: Time,
}
