//! On which nodes a change is in force.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use keywright_core::id::ChangeId;
use keywright_core::{NodeId, Timestamp};
use keywright_store::{StoreError, nodes};
use keywright_verify::freshness::MAX_UNCONFIRMED_MICROS;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::authority::Authority;

/// How long a change waits for the other nodes.
const PATIENCE: Duration = Duration::from_secs(2);
/// A node that missed this many microseconds of heartbeats is not waited for. While it may still
/// answer in its grace it is told as pending ([`Authority::live_nodes`]).
const SILENT_MICROS: i64 = 5_000_000;
/// A node that has not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The node.
    pub node: NodeId,
    /// When it will have stopped by itself, at the latest.
    pub stops_by: Timestamp,
}

/// On which nodes a change is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmations {
    /// There, now.
    pub confirmed: Vec<NodeId>,
    /// There, later.
    pub pending: Vec<Pending>,
}

impl Confirmations {
    /// On this node, which is all that was asked.
    pub fn only(node: NodeId) -> Self {
        Self { confirmed: vec![node], pending: Vec::new() }
    }
}

type Heard = Arc<Mutex<HashMap<ChangeId, watch::Sender<BTreeSet<NodeId>>>>>;

/// The confirmations that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Bulletin {
    expected: Heard,
}

/// A change that somebody waits for.
#[derive(Debug)]
pub(crate) struct Waiting {
    change: ChangeId,
    receiver: watch::Receiver<BTreeSet<NodeId>>,
    expected: Heard,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.expected.lock().remove(&self.change);
    }
}

impl Bulletin {
    /// Expects confirmations of a change that is about to be committed.
    pub(crate) fn expect(&self, change: ChangeId) -> Waiting {
        let (sender, receiver) = watch::channel(BTreeSet::new());
        self.expected.lock().insert(change, sender);
        Waiting { change, receiver, expected: Arc::clone(&self.expected) }
    }

    pub(crate) fn confirmed(&self, change: ChangeId, node: NodeId) {
        if let Some(sender) = self.expected.lock().get(&change) {
            sender.send_modify(|nodes| {
                nodes.insert(node);
            });
        }
    }
}

impl Authority {
    /// The nodes that may be answering: those whose heartbeat is recent enough, and those that are cut
    /// off but may still be in their grace.
    ///
    /// # Errors
    /// As the store.
    pub async fn live_nodes(&self) -> Result<Vec<nodes::NodeRow>, StoreError> {
        nodes::live(self.store().read().await?.conn(), self.silent_since()).await
    }

    /// Waits for the nodes that can be expected to answer; those that fell silent are pending at once.
    /// `known`: the live nodes just before the commit, in case that the store is away since: that does
    /// not undo the change, and must not hide a node.
    pub(crate) async fn wait_for_nodes(
        &self,
        mut waiting: Waiting,
        known: Vec<nodes::NodeRow>,
    ) -> Confirmations {
        let committed_by = self.now();
        let mut live = self.live_nodes().await.unwrap_or(known);
        live.retain(|row| row.id != self.node());
        let beating = committed_by.plus_micros(-SILENT_MICROS);
        let awaited: BTreeSet<NodeId> =
            live.iter().filter(|row| row.last_beat_at >= beating).map(|row| row.id).collect();
        let all = waiting.receiver.wait_for(|confirmed| awaited.is_subset(confirmed));
        let _ = tokio::time::timeout(PATIENCE, all).await;
        let heard = waiting.receiver.borrow().clone();
        // Whatever a node has loaded, or has heard confirmed, later than the commit knows of the change.
        let stops_by = committed_by.plus_micros(self.grace_micros().max(MAX_UNCONFIRMED_MICROS));
        let pending = live.iter().filter(|row| !heard.contains(&row.id));
        let pending = pending.map(|row| Pending { node: row.id, stops_by }).collect();
        let mut confirmed = vec![self.node()];
        confirmed.extend(heard.into_iter().filter(|id| *id != self.node()));
        Confirmations { confirmed, pending }
    }

    fn grace_micros(&self) -> i64 {
        i64::try_from(self.settings().stale_grace.as_micros()).unwrap_or(i64::MAX)
    }

    /// A node that was not heard of since then has stopped answering from what it knew.
    pub(crate) fn silent_since(&self) -> Timestamp {
        self.now().plus_micros(-self.grace_micros().max(SILENT_MICROS))
    }
}
