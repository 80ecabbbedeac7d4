//! How a change begins and ends: the actor and the target read again and held; commit, invalidation,
//! and the word to the other nodes.

use std::future::Future;

use keywright_core::id::ChangeId;
use keywright_core::{
    ActorRef, CredentialId, DenialCode, Epochs, Grant, Requirements, ScopeSet, Timestamp, decide,
};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::{CommitError, Tx, grants, nodes, notify, platform};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::authority::Authority;
use crate::call::{Call, Grantor};
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

impl Invalidation {
    fn is_nothing(&self) -> bool {
        match self {
            Self::None => true,
            Self::Credentials(ids) => ids.is_empty(),
            Self::ServiceEpoch { .. } => false,
        }
    }
}

/// A change under way. Dropping it leaves everything as it was.
///
/// The epochs, the actor and the target are held until it ends ([`keywright_store::Store::begin_change`]).
pub(crate) struct Change {
    /// The transaction.
    pub(crate) tx: Tx,
    /// The actor.
    pub(crate) grantor: Grantor,
    /// What is to be changed, if it exists.
    pub(crate) target: Option<ServiceTokenRow>,
    /// The moment of the change: after all locks were waited for, so that whoever has expired in the
    /// meantime changes nothing.
    pub(crate) now: Timestamp,
}

impl Change {
    /// Begins a change of `target` by the actor of `call`, who is read again inside the transaction
    /// and must carry what is `wanted`: whoever was revoked, demoted or switched off a moment ago
    /// cannot finish what they began.
    pub(crate) async fn begin(
        authority: &Authority,
        call: &Call,
        wanted: &Requirements,
        target: Option<CredentialId>,
    ) -> Result<Self, Fault> {
        let actor = call.actor.credential_id();
        let mut tx = authority.store().begin_change(&ids(actor), &ids(target)).await?;
        let target = match target {
            Some(target) => service_tokens::lock_for_change(tx.conn(), target).await?,
            None => None,
        };
        let Some(actor) = actor else {
            let epochs = platform::epochs(tx.conn()).await?;
            let grantor = Grantor { actor: ActorRef::operator(), permissions: ScopeSet::all(), epochs };
            return Ok(Self { tx, grantor, target, now: authority.now() });
        };
        let held = grants::by_id(tx.conn(), actor).await?;
        let now = authority.now();
        let grantor = judge(call, held, |epochs| epochs, wanted, now)?;
        Ok(Self { tx, grantor, target, now })
    }
}

pub(crate) fn ids(of: Option<CredentialId>) -> Vec<Uuid> {
    of.into_iter().map(|id| id.0).collect()
}

/// Judges the actor as it is now.
pub(crate) fn judge(
    call: &Call,
    held: Option<(Grant, Epochs)>,
    in_force: impl FnOnce(Epochs) -> Epochs,
    wanted: &Requirements,
    now: Timestamp,
) -> Result<Grantor, Fault> {
    let (grant, epochs) = held.ok_or_else(|| Fault::Denied(DenialCode::NotFound.into()))?;
    decide(&grant, in_force(epochs), wanted, now)?;
    Ok(Grantor { actor: call.actor.to_ref(), permissions: grant.scopes, epochs })
}

/// Credentials told in one message, which PostgreSQL limits to 8,000 bytes.
pub(crate) const TOLD_AT_ONCE: usize = 200;
/// More credentials than these are told as a flush.
const MAX_TOLD: usize = 10 * TOLD_AT_ONCE;

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
        tokio::spawn(change.in_current_span())
            .await
            .unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
    }

    /// Commits. When this returns, no verification on this node is answered from before the change;
    /// with `confirm`, neither is one on the nodes that are named as confirmed.
    ///
    /// # Errors
    /// As the commit. A commit whose outcome is unknown invalidates too.
    pub async fn commit(
        &self,
        tx: Tx,
        invalidation: Invalidation,
        confirm: bool,
    ) -> Result<Confirmations, Fault> {
        // Boxed, so that the futures of all changes stay small.
        Box::pin(self.commit_and_tell(tx, invalidation, confirm)).await
    }

    async fn commit_and_tell(
        &self,
        mut tx: Tx,
        invalidation: Invalidation,
        confirm: bool,
    ) -> Result<Confirmations, Fault> {
        let asked = confirm && self.has_peers() && !invalidation.is_nothing();
        let change = asked.then(|| self.new_change_id());
        let waiting = change.map(|change| self.bulletin().expect(change));
        for message in self.messages(&invalidation, change) {
            notify::notify(tx.conn(), &message.to_payload()).await?;
        }
        // Known before, in case that the store goes away right after the commit.
        let known = if asked { nodes::live(tx.conn(), self.silent_since()).await? } else { Vec::new() };
        let committed = tx.commit().await;
        match &committed {
            Ok(()) => self.obey(&invalidation),
            Err(CommitError::OutcomeUnknown(_)) => self.doubt(&invalidation),
            Err(CommitError::NotCommitted(_)) => {}
        }
        committed?;
        self.seal_wanted().notify_one();
        match waiting {
            Some(waiting) => Ok(self.wait_for_nodes(waiting, known).await),
            None => Ok(Confirmations::only(self.node())),
        }
    }

    fn messages(&self, invalidation: &Invalidation, change: Option<ChangeId>) -> Vec<Message> {
        if !self.has_peers() {
            return Vec::new();
        }
        match invalidation {
            Invalidation::None => Vec::new(),
            Invalidation::Credentials(ids) if ids.len() > MAX_TOLD => vec![Message::Flush { change }],
            Invalidation::Credentials(ids) => {
                let slices = ids.chunks(TOLD_AT_ONCE);
                let last = slices.len().saturating_sub(1);
                slices
                    .enumerate()
                    .map(|(number, slice)| Message::Invalidate {
                        // They come in order: who has heard the last one has heard them all.
                        change: change.filter(|_| number == last),
                        ids: slice.iter().map(|id| id.0).collect(),
                    })
                    .collect()
            }
            Invalidation::ServiceEpoch { epoch, spared } => {
                vec![Message::ServiceEpoch { change, epoch: *epoch, spared: *spared }]
            }
        }
    }

    /// Nobody knows whether the change was made: what it may have altered is asked for again. An
    /// epoch that may not have been raised must not be believed, or all that lives under the one in
    /// force would be refused here for good.
    fn doubt(&self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::ServiceEpoch { .. } => self.verifier().invalidate_everything(),
            Invalidation::None | Invalidation::Credentials(_) => self.obey(invalidation),
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
