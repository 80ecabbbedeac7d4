//! Pages of an export. Each is a use of the right to read: whoever lost it meanwhile gets no further.

use keywright_store::authentication_events::{AuthenticationEventFilter, AuthenticationEventRow};
use keywright_store::security_events::{self, EventFilter, SecurityEventRow};
use keywright_store::{Conn, grants};

use super::{READ, read_authentication, read_security};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::judge;
use crate::fault::Fault;

/// A security event with what seals the one before it in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The event.
    pub row: SecurityEventRow,
    /// The MAC of its predecessor; `None` for the first, and for what is not sealed.
    pub previous_mac: Option<Vec<u8>>,
}

/// The next page of an export of security events.
///
/// # Errors
/// [`Fault::Denied`] when the caller may not read them, or not any more.
pub async fn export_security(
    authority: &Authority,
    call: &Call,
    filter: &EventFilter,
) -> Result<Vec<Linked>, Fault> {
    let mut reader = authority.store().read().await?;
    still_reads(authority, reader.conn(), call).await?;
    let rows = read_security(reader.conn(), call, filter).await?;
    let before =
        rows.iter().filter_map(|row| row.seq).map(|seq| seq.saturating_sub(1)).filter(|seq| *seq > 0);
    let macs = security_events::macs(reader.conn(), before).await?;
    let link = |row: SecurityEventRow| {
        let previous_mac = row.seq.and_then(|seq| macs.get(&(seq.saturating_sub(1))).cloned());
        Linked { row, previous_mac }
    };
    Ok(rows.into_iter().map(link).collect())
}

/// The next page of an export of authentication events.
///
/// # Errors
/// [`Fault::Denied`] when the caller may not read them, or not any more.
pub async fn export_authentication(
    authority: &Authority,
    call: &Call,
    filter: &AuthenticationEventFilter,
) -> Result<Vec<AuthenticationEventRow>, Fault> {
    let mut reader = authority.store().read().await?;
    still_reads(authority, reader.conn(), call).await?;
    Ok(read_authentication(reader.conn(), call, filter).await?)
}

/// What the door saw a moment ago may be long ago by the time of the thousandth page.
async fn still_reads(authority: &Authority, conn: Conn<'_>, call: &Call) -> Result<(), Fault> {
    call.require(READ)?;
    if let Some(bearing) = call.actor.bearing() {
        let held = grants::load(conn, &bearing.wanted).await?;
        judge(bearing, held, &needs(READ)?, authority.now())?;
    }
    Ok(())
}
