//! A rotation whose process dies anywhere is carried on by the next one, and nobody is locked out in between.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use keywright_authority::rotations::run;
use keywright_core::rotation::{Delivery, RotationState};

use crate::place::{Place, places};
use crate::world::until;

/// Runs until it has been polled so often, and then never again: what a process that dies leaves.
struct Dying<F> {
    future: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Future for Dying<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

async fn run_until(place: &Place, polls: u32) -> bool {
    let authority = place.world.authority.clone();
    let future = Box::pin(async move { run(&authority).await });
    let finished = Dying { future, polls }.await;
    // Whoever died held the lease; the next one need not wait for it here.
    place.world.raw().await.run("DELETE FROM leases").await;
    finished.is_some()
}

#[tokio::test]
async fn killed_anywhere_a_rotation_is_carried_on_and_the_old_secret_works_all_the_while() {
    for place in places().await {
        let mut polls = 1;
        let mut number = 0;
        // Each round is a rotation that dies later than the one before, until one does not die.
        loop {
            number += 1;
            let file = format!("secret-{number}");
            let token = place.world.token(&format!("api-{number}"), &["works:read"]).await;
            let path = place.folder.path().join(&file).display().to_string();
            place.policy(&token, Delivery::File { path }).await;
            place.used(token.row.id, "192.0.2.7").await;
            place.days(30);
            let finished = run_until(&place, polls).await;
            assert_eq!(place.old(&token).await, "valid", "after {polls} polls");
            // A try that was begun counts as lost after ten minutes.
            for _ in 0..3 {
                place.run().await;
                place.world.advance_seconds(601);
            }
            place.run().await;
            let rotation =
                place.all().await.into_iter().find(|row| row.credential_id == token.row.id).unwrap();
            assert_eq!(rotation.state, RotationState::AwaitingConfirmation, "after {polls} polls");
            assert_eq!((place.read(&file).await, place.old(&token).await), ("valid", "valid"));
            place.used(rotation.successor_id.unwrap(), "192.0.2.7").await;
            assert!(run_until(&place, 1_000_000).await);
            // The end of it dies as well.
            place.days(2);
            run_until(&place, polls).await;
            place.run().await;
            let rotation =
                place.all().await.into_iter().find(|row| row.credential_id == token.row.id).unwrap();
            assert_eq!(rotation.state, RotationState::Closed, "after {polls} polls");
            assert_eq!((place.read(&file).await, place.old(&token).await), ("valid", "expired"));
            let minted = format!("SELECT COUNT(*) FROM service_tokens WHERE token_name LIKE 'api-{number}%'");
            let count = place.world.raw().await.number(minted).await;
            assert_eq!(count, 2, "one successor, after {polls} polls");
            // What has been rotated is out of the way of the next round.
            place.world.raw().await.run("UPDATE rotation_policies SET deleted_at = created_at").await;
            if finished {
                break;
            }
            polls += 1 + polls / 4;
        }
        assert!(number > 5, "it died {number} times");
    }
}

#[tokio::test]
async fn a_receiver_that_got_it_while_the_sender_died_is_known_to_may_have_it() {
    for place in places().await {
        let token = place.due(Delivery::Command { command: "hang".to_owned() }).await;
        let authority = place.world.authority.clone();
        let sending = tokio::spawn(async move { run(&authority).await });
        let hung = place.folder.path().join("hung");
        until("the program has the secret", async || {
            std::fs::read_to_string(&hung).is_ok_and(|secret| secret.len() == 67)
        })
        .await;
        sending.abort();
        assert!(tokio::time::timeout(Duration::from_secs(30), sending).await.unwrap().is_err());
        place.world.raw().await.run("DELETE FROM leases").await;
        let rotation = place.only().await;
        assert_eq!((rotation.state, rotation.attempts), (RotationState::Delivering, 1));
        assert!(rotation.may_have_sent);
        assert_eq!((place.read("hung").await, place.old(&token).await), ("valid", "valid"));
        // It is used: whoever got it has confirmed it, though nobody answered.
        place.used(rotation.successor_id.unwrap(), "192.0.2.7").await;
        place.run().await;
        assert_eq!(place.only().await.state, RotationState::Confirmed);
        assert_eq!(place.only().await.sealed_secret, None);
    }
}
