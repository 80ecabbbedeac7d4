//! Automated rotation among publishers: what nobody takes up at one keeps no other back.

use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject};
use keywright_authority::rotations::{self, roll_back};
use keywright_authority::service_accounts;
use keywright_authority::service_tokens::{self, Holder};
use keywright_core::rotation::{Delivery, Policy, RotationState};
use keywright_core::{PublisherId, ServiceAccountId};
use keywright_store::rotations::ListFilter;

use crate::emergency::multiply;
use crate::people::publisher;
use crate::place::{Place, places, rotating};
use crate::raw::Raw;
use crate::service_accounts::new_account;
use crate::world::{Made, authority_with, keys, made, operator, wanted};

/// A place in which so many of one publisher are under way at once, with a policy for all.
async fn bounded(mut place: Place, max_at_once: u32) -> Place {
    let mut settings = rotating(place.folder.path().to_owned());
    settings.rotation.max_at_once = max_at_once;
    let clock = keywright_verify::Clock::manual(place.world.now());
    place.world.authority = authority_with(&place.world.store, clock, keys(&[1]), settings);
    let path = place.folder.path().join("{lineage_id}").display().to_string();
    let policy = Create {
        subject: PolicySubject::Everything,
        terms: Policy { max_age_days: Some(30), ..Policy::default() },
        delivery: Some(DeliveryChange { delivery: Delivery::File { path }, secret: None }),
    };
    rotation_policies::create(&place.world.authority, operator(), policy).await.unwrap();
    place
}

async fn account(place: &Place, of: PublisherId) -> ServiceAccountId {
    let new = service_accounts::Create { publisher: Some(of), ..new_account("account", &["works:read"]) };
    service_accounts::create(&place.world.authority, operator(), new).await.unwrap().object.id
}

async fn tokens(place: &Place, account: ServiceAccountId, names: &[&str]) -> Vec<Made> {
    let mut tokens = Vec::new();
    for name in names {
        let new =
            service_tokens::Create { holder: Holder::Above(account), permissions: None, ..wanted(name, &[]) };
        tokens.push(made(service_tokens::create(&place.world.authority, operator(), new).await));
        place.world.advance_seconds(1);
    }
    tokens
}

/// What has begun, by name.
async fn begun(place: &Place) -> Vec<String> {
    let mut names: Vec<_> = place.all().await.iter().map(|row| row.token_name.as_str().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_nobody_takes_up_at_one_publisher_keeps_no_other_back() {
    for place in places().await {
        let place = bounded(place, 2).await;
        let songs = account(&place, publisher(&place.world, "Songs").await).await;
        let films = account(&place, publisher(&place.world, "Films").await).await;
        tokens(&place, songs, &["s1", "s2", "s3", "s4"]).await;
        tokens(&place, films, &["f1"]).await;
        place.world.token("platform", &["works:read"]).await;
        place.days(30);
        place.run().await;
        assert_eq!(begun(&place).await, ["f1", "platform", "s1", "s2"]);
        let all = place.all().await;
        assert!(all.iter().all(|row| row.state == RotationState::AwaitingConfirmation), "{all:?}");
        // Within a publisher they come one after the other, the oldest first.
        let first = all.iter().find(|row| row.token_name.as_str() == "s1").unwrap();
        roll_back(&place.world.authority, operator(), first.id, None).await.unwrap();
        place.run().await;
        assert_eq!(begun(&place).await, ["f1", "platform", "s1", "s2", "s3"]);
        // Nor what is due later.
        tokens(&place, films, &["f2"]).await;
        place.days(30);
        place.run().await;
        let names = begun(&place).await;
        assert!(names.contains(&"f2".to_owned()), "{names:?}");
    }
}

/// Makes `count` copies of each token, each with a rotation that waits for somebody as the only one does.
async fn multiply_waiting(place: &Place, count: u32) {
    const KEPT: &str = "lineage_id, publisher_id, service_account_id, policy_id, rule, delivery, grace_seconds, \
                        quiet_hours, confirm_within_hours, attempts, next_attempt_at, may_have_sent, told_of_use, \
                        confirm_by, created_at, updated_at, version";
    let mut raw = place.world.raw().await;
    raw.run("UPDATE rotations SET state = 'unconfirmed', sealed_secret = NULL").await;
    multiply(&mut raw, count).await;
    let id = match raw {
        Raw::Sqlite(_) => "randomblob(16)",
        Raw::Postgres(_) => "gen_random_uuid()",
    };
    let kept = KEPT.split(", ").map(|column| format!("r.{column}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO rotations (id, credential_id, token_name, state, successor_id, {KEPT}) \
         SELECT {id}, t.id, t.token_name, r.state, r.successor_id, {kept} FROM rotations r, service_tokens t \
         WHERE t.id <> r.credential_id AND t.id <> r.successor_id"
    );
    assert_eq!(raw.run(sql).await, 2 * u64::from(count));
}

#[tokio::test]
async fn those_that_wait_for_somebody_keep_no_other_back_however_many_they_are() {
    for place in places().await {
        let place = bounded(place, 1).await;
        place.world.token("stuck", &["works:read"]).await;
        place.days(30);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        multiply_waiting(&place, 600).await;
        let late = place.world.token("late", &["works:read"]).await;
        place.days(31);
        place.run().await;
        let filter = ListFilter { credential: Some(late.row.id), limit: 9, ..ListFilter::default() };
        let found = rotations::list(&place.world.authority, &operator(), filter).await.unwrap();
        assert_eq!(found.len(), 1, "it has begun");
        assert_eq!(found[0].state, RotationState::AwaitingConfirmation);
    }
}
