//! The streams of changes that are open, how many there may be, and what became of those that were.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_core::{CredentialId, PublisherId};
use parking_lot::Mutex;

/// Streams of one credential at once.
const MAX_OF_ONE: usize = 100;
/// Streams of all credentials of one publisher at once: what it does leaves places for others.
const MAX_OF_PUBLISHER: usize = 200;
/// Streams at once.
const MAX_OF_ALL: usize = 1_000;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The client closed it.
    Client,
    /// The client took nothing of what waited for it, and was cut off.
    Slow,
    /// Its credential may not listen any more.
    Refused,
    /// It was old, and is to be opened again.
    Old,
    /// The server leaves.
    Leaving,
}

impl StreamEnd {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Client, Self::Slow, Self::Refused, Self::Old, Self::Leaving];

    /// As metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Slow => "slow",
            Self::Refused => "refused",
            Self::Old => "old",
            Self::Leaving => "leaving",
        }
    }
}

/// The streams of a node.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: Mutex<Open>,
    flushes: AtomicU64,
    ends: [AtomicU64; StreamEnd::ALL.len()],
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// By credential; the local operator has none.
    by_credential: HashMap<Option<CredentialId>, usize>,
    by_publisher: HashMap<PublisherId, usize>,
}

/// One of them; it is counted as open until this is dropped.
pub(super) struct Place {
    streams: Streams,
    credential: Option<CredentialId>,
    publisher: Option<PublisherId>,
}

impl Streams {
    /// Takes a place for a stream of a credential, which may be of a publisher.
    ///
    /// # Errors
    /// When there are as many as there may be, of this credential, of this publisher or at all.
    pub(super) fn enter(
        &self,
        credential: Option<CredentialId>,
        publisher: Option<PublisherId>,
    ) -> Result<Place, Problem> {
        let mut open = self.inner.open.lock();
        if open.all >= MAX_OF_ALL {
            return Err(Problem::new(Refusal::Unavailable, "No more streams can be opened at the moment."));
        }
        let too_many = |whose: &str, most: usize| {
            let detail = format!("The {whose} has {most} streams open, the most that there may be.");
            Err(Problem::new(Refusal::TooManyStreams, detail))
        };
        if open.by_credential.get(&credential).is_some_and(|own| *own >= MAX_OF_ONE) {
            return too_many("credential", MAX_OF_ONE);
        }
        if let Some(publisher) = publisher {
            let own = open.by_publisher.entry(publisher).or_default();
            if *own >= MAX_OF_PUBLISHER {
                return too_many("publisher", MAX_OF_PUBLISHER);
            }
            *own += 1;
        }
        *open.by_credential.entry(credential).or_default() += 1;
        open.all += 1;
        Ok(Place { streams: self.clone(), credential, publisher })
    }

    /// Open ones.
    pub fn open(&self) -> usize {
        self.inner.open.lock().all
    }

    /// How often one was told, after its begin, that anything may have changed.
    pub fn flushes(&self) -> u64 {
        self.inner.flushes.load(Ordering::Relaxed)
    }

    /// How many ended, and why.
    pub fn ends(&self) -> [(StreamEnd, u64); StreamEnd::ALL.len()] {
        StreamEnd::ALL.map(|end| (end, self.inner.ends[end as usize].load(Ordering::Relaxed)))
    }

    pub(super) fn flushed(&self) {
        self.inner.flushes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Place {
    /// It ends here: it is open no more, and then counted as ended.
    pub(super) fn end(self, why: StreamEnd) {
        let streams = self.streams.clone();
        drop(self);
        streams.inner.ends[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.inner.open.lock();
        open.all -= 1;
        leave(&mut open.by_credential, &self.credential);
        if let Some(publisher) = &self.publisher {
            leave(&mut open.by_publisher, publisher);
        }
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, whose: &K) {
    if let Some(own) = counts.get_mut(whose) {
        *own -= 1;
        if *own == 0 {
            counts.remove(whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_open_until_it_ends_and_each_end_is_counted_under_its_reason() {
        let streams = Streams::default();
        for (at, end) in StreamEnd::ALL.into_iter().enumerate() {
            let place = streams.enter(None, None).unwrap();
            assert_eq!((streams.open(), end as usize), (1, at));
            place.end(end);
            assert_eq!((streams.open(), streams.ends()[at]), (0, (end, 1)));
        }
        // One that is dropped without a word, as by a panic, leaves its place all the same.
        drop(streams.enter(None, None).unwrap());
        assert_eq!((streams.open(), streams.inner.open.lock().by_credential.len()), (0, 0));
    }

    #[test]
    fn one_credential_does_not_take_all_places() {
        let streams = Streams::default();
        let places: Vec<_> = (0..MAX_OF_ONE).map(|_| streams.enter(None, None).unwrap()).collect();
        assert!(streams.enter(None, None).is_err());
        assert!(streams.enter(Some(credential(0)), None).is_ok());
        drop(places);
        assert!(streams.enter(None, None).is_ok());
    }

    fn credential(number: u128) -> CredentialId {
        CredentialId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn one_publisher_does_not_take_all_places_by_many_credentials() {
        let streams = Streams::default();
        let [one, other] = [1, 2].map(|number| Some(PublisherId(uuid::Uuid::from_u128(number))));
        let enter = |at: u128, publisher| streams.enter(Some(credential(at)), publisher);
        let mut places: Vec<_> = (0..200).map(|at| enter(at, one).unwrap()).collect();
        assert!(enter(200, one).is_err());
        places.push(enter(201, other).unwrap());
        places.push(enter(202, None).unwrap());
        assert_eq!(streams.open(), 202);
        places.remove(0);
        places.push(enter(200, one).unwrap());
        assert!(enter(203, one).is_err());
        drop(places);
        let open = streams.inner.open.lock();
        assert_eq!((open.all, open.by_credential.len(), open.by_publisher.len()), (0, 0, 0));
    }
}
