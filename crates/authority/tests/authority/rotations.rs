//! Automated rotation: no consumer is ever without a secret that works.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use keywright_authority::Fault;
use keywright_authority::rotation_policies::{self, Create, DeliveryChange, PolicySubject};
use keywright_authority::rotations::{self, confirm, roll_back};
use keywright_authority::service_tokens::{self, Rotate, Target};
use keywright_core::NodeId;
use keywright_core::id::JournalId;
use keywright_core::rotation::{Delivery, Policy, RotationState};
use keywright_store::journals;
use keywright_verify::EventKind;
use uuid::Uuid;

use crate::place::{HOME, places, rotating};
use crate::world::{by, keys, operator, scopes};

const HOUR: i64 = 3_600;

#[tokio::test]
async fn a_new_secret_is_delivered_used_and_only_then_the_old_one_ends() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::AwaitingConfirmation);
        assert_eq!((place.read("secret").await, place.old(&token).await), ("valid", "valid"));
        let mode = fs::metadata(place.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let successor = rotation.successor_id.unwrap();
        let (old, new) = (place.token(token.row.id).await, place.token(successor).await);
        assert_eq!((old.superseded_by_id, old.grace_expires_at), (Some(successor), None));
        assert_eq!((new.token_name.as_str(), new.rotated_from_id), ("api", Some(token.row.id)));
        assert_eq!(new.permissions, token.row.permissions);
        // Settled, the secret is kept nowhere.
        let dump = place.world.raw().await.dump(&[]).await;
        assert!(!dump.contains(fs::read_to_string(place.file()).unwrap().as_str()));
        assert_eq!(rotation.sealed_secret, None);

        // Waiting, and looking at it for nothing, confirms nothing.
        place.hours(1);
        place.seen(successor, HOME, EventKind::Look).await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::AwaitingConfirmation);
        place.used(successor, HOME).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::Confirmed);
        assert_eq!(rotation.grace_expires_at, Some(place.world.now().plus_days(1)));
        assert_eq!(place.old(&token).await, "valid");

        // It lives on as long as somebody uses it.
        place.hours(20);
        place.used(token.row.id, HOME).await;
        place.hours(10);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Confirmed, "valid"));
        place.hours(14);
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
        assert_eq!(place.read("secret").await, "valid");

        let told = rotations::get(&place.world.authority, &operator(), rotation.id).await.unwrap();
        let steps: Vec<_> = told.steps.iter().map(|step| step.kind.as_str()).collect();
        assert_eq!(steps, ["scheduled", "minted", "attempt", "delivered", "confirmed", "closed"]);
        let [caller] = told.callers.as_slice() else { panic!("{:?}", told.callers) };
        assert_eq!(caller.ip_address, HOME.parse().ok());
        assert_eq!((caller.endpoint.as_deref(), caller.occurrences), (Some("/works"), 1));
        // The next one follows when the new one is old, under the same policy.
        place.days(29);
        place.run().await;
        assert_eq!(place.all().await[0].credential_id, successor);
    }
}

#[tokio::test]
async fn a_use_from_elsewhere_confirms_nothing_and_one_from_home_does() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let successor = place.only().await.successor_id.unwrap();
        place.used(successor, "203.0.113.9").await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.told_of_use), (RotationState::AwaitingConfirmation, true));
        place.run().await;
        assert_eq!(place.only().await.version, rotation.version, "it is told once");
        assert_eq!(place.told().await, ["rotation_new_network critical open"]);
        place.used(successor, "192.0.2.200").await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed);
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn what_never_left_is_revoked_by_itself_and_the_old_one_is_as_it_was() {
    for place in places().await {
        let path = place.folder.path().join("missing/secret").display().to_string();
        let token = place.due(Delivery::File { path }).await;
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.attempts), (RotationState::Delivering, 1));
        assert!(!rotation.may_have_sent && rotation.sealed_secret.is_some());
        // Pauses grow; in between nothing is tried.
        place.run().await;
        assert_eq!(place.only().await.attempts, 1);
        place.world.advance_seconds(20);
        place.run().await;
        assert_eq!(place.only().await.attempts, 2);
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.sealed_secret), (RotationState::Failed, None));
        let old = place.token(token.row.id).await;
        assert_eq!((old.token_name.as_str(), old.superseded_by_id, old.superseded_at), ("api", None, None));
        assert_eq!(place.old(&token).await, "valid");
        assert!(place.token(rotation.successor_id.unwrap()).await.revoked_at.is_some());
        assert_eq!(place.told().await, ["rotation_failed high open"]);
        // Not at once again.
        place.run().await;
        assert_eq!(place.all().await.len(), 1);
        fs::create_dir(place.folder.path().join("missing")).unwrap();
        place.hours(25);
        place.run().await;
        let again = place.all().await;
        assert_eq!(again.len(), 2);
        let successor = again.iter().find_map(|row| row.delivered_at.and(row.successor_id)).unwrap();
        place.used(successor, HOME).await;
        place.run().await;
        assert_eq!(place.told().await, ["rotation_failed high resolved"], "its cause has gone");
    }
}

#[tokio::test]
async fn what_may_have_left_keeps_both_alive_until_somebody_decides() {
    for place in places().await {
        let token = place.due(Delivery::Command { command: "refuse".to_owned() }).await;
        place.run().await;
        let rotation = place.only().await;
        assert!(rotation.may_have_sent);
        assert_eq!(rotation.last_answer.as_deref(), Some("the program ended with 3"));
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.sealed_secret.as_ref()), (RotationState::Unconfirmed, None));
        let successor = rotation.successor_id.unwrap();
        assert_eq!(place.old(&token).await, "valid");
        assert_eq!(place.token(successor).await.revoked_at, None);
        place.days(30);
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Unconfirmed, "time decides nothing");
        assert_eq!(place.told().await, ["rotation_unconfirmed high open"]);

        let told = roll_back(&place.world.authority, operator(), rotation.id, None).await.unwrap();
        assert_eq!(told.row.state, RotationState::RolledBack);
        assert!(place.token(successor).await.revoked_at.is_some());
        assert_eq!(place.told().await, ["rotation_unconfirmed high resolved"]);
        assert_eq!(place.token(token.row.id).await.token_name.as_str(), "api");
        assert_eq!(place.old(&token).await, "valid");
        // Saying it again changes nothing; the other way is past.
        roll_back(&place.world.authority, operator(), rotation.id, None).await.unwrap();
        let confirmed = confirm(&place.world.authority, operator(), rotation.id, None).await;
        assert!(matches!(confirmed, Err(Fault::RotationOver)), "{confirmed:?}");
    }
}

#[tokio::test]
async fn a_late_use_confirms_what_was_left_unconfirmed() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.hours(73);
        place.run().await;
        let rotation = place.only().await;
        assert_eq!(rotation.state, RotationState::Unconfirmed);
        place.used(rotation.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed);
        assert_eq!(place.old(&token).await, "valid");
    }
}

#[tokio::test]
async fn who_is_to_rotate_by_hand_is_told_once_and_until_it_is_done() {
    for place in places().await {
        let token = place.due(Delivery::None).await;
        for _ in 0..3 {
            place.run().await;
        }
        assert_eq!(
            (place.told().await, place.all().await),
            (vec!["rotation_due low open".to_owned()], vec![])
        );
        // Another start tells nobody again.
        let settings = rotating(place.folder.path().to_owned());
        let clock = keywright_verify::Clock::manual(place.world.now());
        let again = crate::world::authority_with(&place.world.store, clock, keys(&[1]), settings);
        place.world.raw().await.run("DELETE FROM leases").await;
        rotations::run(&again).await.unwrap();
        assert_eq!(place.told().await, ["rotation_due low open"]);
        let wanted = Rotate { reason: "due".to_owned(), grace_seconds: None, expires_at: None };
        let target = Target::Id(token.row.id);
        service_tokens::rotate(&place.world.authority, operator(), target, wanted).await.unwrap();
        place.world.raw().await.run("DELETE FROM leases").await;
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due low resolved"]);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_until_it_is_cleared() {
    for place in places().await {
        let token = place.world.token("api", &["works:read", "works:admin"]).await;
        let all = ["monitoring:admin", "tokens:admin", "works:*"];
        let caller = place.world.token("enough", &all).await;
        let wanted = Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy { max_age_days: Some(30), ..Policy::default() },
            delivery: Some(DeliveryChange {
                delivery: Delivery::Command { command: "keep".to_owned() },
                secret: None,
            }),
        };
        let policy = rotation_policies::create(&place.world.authority, by(&caller), wanted).await.unwrap();
        let update = service_tokens::Update {
            permissions: Some(scopes(&["works:read", "catalog:read"])),
            ..service_tokens::Update::default()
        };
        place.world.update(operator(), &token, update).await.unwrap();
        place.days(30);
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due medium open"]);
        rotation_policies::delete(&place.world.authority, operator(), policy.token.id).await.unwrap();
        place.run().await;
        assert_eq!(place.told().await, ["rotation_due medium resolved"]);
    }
}

#[tokio::test]
async fn by_hand_it_is_confirmed_or_rolled_back_as_long_as_there_is_something_to_go_back_to() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        let id = place.only().await.id;
        let told = confirm(&place.world.authority, operator(), id, Some("seen".to_owned())).await.unwrap();
        assert_eq!(told.row.state, RotationState::Confirmed);
        assert!(told.row.grace_expires_at.is_some());
        place.world.revoke(&token).await;
        let refused = roll_back(&place.world.authority, operator(), id, None).await;
        assert!(matches!(refused, Err(Fault::NothingToRollBackTo)), "{refused:?}");
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Closed);
        let nobody = keywright_core::RotationId(Uuid::from_u128(9));
        let unknown = confirm(&place.world.authority, operator(), nobody, None).await;
        assert!(matches!(unknown, Err(Fault::NotFound)), "{unknown:?}");
    }
}

#[tokio::test]
async fn without_a_time_of_quiet_the_old_one_ends_with_its_grace_on_every_node_by_itself() {
    for place in places().await {
        let token = place.world.token("api", &["works:read"]).await;
        let wanted = Create {
            subject: PolicySubject::ServiceToken(token.row.id),
            terms: Policy {
                max_age_days: Some(30),
                quiet_hours: Some(0),
                grace_seconds: Some(600),
                ..Policy::default()
            },
            delivery: Some(DeliveryChange { delivery: place.to_file(), secret: None }),
        };
        rotation_policies::create(&place.world.authority, operator(), wanted).await.unwrap();
        place.used(token.row.id, HOME).await;
        place.days(30);
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        place.world.advance_seconds(599);
        assert_eq!(place.old(&token).await, "valid");
        place.world.advance_seconds(1);
        assert_eq!(place.old(&token).await, "expired");
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Closed);
    }
}

#[tokio::test]
async fn nothing_is_retired_before_the_journals_of_all_nodes_have_moved_past_it() {
    for place in places().await {
        let token = place.due(place.to_file()).await;
        place.run().await;
        place.used(place.only().await.successor_id.unwrap(), HOME).await;
        let (journal, node) = (JournalId(Uuid::from_u128(5)), NodeId(Uuid::from_u128(6)));
        let mut tx = place.world.store.begin().await.unwrap();
        journals::open(tx.conn(), journal, node, "there", "/there", place.world.now()).await.unwrap();
        tx.commit().await.unwrap();
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed, "what is known is known");
        place.days(3);
        place.run().await;
        assert_eq!(place.old(&token).await, "valid", "a node has never said how far it is");
        let moved = async |hours: i64| {
            let mut tx = place.world.store.begin().await.unwrap();
            let now = place.world.now();
            let through = now.plus_seconds(-hours * HOUR);
            assert!(journals::beat(tx.conn(), journal, node, now, through).await.unwrap());
            tx.commit().await.unwrap();
        };
        moved(2 * 24 + 1).await;
        place.run().await;
        assert_eq!(place.old(&token).await, "valid");
        moved(1).await;
        place.run().await;
        assert_eq!((place.only().await.state, place.old(&token).await), (RotationState::Closed, "expired"));
    }
}
