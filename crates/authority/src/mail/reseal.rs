//! Sealing letters that wait anew, under the first of the master keys.

use keywright_store::outbox;
use tracing::warn;
use uuid::Uuid;

use super::PURPOSE;
use crate::authority::Authority;
use crate::fault::Fault;

/// Letters sealed anew in one transaction.
const SLICE: u32 = 200;

/// Seals every letter that waits anew under the first master key. Tells how many. One that is opened by none of
/// the keys is left as it is: it is lost already, and must not keep the others from being saved.
pub(crate) async fn reseal(authority: &Authority) -> Result<u64, Fault> {
    let keys = authority.keys();
    let (mut after, mut sealed_anew) = (Uuid::nil(), 0);
    loop {
        let mut tx = authority.store().begin().await?;
        let rows = outbox::sealed(tx.conn(), after, SLICE).await?;
        let Some((last, _)) = rows.last() else { return Ok(sealed_anew) };
        after = *last;
        for (id, sealed) in &rows {
            let Ok(letter) = keys.open(PURPOSE, id.as_bytes(), sealed) else {
                warn!(%id, "a mail that waits is opened by none of the master keys");
                continue;
            };
            let anew = keys.seal(PURPOSE, id.as_bytes(), &letter);
            sealed_anew += u64::from(outbox::reseal(tx.conn(), *id, sealed, &anew).await?);
        }
        tx.commit().await?;
    }
}
