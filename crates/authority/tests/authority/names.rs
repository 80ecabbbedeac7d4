//! Names are unique among the living and free afterwards.

use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Scope};
use keywright_authority::service_tokens::{self, Update};
use keywright_authority::{Fault, jobs};

use crate::world::{World, at_once, made, name, operator, wanted, worlds};

async fn emergency(world: &World) {
    let wanted = EmergencyRevoke {
        reason: "test".to_owned(),
        scope: Scope::All,
        kinds: Kinds { service: true, ..Kinds::default() },
        keep_caller: false,
    };
    emergency::revoke(&world.authority, operator(), wanted).await.unwrap();
}

fn rename(text: &str) -> Update {
    Update { token_name: Some(name(text)), ..Update::default() }
}

#[tokio::test]
async fn a_live_name_is_taken_whatever_the_state_of_its_bearer() {
    for world in worlds().await {
        let bearer = world.token("ci", &["a"]).await;
        let other = world.token("other", &["a"]).await;
        let off = Update { is_active: Some(false), ..Update::default() };
        for seconds in [0, 0, 91 * 86_400] {
            world.advance_seconds(seconds);
            let taken = service_tokens::create(&world.authority, operator(), wanted("ci", &["a"])).await;
            assert!(matches!(taken, Err(Fault::NameTaken)), "{taken:?}");
            assert!(matches!(world.update(operator(), &other, rename("ci")).await, Err(Fault::NameTaken)));
            world.update(operator(), &bearer, off.clone()).await.unwrap();
        }
        assert_eq!(world.row(&other).await.token_name.as_str(), "other");
        world.update(operator(), &bearer, rename("ci")).await.unwrap();
        assert!(service_tokens::create(&world.authority, operator(), wanted("CI", &["a"])).await.is_ok());
    }
}

#[tokio::test]
async fn a_name_is_free_again_once_its_bearer_is_revoked() {
    for world in worlds().await {
        let first = world.token("ci", &["a"]).await;
        world.revoke(&first).await;
        let second = world.token("ci", &["a"]).await;
        world.revoke(&second).await;
        let third = world.token("third", &["a"]).await;
        world.update(operator(), &third, rename("ci")).await.unwrap();
        for (token, told) in [(&first, "revoked"), (&second, "revoked"), (&third, "valid")] {
            assert_eq!(world.row(token).await.token_name.as_str(), "ci");
            assert_eq!(world.verdict(token).await, told);
        }
    }
}

#[tokio::test]
async fn a_name_is_free_as_soon_as_an_emergency_has_revoked_its_bearer() {
    for world in worlds().await {
        let dead = [world.token("ci", &["a"]).await, world.token("deploy", &["a"]).await];
        emergency(&world).await;
        assert!(world.row(&dead[0]).await.revoked_at.is_none(), "no job has marked it yet");
        let ci = world.token("ci", &["a"]).await;
        let renamed = world.token("renamed", &["a"]).await;
        world.update(operator(), &renamed, rename("deploy")).await.unwrap();
        for token in &dead {
            assert!(world.row(token).await.revoked_at.is_some());
            assert_eq!(world.verdict(token).await, "revoked");
        }
        for token in [&ci, &renamed] {
            assert_eq!(world.verdict(token).await, "valid");
        }
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 0, "they were marked by those who came");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_that_take_a_name_at_once_one_gets_it() {
    for world in worlds().await {
        for dead in [false, true] {
            if dead {
                emergency(&world).await;
            }
            let outcomes = at_once(20, |_| {
                let authority = world.authority.clone();
                async move { service_tokens::create(&authority, operator(), wanted("ci", &["a"])).await }
            })
            .await;
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert!(lost.iter().all(|fault| matches!(fault, Err(Fault::NameTaken))), "{lost:?}");
            assert_eq!(won.len(), 1, "{:?}", world.engine());
            assert_eq!(world.verdict(&made(won.into_iter().next().unwrap())).await, "valid");
        }
    }
}
