//! Which automated rotations begin, when, and who may have them: windows, schedulers, switches and rights.

use std::fs;

use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject, Update};
use keywright_authority::rotations::{self, roll_back};
use keywright_authority::service_tokens::{self, Rotate, Target};
use keywright_authority::{Authority, Fault, maintenance_windows};
use keywright_core::Name;
use keywright_core::rotation::{Delivery, Policy, RotationState};
use keywright_store::rotations::RotationRow;

use crate::place::{HOME, Place, places, rotating};
use crate::world::{at_once, by, keys, operator, scopes};

#[tokio::test]
async fn who_decides_where_secrets_go_to_gets_none_that_they_could_not_make() {
    for place in places().await {
        let token = place.world.token("api", &["works:read", "works:admin"]).await;
        let wanted = |delivery| Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange { delivery, secret: None }),
        };
        let command = || Delivery::Command { command: "keep".to_owned() };
        for permissions in [&["monitoring:admin"][..], &["monitoring:admin", "tokens:admin", "works:read"]] {
            let caller = place.world.token(&format!("{permissions:?}"), permissions).await;
            let made =
                rotation_policies::create(&place.world.authority, by(&caller), wanted(command())).await;
            assert!(matches!(made, Err(Fault::ScopeExceedsGrantor { .. })), "{made:?}");
        }
        let all = ["monitoring:admin", "tokens:admin", "works:*"];
        let caller = place.world.token("enough", &all).await;
        let made = rotation_policies::create(&place.world.authority, by(&caller), wanted(command())).await;
        assert_eq!(made.unwrap().token.reach, scopes(&all));
        // The token learns to do more than they could: it is not rotated under their policy.
        let update = service_tokens::Update {
            permissions: Some(scopes(&["works:read", "catalog:read"])),
            ..service_tokens::Update::default()
        };
        place.world.update(operator(), &token, update).await.unwrap();
        place.days(30);
        place.run().await;
        assert_eq!(place.all().await, []);
        let plan = rotations::plan(&place.world.authority, &operator(), 1).await.unwrap();
        assert!(plan.items[0].obstacle.as_deref().unwrap().contains("can do more"), "{plan:?}");
        // What is not on the list of the configuration is nowhere.
        let nowhere = Delivery::File { path: "/etc/passwd".to_owned() };
        let other = place.world.token("other", &["works:read"]).await;
        let wanted = Create { subject: PolicySubject::ServiceToken(other.row.id), ..wanted(nowhere) };
        let made = rotation_policies::create(&place.world.authority, operator(), wanted).await;
        assert!(matches!(made, Err(Fault::Invalid(_))), "{made:?}");
    }
}

#[tokio::test]
async fn one_place_is_for_one_token() {
    for place in places().await {
        let platform = |delivery| Create {
            subject: PolicySubject::Everything,
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange { delivery, secret: None }),
        };
        let shared = rotation_policies::create(&place.world.authority, operator(), platform(place.to_file()));
        let shared = shared.await;
        assert!(matches!(shared, Err(Fault::Invalid(_))), "{shared:?}");
        let path = place.folder.path().join("{lineage_id}").display().to_string();
        let wanted = platform(Delivery::File { path });
        rotation_policies::create(&place.world.authority, operator(), wanted.clone()).await.unwrap();
        let again = rotation_policies::create(&place.world.authority, operator(), wanted).await;
        assert!(matches!(again, Err(Fault::PolicyExists)), "{again:?}");
        let tokens = [place.world.token("a", &["works:read"]).await, place.world.token("b", &[]).await];
        place.days(30);
        place.run().await;
        for token in &tokens {
            assert_eq!(place.read(&token.row.id.to_string()).await, "valid");
            assert_eq!(place.old(token).await, "valid");
        }
    }
}

#[tokio::test]
async fn rotations_begin_inside_their_window_the_oldest_first_and_not_too_many_at_once() {
    for mut place in places().await {
        let window = maintenance_windows::Create {
            publisher: None,
            name: Name::parse("nights").unwrap(),
            cron: "0 2 * * *".to_owned(),
            duration_minutes: 60,
            time_zone: "UTC".to_owned(),
        };
        let window = maintenance_windows::create(&place.world.authority, operator(), window).await.unwrap();
        let path = place.folder.path().join("{lineage_id}").display().to_string();
        let wanted = Create {
            subject: PolicySubject::Everything,
            terms: Policy {
                max_age_days: Some(30),
                maintenance_window_id: Some(window.object.id),
                ..Policy::default()
            },
            delivery: Some(DeliveryChange { delivery: Delivery::File { path }, secret: None }),
        };
        let mut settings = rotating(place.folder.path().to_owned());
        settings.rotation.max_at_once = 2;
        let authority = crate::world::authority_with(
            &place.world.store,
            keywright_verify::Clock::manual(place.world.now()),
            keys(&[1]),
            settings,
        );
        place.world.authority = authority;
        rotation_policies::create(&place.world.authority, operator(), wanted).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["first", "second", "third"] {
            tokens.push(place.world.token(name, &["works:read"]).await);
            place.world.advance_seconds(1);
        }
        // Noon: outside.
        place.days(31);
        place.run().await;
        assert_eq!(place.all().await, []);
        let plan = rotations::plan(&place.world.authority, &operator(), 1).await.unwrap();
        let begins = plan.items.iter().map(|one| one.begins_at.unwrap().to_string()[11..16].to_owned());
        assert_eq!(begins.collect::<Vec<_>>(), ["02:00", "02:00", "02:00"]);
        place.hours(14);
        place.run().await;
        let names = |rotations: &[RotationRow]| {
            let mut names: Vec<_> = rotations.iter().map(|row| row.token_name.as_str().to_owned()).collect();
            names.sort();
            names
        };
        let begun = place.all().await;
        assert_eq!(names(&begun), ["first", "second"]);
        place.run().await;
        assert_eq!(place.all().await.len(), 2, "no other begins before one of them is used");
        roll_back(&place.world.authority, operator(), begun[0].id, None).await.unwrap();
        place.run().await;
        assert_eq!(names(&place.all().await), ["first", "second", "third"]);
    }
}

#[tokio::test]
async fn of_two_schedulers_each_token_is_rotated_once() {
    for place in places().await {
        place.due(place.to_file()).await;
        let settings = rotating(place.folder.path().to_owned());
        let now = place.world.now();
        let nodes: Vec<Authority> = (0..8)
            .map(|_| {
                let clock = keywright_verify::Clock::manual(now);
                crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings.clone())
            })
            .collect();
        for _ in 0..3 {
            let nodes = nodes.clone();
            // A lease keeps most of them out; without it the same holds.
            place.world.raw().await.run("DELETE FROM leases").await;
            let done = at_once(8, move |number| {
                let node = nodes[number].clone();
                async move { rotations::run(&node).await }
            });
            for outcome in done.await {
                outcome.unwrap();
            }
        }
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.attempts), (RotationState::AwaitingConfirmation, 1));
        let minted = "SELECT COUNT(*) FROM service_tokens";
        assert_eq!(place.world.raw().await.number(minted).await, 2);
        assert_eq!(place.read("secret").await, "valid");
    }
}

#[tokio::test]
async fn a_stepped_clock_ends_nothing_early() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.hours(-2);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        place.hours(4);
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.run().await;
        place.hours(-2);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Confirmed, "valid"));
        place.hours(25);
        place.run().await;
        assert_eq!(place.old(&token).await, "valid", "24 hours from its confirmation are not over");
        place.hours(1);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
    }
}

#[tokio::test]
async fn a_token_whose_secret_is_on_its_way_is_not_rotated_by_hand() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let successor = place.only().await.successor_id.unwrap();
        for id in [token.row.id, successor] {
            let wanted = Rotate { reason: "now".to_owned(), grace_seconds: None, expires_at: None };
            let outcome =
                service_tokens::rotate(&place.world.authority, operator(), Target::Id(id), wanted).await;
            assert!(matches!(outcome, Err(Fault::RotationInProgress)), "{outcome:?}");
        }
        // Revoked by somebody, the new one gives way to the old one.
        let reason = Some("leaked".to_owned());
        let target = Target::Id(successor);
        service_tokens::revoke(&place.world.authority, operator(), target, reason).await.unwrap();
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::RolledBack);
        let old = place.token(token.row.id).await;
        assert_eq!((old.token_name.as_str(), old.superseded_by_id), ("api", None));
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn switched_off_nothing_begins_and_what_has_begun_goes_on() {
    for mut place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let (now, mut settings) = (place.world.now(), rotating(place.folder.path().to_owned()));
        settings.rotation.enabled = false;
        let clock = keywright_verify::Clock::manual(now);
        let off = crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings);
        place.world.raw().await.run("DELETE FROM leases").await;
        place.world.authority = off;
        let other = place.world.token("other", &["works:read"]).await;
        place.policy(&other, place.to_file()).await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.days(31);
        place.run().await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.credential_id, token.row.id);
        assert_eq!(rotation.state, RotationState::Confirmed);
    }
}

#[tokio::test]
async fn another_master_key_opens_what_is_under_way_once_it_is_sealed_anew() {
    for mut place in places().await {
        let path = place.folder.path().join("later/secret").display().to_string();
        let token = place.due(Delivery::File { path }).await;
        place.run().await;
        let with = |seeds: &[u8], place: &Place| {
            let clock = keywright_verify::Clock::manual(place.world.now());
            let settings = rotating(place.folder.path().to_owned());
            crate::world::authority_with(&place.world.store, clock, keys(seeds), settings)
        };
        let both = with(&[2, 1], &place);
        assert_eq!(keywright_authority::rekey::rekey(&both).await.unwrap().rotations, 1);
        place.world.authority = with(&[2], &place);
        place.world.raw().await.run("DELETE FROM leases").await;
        fs::create_dir(place.folder.path().join("later")).unwrap();
        place.hours(1);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        assert_eq!((place.read("later/secret").await, place.old(&token).await), ("valid", "valid"));
    }
}

#[tokio::test]
async fn a_policy_that_changes_leaves_what_has_begun_as_it_was_decided() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let rotation = place.only().await;
        let policy = keywright_core::RotationPolicyId(rotation.policy_id.0);
        let update = Update { quiet_hours: Some(Some(0)), grace_seconds: Some(Some(0)), ..Update::default() };
        rotation_policies::update(&place.world.authority, operator(), policy, update).await.unwrap();
        rotation_policies::delete(&place.world.authority, operator(), policy).await.unwrap();
        rotation_policies::delete(&place.world.authority, operator(), policy).await.unwrap();
        place.used(rotation.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        assert_eq!(place.only().await.grace_expires_at, Some(place.world.now().plus_days(1)));
    }
}
