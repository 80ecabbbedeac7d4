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

type Network = Option<IpAddr>;

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
    next_number: u64,
    /// The networks that have somebody waiting, each once, in the order in which they are served.
    turn: VecDeque<Network>,
    queues: HashMap<Network, VecDeque<Waiter>>,
}

/// Numbered, so that one who gives up is found.
#[derive(Debug)]
struct Waiter {
    number: u64,
    sender: oneshot::Sender<Permit>,
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

/// A place in the queue; given up when dropped.
struct Place<'a> {
    state: &'a Mutex<State>,
    network: Network,
    number: u64,
}

impl MissGate {
    /// `permits` at once, at most `max_waiting` in the queue.
    pub fn new(permits: usize, max_waiting: usize) -> Self {
        let state = State {
            free: permits.max(1),
            waiting: 0,
            next_number: 0,
            turn: VecDeque::new(),
            queues: HashMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), max_waiting: max_waiting.max(1) }
    }

    /// Waits for a permit. When the queue is full, the newest of the network that has most waiting
    /// makes room, unless that is the caller's own.
    ///
    /// # Errors
    /// [`Overflow`] when there is no room, or when one had to make room for another network.
    pub async fn enter(&self, network: Network) -> Result<Permit, Overflow> {
        let (number, receiver) = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit { state: Some(Arc::clone(&self.state)) });
            }
            if state.waiting >= self.max_waiting {
                state.make_room_for(network)?;
            }
            let (sender, receiver) = oneshot::channel();
            (state.line_up(network, sender), receiver)
        };
        let _place = Place { state: &self.state, network, number };
        receiver.await.map_err(|_| Overflow)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting
    }
}

impl State {
    fn line_up(&mut self, network: Network, sender: oneshot::Sender<Permit>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let queue = self.queues.entry(network).or_default();
        if queue.is_empty() {
            self.turn.push_back(network);
        }
        queue.push_back(Waiter { number, sender });
        self.waiting += 1;
        number
    }

    fn make_room_for(&mut self, network: Network) -> Result<(), Overflow> {
        let own = self.queues.get(&network).map_or(0, VecDeque::len);
        let fullest = self.queues.values_mut().max_by_key(|queue| queue.len()).ok_or(Overflow)?;
        if fullest.len() <= own + 1 {
            return Err(Overflow);
        }
        fullest.pop_back();
        self.waiting -= 1;
        Ok(())
    }

    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let network = self.turn.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let next = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.turn.push_back(network);
        }
        self.waiting -= 1;
        Some(next.sender)
    }

    fn leave(&mut self, network: Network, number: u64) {
        let Some(queue) = self.queues.get_mut(&network) else { return };
        let Ok(at) = queue.binary_search_by_key(&number, |waiter| waiter.number) else { return };
        queue.remove(at);
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&network);
            self.turn.retain(|other| *other != network);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.state.lock().leave(self.network, self.number);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        loop {
            let sender = {
                let mut locked = state.lock();
                let Some(sender) = locked.next() else {
                    locked.free += 1;
                    return;
                };
                sender
            };
            // One that gave up waiting hands the permit back unused: forget it and try the next.
            match sender.send(Permit { state: Some(Arc::clone(&state)) }) {
                Ok(()) => return,
                Err(mut unused) => unused.state = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn network(n: impl Into<Option<u8>>) -> Network {
        n.into().map(|n| IpAddr::from([10, 0, n, 0]))
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

    #[tokio::test]
    async fn those_who_gave_up_waiting_hold_no_place() {
        let gate = MissGate::new(1, 2);
        let held = gate.enter(network(0)).await.unwrap();
        let mut given_up: Vec<_> = (1..3).map(|n| Box::pin(gate.enter(network(n)))).collect();
        for place in &mut given_up {
            assert!(futures::poll!(place.as_mut()).is_pending());
        }
        assert_eq!(gate.enter(network(3)).await.err(), Some(Overflow));
        drop(given_up);
        assert_eq!(gate.waiting(), 0);
        let mut next = Box::pin(gate.enter(network(3)));
        assert!(futures::poll!(next.as_mut()).is_pending());
        drop(held);
        assert!(next.await.is_ok());
        let state = gate.state.lock();
        assert!(state.turn.is_empty() && state.queues.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_done_no_permit_is_lost_or_made(
            steps in proptest::collection::vec((0u8..3, 0u8..4, 0usize..8), 0..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let gate = MissGate::new(2, 3);
                let (mut waiting, mut held) = (Vec::new(), Vec::new());
                for (what, n, which) in steps {
                    match what {
                        0 => waiting.push(Box::pin(gate.enter(network(n)))),
                        1 if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                        2 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                        _ => {}
                    }
                    // Twice: one who comes may make another leave, who hears of it the second time.
                    for _ in 0..2 {
                        let mut still = Vec::new();
                        for mut place in waiting {
                            match futures::poll!(place.as_mut()) {
                                std::task::Poll::Ready(Ok(permit)) => held.push(permit),
                                std::task::Poll::Ready(Err(Overflow)) => {}
                                std::task::Poll::Pending => still.push(place),
                            }
                        }
                        waiting = still;
                    }
                    assert_eq!(gate.waiting(), waiting.len());
                    assert_eq!(gate.state.lock().free, 2 - held.len());
                    assert!(waiting.is_empty() || held.len() == 2);
                }
            });
        }
    }
}
