//! The gate before the store: how many ask at once, how many misses may wait, and in what order.
//!
//! Waiting misses are taken one client network after the other, so that a network that floods the
//! authority with unknown tokens waits for itself and not the others for it. Whoever has asked takes as
//! many of them along as one question holds.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

type Network = Option<IpAddr>;

#[derive(Debug)]
struct State<M> {
    free: usize,
    waiting: usize,
    /// The networks that have somebody waiting, each once, in the order in which they are served.
    turn: VecDeque<Network>,
    queues: HashMap<Network, VecDeque<M>>,
}

/// The gate, before which misses `M` wait.
#[derive(Debug)]
pub struct MissGate<M> {
    state: Arc<Mutex<State<M>>>,
    max_waiting: usize,
}

/// The right to ask the store; given back when dropped.
#[derive(Debug)]
pub struct Permit<M> {
    state: Arc<Mutex<State<M>>>,
    given_back: bool,
}

/// What became of a miss that came to the gate.
#[derive(Debug)]
pub enum Offered<M> {
    /// It may ask at once.
    Through(Permit<M>, M),
    /// It waits for one of those who ask, and will be among [`Permit::next`].
    Waiting {
        /// The newest of the network that had most waiting: it had to make room.
        evicted: Option<M>,
    },
    /// There is no room for it.
    Overflow(M),
}

impl<M> MissGate<M> {
    /// `permits` at once, at most `max_waiting` in the queue.
    pub fn new(permits: usize, max_waiting: usize) -> Self {
        let state = State { free: permits.max(1), waiting: 0, turn: VecDeque::new(), queues: HashMap::new() };
        Self { state: Arc::new(Mutex::new(state)), max_waiting: max_waiting.max(1) }
    }

    /// Offers a miss. When the queue is full, the newest of the network that has most waiting makes room,
    /// unless that is its own.
    pub fn offer(&self, network: Network, miss: M) -> Offered<M> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Offered::Through(Permit { state: Arc::clone(&self.state), given_back: false }, miss);
        }
        let mut evicted = None;
        if state.waiting >= self.max_waiting {
            evicted = state.make_room_for(network);
            if evicted.is_none() {
                return Offered::Overflow(miss);
            }
        }
        state.line_up(network, miss);
        Offered::Waiting { evicted }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting
    }
}

impl<M> Permit<M> {
    /// Takes the next misses along, at most so many. `None`: nobody waits, and the permit is given back in
    /// that same moment, so that nobody who comes then waits for it.
    pub fn next(mut self, most: usize) -> Option<(Self, Vec<M>)> {
        let mut state = self.state.lock();
        let misses: Vec<M> = std::iter::from_fn(|| state.next()).take(most.max(1)).collect();
        if misses.is_empty() {
            state.free += 1;
            drop(state);
            self.given_back = true;
            return None;
        }
        drop(state);
        Some((self, misses))
    }
}

impl<M> Drop for Permit<M> {
    fn drop(&mut self) {
        if !self.given_back {
            self.state.lock().free += 1;
        }
    }
}

impl<M> State<M> {
    fn line_up(&mut self, network: Network, miss: M) {
        let queue = self.queues.entry(network).or_default();
        if queue.is_empty() {
            self.turn.push_back(network);
        }
        queue.push_back(miss);
        self.waiting += 1;
    }

    fn make_room_for(&mut self, network: Network) -> Option<M> {
        let own = self.queues.get(&network).map_or(0, VecDeque::len);
        let fullest = self.queues.values_mut().max_by_key(|queue| queue.len())?;
        if fullest.len() <= own + 1 {
            return None;
        }
        self.waiting -= 1;
        fullest.pop_back()
    }

    fn next(&mut self) -> Option<M> {
        let network = self.turn.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let next = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.turn.push_back(network);
        }
        self.waiting -= 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(n: impl Into<Option<u8>>) -> Network {
        n.into().map(|n| IpAddr::from([10, 0, n, 0]))
    }

    fn through<M: std::fmt::Debug>(offered: Offered<M>) -> Permit<M> {
        match offered {
            Offered::Through(permit, _) => permit,
            other => panic!("{other:?}"),
        }
    }

    fn waits<M: std::fmt::Debug>(offered: Offered<M>) -> Option<M> {
        match offered {
            Offered::Waiting { evicted } => evicted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn networks_take_turns() {
        let gate = MissGate::new(1, 100);
        let permit = through(gate.offer(network(0), 0));
        for (n, miss) in [(1, 11), (1, 12), (1, 13), (2, 21)] {
            assert_eq!(waits(gate.offer(network(n), miss)), None);
        }
        let (permit, misses) = permit.next(3).unwrap();
        assert_eq!(misses, [11, 21, 12]);
        let (permit, misses) = permit.next(3).unwrap();
        assert_eq!(misses, [13]);
        assert!(permit.next(3).is_none());
        through(gate.offer(network(3), 31));
    }

    #[test]
    fn a_flooding_network_makes_room_for_another() {
        let gate = MissGate::new(1, 4);
        let permit = through(gate.offer(network(0), 0));
        for miss in 1..=4 {
            assert_eq!(waits(gate.offer(network(1), miss)), None);
        }
        assert!(matches!(gate.offer(network(1), 5), Offered::Overflow(5)));
        assert_eq!(waits(gate.offer(network(2), 6)), Some(4), "the newest of those that flood");
        assert_eq!(permit.next(10).unwrap().1, [1, 6, 2, 3]);
    }

    #[test]
    fn a_permit_that_is_lost_is_free_again_and_who_waited_is_taken_by_the_next() {
        let gate = MissGate::new(1, 10);
        let permit = through(gate.offer(None, 1));
        waits(gate.offer(None, 2));
        drop(permit);
        let permit = through(gate.offer(None, 3));
        assert_eq!(permit.next(10).unwrap().1, [2]);
        assert_eq!(gate.waiting(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_done_no_permit_and_no_miss_is_lost_or_made(
            steps in proptest::collection::vec((0u8..3, 0u8..4, 0usize..8), 0..60),
        ) {
            let gate = MissGate::new(2, 3);
            let (mut held, mut offered, mut ended) = (Vec::new(), 0, Vec::new());
            for (what, n, which) in steps {
                match what {
                    0 => {
                        offered += 1;
                        match gate.offer(network(n), offered) {
                            Offered::Through(permit, miss) => {
                                held.push(permit);
                                ended.push(miss);
                            }
                            Offered::Waiting { evicted } => ended.extend(evicted),
                            Offered::Overflow(miss) => ended.push(miss),
                        }
                    }
                    1 if !held.is_empty() => {
                        if let Some((permit, misses)) = held.swap_remove(which % held.len()).next(which) {
                            held.push(permit);
                            ended.extend(misses);
                        }
                    }
                    2 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                    _ => {}
                }
                let mut told = ended.clone();
                told.sort_unstable();
                told.dedup();
                prop_assert_eq!(told.len(), ended.len(), "none twice");
                prop_assert_eq!(ended.len() + gate.waiting(), offered);
                let free = gate.state.lock().free;
                prop_assert_eq!(free, 2 - held.len());
                let state = gate.state.lock();
                prop_assert_eq!(state.turn.len(), state.queues.len());
            }
        }
    }
}
