//! Rotation by hand.

use keywright_authority::service_tokens::{self, Rotate, Target, Update};
use keywright_authority::{Call, Fault};
use keywright_core::{Metadata, Timestamp};
use serde_json::json;

use crate::world::{Made, World, by, made, operator, scopes, wanted, worlds};

pub(crate) fn rotation() -> Rotate {
    Rotate { reason: "test".to_owned(), grace_seconds: None, expires_at: None }
}

fn grace(seconds: u32) -> Rotate {
    Rotate { grace_seconds: Some(seconds), ..rotation() }
}

fn ends(end: Option<Timestamp>) -> Rotate {
    Rotate { expires_at: Some(end), ..rotation() }
}

async fn try_rotate(world: &World, call: Call, old: &Made, wanted: Rotate) -> Result<Made, Fault> {
    let minted = service_tokens::rotate(&world.authority, call, Target::Id(old.row.id), wanted).await?;
    Ok(Made { row: minted.token, secret: minted.secret.unwrap() })
}

async fn rotate(world: &World, old: &Made, wanted: Rotate) -> Made {
    try_rotate(world, operator(), old, wanted).await.unwrap()
}

async fn rotate_self(world: &World, old: &Made, wanted: Rotate) -> Result<Made, Fault> {
    let minted = service_tokens::rotate(&world.authority, by(old), Target::Myself, wanted).await?;
    Ok(Made { row: minted.token, secret: minted.secret.unwrap() })
}

#[tokio::test]
async fn the_new_token_takes_the_name_and_what_the_old_one_carried() {
    for world in worlds().await {
        let mut wanted = wanted("ci", &["works:*", "catalog:read"]);
        let metadata = json!({"team": "platform"});
        wanted.metadata = Metadata::new(metadata.as_object().unwrap().clone()).unwrap();
        let old = made(service_tokens::create(&world.authority, operator(), wanted).await);
        world.advance_seconds(3 * 86_400);
        let new = rotate(&world, &old, rotation()).await;
        assert_eq!(new.row.token_name.as_str(), "ci");
        assert_eq!(new.row.permissions, old.row.permissions);
        assert_eq!(new.row.metadata, old.row.metadata);
        assert_eq!(new.row.rotated_from_id, Some(old.row.id));
        assert_eq!(new.row.expires_at, Some(world.now().plus_days(90)), "the same length of life, from now");
        let after = world.row(&old).await;
        let id = old.row.id.0.simple().to_string();
        assert_eq!(after.token_name.as_str(), format!("ci~{}", &id[24..]));
        assert_eq!(after.superseded_by_id, Some(new.row.id));
        assert_eq!(after.superseded_at, Some(world.now()));
        assert_eq!(after.grace_expires_at, Some(world.now().plus_days(1)), "a day when none is named");
        assert_eq!(after.expires_at, old.row.expires_at);
        assert_eq!((world.verdict(&old).await, world.verdict(&new).await), ("valid", "valid"));
        world.advance_seconds(86_400);
        assert_eq!((world.verdict(&old).await, world.verdict(&new).await), ("expired", "valid"));
    }
}

#[tokio::test]
async fn a_chain_of_rotations_keeps_the_name_with_the_newest() {
    for world in worlds().await {
        let mut newest = world.token("ci", &["a"]).await;
        let mut names = Vec::new();
        for _ in 0..4 {
            let old = newest;
            newest = rotate(&world, &old, rotation()).await;
            names.push(world.row(&old).await.token_name);
        }
        assert_eq!(newest.row.token_name.as_str(), "ci");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
    }
}

#[tokio::test]
async fn grace_never_goes_past_the_old_ones_own_end() {
    for world in worlds().await {
        let old = world.token("ci", &["a"]).await;
        let end = world.now().plus_seconds(60);
        world
            .update(operator(), &old, Update { expires_at: Some(Some(end)), ..Update::default() })
            .await
            .unwrap();
        rotate(&world, &old, grace(3_600)).await;
        assert_eq!(world.row(&old).await.grace_expires_at, Some(end));
        let never = world.token("for ever", &["a"]).await;
        world
            .update(operator(), &never, Update { expires_at: Some(None), ..Update::default() })
            .await
            .unwrap();
        let new = rotate(&world, &never, grace(2_592_000)).await;
        assert_eq!(world.row(&never).await.grace_expires_at, Some(world.now().plus_days(30)));
        assert_eq!(new.row.expires_at, None, "the successor of one that never ends never ends");
    }
}

#[tokio::test]
async fn without_grace_the_old_one_is_over_when_the_call_returns() {
    for world in worlds().await {
        let old = world.token("ci", &["a"]).await;
        assert_eq!(world.verdict(&old).await, "valid");
        let new = rotate(&world, &old, grace(0)).await;
        assert_eq!((world.verdict(&old).await, world.verdict(&new).await), ("expired", "valid"));
    }
}

#[tokio::test]
async fn a_grace_of_more_than_thirty_days_is_refused() {
    for world in worlds().await {
        let old = world.token("ci", &["a"]).await;
        let refused = try_rotate(&world, operator(), &old, grace(2_592_001)).await;
        assert!(matches!(&refused, Err(Fault::Invalid(faults)) if faults[0].field == "grace_seconds"));
        assert_eq!(world.row(&old).await.version, 1);
    }
}

#[tokio::test]
async fn another_end_may_be_asked_for_and_must_be_ahead() {
    for world in worlds().await {
        let old = world.token("ci", &["a"]).await;
        let refused = try_rotate(&world, operator(), &old, ends(Some(world.now()))).await;
        assert!(matches!(&refused, Err(Fault::Invalid(faults)) if faults[0].field == "expires_at"));
        let end = world.now().plus_days(700);
        assert_eq!(rotate(&world, &old, ends(Some(end))).await.row.expires_at, Some(end));
    }
}

#[tokio::test]
async fn what_is_over_is_not_rotated_and_what_is_replaced_is_not_rotated_again() {
    for world in worlds().await {
        let gone = world.token("gone", &["a"]).await;
        world.revoke(&gone).await;
        let refused = try_rotate(&world, operator(), &gone, rotation()).await;
        assert!(matches!(refused, Err(Fault::NotRotatable)), "{refused:?}");

        let replaced = world.token("replaced", &["a"]).await;
        rotate(&world, &replaced, rotation()).await;
        let refused = try_rotate(&world, operator(), &replaced, rotation()).await;
        assert!(matches!(refused, Err(Fault::RotationInProgress)), "{refused:?}");
        let off = Update { is_active: Some(false), ..Update::default() };
        world.update(operator(), &replaced, off).await.unwrap();
        let refused = try_rotate(&world, operator(), &replaced, rotation()).await;
        assert!(matches!(refused, Err(Fault::RotationInProgress)), "{refused:?}");

        let late = world.token("late", &["a"]).await;
        world.advance_seconds(90 * 86_400);
        let refused = try_rotate(&world, operator(), &late, rotation()).await;
        assert!(matches!(refused, Err(Fault::NotRotatable)), "{refused:?}");

        let missing = Made { row: gone.row.clone(), secret: late.secret };
        world.raw().await.run("DELETE FROM service_tokens").await;
        let refused = try_rotate(&world, operator(), &missing, rotation()).await;
        assert!(matches!(refused, Err(Fault::NotFound)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_token_may_shorten_its_own_life_and_not_lengthen_it() {
    for world in worlds().await {
        let own = world.token("own", &["tokens:rotate_self"]).await;
        for longer in [None, Some(world.now().plus_days(90).plus_micros(1))] {
            let refused = rotate_self(&world, &own, ends(longer)).await;
            let about_time = |fault: &Fault| matches!(fault, Fault::ScopeExceedsGrantor { missing, .. } if missing.is_empty());
            assert!(refused.as_ref().is_err_and(about_time), "{refused:?}");
        }
        let shorter = Some(world.now().plus_days(7));
        let own = rotate_self(&world, &own, ends(shorter)).await.unwrap();
        assert_eq!(own.row.expires_at, shorter);
        // The shorter life is its length from then on.
        world.advance_seconds(86_400);
        let own = rotate_self(&world, &own, rotation()).await.unwrap();
        assert_eq!(own.row.expires_at, Some(world.now().plus_days(7)));

        let admin = world.token("admin", &["tokens:admin"]).await;
        assert_eq!(rotate_self(&world, &admin, ends(None)).await.unwrap().row.expires_at, None);
    }
}

#[tokio::test]
async fn rotating_oneself_needs_its_permission_and_rotating_others_needs_more() {
    for world in worlds().await {
        let bare = world.token("bare", &["works:read"]).await;
        let own = world.token("own", &["tokens:rotate_self"]).await;
        let refused = rotate_self(&world, &bare, rotation()).await;
        assert_eq!(crate::world::denial(&refused), "insufficient_scope");
        for other in [&bare, &own] {
            let refused = try_rotate(&world, by(&own), other, rotation()).await;
            assert_eq!(crate::world::denial(&refused), "insufficient_scope");
        }
        let new = rotate_self(&world, &own, rotation()).await.unwrap();
        assert_eq!(new.row.permissions, scopes(&["tokens:rotate_self"]));
        let refused = service_tokens::rotate(&world.authority, operator(), Target::Myself, rotation()).await;
        assert!(matches!(refused, Err(Fault::NotFound)), "the operator has no token of its own");
    }
}

#[tokio::test]
async fn the_successor_of_one_that_is_switched_off_is_switched_off() {
    for world in worlds().await {
        let old = world.token("ci", &["a"]).await;
        let off = Update { is_active: Some(false), ..Update::default() };
        world.update(operator(), &old, off).await.unwrap();
        let new = rotate(&world, &old, rotation()).await;
        assert_eq!((world.verdict(&old).await, world.verdict(&new).await), ("inactive", "inactive"));
    }
}
