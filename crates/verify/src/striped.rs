//! Counters that cost a verification next to nothing: each thread writes to a cache line of its own, and
//! whoever reads adds them up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread, given at its first count.
    static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// Two cache lines apart: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe<T>(T);

/// One `T` for each thread that counts. There are more of them than threads that count often, and if two
/// threads shared one, they would count a little slower and no less exactly.
#[derive(Debug)]
pub struct Striped<T> {
    stripes: Box<[Stripe<T>]>,
}

impl<T: Default> Default for Striped<T> {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // The edge has a thread for each core and the main runtime another; some are left for the rest.
        let count = (cores * 4).next_power_of_two();
        Self { stripes: (0..count).map(|_| Stripe::default()).collect() }
    }
}

impl<T> Striped<T> {
    /// That of this thread.
    pub fn own(&self) -> &T {
        let number = NUMBER.with(|number| *number);
        &self.stripes[number & (self.stripes.len() - 1)].0
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.stripes.iter().map(|stripe| &stripe.0)
    }

    /// A counter of each, added up.
    pub fn sum(&self, counter: impl Fn(&T) -> &AtomicU64) -> u64 {
        self.all().map(|own| counter(own).load(Ordering::Relaxed)).sum()
    }
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn nothing_that_many_threads_count_is_lost() {
        let counter: Arc<Striped<AtomicU64>> = Arc::default();
        let threads: Vec<_> = (0..64)
            .map(|_| {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || (0..1_000).for_each(|_| count(counter.own())))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counter.sum(|own| own), 64_000);
    }

    #[test]
    fn no_two_stripes_share_a_cache_line() {
        assert!(align_of::<Stripe<AtomicU64>>() >= 128 && size_of::<Stripe<AtomicU64>>() >= 128);
    }
}
