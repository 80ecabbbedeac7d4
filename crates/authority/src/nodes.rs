//! The other nodes: what they are told, and that they have heard it (verification.md, Invalidation).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use keywright_core::id::ChangeId;
use keywright_core::{CredentialId, NodeId, Timestamp};
use keywright_store::{StoreError, nodes, notify};
use keywright_verify::clock::boot_micros;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};
use uuid::Uuid;

use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// Between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a change waits for the other nodes.
const PATIENCE: Duration = Duration::from_secs(2);
/// A node that missed this many microseconds of heartbeats takes no part any more; one that is cut
/// off but may still answer in its grace is waited for longer ([`Authority::live_nodes`]).
const SILENT_MICROS: i64 = 5_000_000;
/// A listening connection on which not even our own heartbeat arrives is given up after this long.
const DEAF: Duration = Duration::from_secs(3);
/// Nodes that fell silent are forgotten after a week.
const FORGET_DAYS: i64 = 7;

/// What nodes tell each other: ids only, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// These were changed.
    Invalidate {
        /// To be confirmed.
        change: Option<ChangeId>,
        /// What was changed.
        ids: Vec<Uuid>,
    },
    /// The epoch of service tokens was raised.
    ServiceEpoch {
        /// To be confirmed.
        change: Option<ChangeId>,
        /// The epoch in force.
        epoch: u64,
        /// The credential that was spared.
        spared: Option<CredentialId>,
    },
    /// Anything may have been changed.
    Flush {
        /// To be confirmed.
        change: Option<ChangeId>,
    },
    /// A heartbeat.
    Beat {
        /// Of this node.
        node: NodeId,
        /// Sent at this moment of its boot-time clock.
        sent_at: i64,
    },
    /// A change is in force on this node.
    Confirm {
        /// The node.
        node: NodeId,
        /// The change.
        change: ChangeId,
    },
}

impl Message {
    /// As it goes through the channel.
    pub fn to_payload(&self) -> String {
        let change = |change: &Option<ChangeId>| change.map_or("-".to_owned(), |change| change.to_string());
        match self {
            Self::Invalidate { change: c, ids } => {
                let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
                format!("i {} {}", change(c), ids.join(","))
            }
            Self::ServiceEpoch { change: c, epoch, spared } => {
                format!("e {} {epoch} {}", change(c), spared.map_or("-".to_owned(), |id| id.to_string()))
            }
            Self::Flush { change: c } => format!("f {}", change(c)),
            Self::Beat { node, sent_at } => format!("h {node} {sent_at}"),
            Self::Confirm { node, change } => format!("c {node} {change}"),
        }
    }

    /// Reads a payload. What cannot be read may mean anything: it flushes everything.
    pub fn from_payload(payload: &str) -> Self {
        Self::parse(payload).unwrap_or(Self::Flush { change: None })
    }

    fn parse(payload: &str) -> Option<Self> {
        fn optional<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
            if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
        }
        let mut words = payload.split(' ');
        let message = match words.next()? {
            "i" => Self::Invalidate {
                change: optional(words.next()?)?,
                ids: words.next()?.split(',').map(|id| id.parse().ok()).collect::<Option<_>>()?,
            },
            "e" => Self::ServiceEpoch {
                change: optional(words.next()?)?,
                epoch: words.next()?.parse().ok()?,
                spared: optional(words.next()?)?,
            },
            "f" => Self::Flush { change: optional(words.next()?)? },
            "h" => Self::Beat { node: words.next()?.parse().ok()?, sent_at: words.next()?.parse().ok()? },
            "c" => Self::Confirm { node: words.next()?.parse().ok()?, change: words.next()?.parse().ok()? },
            _ => return None,
        };
        words.next().is_none().then_some(message)
    }
}

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
pub struct Bulletin {
    expected: Heard,
}

/// A change that somebody waits for.
#[derive(Debug)]
pub struct Waiting {
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
    pub fn expect(&self, change: ChangeId) -> Waiting {
        let (sender, receiver) = watch::channel(BTreeSet::new());
        self.expected.lock().insert(change, sender);
        Waiting { change, receiver, expected: Arc::clone(&self.expected) }
    }

    fn confirmed(&self, change: ChangeId, node: NodeId) {
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
        let grace = i64::try_from(self.settings().stale_grace.as_micros()).unwrap_or(i64::MAX);
        let since = self.now().plus_micros(-grace.max(SILENT_MICROS));
        nodes::live(self.store().read().await?.conn(), since).await
    }

    pub(crate) async fn wait_for_nodes(&self, mut waiting: Waiting) -> Result<Confirmations, Fault> {
        // The change is committed: a store that goes away now makes the list short, not the change undone.
        let live = self.live_nodes().await.unwrap_or_default();
        let others: BTreeSet<NodeId> =
            live.iter().map(|row| row.id).filter(|id| *id != self.node()).collect();
        let all = waiting.receiver.wait_for(|confirmed| others.is_subset(confirmed));
        let _ = tokio::time::timeout(PATIENCE, all).await;
        let heard = waiting.receiver.borrow().clone();
        let grace = i64::try_from(self.settings().stale_grace.as_micros()).unwrap_or(i64::MAX);
        let pending = live.iter().filter(|row| others.contains(&row.id) && !heard.contains(&row.id));
        let pending = pending
            .map(|row| Pending { node: row.id, stops_by: row.last_beat_at.plus_micros(grace) })
            .collect();
        let mut confirmed = vec![self.node()];
        confirmed.extend(heard.into_iter().filter(|id| *id != self.node()));
        Ok(Confirmations { confirmed, pending })
    }

    /// Obeys what the channel says; on a node that serves, confirms it.
    async fn hear(&self, payload: &str, serves: bool) {
        let change = match Message::from_payload(payload) {
            Message::Invalidate { change, ids } => {
                self.verifier().invalidate(ids);
                change
            }
            Message::ServiceEpoch { change, epoch, spared } => {
                self.obey(&Invalidation::ServiceEpoch { epoch, spared });
                change
            }
            Message::Flush { change } => {
                self.verifier().invalidate_everything();
                change
            }
            Message::Beat { node, sent_at } => {
                if node == self.node() {
                    self.verifier().freshness().confirm(sent_at);
                }
                None
            }
            Message::Confirm { node, change } => {
                self.bulletin().confirmed(change, node);
                None
            }
        };
        if let Some(change) = change.filter(|_| serves) {
            let own = self.clone();
            // Not here: the listener must go on listening while the store takes its time.
            tokio::spawn(async move {
                if let Err(error) = own.confirm(change).await {
                    warn!(%error, "a change is in force here, but that could not be told");
                }
            });
        }
    }

    async fn confirm(&self, change: ChangeId) -> Result<(), Fault> {
        let message = Message::Confirm { node: self.node(), change };
        let mut tx = self.store().begin().await?;
        notify::notify(tx.conn(), &message.to_payload()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Listens for as long as it is polled. `serves`: whether this process answers verifications, and
    /// so has something to confirm.
    pub async fn listen(self, serves: bool) {
        let mut connected_before = false;
        loop {
            match notify::Listener::connect(self.store()).await {
                Ok(mut listener) => {
                    // What was told between the last connection and this one was missed.
                    self.verifier().freshness().gap();
                    if connected_before {
                        info!("listening to the other nodes again; cached grants are asked for again");
                    }
                    connected_before = true;
                    self.listen_on(&mut listener, serves).await;
                }
                Err(error) => warn!(%error, "cannot listen to the other nodes"),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn listen_on(&self, listener: &mut notify::Listener, serves: bool) {
        loop {
            match tokio::time::timeout(DEAF, listener.recv()).await {
                Ok(Ok(payload)) => self.hear(&payload, serves).await,
                Ok(Err(error)) => {
                    warn!(%error, "the listening connection was lost");
                    return;
                }
                // A process that does not serve sends no heartbeats and may hear nothing for long.
                Err(_) if !serves => {}
                Err(_) => {
                    warn!("nothing was heard on the listening connection, not even our own heartbeat");
                    return;
                }
            }
        }
    }

    /// Registers this node and beats for as long as it is polled.
    pub async fn beat(self, address: String, version: &'static str) {
        let mut registered = false;
        let mut tick = tokio::time::interval(HEARTBEAT);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if !registered {
                registered = self.register(&address, version).await.is_ok();
                continue;
            }
            let sent_at = boot_micros();
            let message = Message::Beat { node: self.node(), sent_at };
            match notify::heartbeat(self.store(), self.node(), &message.to_payload()).await {
                Ok(time) => {
                    let now = boot_micros();
                    self.clock().follow(time, sent_at + (now - sent_at) / 2);
                    self.verifier().store_answered();
                }
                // The row is gone: the database was put back to an earlier state.
                Err(StoreError::Corrupt(_)) => registered = false,
                Err(error) => warn!(%error, "the heartbeat failed"),
            }
        }
    }

    /// Registers this node.
    ///
    /// # Errors
    /// As the store.
    pub async fn register(&self, address: &str, version: &str) -> Result<(), Fault> {
        let mut tx = self.store().begin().await?;
        nodes::register(tx.conn(), self.node(), address, version, self.now()).await?;
        nodes::forget(tx.conn(), self.now().plus_days(-FORGET_DAYS)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// This node leaves in order: nobody waits for it any more.
    ///
    /// # Errors
    /// As the store.
    pub async fn leave(&self) -> Result<(), Fault> {
        let mut tx = self.store().begin().await?;
        nodes::stopped(tx.conn(), self.node(), self.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_told_is_heard() {
        let node = NodeId(Uuid::from_u128(3));
        let change = Some(ChangeId(Uuid::from_u128(4)));
        let spared = Some(CredentialId(Uuid::from_u128(5)));
        for message in [
            Message::Invalidate { change, ids: vec![Uuid::from_u128(1), Uuid::from_u128(2)] },
            Message::Invalidate { change: None, ids: vec![Uuid::from_u128(1)] },
            Message::ServiceEpoch { change, epoch: 7, spared },
            Message::ServiceEpoch { change: None, epoch: 7, spared: None },
            Message::Flush { change },
            Message::Beat { node, sent_at: 12 },
            Message::Confirm { node, change: ChangeId(Uuid::from_u128(9)) },
        ] {
            assert_eq!(Message::from_payload(&message.to_payload()), message);
        }
        let many = Message::Invalidate { change, ids: vec![Uuid::from_u128(1); 100] };
        assert!(many.to_payload().len() <= notify::MAX_PAYLOAD);
    }

    proptest! {
        #[test]
        fn what_is_not_understood_flushes_everything(payload in "[ifehc]? ?.{0,40}") {
            let heard = Message::from_payload(&payload);
            prop_assert!(heard == Message::Flush { change: None } || heard.to_payload() == payload.to_lowercase());
        }
    }
}
