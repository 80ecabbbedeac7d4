//! Many rotations at once.

use keywright_authority::Fault;
use keywright_authority::idempotency::Minted;
use keywright_authority::service_tokens::{self, Target};

use crate::rotation::rotation;
use crate::world::{World, at_once, by, operator, worlds};

/// One won, all others were told that a rotation is in progress, and the store shows exactly that.
async fn one_won(world: &World, outcomes: &[Result<Minted, Fault>]) {
    let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let told = outcomes.iter().filter(|outcome| matches!(outcome, Err(Fault::RotationInProgress))).count();
    assert_eq!((won.len(), told), (1, outcomes.len() - 1), "{:?}: {outcomes:?}", world.engine());
    let mut raw = world.raw().await;
    let live = "SELECT COUNT(*) FROM service_tokens WHERE superseded_by_id IS NULL AND token_name = 'ci'";
    assert_eq!(raw.number(live).await, 1);
    assert_eq!(raw.number("SELECT COUNT(*) FROM service_tokens WHERE token_name LIKE 'ci%'").await, 2);
    let events = "SELECT COUNT(*) FROM security_events WHERE type = 'token.rotated'";
    assert_eq!(raw.number(events).await, 1, "and it is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_rotations_of_one_token_at_once_one_wins() {
    for world in worlds().await {
        let old = world.token("ci", &["works:read"]).await;
        let admin = world.token("admin", &["tokens:admin", "works:*"]).await;
        let outcomes = at_once(50, |number| {
            let authority = world.authority.clone();
            let call = if number % 2 == 0 { operator() } else { by(&admin) };
            let target = Target::Id(old.row.id);
            async move { service_tokens::rotate(&authority, call, target, rotation()).await }
        })
        .await;
        one_won(&world, &outcomes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_that_rotate_themselves_at_once_one_wins() {
    for world in worlds().await {
        let own = world.token("ci", &["tokens:rotate_self"]).await;
        let outcomes = at_once(50, |_| {
            let (authority, call) = (world.authority.clone(), by(&own));
            async move { service_tokens::rotate(&authority, call, Target::Myself, rotation()).await }
        })
        .await;
        one_won(&world, &outcomes).await;
    }
}
