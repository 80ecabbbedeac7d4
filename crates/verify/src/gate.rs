//! The gate before the store: how many misses ask at once, how many may wait, and in what order.
//!
//! Waiting misses are served one client network after the other, so that a network that floods the
//! authority with unknown tokens waits for itself and not the others for it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The queue is full for this network: the answer cannot be known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
    /// The networks that have somebody waiting, in the order in which they are served.
    turn: VecDeque<Option<IpAddr>>,
    queues: HashMap<Option<IpAddr>, VecDeque<oneshot::Sender<Permit>>>,
}

/// The gate.
#[derive(Clone, Debug)]
pub struct MissGate {
    state: Arc<Mutex<State>>,
    max_waiting: usize,
}

/// The right to ask the store; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    state: Option<Arc<Mutex<State>>>,
}

impl MissGate {
    /// `permits` at once, at most `max_waiting` in the queue.
    pub fn new(permits: usize, max_waiting: usize) -> Self {
        let state = State { free: permits.max(1), waiting: 0, turn: VecDeque::new(), queues: HashMap::new() };
        Self { state: Arc::new(Mutex::new(state)), max_waiting: max_waiting.max(1) }
    }

    /// Waits for a permit. When the queue is full, the newest of the network that has most waiting
    /// makes room, unless that is the caller's own.
    ///
    /// # Errors
    /// [`Overflow`] when there is no room, or when one had to make room for another network.
    pub async fn enter(&self, network: Option<IpAddr>) -> Result<Permit, Overflow> {
        let receiver = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit { state: Some(Arc::clone(&self.state)) });
            }
            if state.waiting >= self.max_waiting {
                state.make_room_for(network)?;
            }
            let (sender, receiver) = oneshot::channel();
            let queue = state.queues.entry(network).or_default();
            let first = queue.is_empty();
            queue.push_back(sender);
            if first {
                state.turn.push_back(network);
            }
            state.waiting += 1;
            receiver
        };
        receiver.await.map_err(|_| Overflow)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting
    }
}

impl State {
    fn make_room_for(&mut self, network: Option<IpAddr>) -> Result<(), Overflow> {
        let own = self.queues.get(&network).map_or(0, VecDeque::len);
        let (fullest, length) = self
            .queues
            .iter()
            .map(|(key, queue)| (*key, queue.len()))
            .max_by_key(|(_, n)| *n)
            .ok_or(Overflow)?;
        if length <= own + 1 {
            return Err(Overflow);
        }
        if let Some(queue) = self.queues.get_mut(&fullest) {
            queue.pop_back();
            self.waiting -= 1;
        }
        Ok(())
    }

    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let network = self.turn.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.turn.push_back(network);
        }
        if next.is_some() {
            self.waiting -= 1;
        }
        next
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        loop {
            let next = {
                let mut locked = state.lock();
                let next = locked.next();
                if next.is_none() {
                    if locked.turn.is_empty() {
                        locked.free += 1;
                        return;
                    }
                    continue;
                }
                next
            };
            let permit = Permit { state: Some(Arc::clone(&state)) };
            match next.map(|sender| sender.send(permit)) {
                // One that gave up waiting hands the permit back unused: forget it and try the next.
                Some(Err(mut unused)) => unused.state = None,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn network(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, n, 0]))
    }

    #[tokio::test]
    async fn networks_take_turns() {
        let gate = MissGate::new(1, 100);
        let held = gate.enter(network(0)).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in [1, 1, 1, 2] {
            let (gate, order) = (gate.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let permit = gate.enter(network(n)).await.unwrap();
                order.lock().push(n);
                drop(permit);
            }));
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_flooding_network_makes_room_for_another() {
        let gate = MissGate::new(1, 4);
        let held = gate.enter(network(0)).await.unwrap();
        let flood: Vec<_> = (0..4)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.enter(network(1)).await.map(drop) })
            })
            .collect();
        while gate.waiting() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.enter(network(1)).await.err(), Some(Overflow));
        let other = {
            let gate = gate.clone();
            tokio::spawn(async move { gate.enter(network(2)).await.map(drop) })
        };
        let mut refused = 0;
        tokio::task::yield_now().await;
        drop(held);
        for task in flood {
            refused += usize::from(task.await.unwrap().is_err());
        }
        assert_eq!(refused, 1);
        assert!(other.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn one_that_gave_up_waiting_loses_no_permit() {
        let gate = MissGate::new(1, 10);
        let held = gate.enter(None).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(5), gate.enter(None)).await.is_err());
        drop(held);
        drop(gate.enter(None).await.unwrap());
        assert!(gate.enter(None).await.is_ok());
        assert_eq!(gate.waiting(), 0);
    }
}
