//! Looking at rotations: how each came to where it is, and who still presents the old secret.

use keywright_core::{PublisherId, RotationId};
use keywright_store::rotations::{self, Caller, ListFilter, RotationRow, StepRow};
use keywright_store::{Conn, StoreError};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::maintenance_windows::READ;

/// Most who are told to present the old secret.
const MAX_CALLERS: u32 = 100;

/// A rotation, with all that is known of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it stands.
    pub row: RotationRow,
    /// How it came there.
    pub steps: Vec<StepRow>,
    /// Who presented the old secret since there was a new one.
    pub callers: Vec<Caller>,
}

impl Told {
    pub(super) async fn read(
        authority: &Authority,
        within: Option<PublisherId>,
        id: RotationId,
    ) -> Result<Self, Fault> {
        let mut reader = authority.store().read().await?;
        let row = rotations::by_id(reader.conn(), within, id).await?.ok_or(Fault::NotFound)?;
        let steps = rotations::steps(reader.conn(), id).await?;
        let callers = callers_since(reader.conn(), &row, &steps).await?;
        Ok(Self { row, steps, callers })
    }
}

/// Who presented the old secret since there was a new one.
pub(super) async fn callers(mut conn: Conn<'_>, row: &RotationRow) -> Result<Vec<Caller>, StoreError> {
    let steps = rotations::steps(conn.reborrow(), row.id).await?;
    callers_since(conn, row, &steps).await
}

async fn callers_since(
    conn: Conn<'_>,
    row: &RotationRow,
    steps: &[StepRow],
) -> Result<Vec<Caller>, StoreError> {
    match steps.iter().find(|step| step.kind == "minted") {
        Some(minted) => rotations::callers(conn, row.credential_id, minted.occurred_at, MAX_CALLERS).await,
        None => Ok(Vec::new()),
    }
}

/// One rotation.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: RotationId) -> Result<Told, Fault> {
    call.require(READ)?;
    Told::read(authority, call.within(), id).await
}

/// A page of rotations, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<RotationRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(rotations::list(authority.store().read().await?.conn(), &filter).await?)
}
