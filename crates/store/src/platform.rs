//! The platform's one row: the revocation epochs.

use keywright_core::Epochs;

use crate::conn::{Conn, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::to_u64;

statements! {
    EPOCHS = ["SELECT service_epoch FROM platform WHERE id = 1"];
    EPOCHS_FOR_SHARE = ["SELECT service_epoch FROM platform WHERE id = 1"] + "FOR SHARE";
    RAISE_SERVICE_EPOCH =
        ["UPDATE platform SET service_epoch = service_epoch + 1 WHERE id = 1 RETURNING service_epoch"];
}

fn missing() -> StoreError {
    StoreError::corrupt("the platform's row is missing")
}

/// The epochs in force.
///
/// # Errors
/// As any query.
pub async fn epochs(conn: Conn<'_>) -> Result<Epochs, StoreError> {
    let service = on!(conn, |c| sqlx::query_scalar::<DB, i64>(EPOCHS.text::<DB>()).fetch_optional(c))?;
    Ok(Epochs { service: to_u64(service.ok_or_else(missing)?) })
}

/// The epochs in force, and held until the transaction ends: what is minted under them cannot slip
/// through an emergency that happens at that moment.
///
/// # Errors
/// As any query.
pub async fn epochs_for_share(conn: Conn<'_>) -> Result<Epochs, StoreError> {
    let service =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(EPOCHS_FOR_SHARE.text::<DB>()).fetch_optional(c))?;
    Ok(Epochs { service: to_u64(service.ok_or_else(missing)?) })
}

/// Raises the epoch of service tokens: whatever was minted before is revoked once this commits.
/// Waits for transactions that hold the epochs shared; a transaction that does both calls this
/// first, or two of them would wait for each other.
///
/// # Errors
/// As any query.
pub async fn raise_service_epoch(conn: Conn<'_>) -> Result<u64, StoreError> {
    let raised =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(RAISE_SERVICE_EPOCH.text::<DB>()).fetch_optional(c))?;
    Ok(to_u64(raised.ok_or_else(missing)?))
}
