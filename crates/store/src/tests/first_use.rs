//! The first day of which anything is stored about a token that was taken over from another system.

use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, NodeId, Timestamp};
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use uuid::Uuid;

use super::{DAY, NOW, change, credential_id, event_id, read};
use crate::Store;
use crate::imports::first_use;
use crate::service_tokens::{Seen, TakenToken, remember};
use crate::testing::test_stores;

/// A decision on a credential, or on none that is known, so many days after the others begin.
fn on_day(number: u64, credential: Option<CredentialId>, day: i64) -> DecisionRecord {
    DecisionRecord {
        credential_id: credential,
        ..DecisionRecord::bare(
            event_id(number),
            NOW.plus_seconds(day * DAY),
            EventKind::Verify,
            RecordCode::Valid,
        )
    }
}

async fn decided(store: &Store, step: u64, records: Vec<DecisionRecord>) {
    let (node, segment) = (NodeId(Uuid::from_u128(1)), SegmentId(Uuid::from_u128(2)));
    let piece = Piece { node, segment, from: step, to: step + 1, records };
    assert_eq!(store.append(&[piece]).await.unwrap(), Appended::Done);
}

/// The day that a moment lies in.
fn day(number: i64) -> Timestamp {
    let seconds = NOW.plus_seconds(number * DAY).as_micros() / 1_000_000;
    Timestamp::EPOCH.plus_seconds(seconds / DAY * DAY)
}

#[tokio::test]
async fn the_first_use_is_that_of_a_token_that_was_taken_over() {
    let (own, first, second) = (credential_id(1), credential_id(2), credential_id(3));
    for store in test_stores().await {
        let found = async |from| read(&store, async |c| first_use(c, from).await).await;
        assert_eq!(found(day(0)).await, None, "nothing is stored");
        let taken = |number: u128, credential_id| Seen {
            source_id: Uuid::from_u128(number),
            token: TakenToken { credential_id, is_active: true, usage_count: 9 },
        };
        let seen = [taken(1, first), taken(2, second), taken(3, credential_id(4))];
        change(&store, async |c| remember(c, &seen).await).await;
        assert_eq!(found(day(0)).await, None, "none of them was used");
        // What is ours, and what is nobody's, came from nowhere.
        decided(&store, 0, vec![on_day(1, Some(own), 1), on_day(2, None, 1)]).await;
        assert_eq!(found(day(0)).await, None, "those that were used were not taken over");
        decided(&store, 1, vec![on_day(3, Some(second), 9), on_day(4, Some(first), 5)]).await;
        decided(&store, 2, vec![on_day(5, Some(first), 7), on_day(6, Some(own), 2)]).await;
        for (from, expected) in
            [(0, Some(5)), (5, Some(5)), (6, Some(7)), (8, Some(9)), (9, Some(9)), (10, None)]
        {
            assert_eq!(found(day(from)).await, expected.map(day), "from {from} on {:?}", store.engine());
        }
    }
}
