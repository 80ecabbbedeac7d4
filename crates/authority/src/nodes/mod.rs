//! The other nodes: what they are told, and that they have heard it (verification.md, Invalidation).

mod confirmations;
mod message;

use std::time::Duration;

use keywright_core::Timestamp;
use keywright_core::id::ChangeId;
use keywright_store::{StoreError, nodes, notify};
use tracing::{info, warn};

pub(crate) use self::confirmations::Bulletin;
pub use self::confirmations::{Confirmations, Pending};
pub use self::message::Message;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// Between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// A listening connection on which not even our own heartbeat arrives is given up after this long.
const DEAF: Duration = Duration::from_secs(3);
/// Nodes that fell silent are forgotten after a week.
const FORGET_DAYS: i64 = 7;

impl Authority {
    /// Obeys what the channel says; on a node that serves, confirms it.
    fn hear(&self, payload: &str, serves: bool) {
        let change = match Message::from_payload(payload) {
            Message::Invalidate { change, ids } => {
                self.verifier().invalidate(ids);
                change
            }
            Message::Raised { change, epochs, spared } => {
                self.obey(&Invalidation::Raised { epochs, spared });
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
                    self.verifier().gap();
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
                Ok(Ok(payload)) => self.hear(&payload, serves),
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
                match self.register(&address, version).await {
                    Ok(()) => registered = true,
                    Err(error) => {
                        warn!(%error, "this node cannot register itself");
                        continue;
                    }
                }
            }
            let sent_at = self.clock().boot_micros();
            let message = Message::Beat { node: self.node(), sent_at };
            match notify::heartbeat(self.store(), self.node(), &message.to_payload()).await {
                Ok(time) => {
                    self.follow(time, sent_at);
                    self.verifier().store_answered();
                }
                // The row is gone: the database was put back to an earlier state, or this machine slept
                // for days. Either way nothing that is cached can be relied on.
                Err(StoreError::Corrupt(_)) => {
                    registered = false;
                    self.verifier().invalidate_everything();
                }
                Err(error) => warn!(%error, "the heartbeat failed"),
            }
        }
    }

    /// Follows the store's clock, which showed `time` somewhere between `asked_at` and now.
    fn follow(&self, time: Timestamp, asked_at: i64) {
        self.clock().follow_within(time, asked_at, self.clock().boot_micros());
    }

    /// Registers this node, at the store's time; doing so again changes nothing.
    ///
    /// # Errors
    /// As the store.
    pub async fn register(&self, address: &str, version: &str) -> Result<(), Fault> {
        let asked_at = self.clock().boot_micros();
        if let Some(time) = self.store().now().await? {
            self.follow(time, asked_at);
        }
        let mut tx = self.store().begin().await?;
        match nodes::register(tx.conn(), self.node(), address, version, self.now()).await {
            Ok(()) => {}
            // An earlier try whose outcome was unknown had succeeded.
            Err(StoreError::Duplicate(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
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
