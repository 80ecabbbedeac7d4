//! The platform's one row: the counter of epochs, the epochs in force, the version of the signing keys.

use keywright_core::Epochs;

use crate::conn::{Conn, call, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::holds::LOCK_EPOCHS;
use crate::types::{to_i64, to_u64};

/// The columns of an [`EpochRow`], of the platform's row `p`.
macro_rules! epoch_columns {
    () => {
        "p.service_epoch, p.session_epoch AS platform_session_epoch, \
         p.personal_epoch AS platform_personal_epoch, p.epoch_counter, p.keys_version"
    };
}
pub(crate) use epoch_columns;

#[derive(sqlx::FromRow)]
pub(crate) struct EpochRow {
    pub(crate) service_epoch: i64,
    pub(crate) platform_session_epoch: i64,
    pub(crate) platform_personal_epoch: i64,
    pub(crate) epoch_counter: i64,
    pub(crate) keys_version: i64,
}

statements! {
    EPOCHS = ["SELECT ", epoch_columns!(), " FROM platform p WHERE p.id = 1"];
    NEXT_EPOCH =
        ["UPDATE platform SET epoch_counter = epoch_counter + 1 WHERE id = 1 RETURNING epoch_counter"];
    RAISE = [
        "UPDATE platform SET service_epoch = CASE WHEN $2 THEN $1 ELSE service_epoch END, \
         session_epoch = CASE WHEN $3 THEN $1 ELSE session_epoch END, \
         personal_epoch = CASE WHEN $4 THEN $1 ELSE personal_epoch END WHERE id = 1"
    ];
    RAISE_KEYS = ["UPDATE platform SET keys_version = keys_version + 1 WHERE id = 1 RETURNING keys_version"];
}

fn missing() -> StoreError {
    StoreError::corrupt("the platform's row is missing")
}

/// The epochs in force.
///
/// # Errors
/// As any query.
pub async fn epochs(conn: Conn<'_>) -> Result<Epochs, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, EpochRow>(EPOCHS.text::<DB>()).fetch_optional(c))?;
    Ok(row.ok_or_else(missing)?.into())
}

/// Gives the next number of the counter: whatever was minted before keeps a lower one. Waits for the
/// transactions that hold the epochs ([`crate::Store::begin_change`]), and those that come later wait for
/// it. It goes first in its transaction, as they take the epochs first.
///
/// # Errors
/// As any query.
pub async fn next_epoch(mut conn: Conn<'_>) -> Result<u64, StoreError> {
    if let Conn::Postgres(link) = conn.reborrow() {
        call!(link, |c| sqlx::query(LOCK_EPOCHS).execute(c))?;
    }
    let next = on!(conn, |c| sqlx::query_scalar::<DB, i64>(NEXT_EPOCH.text::<DB>()).fetch_optional(c))?;
    Ok(to_u64(next.ok_or_else(missing)?))
}

/// What an emergency over the whole platform reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Service tokens.
    pub service: bool,
    /// Sessions.
    pub session: bool,
    /// Personal tokens.
    pub personal: bool,
}

/// Raises the platform's epochs to the number that [`next_epoch`] gave: everything `reached` that was minted
/// before is revoked once this commits.
///
/// # Errors
/// As any query.
pub async fn raise(conn: Conn<'_>, epoch: u64, reached: Reached) -> Result<(), StoreError> {
    change!(conn, RAISE; to_i64(epoch), reached.service, reached.session, reached.personal)?;
    Ok(())
}

/// The signing keys change in this transaction: every node reads them again.
///
/// # Errors
/// As any query.
pub async fn raise_keys_version(conn: Conn<'_>) -> Result<u64, StoreError> {
    let raised = on!(conn, |c| sqlx::query_scalar::<DB, i64>(RAISE_KEYS.text::<DB>()).fetch_optional(c))?;
    Ok(to_u64(raised.ok_or_else(missing)?))
}
