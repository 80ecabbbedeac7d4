//! How a change ends: commit, invalidation, and the word to the other nodes.

use std::future::Future;

use keywright_core::CredentialId;
use keywright_core::id::ChangeId;
use keywright_store::{CommitError, Tx, notify};

use crate::authority::Authority;
use crate::fault::Fault;
use crate::nodes::{Confirmations, Message};

/// What a change makes wrong in the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Nothing: something new was made, or nothing that a decision depends on was altered.
    None,
    /// These credentials.
    Credentials(Vec<CredentialId>),
    /// All service tokens of an epoch below this one; the spared one has been given the new epoch.
    ServiceEpoch {
        /// The epoch in force from now on.
        epoch: u64,
        /// The credential that was spared.
        spared: Option<CredentialId>,
    },
}

/// Credentials told in one message; more of them are told as a flush.
const MAX_TOLD: usize = 100;

impl Authority {
    /// Runs a change in a task of its own: a client that hangs up drops the answer, and cannot
    /// separate the commit from the invalidation.
    ///
    /// # Errors
    /// Those of the change; [`Fault::Internal`] if it panicked.
    pub async fn carry_out<T, F>(&self, change: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        tokio::spawn(change).await.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
    }

    /// Commits. When this returns, no verification on this node is answered from before the change;
    /// with `confirm`, neither is one on the nodes that are named as confirmed.
    ///
    /// # Errors
    /// As the commit. A commit whose outcome is unknown invalidates too.
    pub async fn commit(
        &self,
        mut tx: Tx,
        invalidation: Invalidation,
        confirm: bool,
    ) -> Result<Confirmations, Fault> {
        let asked = confirm && self.has_peers();
        let change = (asked && invalidation != Invalidation::None).then(|| self.new_change_id());
        let waiting = change.map(|change| self.bulletin().expect(change));
        if let Some(message) = self.message(&invalidation, change) {
            notify::notify(tx.conn(), &message.to_payload()).await?;
        }
        let committed = tx.commit().await;
        if !matches!(committed, Err(CommitError::NotCommitted(_))) {
            self.obey(&invalidation);
        }
        committed?;
        self.seal_wanted().notify_one();
        match waiting {
            Some(waiting) => self.wait_for_nodes(waiting).await,
            None => Ok(Confirmations::only(self.node())),
        }
    }

    fn message(&self, invalidation: &Invalidation, change: Option<ChangeId>) -> Option<Message> {
        if !self.has_peers() {
            return None;
        }
        match invalidation {
            Invalidation::None => None,
            Invalidation::Credentials(ids) if ids.is_empty() => None,
            Invalidation::Credentials(ids) if ids.len() > MAX_TOLD => Some(Message::Flush { change }),
            Invalidation::Credentials(ids) => {
                Some(Message::Invalidate { change, ids: ids.iter().map(|id| id.0).collect() })
            }
            Invalidation::ServiceEpoch { epoch, spared } => {
                Some(Message::ServiceEpoch { change, epoch: *epoch, spared: *spared })
            }
        }
    }

    /// Applies a change to this node's cache.
    pub(crate) fn obey(&self, invalidation: &Invalidation) {
        let verifier = self.verifier();
        match invalidation {
            Invalidation::None => {}
            Invalidation::Credentials(ids) => verifier.invalidate(ids.iter().map(|id| id.0)),
            Invalidation::ServiceEpoch { epoch, spared } => {
                // First the spared one is to be asked for again, then the epoch: the other way round
                // it would be refused for a moment.
                verifier.invalidate(spared.iter().map(|id| id.0));
                verifier.raise_service_epoch(*epoch);
            }
        }
    }
}
