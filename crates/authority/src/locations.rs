//! From where a credential was used, from roll-ups alone.

use keywright_core::{CredentialId, Timestamp};
use keywright_store::usage::{self, PlaceCount};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::{limits, service_tokens};

/// Countries, and networks, that are told.
const MOST: u32 = 250;

/// From where a credential was used, what was seen most first.
#[derive(Clone, Debug)]
pub struct Locations {
    /// Of countries.
    pub countries: Vec<PlaceCount>,
    /// Of networks, where the database of places has them.
    pub networks: Vec<PlaceCount>,
}

/// From where a service token was used in the last `days` days, or as long as usage is kept.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn of_service_token(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    days: Option<u32>,
) -> Result<Locations, Fault> {
    service_tokens::get(authority, call, id).await?;
    of_credential(authority, id, days).await
}

/// The same of one of the caller's own personal tokens.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::NotFound`].
pub async fn of_own_token(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    days: Option<u32>,
) -> Result<Locations, Fault> {
    limits::of_own_token(authority, call, id).await?;
    of_credential(authority, id, days).await
}

async fn of_credential(
    authority: &Authority,
    id: CredentialId,
    days: Option<u32>,
) -> Result<Locations, Fault> {
    let first = |days: u32| authority.now().start_of_day().plus_days(1 - i64::from(days));
    let since = days.map_or(Timestamp::EPOCH, first);
    let mut reader = authority.store().read().await?;
    let countries = usage::places(reader.conn(), id, since, usage::COUNTRY, MOST).await?;
    let networks = usage::places(reader.conn(), id, since, usage::NETWORK, MOST).await?;
    Ok(Locations { countries, networks })
}
