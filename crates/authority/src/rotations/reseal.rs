//! Sealing what is under way, and what lets deliveries in, anew under the first of the master keys.

use keywright_store::{rotation_policies, rotations};
use tracing::warn;
use uuid::Uuid;

use super::PURPOSE;
use crate::authority::Authority;
use crate::fault::Fault;
use crate::rotation_policies as policies;

/// Rows sealed anew in one transaction.
const SLICE: u32 = 200;

/// Seals all of it anew; tells how many. What is opened by none of the keys is left as it is: it is lost already,
/// and must not keep the others from being saved.
pub(crate) async fn reseal(authority: &Authority) -> Result<u64, Fault> {
    Ok(reseal_new_secrets(authority).await? + reseal_keys_of_deliveries(authority).await?)
}

async fn reseal_new_secrets(authority: &Authority) -> Result<u64, Fault> {
    let (mut after, mut sealed_anew) = (Uuid::nil(), 0);
    loop {
        let mut tx = authority.store().begin().await?;
        let rows = rotations::sealed(tx.conn(), after, SLICE).await?;
        let Some((last, _)) = rows.last() else { return Ok(sealed_anew) };
        after = *last;
        for (id, sealed) in &rows {
            let Some(anew) = anew(authority, PURPOSE, *id, sealed) else { continue };
            sealed_anew += u64::from(rotations::reseal(tx.conn(), *id, sealed, &anew).await?);
        }
        tx.commit().await?;
    }
}

async fn reseal_keys_of_deliveries(authority: &Authority) -> Result<u64, Fault> {
    let (mut after, mut sealed_anew) = (Uuid::nil(), 0);
    loop {
        let mut tx = authority.store().begin().await?;
        let rows = rotation_policies::sealed(tx.conn(), after, SLICE).await?;
        let Some((last, _)) = rows.last() else { return Ok(sealed_anew) };
        after = *last;
        for (id, sealed) in &rows {
            let Some(anew) = anew(authority, policies::PURPOSE, *id, sealed) else { continue };
            sealed_anew += u64::from(rotation_policies::reseal(tx.conn(), *id, sealed, &anew).await?);
        }
        tx.commit().await?;
    }
}

fn anew(authority: &Authority, purpose: &str, id: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
    let keys = authority.keys();
    if let Ok(plain) = keys.open(purpose, id.as_bytes(), sealed) {
        return Some(keys.seal(purpose, id.as_bytes(), &plain));
    }
    warn!(%id, purpose, "a sealed secret is opened by none of the master keys");
    None
}
