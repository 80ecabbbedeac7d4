//! Single flight: however many ask for the same credential at one moment, the store is asked once.

use std::collections::HashMap;
use std::sync::Arc;

use keywright_core::TokenHash;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::cache::Entry;

/// What a load found. Whoever joined must check for themselves that an entry still holds.
#[derive(Clone, Debug)]
pub enum Landed {
    /// A credential.
    Known(Arc<Entry>),
    /// Nobody's.
    Unknown,
    /// The answer cannot be known now.
    Unavailable,
}

/// The loads under way.
#[derive(Debug, Default)]
pub struct Flights {
    under_way: Mutex<HashMap<TokenHash, watch::Receiver<Option<Landed>>>>,
}

/// The caller's part in a load.
pub enum Part {
    /// To carry it out, and to land it.
    Lead(watch::Sender<Option<Landed>>, watch::Receiver<Option<Landed>>),
    /// To wait for it.
    Follow(watch::Receiver<Option<Landed>>),
}

impl Flights {
    /// Joins the load for `hash`, or begins it.
    pub fn join(&self, hash: TokenHash) -> Part {
        let mut under_way = self.under_way.lock();
        if let Some(receiver) = under_way.get(&hash) {
            return Part::Follow(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(hash, receiver.clone());
        Part::Lead(sender, receiver)
    }

    /// Ends the load for `hash`: those who come from now on begin another.
    pub fn land(&self, hash: TokenHash, sender: &watch::Sender<Option<Landed>>, landed: Landed) {
        self.under_way.lock().remove(&hash);
        sender.send_replace(Some(landed));
    }
}

/// Waits for a load to land. One that was lost (its task died) landed nowhere.
pub async fn landed(mut receiver: watch::Receiver<Option<Landed>>) -> Landed {
    match receiver.wait_for(Option::is_some).await {
        Ok(value) => value.clone().unwrap_or(Landed::Unavailable),
        Err(_) => Landed::Unavailable,
    }
}
