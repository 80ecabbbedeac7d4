//! Leases of jobs: work that one node does at a time, in short transactions.

use std::time::Duration;

use keywright_store::{Tx, leases};

use crate::authority::Authority;
use crate::fault::Fault;

/// Who does not come back for so long has died; another node takes over.
const TTL: Duration = Duration::from_mins(2);

/// A job's work, held by this node.
#[derive(Debug)]
pub(crate) struct Lease {
    name: &'static str,
    fencing: u64,
}

impl Lease {
    /// Takes it; `None` while another node has it.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn take(authority: &Authority, name: &'static str) -> Result<Option<Self>, Fault> {
        let mut tx = authority.store().begin().await?;
        let (node, now) = (authority.node(), authority.now());
        let fencing = leases::acquire(tx.conn(), name, node, now, TTL).await?;
        tx.commit().await?;
        Ok(fencing.map(|fencing| Self { name, fencing }))
    }

    /// Begins a transaction in which it is held, and so for a while longer. `None` for who has lost it in the
    /// meantime, and does nothing more.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn begin(&self, authority: &Authority) -> Result<Option<Tx>, Fault> {
        let mut tx = authority.store().begin().await?;
        let (node, now) = (authority.node(), authority.now());
        if leases::acquire(tx.conn(), self.name, node, now, TTL).await?.is_none() {
            tx.rollback().await;
            return Ok(None);
        }
        Ok(Some(tx))
    }

    /// Gives it back.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn release(self, authority: &Authority) -> Result<(), Fault> {
        let mut tx = authority.store().begin().await?;
        leases::release(tx.conn(), self.name, authority.node(), self.fencing).await?;
        tx.commit().await?;
        Ok(())
    }
}
