//! What lets deliveries in, or what they are signed with: said by whoever says where they go to, sealed, and shown by
//! nothing.

use keywright_core::{PlainToken, RotationPolicyId};
use keywright_store::rotation_policies::PolicyRow;

use super::{DeliveryChange, PURPOSE};
use crate::authority::Authority;
use crate::fault::Fault;
use crate::rotations::deliveries;

/// What lets deliveries in.
#[derive(Default)]
pub(super) struct Key {
    /// As it is kept.
    pub(super) sealed: Option<Vec<u8>>,
    /// Where it was made here, to be told this once.
    pub(super) new: Option<PlainToken>,
}

/// What lets the delivery in: what is given, or what is there for the same receiver, or a new one for a webhook.
pub(super) fn key_of(
    authority: &Authority,
    id: RotationPolicyId,
    change: &DeliveryChange,
    before: Option<&PolicyRow>,
) -> Result<Key, Fault> {
    let (delivery, needed) = (&change.delivery, change.delivery.kind().needs_secret());
    let seal = |secret: &str| Some(authority.keys().seal(PURPOSE, id.0.as_bytes(), secret.as_bytes()));
    if let Some(secret) = &change.secret {
        if !needed {
            return Err(Fault::field("delivery.secret", "is of no use for this kind of delivery"));
        }
        deliveries::admits_secret(delivery, secret)
            .map_err(|detail| Fault::field("delivery.secret", detail))?;
        return Ok(Key { sealed: seal(secret), new: None });
    }
    if !needed {
        return Ok(Key::default());
    }
    // It was given for one receiver, and is shown to no other.
    let same = |row: &&PolicyRow| row.terms.delivery.as_ref().is_some_and(|old| old.same_receiver(delivery));
    if let Some(kept) = before.filter(same).and_then(|row| row.sealed_secret.clone()) {
        return Ok(Key { sealed: Some(kept), new: None });
    }
    let new = deliveries::new_secret(delivery);
    let new = new.ok_or_else(|| Fault::field("delivery.secret", "is needed for this receiver"))?;
    Ok(Key { sealed: seal(new.reveal()), new: Some(new) })
}
