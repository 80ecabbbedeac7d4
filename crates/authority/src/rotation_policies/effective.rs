//! What holds for one token, and which policy says so.

use keywright_core::CredentialId;
use keywright_core::rotation::{Due, Effective};
use keywright_store::rotation_policies::PolicyRow;
use keywright_store::rotations::recent_uses;
use keywright_store::service_tokens;

use super::READ;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::rotations::planning::{RECENT_DAYS, Rules};

/// What holds for a token.
#[derive(Clone, Debug)]
pub struct EffectiveOf {
    /// Each value, and where it is said.
    pub effective: Effective,
    /// The policies that reach the token, the nearest first.
    pub policies: Vec<PolicyRow>,
    /// When the token is to be rotated, and why.
    pub due: Option<Due>,
    /// How often it was used within the last 30 days, as far as is known.
    pub recent_uses: u64,
}

/// What holds for a service token that the caller sees.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::Invalid`] when there is no such token.
pub async fn effective(authority: &Authority, call: &Call, id: CredentialId) -> Result<EffectiveOf, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let token = service_tokens::by_id(reader.conn(), call.within(), id).await?;
    let token = token.ok_or_else(|| Fault::field("credential_id", "there is no such service token"))?;
    let since = authority.now().plus_days(-RECENT_DAYS);
    let uses = recent_uses(reader.conn(), &[token.id], since).await?.remove(&token.id).unwrap_or(0);
    let rules = Rules::load(authority, reader.conn()).await?;
    let effective = rules.effective(&token);
    let due = Rules::due(&effective, &token, uses);
    let policies = rules.reaching(&token).into_iter().cloned().collect();
    Ok(EffectiveOf { effective, policies, due, recent_uses: uses })
}
