//! What is over goes by itself, and at once when somebody asks; what would go is told before.

use keywright_authority::cleanup::{self, CleanedUp};
use keywright_authority::service_tokens::Expiry;
use keywright_authority::{alerts, personal_tokens};
use keywright_core::{Allowlist, BuiltInRole, RateLimits, ScopeSet};
use keywright_store::leftovers::Leftover;

use crate::alerts::{new_alert, told};
use crate::people::{member, publisher};
use crate::world::{World, by, denial, name, operator, worlds};

const DAY: i64 = 86_400;

async fn clean_up(world: &World, dry_run: bool) -> Vec<CleanedUp> {
    cleanup::clean_up(&world.authority, operator(), dry_run).await.unwrap()
}

fn of(found: &[CleanedUp], kind: Leftover) -> (u64, u64) {
    let found = found.iter().find(|found| found.kind == kind).unwrap();
    (found.due, found.left)
}

fn is_clean(found: &[CleanedUp]) -> bool {
    found.iter().all(|found| (found.due, found.left) == (0, 0))
}

/// A credential of each kind that lives for a month, and an alert that is resolved.
async fn fill(world: &World) {
    world.token("service", &["a"]).await;
    let tenant = publisher(world, "Songtrust").await;
    let ada = member(world, "ada@example.com", tenant, BuiltInRole::PublisherEditor).await;
    let create = personal_tokens::Create {
        name: name("script"),
        scopes: ScopeSet::default(),
        inherit_user_permissions: true,
        publisher_ids: None,
        rate_limits: RateLimits::UNLIMITED,
        ip_allowlist: Allowlist::default(),
        expiry: Expiry::InDays(30),
    };
    personal_tokens::create(&world.authority, ada.call(), create).await.unwrap();
    let mut tx = world.store.begin().await.unwrap();
    let alert = alerts::open(&world.authority, &mut tx, new_alert("old")).await.unwrap().unwrap();
    alerts::open(&world.authority, &mut tx, new_alert("open")).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    alerts::resolve(&world.authority, operator(), alert.id, None).await.unwrap();
}

#[tokio::test]
async fn each_kind_goes_in_its_time_and_not_before() {
    for world in worlds().await {
        fill(&world).await;
        assert!(is_clean(&clean_up(&world, true).await), "{:?}", world.engine());
        world.advance_seconds(96 * DAY);
        let told_before = clean_up(&world, true).await;
        assert_eq!(of(&told_before, Leftover::PersonalTokensExpired), (1, 1));
        assert_eq!(of(&told_before, Leftover::ServiceTokensExpired), (0, 0), "six days ago");
        assert_eq!(of(&told_before, Leftover::Sessions), (1, 1));
        assert_eq!(told(&world, "platform.cleaned_up").await, 0);
        assert_eq!(clean_up(&world, true).await, told_before, "telling changes nothing");
        world.advance_seconds(DAY);
        let done = clean_up(&world, false).await;
        assert_eq!(of(&done, Leftover::ServiceTokensExpired), (1, 0));
        assert_eq!(of(&done, Leftover::PersonalTokensExpired), (1, 0));
        assert_eq!(of(&done, Leftover::Sessions), (1, 0));
        assert_eq!(of(&done, Leftover::ServiceTokensDead), (0, 0));
        for kind in ["platform.cleaned_up", "tokens.deactivated", "personal_tokens.deactivated"] {
            assert_eq!(told(&world, kind).await, 1, "{kind}");
        }
        assert!(is_clean(&clean_up(&world, true).await), "{:?}", world.engine());
        world.advance_seconds(400 * DAY);
        let done = clean_up(&world, false).await;
        for kind in [Leftover::ServiceTokensDead, Leftover::PersonalTokensDead, Leftover::Alerts] {
            assert_eq!(of(&done, kind), (1, 0), "{kind:?} on {:?}", world.engine());
        }
        let mut raw = world.raw().await;
        for (table, left) in [("service_tokens", 0), ("personal_tokens", 0), ("sessions", 0), ("alerts", 1)] {
            assert_eq!(raw.number(format!("SELECT COUNT(*) FROM {table}")).await, left, "{table}");
        }
    }
}

#[tokio::test]
async fn the_job_does_the_same_and_tells_it() {
    for world in worlds().await {
        fill(&world).await;
        assert_eq!(cleanup::clean_credentials(&world.authority).await.unwrap(), 0);
        world.advance_seconds(97 * DAY);
        assert_eq!(cleanup::clean_credentials(&world.authority).await.unwrap(), 2, "{:?}", world.engine());
        assert_eq!(cleanup::clean_credentials(&world.authority).await.unwrap(), 0);
        world.advance_seconds(400 * DAY);
        assert_eq!(cleanup::clean_credentials(&world.authority).await.unwrap(), 3);
        assert_eq!(told(&world, "tokens.removed").await, 1);
    }
}

#[tokio::test]
async fn cleaning_up_needs_the_right_to_manage_tokens_of_the_platform() {
    for world in worlds().await {
        let reader = world.token("reader", &["tokens:read"]).await;
        for dry_run in [true, false] {
            let refused = cleanup::clean_up(&world.authority, by(&reader), dry_run).await;
            assert_eq!(denial(&refused), "insufficient_scope");
        }
        assert_eq!(told(&world, "platform.cleaned_up").await, 0);
    }
}
