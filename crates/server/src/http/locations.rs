//! From where a credential was used, as it is told.

use axum::response::Response;
use http::StatusCode;
use keywright_api::location::{Locations, SeenPlace};
use keywright_authority::locations;
use keywright_core::CredentialId;
use keywright_store::usage::PlaceCount;

use super::answer::json_no_store;
use super::view;

/// The answer.
pub fn answer(id: CredentialId, found: locations::Locations) -> Response {
    let seen = |place: PlaceCount| SeenPlace {
        name: place.label,
        decisions: place.decisions,
        denials: place.failures,
        first_seen_at: view::time(place.first_at),
        last_seen_at: view::time(place.last_at),
    };
    let body = Locations {
        credential_id: id.0,
        countries: found.countries.into_iter().map(seen).collect(),
        networks: found.networks.into_iter().map(seen).collect(),
    };
    json_no_store(StatusCode::OK, &body)
}
