//! From where credentials are used.

use crate::{
    Time,
    analytics::MAX_DAYS,
    kind::integer,
    request::{Fields, FromFields, Refused},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// How far to look back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LocationQuery {
    /// How many days (UTC), today included; as far as usage is kept when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 400)]
    pub days: Option<u32>,
}

impl FromFields for LocationQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let days = fields.optional("days", integer(1, MAX_DAYS));
        fields.finish(|| Some(Self { days }))
    }
}

/// From where a credential was used. Without a database of places the lists are empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Locations {
    /// The credential.
    pub credential_id: Uuid,
    /// Countries (ISO 3166-1 alpha-2), those seen most first; `private` for addresses that belong to nobody in public.
    pub countries: Vec<SeenPlace>,
    /// Networks, `AS64496 Example`, where the database has them.
    pub networks: Vec<SeenPlace>,
}

/// How a credential was used from one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenPlace {
    /// The country or the network; `other` for those of a day that were too many to be told apart.
    pub name: String,
    /// How often it was decided on.
    pub decisions: u64,
    /// How often it was not accepted.
    pub denials: u64,
    /// The first time.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: Time,
    /// The last time.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Time,
}
