//! What happens to a publisher reaches all that is cached of it, however much that is, and asks nobody.

use keywright_core::{Bonds, Grant, PublisherId, RoleHeld, RoleId, Standing, Tenancy, UserId};
use keywright_verify::{Freshness, VerifierOptions};
use uuid::Uuid;

use crate::store::{Node, grant, key, options};

const MANY: u32 = 100_000;
const PUBLISHER: PublisherId = PublisherId(Uuid::from_u128(0x51));
const OTHER: PublisherId = PublisherId(Uuid::from_u128(0x52));
const ROLE: RoleId = RoleId(Uuid::from_u128(0x61));

fn bound(n: u32, publisher: PublisherId, standing: Standing) -> Grant {
    let role = Some(RoleHeld { id: Some(ROLE), name: "curator".into() });
    let bonds = Bonds {
        user: Some(keywright_core::Owner {
            id: UserId(Uuid::from_u128(u128::from(n) + 0x1_0000)),
            email: "ada@example.com".into(),
            enabled: true,
        }),
        publisher: Some(Tenancy { id: publisher, standing, role }),
        publishers: Box::new([publisher]),
        ..Bonds::default()
    };
    Grant { bonds: Some(Box::new(bonds)), ..grant(n, 1) }
}

/// A node that has cached very many credentials of one publisher, and one of another.
async fn filled(count: u32) -> Node {
    let capacity = count as usize * 2;
    let node = Node::with(Freshness::alone(), &VerifierOptions { cache_capacity: capacity, ..options() });
    {
        let mut rows = node.store.rows.lock();
        rows.extend((0..count).map(|n| (key(n), bound(n, PUBLISHER, Standing::Good))));
        rows.insert(key(count), bound(count, OTHER, Standing::Good));
    }
    for n in 0..=count {
        assert_eq!(node.ask(n).await, "valid");
    }
    node
}

/// All that the cache still tells without asking.
fn told(node: &Node, count: u32) -> usize {
    (0..count).filter(|n| node.cached(*n).is_some()).count()
}

#[tokio::test]
async fn a_suspension_reaches_a_hundred_thousand_cached_credentials_and_asks_nobody() {
    let node = filled(MANY).await;
    assert_eq!((node.queries(), told(&node, MANY)), (MANY as usize + 1, MANY as usize));
    node.store.rows.lock().extend((0..MANY).map(|n| (key(n), bound(n, PUBLISHER, Standing::Suspended))));
    node.verifier.invalidate([PUBLISHER.0]);
    assert_eq!(node.queries(), MANY as usize + 1, "the change itself looks nothing up");
    // None of them is answered from before, and what is not asked about is not loaded.
    assert_eq!(told(&node, MANY), 0);
    assert_eq!(node.queries(), MANY as usize + 1);
    for n in [0, 1, MANY / 2, MANY - 1] {
        assert_eq!(node.ask(n).await, "publisher_suspended");
        assert_eq!(node.ask(n).await, "publisher_suspended");
    }
    assert_eq!(node.queries(), MANY as usize + 1 + 4, "each is asked about once");
    assert_eq!(node.cached(MANY).as_deref(), Some("valid"), "the other publisher's is still known");
}

#[tokio::test]
async fn a_role_that_is_narrowed_reaches_all_who_hold_it() {
    let node = filled(1_000).await;
    node.verifier.invalidate([ROLE.0]);
    assert_eq!(told(&node, 1_000), 0);
    assert_eq!(node.queries(), 1_000 + 1);
}
