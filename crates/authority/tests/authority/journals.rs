//! A journal that falls silent is missed once, whoever looks; one that is back, or was closed, is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keywright_authority::{Authority, audit, entropy, journals};
use keywright_core::ActorRef;
use keywright_store::Store;
use keywright_store::journals as rows;
use keywright_store::security_events::{EventFilter, SecurityEventRow, SortOrder};
use keywright_verify::{Clock, EventKind, Journal, JournalOptions, RecordCode, RecordRef};

use crate::world::{authority, keys, noon, operator, until, worlds};

/// A node with a journal, by a clock that stands still until it is moved.
pub(crate) struct Node {
    pub(crate) authority: Authority,
    pub(crate) journal: Journal,
}

/// The one who had the directory before lets go of it a moment after it was dropped.
async fn open(dir: &Path, authority: &Authority) -> Journal {
    let options = JournalOptions {
        dir: dir.to_owned(),
        max_bytes: 8 << 20,
        sync_interval: Duration::from_millis(1),
        allow_ephemeral: true,
    };
    let mut journal = None;
    until("the directory can be opened", async || {
        journal = Journal::open(options.clone(), authority.node(), entropy::id).ok();
        journal.is_some()
    })
    .await;
    journal.unwrap()
}

impl Node {
    pub(crate) async fn start(store: &Store, dir: &Path, seconds: i64) -> Self {
        let authority = authority(store, Clock::manual(noon().plus_seconds(seconds)), keys(&[1]));
        let journal = open(dir, &authority).await;
        authority.open_journal(&journal, "10.0.0.1:8080").await.unwrap();
        Self { authority, journal }
    }

    pub(crate) async fn watch(&self) -> u64 {
        journals::watch(&self.authority).await.unwrap()
    }

    pub(crate) fn sleep(&self, seconds: i64) {
        self.authority.clock().advance(seconds * 1_000_000);
    }

    /// Watches every five seconds for so long.
    pub(crate) async fn watch_for(&self, seconds: i64) -> u64 {
        let mut told = 0;
        for _ in 0..seconds / 5 {
            self.sleep(5);
            told += self.watch().await;
        }
        told
    }

    async fn told(&self, type_: &str) -> Vec<SecurityEventRow> {
        let type_ = Some(type_.to_owned());
        let filter = EventFilter { limit: 100, order: SortOrder::Ascending, type_, ..EventFilter::default() };
        audit::list(&self.authority, &operator(), &filter).await.unwrap()
    }

    async fn gaps(&self) -> Vec<rows::JournalRow> {
        rows::gaps(self.authority.store().read().await.unwrap().conn()).await.unwrap()
    }
}

pub(crate) fn dirs() -> (tempfile::TempDir, [PathBuf; 3]) {
    let parent = tempfile::tempdir().unwrap();
    let named = |name: &str| parent.path().join(name);
    let dirs = [named("a"), named("b"), named("c")];
    (parent, dirs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_nodes_that_look_one_tells_of_a_silent_journal() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let lost = Node::start(&world.store, &dirs[0], 0).await;
        let (here, there) =
            (Node::start(&world.store, &dirs[1], 0).await, Node::start(&world.store, &dirs[2], 0).await);
        for _ in 0..12 {
            assert_eq!((here.watch_for(5).await, there.watch_for(5).await), (0, 0));
        }
        assert_eq!(here.gaps().await, []);
        // One second more than a minute after its only beat.
        here.sleep(5);
        there.sleep(5);
        let (one, other) = tokio::join!(here.watch(), there.watch());
        assert_eq!(one + other, 1, "{:?}", world.engine());
        let told = here.told("journal.gap").await;
        assert_eq!((told.len(), told[0].event.subject_id), (1, Some(lost.journal.id().0)));
        let details: serde_json::Value =
            serde_json::from_str(told[0].event.details.as_ref().unwrap()).unwrap();
        assert_eq!(details["address"], "10.0.0.1:8080");
        assert_eq!(details["dir"], dirs[0].to_str().unwrap());
        assert!(details["what_to_do"].as_str().unwrap().contains("keywright journal replay"));
        assert_eq!(here.gaps().await.len(), 1);
        for _ in 0..20 {
            assert_eq!((here.watch_for(5).await, there.watch_for(5).await), (0, 0), "told once");
        }
        // It was cut off only.
        lost.sleep(200);
        lost.watch().await;
        assert_eq!(here.gaps().await, []);
        assert_eq!(here.told("journal.recovered").await.len(), 1);
    }
}

#[tokio::test]
async fn a_journal_that_is_opened_again_or_replayed_is_missed_no_more() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let here = Node::start(&world.store, &dirs[0], 0).await;
        let lost = Node::start(&world.store, &dirs[1], 0).await;
        let id = lost.journal.id();
        drop(lost);
        assert_eq!(here.watch_for(120).await, 1);
        let authority = &here.authority;
        assert!(journals::close(authority, id, ActorRef::operator()).await.unwrap());
        assert_eq!(here.gaps().await, []);
        assert_eq!(here.told("journal.recovered").await.len(), 1);
        assert!(!journals::close(authority, id, ActorRef::operator()).await.unwrap());
        assert_eq!(here.watch_for(120).await, 0, "a closed one is not missed");
        // The same directory, a new boot: it is watched again.
        let seconds = here.authority.now().micros_since(noon()) / 1_000_000;
        let again = Node::start(&world.store, &dirs[1], seconds).await;
        assert_eq!(again.journal.id(), id);
        assert_eq!(here.watch_for(120).await, 1);
        assert_eq!(here.gaps().await[0].node, again.authority.node());
    }
}

#[tokio::test]
async fn who_comes_back_first_after_an_outage_does_not_miss_the_others() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let here = Node::start(&world.store, &dirs[0], 0).await;
        let there = Node::start(&world.store, &dirs[1], 0).await;
        for _ in 0..20 {
            assert_eq!((here.watch_for(5).await, there.watch_for(5).await), (0, 0));
        }
        // Neither reached the store for ten minutes.
        here.sleep(600);
        there.sleep(600);
        assert_eq!(here.watch().await, 0);
        assert_eq!(here.watch_for(30).await, 0);
        there.sleep(30);
        assert_eq!(there.watch().await, 0);
        for _ in 0..20 {
            assert_eq!((here.watch_for(5).await, there.watch_for(5).await), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_closed_journal_is_forgotten_after_a_month() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let gone = Node::start(&world.store, &dirs[0], 0).await;
        gone.authority.close_journal().await.unwrap();
        let known = async || {
            let mut reader = world.store.read().await.unwrap();
            rows::by_id(reader.conn(), gone.journal.id()).await.unwrap()
        };
        assert!(known().await.unwrap().closed_at.is_some());
        Node::start(&world.store, &dirs[1], 29 * 86_400).await;
        assert!(known().await.is_some());
        Node::start(&world.store, &dirs[2], 31 * 86_400).await;
        assert_eq!(known().await, None);
    }
}

#[tokio::test]
async fn damage_between_records_is_told_once() {
    for world in worlds().await {
        let (parent, dirs) = dirs();
        let crashed = open(&dirs[0], &world.authority).await;
        let writer = crashed.writer();
        for id in ["a", "b", "c"] {
            writer.append(&record(id)).unwrap();
        }
        let left = parent.path().join("left");
        std::fs::create_dir(&left).unwrap();
        for entry in std::fs::read_dir(&dirs[0]).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if path.extension().is_some_and(|extension| extension == "kwj") {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            std::fs::write(left.join(path.file_name().unwrap()), bytes).unwrap();
        }
        let node = Node::start(&world.store, &left, 0).await;
        assert_eq!((node.watch().await, node.watch().await), (1, 0));
        let told = node.told("journal.damaged").await;
        assert!(told[0].event.details.as_ref().unwrap().contains("kwj.damaged"));
    }
}

pub(crate) fn record(request_id: &str) -> RecordRef<'_> {
    RecordRef::bare(noon(), EventKind::Verify, RecordCode::Valid, request_id)
}
