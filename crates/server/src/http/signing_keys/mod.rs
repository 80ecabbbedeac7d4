//! `/signing-keys`: the keys that sign access tokens; and `/.well-known/jwks.json`.

pub mod jwks;
pub mod list;
pub mod revoke;
pub mod rotate;

use keywright_api::signing_key::{SigningKey, SigningKeyStatus};
use keywright_core::Timestamp;
use keywright_store::signing_keys::SigningKeyRow;

use super::view;

/// A key, with the status that it has at `now`.
fn shown(row: &SigningKeyRow, now: Timestamp) -> SigningKey {
    let status = if row.revoked_at.is_some() {
        SigningKeyStatus::Revoked
    } else if now.has_reached(row.accepted_until) {
        SigningKeyStatus::Over
    } else if row.retired_at.is_some() {
        SigningKeyStatus::Retired
    } else if now.has_reached(Some(row.active_from)) {
        SigningKeyStatus::Active
    } else {
        SigningKeyStatus::Next
    };
    SigningKey {
        id: row.id.0,
        algorithm: row.algorithm.as_str().to_owned(),
        status,
        created_at: view::time(row.created_at),
        active_from: view::time(row.active_from),
        retired_at: row.retired_at.map(view::time),
        accepted_until: row.accepted_until.map(view::time),
        revoked_at: row.revoked_at.map(view::time),
        revoked_reason: row.revoked_reason.clone(),
    }
}
