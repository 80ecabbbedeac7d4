//! The first credential.

use keywright_authority::bootstrap::bootstrap;
use keywright_authority::idempotency::Minted;
use keywright_authority::service_tokens::Update;
use keywright_authority::{Authority, Fault};
use keywright_core::ScopeSet;
use keywright_verify::Clock;

use crate::world::{World, at_once, authority, keys, made, noon, operator, scopes, worlds};

async fn again(authority: &Authority) -> Result<Minted, Fault> {
    bootstrap(authority, Some("ops@example.com")).await
}

async fn refused(world: &World) -> bool {
    matches!(again(&world.authority).await, Err(Fault::AlreadyBootstrapped))
}

#[tokio::test]
async fn the_first_token_may_do_everything_and_there_is_no_second() {
    for world in worlds().await {
        world.token("ci", &["works:*", "tokens:*"]).await;
        let first = made(again(&world.authority).await);
        assert_eq!(first.row.permissions, ScopeSet::all());
        assert_eq!(first.row.metadata.as_map()["email"], "ops@example.com");
        assert_eq!(first.row.token_name.as_str(), "bootstrap-2027-03-01");
        assert_eq!(first.row.expires_at, Some(world.now().plus_days(90)));
        assert_eq!(world.verdict(&first).await, "valid");
        assert!(refused(&world).await, "{:?}", world.engine());
    }
}

#[tokio::test]
async fn there_is_a_next_one_once_none_is_usable() {
    for world in worlds().await {
        let first = made(again(&world.authority).await);
        let off = Update { is_active: Some(false), ..Update::default() };
        world.update(operator(), &first, off).await.unwrap();
        let second = made(again(&world.authority).await);
        assert_eq!(second.row.token_name.as_str(), "bootstrap-2027-03-01-2", "the first one has the name");
        assert!(refused(&world).await);
        let narrower = Update { permissions: Some(scopes(&["a:*"])), ..Update::default() };
        world.update(operator(), &second, narrower).await.unwrap();
        let third = made(again(&world.authority).await);
        assert_eq!(third.row.token_name.as_str(), "bootstrap-2027-03-01-3");
        world.revoke(&third).await;
        assert_eq!(made(again(&world.authority).await).row.token_name, third.row.token_name);
        world.advance_seconds(90 * 86_400);
        assert!(!refused(&world).await, "it has expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_at_once_one_is_made() {
    for world in worlds().await {
        // Two nodes at once, where there can be two.
        let other = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        for _ in 0..5 {
            let outcomes = at_once(10, |number| {
                let authority = if number % 2 == 0 { world.authority.clone() } else { other.clone() };
                async move { again(&authority).await }
            })
            .await;
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1, "{:?}: {lost:?}", world.engine());
            assert!(
                lost.iter().all(|outcome| matches!(outcome, Err(Fault::AlreadyBootstrapped))),
                "{lost:?}"
            );
            // The next round finds the name taken by one that is not usable.
            let off = Update { is_active: Some(false), ..Update::default() };
            world.update(operator(), &made(won.into_iter().next().unwrap()), off).await.unwrap();
        }
    }
}
