//! Nobody grants what they lack, one door after the other.

use keywright_authority::service_tokens::{self, Target, Update};
use keywright_authority::{Call, Fault};
use keywright_core::{Scope, Timestamp};

use crate::rotation::rotation;
use crate::world::{Made, World, by, denial, operator, scopes, wanted, worlds};

/// What the actor lacks, as the refusal tells it.
fn lacking<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> Vec<String> {
    match outcome {
        Err(Fault::ScopeExceedsGrantor { missing, .. }) => {
            missing.iter().map(Scope::as_str).map(str::to_owned).collect()
        }
        other => panic!("it was not refused for what the actor lacks: {other:?}"),
    }
}

fn permissions(texts: &[&str]) -> Update {
    Update { permissions: Some(scopes(texts)), ..Update::default() }
}

fn end(end: Option<Timestamp>) -> Update {
    Update { expires_at: Some(end), ..Update::default() }
}

fn active(is_active: bool) -> Update {
    Update { is_active: Some(is_active), ..Update::default() }
}

/// An administrator of tokens who may do nothing with works but read them.
async fn reader(world: &World) -> Made {
    world.token("reader", &["tokens:admin", "works:read"]).await
}

#[tokio::test]
async fn a_token_carries_no_more_than_its_maker() {
    for world in worlds().await {
        let reader = reader(&world).await;
        let create = async |name: &str, permissions: &[&str]| {
            service_tokens::create(&world.authority, by(&reader), wanted(name, permissions)).await
        };
        assert_eq!(lacking(create("a", &["works:read", "works:write"]).await), ["works:write"]);
        assert_eq!(lacking(create("a", &["*"]).await), ["*"]);
        assert_eq!(lacking(create("a", &["works:*", "works:admin"]).await), ["works:*", "works:admin"]);
        assert_eq!(lacking(create("a", &["emergency:revoke"]).await), ["emergency:revoke"]);
        assert!(create("a", &["works:read"]).await.is_ok(), "the refused ones left no name behind");
        assert!(create("b", &["tokens:read", "tokens:rotate_self"]).await.is_ok());
        assert!(create("c", &[]).await.is_ok());
    }
}

#[tokio::test]
async fn widening_in_any_way_needs_all_that_the_token_then_carries() {
    for world in worlds().await {
        let reader = reader(&world).await;
        let writer = world.token("writer", &["works:write"]).await;
        let off = world.token("off", &["works:write"]).await;
        world.update(operator(), &off, active(false)).await.unwrap();
        let later = Some(world.now().plus_days(91));
        let update = async |of: &Made, update| world.update(by(&reader), of, update).await;
        assert_eq!(lacking(update(&writer, permissions(&["works:write", "x"])).await), ["works:write", "x"]);
        assert_eq!(lacking(update(&writer, permissions(&["works:*"])).await), ["works:*"]);
        assert_eq!(lacking(update(&writer, end(later)).await), ["works:write"]);
        assert_eq!(lacking(update(&writer, end(None)).await), ["works:write"]);
        assert_eq!(lacking(update(&off, active(true)).await), ["works:write"]);
        assert_eq!(
            lacking(update(&off, Update { is_active: Some(true), ..end(later) }).await),
            ["works:write"]
        );
        for untouched in [&writer, &off] {
            let row = world.row(untouched).await;
            assert_eq!(row.permissions, scopes(&["works:write"]));
            assert_eq!(row.expires_at, untouched.row.expires_at);
        }
        assert!(!world.row(&off).await.is_active);
    }
}

#[tokio::test]
async fn narrowing_is_always_allowed() {
    for world in worlds().await {
        let reader = reader(&world).await;
        let star = world.token("star", &["*", "works:write"]).await;
        let sooner = Some(world.now().plus_days(1));
        let narrower =
            [active(false), end(sooner), permissions(&["works:write"]), permissions(&["works:write"])];
        for change in narrower {
            world.update(by(&reader), &star, change).await.unwrap();
        }
        // What it then carries, the actor lacks still: it cannot be given back.
        assert_eq!(lacking(world.update(by(&reader), &star, active(true)).await), ["works:write"]);
        world.update(by(&reader), &star, permissions(&[])).await.unwrap();
        let again = Update { permissions: Some(scopes(&["works:read"])), ..active(true) };
        world.update(by(&reader), &star, again).await.unwrap();
        assert_eq!(world.row(&star).await.permissions, scopes(&["works:read"]));
        let name = Update { token_name: Some(crate::world::name("a new name")), ..Update::default() };
        world.update(by(&reader), &star, name).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_gets_a_secret_for_more_than_they_hold_by_rotating_it() {
    for world in worlds().await {
        let reader = reader(&world).await;
        let writer = world.token("writer", &["works:write"]).await;
        let rotate = async |call: Call, of: &Made| {
            service_tokens::rotate(&world.authority, call, Target::Id(of.row.id), rotation()).await
        };
        assert_eq!(lacking(rotate(by(&reader), &writer).await), ["works:write"]);
        assert_eq!(world.row(&writer).await.superseded_by_id, None);
        world.update(operator(), &writer, permissions(&["works:read"])).await.unwrap();
        assert!(rotate(by(&reader), &writer).await.is_ok());
    }
}

#[tokio::test]
async fn what_the_door_saw_a_moment_ago_grants_nothing() {
    for world in worlds().await {
        let admin = world.token("admin", &["*"]).await;
        // The call still bears what the token carried when it came in.
        let call = by(&admin);
        world.update(operator(), &admin, permissions(&["tokens:admin", "works:read"])).await.unwrap();
        let wide = wanted("wide", &["works:write"]);
        assert_eq!(
            lacking(service_tokens::create(&world.authority, call.clone(), wide).await),
            ["works:write"]
        );
        world.update(operator(), &admin, permissions(&["works:read"])).await.unwrap();
        let narrow = wanted("narrow", &["works:read"]);
        assert_eq!(
            denial(&service_tokens::create(&world.authority, call, narrow).await),
            "insufficient_scope"
        );
    }
}
