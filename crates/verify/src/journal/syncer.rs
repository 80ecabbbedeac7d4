//! The syncer: brings segments to the disk, many records at once.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::writer::Written;
use super::{Inner, JournalError, closed};

/// Between two rounds where each answer asks for its own.
const IDLE: Duration = Duration::from_secs(1);

/// What the syncer and those who wait for it share.
#[derive(Default)]
pub(super) struct Syncer {
    state: Mutex<State>,
    alarm: Condvar,
    round: Mutex<()>,
    rounds: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    wanted: bool,
    stopped: bool,
}

impl Syncer {
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.alarm.notify_all();
    }

    /// Nobody else syncs meanwhile.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.round.lock()
    }

    /// Tells those who wait to look again.
    pub(super) fn tell(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    fn want(&self) {
        self.state.lock().wanted = true;
        self.alarm.notify_all();
    }

    /// Waits until a round is due; false when there are no more.
    fn wait(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.stopped && !state.wanted {
            self.alarm.wait_for(&mut state, if interval.is_zero() { IDLE } else { interval });
        }
        state.wanted = false;
        !state.stopped
    }
}

impl Inner {
    pub(super) fn sync_forever(&self) {
        while self.syncer.wait(self.options.sync_interval) {
            self.sync_all();
            self.look_again();
        }
    }

    pub(super) fn sync_all(&self) {
        let _alone = self.syncer.alone();
        let counts_failed = !self.sync_counts();
        let failures = self.segments().iter().filter(|segment| !segment.sync()).count();
        self.sync_failures.fetch_add(failures as u64 + u64::from(counts_failed), Ordering::Relaxed);
        self.syncer.tell();
    }

    pub(super) async fn until_synced(&self, written: &Written) -> Result<(), JournalError> {
        // Subscribed before the first look: no round is missed in between.
        let mut rounds = self.syncer.rounds.subscribe();
        loop {
            match written.is_durable() {
                Some(true) => return Ok(()),
                Some(false) => return Err(io::Error::other("a record could not be synced to disk").into()),
                None => self.syncer.want(),
            }
            rounds.changed().await.map_err(|_| closed())?;
        }
    }
}
