//! What a policy is on.

use keywright_core::rotation::Level;
use keywright_core::{CredentialId, PublisherId, ScopeSet, ServiceAccountId};
use keywright_store::rotation_policies::PLATFORM;
use keywright_store::{Conn, publishers, service_accounts, service_tokens};
use uuid::Uuid;

use crate::call::Call;
use crate::fault::Fault;

/// What a policy is to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySubject {
    /// All service tokens that the call can reach: of the platform, or of the publisher that it is about.
    Everything,
    /// A publisher: the tokens of its accounts.
    Publisher(PublisherId),
    /// A service account: its tokens.
    ServiceAccount(ServiceAccountId),
    /// A service token, and each that replaces it.
    ServiceToken(CredentialId),
}

/// What was found there.
pub(super) struct Found {
    pub(super) level: Level,
    pub(super) subject_id: Uuid,
    pub(super) publisher_id: Option<PublisherId>,
    /// What its tokens can do at most, where that is known.
    pub(super) scopes: Option<ScopeSet>,
}

impl PolicySubject {
    /// Looks for it within what the call sees.
    pub(super) async fn find(self, conn: Conn<'_>, call: &Call) -> Result<Found, Fault> {
        let unknown = |field: &str| Fault::field(field, "there is no such object");
        let within = call.within();
        let found =
            |level, subject_id, publisher_id, scopes| Found { level, subject_id, publisher_id, scopes };
        Ok(match self {
            // To whoever belongs to a publisher, or acts for one, that publisher is all there is.
            Self::Everything => match within {
                Some(own) => found(Level::Publisher, own.0, Some(own), None),
                None => found(Level::Platform, PLATFORM, None, None),
            },
            Self::Publisher(id) if within.is_some_and(|own| own != id) => {
                return Err(unknown("publisher_id"));
            }
            Self::Publisher(id) => {
                publishers::by_id(conn, id).await?.ok_or_else(|| unknown("publisher_id"))?;
                found(Level::Publisher, id.0, Some(id), None)
            }
            Self::ServiceAccount(id) => {
                let row = service_accounts::by_id(conn, within, id).await?;
                let row = row.ok_or_else(|| unknown("service_account_id"))?;
                found(Level::ServiceAccount, id.0, row.publisher_id, Some(row.scopes))
            }
            Self::ServiceToken(id) => {
                let row = service_tokens::by_id(conn, within, id).await?;
                let row = row.ok_or_else(|| unknown("credential_id"))?;
                found(Level::ServiceToken, row.lineage().0, row.publisher_id, Some(row.permissions))
            }
        })
    }
}
