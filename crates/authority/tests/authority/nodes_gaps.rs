//! Nodes that miss what is told, and how they notice.

use keywright_authority::service_tokens;
use keywright_store::testing::postgres_store;

use crate::nodes::Node;
use crate::proxy::{Line, Proxy};
use crate::raw::Raw;
use crate::world::{made, operator, until, wanted};

const LISTENERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_while_the_listening_connection_was_dead_is_seen() {
    let Some(store) = postgres_store().await else { return };
    let node = Node::start(store.another().await).await;
    let mut raw = Raw::to(&store).await;
    for round in 0..3 {
        let (lost, kept) =
            (node.token(&format!("lost {round}")).await, node.token(&format!("kept {round}")).await);
        until("both are answered from the cache", async || {
            node.verdict(&lost).await == "valid"
                && node.verdict(&kept).await == "valid"
                && node.cached(&lost) == Some("valid")
                && node.cached(&kept) == Some("valid")
        })
        .await;
        // Killed, and changed before it can listen again; nobody tells of it.
        let killed = raw.number(format!("SELECT COUNT(pg_terminate_backend(pid)) {LISTENERS}")).await;
        assert_eq!(killed, 1);
        let revoke = "UPDATE service_tokens SET revoked_at = clock_timestamp(), version = version + 1";
        raw.run(format!("{revoke} WHERE id = '{}'", lost.row.id)).await;
        until("it is seen", async || node.verdict(&lost).await == "revoked").await;
        until("it is mended", async || {
            node.is_confirmed() && raw.number(format!("SELECT COUNT(*) {LISTENERS}")).await == 1
        })
        .await;
        until("the cache answers again", async || {
            node.verdict(&kept).await == "valid" && node.cached(&kept) == Some("valid")
        })
        .await;
        assert_eq!(node.revoke(&kept, true).await.pending, []);
        assert_eq!(node.verdict(&kept).await, "revoked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_is_pending_answers_in_its_grace_and_learns_it_afterwards() {
    let Some(store) = postgres_store().await else { return };
    let here = Node::start(store.another().await).await;
    let proxy = Proxy::to(&store).await;
    let there = Node::start(proxy.store().await).await;
    let token = here.token("ci").await;
    assert_eq!(there.verdict(&token).await, "valid");
    proxy.set(Line::Cut);
    let nodes = here.revoke(&token, true).await;
    assert_eq!(nodes.confirmed, [here.id()]);
    assert_eq!(nodes.pending.len(), 1, "{nodes:?}");
    assert_eq!((nodes.pending[0].node, nodes.pending[0].stops_by > here.authority.now()), (there.id(), true));
    // Known before the cut: it answers until its grace ends. Unknown: never a word about the token.
    until("it has noticed", async || {
        assert_eq!(there.verdict(&token).await, "valid");
        there.authority.verifier().store_is_away()
    })
    .await;
    let later = made(service_tokens::create(&here.authority, operator(), wanted("later", &["a"])).await);
    assert_eq!(there.verdict(&later).await, "unavailable");
    proxy.set(Line::Open);
    until("it learns of it", async || there.verdict(&token).await == "revoked").await;
    until("it hears again", async || here.revoke(&later, true).await.pending.is_empty()).await;
    assert_eq!(there.verdict(&later).await, "revoked");
}

/// The database was put back to an earlier state: a node that is not in it any more comes back, and
/// relies on nothing that it had cached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_the_store_has_forgotten_registers_again() {
    let Some(store) = postgres_store().await else { return };
    let node = Node::start(store.another().await).await;
    let token = node.token("ci").await;
    assert_eq!(node.verdict(&token).await, "valid");
    let mut raw = Raw::to(&store).await;
    raw.run("DELETE FROM service_tokens; DELETE FROM nodes").await;
    until("it registers again", async || raw.number("SELECT COUNT(*) FROM nodes").await == 1).await;
    assert_eq!(node.verdict(&token).await, "not_found");
}
