//! Caches elsewhere that decide by themselves (docs/decisions/0026-remote-caches-hear-marks.md): what they may report.

mod report;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keywright_core::{CredentialId, Grant, PrincipalKind, PublisherId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use report::forget;
pub use report::{Reported, report};

use crate::authority::Authority;

/// How long a decision may be kept at most, in microseconds: long enough to spare nearly all questions, and short
/// enough for two clocks not to drift apart.
pub const MAX_KEPT_MICROS: i64 = 5 * 60 * 1_000_000;

const PURPOSE: &str = "keywright voucher of a kept decision v1";

/// Whom a cache may report decisions about: it is handed out, sealed, with a decision that may be kept, so that a report
/// can say nothing that was not decided on here, and no row needs to be looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    #[serde(rename = "c")]
    credential_id: CredentialId,
    #[serde(rename = "n")]
    name: Option<String>,
    #[serde(rename = "k")]
    principal_kind: String,
    #[serde(rename = "p")]
    principal_id: Uuid,
    #[serde(rename = "b")]
    publisher_id: Option<Uuid>,
    /// In microseconds.
    #[serde(rename = "i")]
    issued_at: i64,
    /// How long the decision may be kept, in microseconds.
    #[serde(rename = "l")]
    life: i64,
}

impl Voucher {
    /// For a decision on this grant that may be kept for so long.
    pub fn new(grant: &Grant, issued_at: Timestamp, life_micros: i64) -> Self {
        Self {
            credential_id: grant.credential_id,
            name: grant.own_name().map(str::to_owned),
            principal_kind: grant.principal.as_str().to_owned(),
            principal_id: grant.principal_id(),
            publisher_id: grant.publisher().map(|id| id.0),
            issued_at: issued_at.as_micros(),
            life: life_micros,
        }
    }

    /// Sealed, for an asker of this publisher, or of the platform: nobody else's report can use it.
    pub fn seal(&self, authority: &Authority, home: Option<PublisherId>) -> String {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(authority.keys().seal(PURPOSE, &salt(home), &plain))
    }

    /// Opens what was sealed for the same home.
    fn open(authority: &Authority, home: Option<PublisherId>, sealed: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = authority.keys().open(PURPOSE, &salt(home), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn principal_kind(&self) -> Option<PrincipalKind> {
        PrincipalKind::parse(&self.principal_kind)
    }

    /// Whether a decision at this moment may have been made by what it was given with; `slack` for two clocks.
    fn covers(&self, moment: Timestamp, slack_micros: i64) -> bool {
        let issued = Timestamp::from_micros(self.issued_at);
        (-slack_micros..=self.life.saturating_add(slack_micros)).contains(&moment.micros_since(issued))
    }
}

fn salt(home: Option<PublisherId>) -> [u8; 16] {
    home.map_or([0; 16], |id| id.0.into_bytes())
}
