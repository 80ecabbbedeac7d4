//! How a change begins and ends: the actor and the target read again and held; commit, invalidation,
//! and the word to the other nodes.

use std::future::Future;

use keywright_core::id::ChangeId;
use keywright_core::{
    ActorRef, Bearing, CredentialId, DenialCode, Epochs, Facts, PublisherId, ScopeSet, ServiceAccountId,
    Timestamp, decide,
};
use keywright_store::service_tokens::{self, ServiceTokenRow};
use keywright_store::{CommitError, Tx, grants, nodes, notify, platform};
use keywright_verify::Loaded;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::authority::Authority;
use crate::call::{Bounded, Call, Grantor, Needs};
use crate::fault::Fault;
use crate::idempotency::Made;
use crate::nodes::{Confirmations, Message};

/// What a change makes wrong in the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Nothing: something new was made, or nothing that a decision depends on was altered.
    None,
    /// Whatever depends on these: credentials, sessions, users, accounts, publishers, roles.
    Of(Vec<Uuid>),
    /// Numbers were raised: all of a kind that was minted before is revoked; the spared one has been given
    /// the new number.
    Raised {
        /// The numbers in force from now on; 0 for those that were not raised.
        epochs: Epochs,
        /// The credential that was spared.
        spared: Option<CredentialId>,
    },
    /// The same, and whatever depends on these.
    RaisedWith {
        /// The numbers in force from now on; 0 for those that were not raised.
        epochs: Epochs,
        /// The credential that was spared.
        spared: Option<CredentialId>,
        /// What else was changed.
        ids: Vec<Uuid>,
    },
}

impl Invalidation {
    /// Of one credential.
    pub fn of(id: CredentialId) -> Self {
        Self::Of(vec![id.0])
    }

    /// Raised numbers, and whatever depends on these.
    pub(crate) fn with(self, more: impl IntoIterator<Item = Uuid>) -> Self {
        let ids: Vec<_> = more.into_iter().collect();
        match self {
            Self::Raised { epochs, spared } if !ids.is_empty() => Self::RaisedWith { epochs, spared, ids },
            other => other,
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::None => true,
            Self::Of(ids) => ids.is_empty(),
            Self::Raised { .. } | Self::RaisedWith { .. } => false,
        }
    }
}

/// A change under way. Dropping it leaves everything as it was.
///
/// The epochs, the actor and what it is about are held until it ends
/// ([`keywright_store::Store::begin_change`]).
pub(crate) struct Change {
    /// The transaction.
    pub(crate) tx: Tx,
    /// The actor.
    pub(crate) grantor: Grantor,
    /// The service token that is to be changed, if it is about one that exists.
    pub(crate) target: Option<ServiceTokenRow>,
    /// The moment of the change: after all locks were waited for, so that whoever has expired in the
    /// meantime changes nothing.
    pub(crate) now: Timestamp,
}

impl Change {
    /// Begins a change that makes something new, and depends on nothing but its actor.
    pub(crate) async fn begin(authority: &Authority, call: &Call, needs: &Needs) -> Result<Self, Fault> {
        Self::begin_with(authority, call, needs, &[], &[]).await
    }

    /// Begins a change of a service token, which is looked for `within` a publisher, and for whose sake nobody
    /// else changes, or takes a place of, an `account`.
    pub(crate) async fn begin_of(
        authority: &Authority,
        call: &Call,
        needs: &Needs,
        within: Option<PublisherId>,
        target: CredentialId,
        account: Option<ServiceAccountId>,
    ) -> Result<Self, Fault> {
        let changes: Vec<_> = [Some(target.0), account.map(|id| id.0)].into_iter().flatten().collect();
        let mut tx = authority.store().begin_change(&held_by(call, &[]), &changes).await?;
        let target = service_tokens::lock_for_change(tx.conn(), within, target).await?;
        let (grantor, now) = authorize(authority, call, &mut tx, needs).await?;
        Ok(Self { tx, grantor, target, now })
    }

    /// Begins a change by the actor of `call`, who is read again inside the transaction and must have what it
    /// `needs`: whoever was revoked, demoted or switched off a moment ago cannot finish what they began.
    /// Until it ends nobody changes what it `reads`, and nobody reads or changes what it `changes`.
    pub(crate) async fn begin_with(
        authority: &Authority,
        call: &Call,
        needs: &Needs,
        reads: &[Uuid],
        changes: &[Uuid],
    ) -> Result<Self, Fault> {
        let mut tx = authority.store().begin_change(&held_by(call, reads), changes).await?;
        let (grantor, now) = authorize(authority, call, &mut tx, needs).await?;
        Ok(Self { tx, grantor, target: None, now })
    }

    /// Ends a change that makes something: commits what is new. Everything else is rolled back at once and
    /// not by a drop: the idempotency key is free for the next try when this one is answered.
    pub(crate) async fn finish<T>(
        self,
        authority: &Authority,
        call: &Call,
        outcome: Result<Made<T>, Fault>,
        invalidation: Invalidation,
    ) -> Result<Made<T>, Fault> {
        match outcome {
            Ok(made) if !made.repeated => {
                authority.commit(self.tx, invalidation, call.confirm).await?;
                Ok(made)
            }
            outcome => {
                self.tx.rollback().await;
                outcome
            }
        }
    }
}

/// Begins a change that ends what was minted within a reach, and gives the number that does so. It comes first,
/// as the epochs come first in every change; it keeps all other changes out, so that nothing else need be held.
pub(crate) async fn begin_ending(
    authority: &Authority,
    call: &Call,
    needs: &Needs,
) -> Result<(Tx, Grantor, Timestamp, u64), Fault> {
    let mut tx = authority.store().begin().await?;
    let epoch = platform::next_epoch(tx.conn()).await?;
    let (grantor, now) = authorize(authority, call, &mut tx, needs).await?;
    Ok((tx, grantor, now, epoch))
}

/// What a change by this actor reads, and so holds.
pub(crate) fn held_by(call: &Call, reads: &[Uuid]) -> Vec<Uuid> {
    let actor = call.actor.bearing().map(Bearing::holds).unwrap_or_default();
    actor.into_iter().chain(reads.iter().copied()).collect()
}

/// Reads the actor again, and judges it as it is at this moment.
pub(crate) async fn authorize(
    authority: &Authority,
    call: &Call,
    tx: &mut Tx,
    needs: &Needs,
) -> Result<(Grantor, Timestamp), Fault> {
    let Some(bearing) = call.actor.bearing() else {
        let epochs = platform::epochs(tx.conn()).await?;
        let grantor = Grantor {
            actor: ActorRef::operator(),
            permissions: ScopeSet::all(),
            home: None,
            epochs,
            bounded: None,
        };
        return Ok((grantor, authority.now()));
    };
    let held = grants::load(tx.conn(), &bearing.wanted).await?;
    let now = authority.now();
    Ok((judge(bearing, held, needs, now)?, now))
}

/// Judges the actor as it was read.
pub(crate) fn judge(
    bearing: &Bearing,
    held: Option<Loaded>,
    needs: &Needs,
    now: Timestamp,
) -> Result<Grantor, Fault> {
    let Loaded { grant, epochs } = held.ok_or_else(|| Fault::Denied(DenialCode::NotFound.into()))?;
    let facts = Facts { now, address: bearing.address };
    decide(&grant, bearing.claimed.as_ref(), epochs, &needs.requirements, facts)?;
    // Who was of the platform a moment ago, and now acts by a role within a publisher, has no part in this.
    if grant.publisher() != bearing.wanted.publisher() {
        return Err(Fault::Denied(DenialCode::WrongPublisher.into()));
    }
    needs.accept(bearing.home)?;
    let permissions = grant.effective(bearing.claimed.as_ref()).into_owned();
    let bounded = Bounded::of(&grant, bearing);
    Ok(Grantor { actor: bearing.principal.clone(), permissions, home: bearing.home, epochs, bounded })
}

/// Ids told in one message, which PostgreSQL limits to 8,000 bytes.
pub(crate) const TOLD_AT_ONCE: usize = 200;
/// More ids than these are told as a flush.
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
            Invalidation::Of(ids) if ids.len() > MAX_TOLD => vec![Message::Flush { change }],
            Invalidation::Of(ids) => {
                let slices = ids.chunks(TOLD_AT_ONCE);
                let last = slices.len().saturating_sub(1);
                slices
                    .enumerate()
                    .map(|(number, slice)| Message::Invalidate {
                        // They come in order: who has heard the last one has heard them all.
                        change: change.filter(|_| number == last),
                        ids: slice.to_vec(),
                    })
                    .collect()
            }
            Invalidation::Raised { epochs, spared } => {
                vec![Message::Raised { change, epochs: *epochs, spared: *spared }]
            }
            Invalidation::RaisedWith { epochs, spared, ids } => vec![
                Message::Invalidate { change: None, ids: ids.clone() },
                Message::Raised { change, epochs: *epochs, spared: *spared },
            ],
        }
    }

    /// Nobody knows whether the change was made: what it may have altered is asked for again. An
    /// epoch that may not have been raised must not be believed, or all that lives under the one in
    /// force would be refused here for good.
    fn doubt(&self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::Raised { .. } | Invalidation::RaisedWith { .. } => {
                self.verifier().invalidate_everything();
            }
            Invalidation::None | Invalidation::Of(_) => self.obey(invalidation),
        }
    }

    /// Applies a change to this node's cache.
    pub(crate) fn obey(&self, invalidation: &Invalidation) {
        let verifier = self.verifier();
        match invalidation {
            Invalidation::None => {}
            Invalidation::Of(ids) => verifier.invalidate(ids.iter().copied()),
            Invalidation::Raised { epochs, spared } => {
                // First the spared one is to be asked for again, then the epoch: the other way round
                // it would be refused for a moment.
                verifier.invalidate(spared.iter().map(|id| id.0));
                verifier.raise_epochs(*epochs);
            }
            Invalidation::RaisedWith { epochs, spared, ids } => {
                verifier.invalidate(spared.iter().map(|id| id.0).chain(ids.iter().copied()));
                verifier.raise_epochs(*epochs);
            }
        }
    }
}
