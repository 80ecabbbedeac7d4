//! Sweeping up what is over.

use keywright_authority::service_tokens::{self, CleanUp, CleanedUp, Rotate, Target, Update};
use keywright_core::Timestamp;

use crate::rotation::rotation;
use crate::world::{Made, World, by, denial, operator, worlds};

async fn clean_up(world: &World, deactivate_only: bool, older_than_days: u32) -> CleanedUp {
    let wanted = CleanUp { deactivate_only, older_than_days };
    service_tokens::clean_up(&world.authority, operator(), wanted).await.unwrap()
}

async fn ending(world: &World, name: &str, end: Option<Timestamp>) -> Made {
    let token = world.token(name, &["a"]).await;
    let end = Update { expires_at: Some(end), ..Update::default() };
    world.update(operator(), &token, end).await.unwrap();
    token
}

#[tokio::test]
async fn only_what_is_over_for_long_enough_is_switched_off() {
    for world in worlds().await {
        let start = world.now();
        let early = ending(&world, "early", Some(start.plus_days(1))).await;
        let late = ending(&world, "late", Some(start.plus_days(5))).await;
        let never = ending(&world, "never", None).await;
        let replaced = world.token("replaced", &["a"]).await;
        let grace = Rotate { grace_seconds: Some(86_400), ..rotation() };
        service_tokens::rotate(&world.authority, operator(), Target::Id(replaced.row.id), grace)
            .await
            .unwrap();
        assert_eq!(clean_up(&world, true, 0).await, CleanedUp::default());
        world.advance_seconds(6 * 86_400);
        assert_eq!(clean_up(&world, true, 2).await, CleanedUp { deactivated: 2, removed: 0 });
        assert!(!world.row(&early).await.is_active && !world.row(&replaced).await.is_active);
        assert!(world.row(&late).await.is_active && world.row(&never).await.is_active);
        assert_eq!(clean_up(&world, true, 0).await, CleanedUp { deactivated: 1, removed: 0 });
        assert_eq!(clean_up(&world, true, 0).await, CleanedUp::default());
        for (token, told) in [(&early, "expired"), (&late, "expired"), (&never, "valid")] {
            assert_eq!(world.verdict(token).await, told);
        }
    }
}

#[tokio::test]
async fn what_is_dead_goes_only_after_the_audits_retention() {
    for world in worlds().await {
        let revoked = world.token("revoked", &["a"]).await;
        assert_eq!(world.verdict(&revoked).await, "valid");
        world.revoke(&revoked).await;
        assert_eq!(world.verdict(&revoked).await, "revoked");
        world.advance_seconds(399 * 86_400);
        let live = ending(&world, "live", None).await;
        assert_eq!(clean_up(&world, false, 0).await.removed, 0, "kept as long as its events");
        world.advance_seconds(86_400);
        assert_eq!(clean_up(&world, false, 401).await.removed, 0, "older than was asked");
        assert_eq!(clean_up(&world, false, 0).await.removed, 1);
        assert_eq!((world.verdict(&revoked).await, world.verdict(&live).await), ("not_found", "valid"));
        assert_eq!(clean_up(&world, false, 0).await, CleanedUp::default());
    }
}

/// More than one slice, and more than one message to the other nodes.
#[tokio::test]
async fn thousands_are_swept_in_slices_each_with_its_event() {
    for world in worlds().await {
        world.token("first", &["a"]).await;
        let mut raw = world.raw().await;
        crate::emergency::multiply(&mut raw, 1_200).await;
        let kept = ending(&world, "kept", None).await;
        world.advance_seconds(91 * 86_400);
        assert_eq!(clean_up(&world, true, 0).await.deactivated, 1_201);
        let events = "SELECT COUNT(*) FROM security_events WHERE type = 'tokens.deactivated'";
        assert_eq!(raw.number(events).await, 3);
        let active = "SELECT COUNT(*) FROM service_tokens WHERE is_active";
        assert_eq!(raw.number(active).await, 1);
        world.advance_seconds(400 * 86_400);
        assert_eq!(clean_up(&world, false, 0).await, CleanedUp { deactivated: 0, removed: 1_201 });
        assert_eq!(raw.number("SELECT COUNT(*) FROM service_tokens").await, 1);
        assert_eq!(world.verdict(&kept).await, "valid");
    }
}

#[tokio::test]
async fn sweeping_up_needs_the_right_to_manage_tokens() {
    for world in worlds().await {
        let reader = world.token("reader", &["tokens:read"]).await;
        let wanted = CleanUp { deactivate_only: true, older_than_days: 0 };
        let refused = service_tokens::clean_up(&world.authority, by(&reader), wanted).await;
        assert_eq!(denial(&refused), "insufficient_scope");
    }
}
