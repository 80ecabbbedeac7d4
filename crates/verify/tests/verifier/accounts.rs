//! What happens to a service account reaches all of its cached tokens, however many, and asks nobody.

use keywright_core::{
    Account, Allowlist, Bonds, Bounds, Grant, GrantKey, PrincipalKind, ScopeSet, ServiceAccountId,
};
use keywright_verify::{Freshness, VerifierOptions};
use uuid::Uuid;

use crate::store::{Node, grant, key, options};

const MANY: u32 = 100_000;
const ACCOUNT: ServiceAccountId = ServiceAccountId(Uuid::from_u128(0x71));
const OTHER: ServiceAccountId = ServiceAccountId(Uuid::from_u128(0x72));

fn of(n: u32, account: ServiceAccountId) -> Grant {
    let account = Account { id: account, name: "songtrust-api".into(), publisher: None, enabled: true };
    let bonds = Bonds { account: Some(account), ..Bonds::default() };
    Grant { principal: PrincipalKind::ServiceAccount, bonds: Some(Box::new(bonds)), ..grant(n, 1) }
}

/// A node that has cached very many tokens of one account, and one of another.
async fn filled() -> Node {
    let capacity = MANY as usize * 2;
    let node = Node::with(Freshness::alone(), &VerifierOptions { cache_capacity: capacity, ..options() });
    {
        let mut rows = node.store.rows.lock();
        rows.extend((0..MANY).map(|n| (key(n), of(n, ACCOUNT))));
        rows.insert(key(MANY), of(MANY, OTHER));
    }
    for n in 0..=MANY {
        assert_eq!(node.ask(n).await, "valid");
    }
    node
}

fn changed(change: impl Fn(&mut Grant)) -> Vec<(GrantKey, Grant)> {
    let one = |n| {
        let mut grant = of(n, ACCOUNT);
        change(&mut grant);
        (key(n), grant)
    };
    (0..MANY).map(one).collect()
}

/// What an account's row makes of a token of it: narrowed, bound to a network, switched off, and with all of its
/// tokens revoked, which is what its deletion does as well.
#[tokio::test]
async fn a_change_of_an_account_reaches_a_hundred_thousand_cached_tokens_and_asks_nobody() {
    let node = filled().await;
    let told = || (0..MANY).filter(|n| node.cached(*n).is_some()).count();
    let mut queries = MANY as usize + 1;
    assert_eq!((node.queries(), told()), (queries, MANY as usize));
    let network = Allowlist::new(["192.0.2.0/24".parse().unwrap()]).unwrap();
    let bounds = Bounds { allowlists: Box::new([network]), ..Bounds::default() };
    for (rows, code) in [
        (changed(|grant| grant.scopes = ScopeSet::default()), "valid"),
        (changed(|grant| grant.bounds = Some(Box::new(bounds.clone()))), "ip_not_allowed"),
        (changed(|grant| bonds(grant).account.as_mut().unwrap().enabled = false), "principal_disabled"),
        (changed(|grant| bonds(grant).floor = 2), "revoked"),
    ] {
        node.store.rows.lock().extend(rows);
        node.verifier.invalidate([ACCOUNT.0]);
        assert_eq!(
            (node.queries(), told()),
            (queries, 0),
            "none is answered from before, and none is looked up"
        );
        for n in [0, 1, MANY / 2, MANY - 1] {
            assert_eq!(node.ask(n).await, code);
            assert_eq!(node.ask(n).await, code);
        }
        queries += 4;
        assert_eq!(node.queries(), queries, "each is asked about once");
        assert_eq!(node.cached(MANY).as_deref(), Some("valid"), "the other account's is still known");
    }
}

fn bonds(grant: &mut Grant) -> &mut Bonds {
    grant.bonds.get_or_insert_default()
}
