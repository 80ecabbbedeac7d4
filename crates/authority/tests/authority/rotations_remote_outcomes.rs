//! What becomes of a delivery that did not go well: only what is certain to have sent nothing is taken for nothing.

use std::time::Duration;

use keywright_authority::rotations::run;
use keywright_core::rotation::{Delivery, RotationState};

use crate::place::{HOME, Place};
use crate::rotations_remote::{here, places_with};
use crate::stand_in::{Model, StandIn, Way};
use crate::world::Made;

/// Each receiver, and whether it is asked something before it is brought a secret.
fn asks(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::GithubActionsSecret { .. } | Delivery::VaultKv { .. })
}

/// One that hangs is to be seen hanging, and no other to be taken for one.
fn patience(way: Way) -> Duration {
    if way == Way::Hangs { Duration::from_secs(1) } else { Duration::from_secs(10) }
}

/// A token with a policy for each of these, all of them due, and looked at once.
async fn run_each(place: &Place, each: &[(StandIn, Delivery)]) -> Vec<Made> {
    let mut tokens = Vec::new();
    for (number, (_, delivery)) in each.iter().enumerate() {
        tokens.push(place.watched(&format!("api-{number}"), delivery).await.0);
    }
    place.days(30);
    place.run().await;
    tokens
}

async fn row_of(place: &Place, token: &Made) -> keywright_store::rotations::RotationRow {
    place.all().await.into_iter().find(|row| row.credential_id == token.row.id).unwrap()
}

#[tokio::test]
async fn what_carried_the_secret_may_have_sent_it_whatever_was_answered() {
    for way in [Way::Fails(500), Way::Fails(403), Way::Redirects, Way::Closes, Way::Hangs] {
        for place in places_with(&here(patience(way))).await {
            let each = StandIn::each().await;
            for (receiver, _) in &each {
                receiver.carrying(way);
            }
            let tokens = run_each(&place, &each).await;
            for ((receiver, delivery), token) in each.iter().zip(&tokens) {
                let rotation = row_of(&place, token).await;
                assert_eq!(rotation.state, RotationState::Delivering, "{way:?} {delivery:?}");
                assert!(rotation.may_have_sent && rotation.sealed_secret.is_some(), "{way:?} {delivery:?}");
                // Neither tried again behind our back nor followed anywhere.
                let count = if asks(delivery) { 2 } else { 1 };
                assert_eq!(receiver.received().len(), count, "{way:?} {delivery:?}");
                let answer = rotation.last_answer.unwrap();
                match way {
                    Way::Fails(status) => assert_eq!(answer, format!("answered {status}")),
                    Way::Redirects => assert_eq!(answer, "answered 307"),
                    Way::Hangs => assert_eq!(answer, "no answer in time"),
                    _ => assert!(!answer.contains("127.0.0.1"), "{answer}"),
                }
            }
            place.hours(73);
            place.next().await;
            for token in &tokens {
                let rotation = row_of(&place, token).await;
                assert_eq!(rotation.state, RotationState::Unconfirmed, "{way:?}");
                assert_eq!(place.old(token).await, "valid");
                let new = place.token(rotation.successor_id.unwrap()).await;
                assert_eq!(new.revoked_at, None, "somebody may use it");
            }
        }
    }
}

#[tokio::test]
async fn what_did_not_carry_the_secret_has_sent_nothing() {
    for way in [Way::Fails(500), Way::Fails(403), Way::Redirects, Way::Closes, Way::Hangs] {
        for place in places_with(&here(patience(way))).await {
            let mut each = StandIn::each().await;
            each.retain(|(_, delivery)| asks(delivery));
            for (receiver, _) in &each {
                receiver.asking(way);
            }
            let tokens = run_each(&place, &each).await;
            place.hours(73);
            place.next().await;
            for ((receiver, delivery), token) in each.iter().zip(&tokens) {
                let rotation = row_of(&place, token).await;
                assert!(!rotation.may_have_sent, "{way:?} {delivery:?}");
                assert_eq!(rotation.state, RotationState::Failed, "{way:?} {delivery:?}");
                assert!(receiver.carried().is_empty());
                assert_eq!(place.old(token).await, "valid");
                assert!(place.token(rotation.successor_id.unwrap()).await.revoked_at.is_some());
            }
        }
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for place in places_with(&here(Duration::from_secs(10))).await {
        let mut each = StandIn::each().await;
        for (_, delivery) in &mut each {
            match delivery {
                Delivery::Webhook { url: own, .. }
                | Delivery::GithubActionsSecret { url: own, .. }
                | Delivery::KubernetesSecret { url: own, .. }
                | Delivery::VaultKv { url: own, .. } => own.clone_from(&url),
                other => panic!("{other:?}"),
            }
        }
        for token in run_each(&place, &each).await {
            let rotation = row_of(&place, &token).await;
            assert!(!rotation.may_have_sent && rotation.attempts == 1, "{rotation:?}");
        }
    }
}

#[tokio::test]
async fn a_late_success_is_the_same_delivery_as_the_first() {
    for place in places_with(&here(Duration::from_secs(10))).await {
        let each = StandIn::each().await;
        for (receiver, _) in &each {
            receiver.carrying(Way::DoneButFails(500));
        }
        let tokens = run_each(&place, &each).await;
        let early: Vec<_> = each.iter().map(|(receiver, _)| receiver.kept().unwrap()).collect();
        for (receiver, _) in &each {
            receiver.carrying(Way::Well);
        }
        place.hours(1);
        place.next().await;
        for (((receiver, delivery), token), early) in each.iter().zip(&tokens).zip(early) {
            let rotation = row_of(&place, token).await;
            assert_eq!(rotation.state, RotationState::AwaitingConfirmation, "{delivery:?}");
            assert_eq!((rotation.attempts, receiver.kept()), (2, Some(early.clone())), "{delivery:?}");
            assert_eq!(place.verdict_on(&early).await, "valid");
            if let [first, second] = receiver.carried().as_slice()
                && matches!(delivery, Delivery::Webhook { .. })
            {
                assert_eq!(first.id(), second.id());
                assert_ne!(first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]);
            }
            place.used(rotation.successor_id.unwrap(), HOME).await;
        }
        place.next().await;
        for token in &tokens {
            assert_eq!(row_of(&place, token).await.state, RotationState::Confirmed);
        }
    }
}

#[tokio::test]
async fn a_receiver_that_was_brought_it_while_the_sender_died_may_have_it() {
    for place in places_with(&here(Duration::from_mins(10))).await {
        for (number, (receiver, delivery)) in StandIn::each().await.into_iter().enumerate() {
            receiver.carrying(Way::Hangs);
            let token = place.watched(&format!("api-{number}"), &delivery).await.0;
            place.days(30);
            let authority = place.world.authority.clone();
            let sending = tokio::spawn(async move { run(&authority).await });
            receiver.has(1).await;
            sending.abort();
            assert!(sending.await.is_err());
            let rotation = row_of(&place, &token).await;
            assert_eq!((rotation.state, rotation.attempts), (RotationState::Delivering, 1), "{delivery:?}");
            assert!(rotation.may_have_sent);
            // It counts as lost after a while, and is brought again under the same id.
            receiver.carrying(Way::Well);
            place.hours(1);
            place.next().await;
            let rotation = row_of(&place, &token).await;
            assert_eq!((rotation.state, rotation.attempts), (RotationState::AwaitingConfirmation, 2));
            assert_eq!(place.verdict_on(&receiver.kept().unwrap()).await, "valid");
            // Whoever has it confirms it.
            place.used(rotation.successor_id.unwrap(), HOME).await;
            place.next().await;
            assert_eq!(row_of(&place, &token).await.state, RotationState::Confirmed);
            place.world.raw().await.run("UPDATE rotation_policies SET deleted_at = created_at").await;
        }
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_and_the_others_are_served() {
    for place in places_with(&here(patience(Way::Hangs))).await {
        let [hangs, serves] = [StandIn::start(Model::Webhook).await, StandIn::start(Model::Webhook).await];
        hangs.carrying(Way::Hangs);
        let each = [(hangs.clone(), hangs.delivery()), (serves.clone(), serves.delivery())];
        let tokens = run_each(&place, &each).await;
        assert_eq!(row_of(&place, &tokens[0]).await.state, RotationState::Delivering);
        assert_eq!(row_of(&place, &tokens[1]).await.state, RotationState::AwaitingConfirmation);
    }
}
