//! Sealing destinations anew, under the first of the master keys.

use keywright_store::{event_subscriptions, notification_channels};
use tracing::warn;
use uuid::Uuid;

use super::destination::PURPOSE;
use crate::authority::Authority;
use crate::fault::Fault;

/// Destinations sealed anew in one transaction.
const SLICE: u32 = 200;

/// Seals every destination anew under the first master key. Tells how many. One that is opened by none of the keys
/// is left as it is: it is lost already, and must not keep the others from being saved.
pub(crate) async fn reseal(authority: &Authority) -> Result<u64, Fault> {
    Ok(all(authority, Which::Channels).await? + all(authority, Which::Subscriptions).await?)
}

#[derive(Clone, Copy)]
enum Which {
    Channels,
    Subscriptions,
}

async fn all(authority: &Authority, which: Which) -> Result<u64, Fault> {
    let keys = authority.keys();
    let (mut after, mut sealed_anew) = (Uuid::nil(), 0);
    loop {
        let mut tx = authority.store().begin().await?;
        let rows = match which {
            Which::Channels => notification_channels::sealed(tx.conn(), after, SLICE).await?,
            Which::Subscriptions => event_subscriptions::sealed(tx.conn(), after, SLICE).await?,
        };
        let Some((last, _)) = rows.last() else { return Ok(sealed_anew) };
        after = *last;
        for (id, sealed) in &rows {
            let Ok(plain) = keys.open(PURPOSE, id.as_bytes(), sealed) else {
                warn!(%id, "where a channel leads is opened by none of the master keys");
                continue;
            };
            let anew = keys.seal(PURPOSE, id.as_bytes(), &plain);
            let done = match which {
                Which::Channels => notification_channels::reseal(tx.conn(), *id, sealed, &anew).await?,
                Which::Subscriptions => event_subscriptions::reseal(tx.conn(), *id, sealed, &anew).await?,
            };
            sealed_anew += u64::from(done);
        }
        tx.commit().await?;
    }
}
