//! Sealing private halves anew, under the first of the master keys.

use keywright_core::Timestamp;
use keywright_store::{Tx, signing_keys};

use super::PURPOSE;
use crate::authority::Authority;
use crate::fault::Fault;

/// Most keys that are kept at a time.
const LIMIT: u32 = 1_000;

/// Seals every private half anew under the first master key, in a change that has begun and holds the keys.
/// Tells how many.
pub(crate) async fn reseal(authority: &Authority, tx: &mut Tx) -> Result<u64, Fault> {
    let mut sealed_anew = 0;
    let mut after: Option<(Timestamp, _)> = None;
    loop {
        let rows = signing_keys::list(tx.conn(), after, LIMIT).await?;
        let Some(last) = rows.last() else { break };
        after = Some((last.created_at, last.id));
        for row in &rows {
            let Some(sealed) = &row.sealed_key else { continue };
            let keys = authority.keys();
            let private = keys
                .open(PURPOSE, row.id.0.as_bytes(), sealed)
                .map_err(|error| Fault::Internal(format!("signing key {}: {error}", row.id)))?;
            let anew = keys.seal(PURPOSE, row.id.0.as_bytes(), &private);
            sealed_anew += u64::from(signing_keys::reseal(tx.conn(), row.id, sealed, &anew).await?);
        }
    }
    Ok(sealed_anew)
}
