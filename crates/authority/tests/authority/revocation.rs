//! Revocation, in force before the call returns, and whatever becomes of the caller.

use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use keywright_authority::service_tokens::{self, Rotate, Target, Update};
use keywright_authority::{Authority, Fault};
use keywright_core::{TokenHash, Wanted};
use keywright_verify::Clock;

use crate::rotation::rotation;
use crate::world::{
    Made, World, authority, by, cached_verdict, denial, keys, noon, operator, scopes, until, verdict, wanted,
    worlds,
};

#[tokio::test]
async fn revoked_token_is_denied_before_the_call_returns() {
    for world in worlds().await {
        let (cached, fresh) = (world.token("cached", &["a"]).await, world.token("fresh", &["a"]).await);
        assert_eq!(world.verdict(&cached).await, "valid");
        for token in [&cached, &fresh] {
            let reason = Some("left the company".to_owned());
            service_tokens::revoke(&world.authority, operator(), Target::Id(token.row.id), reason)
                .await
                .unwrap();
            assert_ne!(cached_verdict(&world.authority, token.secret.hash()), Some("valid"));
            assert_eq!(world.verdict(token).await, "revoked", "{:?}", world.engine());
            let row = world.row(token).await;
            assert_eq!(row.revoked_reason.as_deref(), Some("left the company"));
            assert_eq!(row.revoked_at, Some(world.now()));
        }
    }
}

#[tokio::test]
async fn every_other_change_is_in_force_before_its_call_returns() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        assert_eq!(world.verdict(&token).await, "valid");
        let active = |on| Update { is_active: Some(on), ..Update::default() };
        world.update(operator(), &token, active(false)).await.unwrap();
        assert_eq!(world.verdict(&token).await, "inactive");
        world.update(operator(), &token, active(true)).await.unwrap();
        assert_eq!(world.verdict(&token).await, "valid");
        let narrower = Update { permissions: Some(scopes(&[])), ..Update::default() };
        world.update(operator(), &token, narrower).await.unwrap();
        let lookup = world.authority.verifier().resolve(&Wanted::token(token.secret.hash()), None).await;
        let keywright_verify::Lookup::Known(known) = lookup else { panic!("{lookup:?}") };
        assert!(known.entry.grant.scopes.is_empty());
    }
}

#[tokio::test]
async fn revoking_again_changes_nothing_and_is_no_error() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        world.revoke(&token).await;
        let (row, events) = (world.row(&token).await, "SELECT COUNT(*) FROM security_events");
        let before = world.raw().await.number(events).await;
        world.advance_seconds(60);
        let again = service_tokens::revoke(
            &world.authority,
            operator(),
            Target::Id(token.row.id),
            Some("another reason".to_owned()),
        );
        again.await.unwrap();
        assert_eq!(world.row(&token).await, row);
        assert_eq!(world.raw().await.number(events).await, before);
        let update = world.update(operator(), &token, Update { is_active: Some(true), ..Update::default() });
        assert!(matches!(update.await, Err(Fault::AlreadyRevoked)));
    }
}

#[tokio::test]
async fn a_token_may_revoke_itself_and_then_nothing_more() {
    for world in worlds().await {
        let (own, other) = (world.token("own", &[]).await, world.token("other", &[]).await);
        let refused =
            service_tokens::revoke(&world.authority, by(&own), Target::Id(other.row.id), None).await;
        assert_eq!(denial(&refused), "insufficient_scope");
        service_tokens::revoke(&world.authority, by(&own), Target::Myself, None).await.unwrap();
        assert_eq!((world.verdict(&own).await, world.verdict(&other).await), ("revoked", "valid"));
        let again = service_tokens::revoke(&world.authority, by(&own), Target::Myself, None).await;
        assert_eq!(denial(&again), "revoked");
    }
}

/// What another process did may not have been told here yet; what this call says is so nevertheless.
#[tokio::test]
async fn what_another_node_revoked_is_in_force_here_once_it_is_revoked_here_too() {
    for world in worlds().await {
        let other = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        let token = world.token("ci", &["a"]).await;
        assert_eq!(world.verdict(&token).await, "valid");
        service_tokens::revoke(&other, operator(), Target::Id(token.row.id), None).await.unwrap();
        assert_eq!(world.verdict(&token).await, "valid", "nobody listens here: only so does this test tell");
        world.revoke(&token).await;
        assert_eq!(world.verdict(&token).await, "revoked", "{:?}", world.engine());
    }
}

/// What may be dropped in the middle of it.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Revoke,
    Rotate,
    SwitchOff,
}

impl Dropped {
    async fn carry_out(self, authority: &Authority, of: &Made) {
        let id = of.row.id;
        match self {
            Self::Revoke => {
                service_tokens::revoke(authority, operator(), Target::Id(id), None).await.unwrap();
            }
            Self::Rotate => {
                let at_once = Rotate { grace_seconds: Some(0), ..rotation() };
                service_tokens::rotate(authority, operator(), Target::Id(id), at_once).await.unwrap();
            }
            Self::SwitchOff => {
                let off = Update { is_active: Some(false), ..Update::default() };
                service_tokens::update(authority, operator(), id, off).await.unwrap();
            }
        }
    }
}

/// Polls the change `polls` times and drops it then. True when it was ready before.
async fn poll_and_drop(mut change: BoxFuture<'_, ()>, polls: usize, pause: bool) -> bool {
    for _ in 0..polls {
        if let Poll::Ready(()) = change.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return true;
        }
        if pause {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    false
}

async fn store_has_changed(world: &World, of: &Made) -> bool {
    world.row(of).await.version > 1
}

async fn is_cached_valid(authority: &Authority, hash: TokenHash) -> bool {
    verdict(authority, hash).await == "valid"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_at_any_moment_separates_nothing() {
    for world in worlds().await {
        for dropped in [Dropped::Revoke, Dropped::Rotate, Dropped::SwitchOff] {
            for pause in [false, true] {
                for polls in 0.. {
                    let label = format!("{:?}: {dropped:?} after {polls}, pause {pause}", world.engine());
                    let token = world.token(&label, &["a"]).await;
                    assert_eq!(world.verdict(&token).await, "valid");
                    let change = dropped.carry_out(&world.authority, &token).boxed();
                    let ready = poll_and_drop(change, polls, pause).await;
                    if polls == 0 {
                        assert!(!store_has_changed(&world, &token).await, "{label}: it had not begun");
                        continue;
                    }
                    until("it goes on without its caller", async || store_has_changed(&world, &token).await)
                        .await;
                    let hash = token.secret.hash();
                    until("what is stored is in force", async || {
                        !is_cached_valid(&world.authority, hash).await
                    })
                    .await;
                    if ready || polls > 40 {
                        break;
                    }
                }
            }
        }
    }
}

const WORKERS: usize = 24;

/// A leaked administrator's token, used as fast as can be by whoever found it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_actor_does_not_keep_its_own_revocation_out() {
    for world in worlds().await {
        // Making connections is not what is tried.
        world.store.warm(WORKERS + 2).await;
        let leaked = world.token("leaked", &["tokens:admin"]).await;
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (authority, call) = (world.authority.clone(), by(&leaked));
                tokio::spawn(async move {
                    for number in 0.. {
                        let wanted = wanted(&format!("{worker}-{number}"), &[]);
                        let outcome = service_tokens::create(&authority, call.clone(), wanted).await;
                        if outcome.is_err() {
                            return denial(&outcome);
                        }
                    }
                    unreachable!("nobody mints for ever")
                })
            })
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.revoke(&leaked).await;
        let mut raw = world.raw().await;
        let count = "SELECT COUNT(*) FROM service_tokens";
        let minted = raw.number(count).await;
        for worker in workers {
            assert_eq!(worker.await.unwrap(), "revoked", "{:?}", world.engine());
        }
        assert_eq!(raw.number(count).await, minted, "nothing was made after the call had returned");
    }
}
