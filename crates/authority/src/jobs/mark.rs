//! Marks rows that a raised number revoked, for lists.

use keywright_core::Timestamp;
use keywright_store::{
    Conn, StoreError, personal_tokens, platform, service_tokens, sessions as store_sessions,
};

use super::SLICE;
use crate::authority::Authority;
use crate::fault::Fault;

/// The reason in rows that an emergency revoked.
pub(crate) const EMERGENCY: &str = "emergency revocation";
/// The reason in rows of tokens that were revoked with all others of their account or its publisher.
pub(crate) const WITH_ACCOUNT: &str = "revoked with all tokens of its service account or publisher";
/// The reason in rows of sessions that ended with all others in a reach.
const ALL_ENDED: &str = "all sessions were ended";
/// The reason in rows of personal tokens that were revoked with all others in a reach.
pub(crate) const ALL_REVOKED: &str = "all personal tokens were revoked";

/// Marks the rows of tokens and sessions that a raised number revoked, in slices. Nothing depends on it but
/// lists. Rows that somebody holds at this moment are left to the next run.
///
/// # Errors
/// As the store.
pub async fn mark(authority: &Authority) -> Result<u64, Fault> {
    let tokens = mark_tokens(authority).await? + Revoked::TokensOfAccounts.mark(authority).await?;
    Ok(tokens + Revoked::Sessions.mark(authority).await? + Revoked::PersonalTokens.mark(authority).await?)
}

async fn mark_tokens(authority: &Authority) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let epoch = platform::epochs(reader.conn()).await?.service;
    let left = service_tokens::count_below_epoch(reader.conn(), epoch).await?;
    drop(reader);
    if left == 0 { Ok(0) } else { Revoked::TokensBelow(epoch).mark(authority).await }
}

/// Rows that a raised number revoked.
#[derive(Clone, Copy)]
enum Revoked {
    TokensBelow(u64),
    TokensOfAccounts,
    Sessions,
    PersonalTokens,
}

impl Revoked {
    async fn mark(self, authority: &Authority) -> Result<u64, Fault> {
        let mut marked = 0;
        loop {
            let (mut tx, now) = (authority.store().begin().await?, authority.now());
            let done = self.mark_slice(tx.conn(), now).await?;
            if done == 0 {
                tx.rollback().await;
                return Ok(marked);
            }
            tx.commit().await?;
            marked += done;
            if done < u64::from(SLICE) {
                return Ok(marked);
            }
        }
    }

    async fn mark_slice(self, conn: Conn<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match self {
            Self::TokensBelow(epoch) => {
                service_tokens::mark_revoked_by_epoch(conn, epoch, now, Some(EMERGENCY), SLICE).await
            }
            Self::TokensOfAccounts => {
                service_tokens::mark_revoked_with_account(conn, now, Some(WITH_ACCOUNT), SLICE).await
            }
            Self::Sessions => store_sessions::mark_revoked_by_epoch(conn, now, Some(ALL_ENDED), SLICE).await,
            Self::PersonalTokens => {
                personal_tokens::mark_revoked_by_epoch(conn, now, Some(ALL_REVOKED), SLICE).await
            }
        }
    }
}
