//! An emergency revokes by epoch: no scan, no query, and none of the spared is refused.

use std::sync::atomic::Ordering;

use keywright_core::Epochs;

use crate::store::{Mode, Node, grant, id, key};

impl Node {
    /// The emergency has been committed, sparing one, and nothing was told yet.
    fn commit_emergency(&self, spared: u32) {
        self.store.rows.lock().insert(key(spared), grant(spared, 2));
        self.store.epoch.store(2, Ordering::SeqCst);
    }

    fn hear_of_the_emergency(&self, spared: u32) {
        self.verifier.invalidate([id(spared).0]);
        self.verifier.raise_epochs(Epochs { service: 2, ..Epochs::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_epoch_revokes_what_is_cached_without_a_query() {
    let node = Node::alone();
    for n in 0..20 {
        assert_eq!(node.ask(n).await, "valid");
    }
    node.behave(Mode::Panic);
    node.verifier.raise_epochs(Epochs { service: 2, ..Epochs::default() });
    for n in 0..20 {
        assert_eq!(node.ask(n).await, "revoked");
    }
    assert_eq!(node.queries(), 20);
    node.verifier.raise_epochs(Epochs { service: 1, ..Epochs::default() });
    assert_eq!(node.verifier.epochs().service, 2, "an epoch never falls");
}

#[tokio::test(start_paused = true)]
async fn the_spared_one_is_valid_again_with_one_query() {
    let node = Node::alone();
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "valid".into()));
    node.commit_emergency(1);
    node.hear_of_the_emergency(1);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "revoked".into()));
    assert_eq!(node.queries(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_tells_of_an_emergency_first_refuses_none_of_the_spared() {
    let node = Node::among_nodes();
    assert_eq!(node.ask(1).await, "valid");
    node.commit_emergency(1);
    assert_eq!(node.ask(2).await, "revoked", "the store said so");
    assert_eq!(node.cached(2).as_deref(), Some("revoked"));
    assert_eq!(node.ask(1).await, "valid");
    node.hear_of_the_emergency(1);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "revoked".into()));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_from_before_an_emergency_decides_by_the_epoch_from_before_it() {
    let node = Node::alone();
    assert_eq!(node.ask(1).await, "valid");
    let known = node.verifier.peek(&key(1)).unwrap();
    node.commit_emergency(1);
    node.hear_of_the_emergency(1);
    // Between look-up and decision the emergency passed, and the spared one's entry is an old one.
    let keywright_verify::Lookup::Known(known) = known else { panic!("it is cached") };
    assert!(node.verifier.decide(&known, &keywright_core::Requirements::none()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_minted_after_an_emergency_is_valid() {
    let node = Node::alone();
    node.commit_emergency(1);
    node.hear_of_the_emergency(1);
    node.store.rows.lock().insert(key(77), grant(77, 2));
    assert_eq!((node.ask(77).await, node.ask(5).await), ("valid".into(), "revoked".into()));
}
