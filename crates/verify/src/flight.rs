//! Single flight: however many ask for the same credential at one moment, the store is asked once.

use std::collections::HashMap;
use std::sync::Arc;

use keywright_core::{GrantKey, Wanted};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::cache::{Absence, Entry};

/// What a load found. Whoever joined must check for themselves that it still holds.
#[derive(Clone, Debug)]
pub enum Landed {
    /// A credential.
    Known(Arc<Entry>),
    /// Nobody's.
    Unknown(Absence),
    /// The store was not asked: there was no room in the queue for the network of the one who led.
    Crowded,
    /// The answer cannot be known now.
    Unavailable,
}

type UnderWay = Arc<Mutex<HashMap<GrantKey, watch::Receiver<Option<Landed>>>>>;

/// The loads under way.
#[derive(Debug, Default)]
pub struct Flights {
    under_way: UnderWay,
}

/// A load under way. Lost in any way, it lands as [`Landed::Unavailable`], so that nobody waits for a
/// load that is gone.
#[derive(Debug)]
pub struct Flight {
    under_way: UnderWay,
    key: GrantKey,
    wanted: Wanted,
    sender: watch::Sender<Option<Landed>>,
}

/// The caller's part in a load.
#[derive(Debug)]
pub enum Part {
    /// To carry it out, and to wait for it like the others.
    Lead(Flight, watch::Receiver<Option<Landed>>),
    /// To wait for it.
    Follow(watch::Receiver<Option<Landed>>),
}

impl Flights {
    /// Joins the load of what is `wanted`, whose key is `key`, or begins it.
    pub fn join(&self, key: GrantKey, wanted: &Wanted) -> Part {
        let mut under_way = self.under_way.lock();
        if let Some(receiver) = under_way.get(&key) {
            return Part::Follow(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key, receiver.clone());
        let flight = Flight { under_way: Arc::clone(&self.under_way), key, wanted: wanted.clone(), sender };
        Part::Lead(flight, receiver)
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.under_way.lock().len()
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Flight {
    /// What is being loaded.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Ends the load: those who come from now on begin another.
    pub fn land(self, landed: Landed) {
        self.end(landed);
    }

    fn end(&self, landed: Landed) {
        if self.sender.borrow().is_none() {
            self.under_way.lock().remove(&self.key);
            self.sender.send_replace(Some(landed));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end(Landed::Unavailable);
    }
}

/// Waits for a load to land.
pub async fn landed(mut receiver: watch::Receiver<Option<Landed>>) -> Landed {
    match receiver.wait_for(Option::is_some).await {
        Ok(value) => value.clone().unwrap_or(Landed::Unavailable),
        Err(_) => Landed::Unavailable,
    }
}
