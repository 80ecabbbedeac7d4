//! Several nodes over one PostgreSQL: what one changes, the others hear.

use keywright_authority::Authority;
use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Scope};
use keywright_authority::nodes::Confirmations;
use keywright_authority::service_tokens::{self, CleanUp, Target, Update};
use keywright_authority::{Call, entropy};
use keywright_core::NodeId;
use keywright_store::Store;
use keywright_store::testing::{TestStore, postgres_store};
use keywright_verify::{Clock, Freshness};
use tokio::task::JoinHandle;

use crate::raw::Raw;
use crate::world::{
    Made, by, cached_verdict, keys, made, noon, operator, settings, until, verdict, verifier, wanted,
};

/// A node that listens and beats, with a pool of its own.
pub(crate) struct Node {
    pub(crate) authority: Authority,
    listening: JoinHandle<()>,
    beating: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop_listening();
        self.stop_beating();
    }
}

impl Node {
    pub(crate) async fn start(store: Store) -> Self {
        let verifier = verifier(&store, Clock::from_wall_clock(), Freshness::among_nodes());
        let node = NodeId::generate(noon(), entropy::id());
        let authority = Authority::new(store, verifier, keys(&[1]), node, settings());
        let listening = tokio::spawn(authority.clone().listen(true));
        let beating = tokio::spawn(authority.clone().beat("127.0.0.1:0".to_owned(), "test"));
        let node = Self { authority, listening, beating };
        until("it hears its own heartbeat", async || node.is_confirmed()).await;
        node
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        let now = self.authority.clock().boot_micros();
        self.authority.verifier().freshness().lag_micros(now).is_some()
    }

    pub(crate) fn id(&self) -> NodeId {
        self.authority.node()
    }

    pub(crate) fn stop_listening(&self) {
        self.listening.abort();
    }

    pub(crate) fn stop_beating(&self) {
        self.beating.abort();
    }

    pub(crate) async fn verdict(&self, of: &Made) -> &'static str {
        verdict(&self.authority, of.secret.hash()).await
    }

    pub(crate) fn cached(&self, of: &Made) -> Option<&'static str> {
        cached_verdict(&self.authority, of.secret.hash())
    }

    pub(crate) async fn token(&self, name: &str) -> Made {
        made(service_tokens::create(&self.authority, operator(), wanted(name, &["*"])).await)
    }

    pub(crate) async fn revoke(&self, of: &Made, confirm: bool) -> Confirmations {
        let call = Call { confirm, ..operator() };
        service_tokens::revoke(&self.authority, call, Target::Id(of.row.id), None).await.unwrap()
    }

    async fn emergency(&self, call: Call, keep_caller: bool) -> Confirmations {
        let wanted = EmergencyRevoke {
            reason: "drill".to_owned(),
            scope: Scope::All,
            kinds: Kinds { service: true, ..Kinds::default() },
            keep_caller,
        };
        emergency::revoke(&self.authority, call, wanted).await.unwrap().nodes
    }
}

/// Two nodes over one database.
async fn two() -> Option<(TestStore, Node, Node)> {
    let store = postgres_store().await?;
    let (here, there) = (Node::start(store.another().await).await, Node::start(store.another().await).await);
    Some((store, here, there))
}

fn named(mut ids: Vec<NodeId>) -> Vec<NodeId> {
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_revocation_is_in_force_on_every_node_that_it_names() {
    let Some((_store, here, there)) = two().await else { return };
    for round in 0..5 {
        let token = here.token(&format!("ci {round}")).await;
        assert_eq!(there.verdict(&token).await, "valid");
        assert_eq!(there.cached(&token), Some("valid"), "it is answered from the cache");
        let nodes = here.revoke(&token, true).await;
        assert_eq!(named(nodes.confirmed), named(vec![here.id(), there.id()]));
        assert_eq!(nodes.pending, []);
        assert_eq!(there.verdict(&token).await, "revoked", "by the time that the call returns");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_that_takes_rights_away_reaches_the_other_node_unasked() {
    let Some((_store, here, there)) = two().await else { return };
    let off = Update { is_active: Some(false), ..Update::default() };
    for number in 0..3 {
        let token = here.token(&format!("ci {number}")).await;
        assert_eq!(there.verdict(&token).await, "valid");
        let told = match number {
            0 => {
                assert_eq!(here.revoke(&token, false).await, Confirmations::only(here.id()));
                "revoked"
            }
            1 => {
                let id = token.row.id;
                service_tokens::update(&here.authority, operator(), id, off.clone()).await.unwrap();
                "inactive"
            }
            _ => {
                let now = service_tokens::Rotate { grace_seconds: Some(0), ..crate::rotation::rotation() };
                let target = Target::Id(token.row.id);
                service_tokens::rotate(&here.authority, operator(), target, now).await.unwrap();
                "expired"
            }
        };
        until("it reaches the other node", async || there.verdict(&token).await == told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_is_in_force_on_every_node_and_spares_its_caller_on_each() {
    let Some((_store, here, there)) = two().await else { return };
    let (caller, other) = (here.token("caller").await, here.token("other").await);
    for node in [&here, &there] {
        assert_eq!((node.verdict(&caller).await, node.verdict(&other).await), ("valid", "valid"));
    }
    // Emergencies wait for the others whether or not the call asks for it.
    let nodes = here.emergency(by(&caller), true).await;
    assert_eq!(named(nodes.confirmed), named(vec![here.id(), there.id()]));
    assert_eq!(nodes.pending, []);
    for node in [&here, &there] {
        assert_eq!((node.verdict(&caller).await, node.verdict(&other).await), ("valid", "revoked"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_listen_is_pending_and_asks_the_store_itself() {
    let Some((_store, here, there)) = two().await else { return };
    let token = here.token("ci").await;
    assert_eq!(there.verdict(&token).await, "valid");
    there.stop_listening();
    let before = here.authority.now();
    let nodes = here.emergency(operator(), false).await;
    assert_eq!(nodes.confirmed, [here.id()]);
    let pending: Vec<_> = nodes.pending.iter().map(|pending| pending.node).collect();
    assert_eq!(pending, [there.id()]);
    let (earliest, latest) = (before.plus_seconds(60), here.authority.now().plus_seconds(60));
    assert!((earliest..=latest).contains(&nodes.pending[0].stops_by), "{nodes:?}");
    until("it stops by itself", async || there.verdict(&token).await == "revoked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_silent_are_pending_and_those_that_left_or_are_long_gone_are_not() {
    let Some((store, here, there)) = two().await else { return };
    let silent_for = async |seconds: u32| {
        let mut raw = Raw::to(&store).await;
        let id = there.id();
        let sql = format!(
            "UPDATE nodes SET last_beat_at = clock_timestamp() - interval '{seconds} s' WHERE id = '{id}'"
        );
        assert_eq!(raw.run(sql).await, 1);
    };
    there.stop_listening();
    there.stop_beating();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    for (seconds, listed) in [(30, true), (61, false)] {
        silent_for(seconds).await;
        let nodes = here.emergency(operator(), false).await;
        let pending: Vec<_> = nodes.pending.iter().map(|pending| pending.node).collect();
        assert_eq!(pending, if listed { vec![there.id()] } else { Vec::new() }, "silent for {seconds} s");
    }
    silent_for(0).await;
    there.authority.leave().await.unwrap();
    assert_eq!(here.emergency(operator(), false).await.pending, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_does_not_understand_flushes_its_cache_and_it_goes_on_listening() {
    let Some((store, here, there)) = two().await else { return };
    let mut raw = Raw::to(&store).await;
    for payload in ["z of a later version", "", "i", "i - not-an-id", "e - -1 -"] {
        let token = here.token(&format!("ci {payload}")).await;
        until("it is answered from the cache", async || {
            there.verdict(&token).await == "valid" && there.cached(&token) == Some("valid")
        })
        .await;
        raw.run(format!("SELECT pg_notify('keywright', '{payload}')")).await;
        until("it is asked for again", async || there.cached(&token).is_none()).await;
        assert_eq!(there.verdict(&token).await, "valid", "flushed, not refused");
        let nodes = here.revoke(&token, true).await;
        assert_eq!((nodes.confirmed.len(), there.verdict(&token).await), (2, "revoked"), "{payload:?}");
    }
}

/// More than one message holds: all but one of those that are told first are evicted by their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_swept_away_in_bulk_is_told_by_its_ids_and_flushes_nothing() {
    let Some((store, here, there)) = two().await else { return };
    let kept = here.token("kept").await;
    let first = here.token("first").await;
    here.revoke(&first, true).await;
    let mut raw = Raw::to(&store).await;
    let ids = "SELECT id, 'copy ' || id AS name FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 450)) g";
    raw.run(format!(
        "INSERT INTO service_tokens (id, token_hash, token_name, name_folded, token_hint, permissions, metadata, \
         is_active, expires_at, epoch, revoked_at, created_by_type, created_by_name, created_at, updated_at, version) \
         SELECT g.id, sha256(g.name::bytea), g.name, g.name, token_hint, permissions, metadata, is_active, \
         expires_at, epoch, revoked_at, created_by_type, created_by_name, created_at, updated_at, version \
         FROM service_tokens, ({ids}) g WHERE token_name = 'first'"
    ))
    .await;
    raw.run("UPDATE service_tokens SET revoked_at = revoked_at - interval '500 days' WHERE revoked_at IS NOT NULL")
        .await;
    until("both are answered from the cache", async || {
        (there.verdict(&first).await, there.verdict(&kept).await) == ("revoked", "valid")
            && there.cached(&first).is_some()
            && there.cached(&kept).is_some()
    })
    .await;
    let wanted = CleanUp { deactivate_only: false, older_than_days: 0 };
    let done = service_tokens::clean_up(&here.authority, operator(), wanted).await.unwrap();
    assert_eq!(done.removed, 451);
    until("it is told", async || there.verdict(&first).await == "not_found").await;
    assert_eq!(there.cached(&kept), Some("valid"), "nobody else is asked for again");
}

#[tokio::test]
async fn a_node_registers_at_the_stores_time_and_may_do_so_again() {
    let Some(store) = postgres_store().await else { return };
    // Its own clock is years off.
    let node = crate::world::authority(&store.another().await, Clock::manual(noon()), keys(&[1]));
    let before = store.now().await.unwrap().unwrap();
    for _ in 0..2 {
        node.register("127.0.0.1:0", "test").await.unwrap();
    }
    let after = store.now().await.unwrap().unwrap();
    assert!((before..=after).contains(&node.now()));
    let rows = keywright_store::nodes::list(store.read().await.unwrap().conn()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!((before..=after).contains(&rows[0].last_beat_at));
}
