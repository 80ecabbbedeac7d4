//! The platform's one row: the revocation epochs.

use keywright_core::Epochs;

use crate::conn::{Conn, call, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::holds::LOCK_EPOCHS;
use crate::types::to_u64;

statements! {
    EPOCHS = ["SELECT service_epoch FROM platform WHERE id = 1"];
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

/// Raises the epoch of service tokens: whatever was minted before is revoked once this commits.
/// Waits for the transactions that hold the epochs ([`crate::Store::begin_change`]), and those that
/// come later wait for it. It goes first in its transaction, as they take the epochs first.
///
/// # Errors
/// As any query.
pub async fn raise_service_epoch(mut conn: Conn<'_>) -> Result<u64, StoreError> {
    if let Conn::Postgres(link) = conn.reborrow() {
        call!(link, |c| sqlx::query(LOCK_EPOCHS).execute(c))?;
    }
    let raised =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(RAISE_SERVICE_EPOCH.text::<DB>()).fetch_optional(c))?;
    Ok(to_u64(raised.ok_or_else(missing)?))
}
