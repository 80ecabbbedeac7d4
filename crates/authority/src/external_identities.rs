//! Identities of other issuers: the first use of one pins it to the user whose address it bears.

use std::sync::Arc;

use keywright_core::{ActorRef, EmailAddress, ExternalIdentity, Mapping};
use keywright_store::{external_identities, users};
use serde_json::json;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

const PINNING: &str = "external_identities";

/// Pins an identity to the user with its address. False when there is no such user, or it is no user at all.
/// One that is pinned already stays with its user, whatever address it bears by now.
///
/// # Errors
/// Those of the store.
pub async fn pin(authority: &Authority, identity: &Arc<ExternalIdentity>) -> Result<bool, Fault> {
    let Mapping::User { email, .. } = &identity.mapping else { return Ok(false) };
    let address = EmailAddress::from_stored(email.to_string());
    let store = authority.store();
    // Most who come here in vain are nobody: that takes no lock.
    let mut reader = store.read().await?;
    let Some(user) = users::by_email(reader.conn(), &address).await? else { return Ok(false) };
    drop(reader);
    let mut tx = store.begin_change(&[user.id.0], &[identity.id().0]).await?;
    if external_identities::pinned(tx.conn(), identity).await?.is_some() {
        return Ok(true);
    }
    let user = users::by_email(tx.conn(), &address).await?.filter(|held| held.id == user.id);
    let Some(user) = user else { return Ok(false) };
    external_identities::pin(tx.conn(), identity, user.id, authority.now()).await?;
    let subject = Subject { kind: "user", id: Some(user.id.0), name: Some(user.email.as_str().to_owned()) };
    let details = json!({
        "issuer": identity.issuer, "subject": identity.subject, "external_identity_id": identity.id(),
    });
    Event::new("external_identity.pinned", ActorRef::system(PINNING), None, subject)
        .details(details)
        .write(authority, tx.conn())
        .await?;
    // Whoever asked for it before found nobody, which is not remembered for long.
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(true)
}
