//! What is odd about an hour is told once, whoever looks and whoever dies meanwhile.

use keywright_authority::anomalies::watch;
use keywright_authority::entropy;
use keywright_core::anomalies::{AnomalyTuning, Bearer, HourOfUse, Profile, Seen};
use keywright_core::id::{JournalId, SegmentId};
use keywright_core::{AlertKind, CredentialId, EventId, NodeId, PrincipalKind, Timestamp};
use keywright_store::alerts::{self, AlertRow, ListFilter};
use keywright_store::{Engine, Store, anomalies, journals};
use keywright_verify::{Appended, Clock, DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use uuid::Uuid;

use crate::world::{World, at_once, authority, keys, noon, worlds};

/// The hour that is looked at: the last one that is over.
fn hour() -> Timestamp {
    noon().plus_seconds(-3_600)
}

/// Decisions within that hour, all at the same moment and from the same address.
fn decisions(
    credential: Option<CredentialId>,
    code: RecordCode,
    address: &str,
    count: u32,
) -> DecisionRecord {
    let at = hour().plus_seconds(600);
    let id = EventId::generate(at, entropy::id());
    DecisionRecord {
        credential_id: credential,
        principal_kind: credential.map(|_| PrincipalKind::ServiceToken),
        principal_id: credential.map(|CredentialId(id)| id),
        ip_address: Some(address.parse().unwrap()),
        user_agent: Some("sync/1.0".into()),
        request_id: "r".into(),
        latency_micros: 10,
        occurrences: count,
        ..DecisionRecord::bare(id, at, EventKind::Verify, code)
    }
}

async fn record(store: &Store, records: Vec<DecisionRecord>) {
    let piece = Piece {
        node: NodeId(Uuid::from_u128(1)),
        segment: SegmentId(EventId::generate(noon(), entropy::id()).0),
        from: 0,
        to: 1,
        records,
    };
    assert_eq!(store.append(&[piece]).await.unwrap(), Appended::Done);
}

/// Remembers five weeks in which a credential was used a hundred times an hour, from one network.
async fn remember(store: &Store, credential: CredentialId) {
    let mut time = hour().plus_days(-35);
    let mut profile = Profile::new(time);
    while time < hour() {
        let seen = |label: &str| Seen {
            label: label.to_owned(),
            accepted: 100,
            denied: 0,
            first_at: time,
            last_at: time.plus_seconds(3_000),
        };
        let seen = HourOfUse {
            accepted: 100,
            networks: vec![seen("192.0.2.0/24")],
            user_agents: vec![seen("sync/1.0")],
            ..HourOfUse::default()
        };
        assert_eq!(profile.observe(time, &seen, Bearer::Service, &AnomalyTuning::default()), []);
        time = time.plus_seconds(3_600);
    }
    let mut tx = store.begin().await.unwrap();
    assert!(anomalies::keep_profile(tx.conn(), credential, profile.through(), &profile).await.unwrap());
    let (through, guessers) = anomalies::watched(tx.conn()).await.unwrap();
    if through.is_none() {
        let before = hour().plus_seconds(-3_600);
        assert!(anomalies::advance(tx.conn(), None, before, &guessers).await.unwrap());
    }
    tx.commit().await.unwrap();
}

async fn alerts_of(world: &World) -> Vec<AlertRow> {
    let filter = ListFilter { limit: 100, ..ListFilter::default() };
    alerts::list(world.store.read().await.unwrap().conn(), &filter).await.unwrap()
}

async fn through(world: &World) -> Option<Timestamp> {
    anomalies::watched(world.store.read().await.unwrap().conn()).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_nodes_that_look_one_tells_what_is_odd_and_it_says_how_to_check_it() {
    for world in worlds().await {
        let token = world.token("partner", &["a"]).await.row.id;
        remember(&world.store, token).await;
        record(&world.store, vec![decisions(Some(token), RecordCode::Valid, "192.0.2.7", 5_000)]).await;
        let store = world.store.another().await;
        let opened = at_once(4, |_| {
            let node = authority(&store, Clock::manual(noon()), keys(&[1]));
            async move { watch(&node).await.unwrap() }
        })
        .await;
        assert_eq!(opened.iter().sum::<u64>(), 1, "{:?}", world.engine());
        let told = alerts_of(&world).await;
        let [alert] = &told[..] else { panic!("{told:?}") };
        assert_eq!((alert.kind, alert.subject.id), (AlertKind::Volume, Some(token.0)));
        assert!(
            alert.summary.contains("partner") && alert.summary.contains("5000 times"),
            "{}",
            alert.summary
        );
        assert_eq!(alert.evidence["seen"], 5_000);
        assert_eq!(alert.evidence["hour"], hour().to_string());
        assert!(alert.evidence["expected"]["most"].as_f64().unwrap() < 1_000.0, "{:?}", alert.evidence);
        assert_eq!(alert.evidence["sample_event_ids"].as_array().unwrap().len(), 1);
        let events = alert.evidence["events"].as_str().unwrap();
        assert!(events.contains(&format!("credential_id={token}&since={}", hour())), "{events}");
        assert_eq!(through(&world).await, Some(hour()));
        assert_eq!(watch(&world.authority).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_hour_that_somebody_died_over_is_told_once() {
    for world in worlds().await {
        let (mut tokens, mut records) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let token = world.token(&format!("partner {number}"), &["a"]).await.row.id;
            remember(&world.store, token).await;
            records.push(decisions(Some(token), RecordCode::Valid, "192.0.2.7", 5_000));
            tokens.push(token);
        }
        record(&world.store, records).await;
        assert_eq!(watch(&world.authority).await.unwrap(), 3);
        // Whoever died after the credentials and before the end of the hour left this.
        let hour_before = match world.engine() {
            Engine::Sqlite => "through_hour - 3600000000",
            Engine::Postgres => "through_hour - INTERVAL '1 hour'",
        };
        let back = format!("UPDATE anomaly_watch SET through_hour = {hour_before}");
        world.raw().await.run(back.as_str()).await;
        assert_eq!(watch(&world.authority).await.unwrap(), 0, "{:?}", world.engine());
        assert_eq!((alerts_of(&world).await.len(), through(&world).await), (3, Some(hour())));
        // And this is what an older backup of the profiles leaves.
        world.raw().await.run(format!("{back}; DELETE FROM credential_profiles")).await;
        for token in &tokens {
            remember(&world.store, *token).await;
        }
        assert_eq!(watch(&world.authority).await.unwrap(), 0);
        assert_eq!(alerts_of(&world).await.len(), 3);
    }
}

#[tokio::test]
async fn an_hour_waits_until_every_journal_has_told_that_it_is_stored() {
    for world in worlds().await {
        let token = world.token("partner", &["a"]).await.row.id;
        remember(&world.store, token).await;
        record(&world.store, vec![decisions(Some(token), RecordCode::Valid, "192.0.2.7", 5_000)]).await;
        let (journal, node) = (JournalId(Uuid::from_u128(7)), NodeId(Uuid::from_u128(8)));
        let mut tx = world.store.begin().await.unwrap();
        journals::open(tx.conn(), journal, node, "here", "dir", noon()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(watch(&world.authority).await.unwrap(), 0, "it has not said yet");
        for (moved_through, opened) in [(noon().plus_micros(-1), 0), (noon(), 1)] {
            let mut tx = world.store.begin().await.unwrap();
            journals::beat(tx.conn(), journal, node, noon(), moved_through).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(watch(&world.authority).await.unwrap(), opened, "{:?}", world.engine());
        }
    }
}

#[tokio::test]
async fn an_address_that_tries_unknown_tokens_is_told_and_what_is_old_is_learned_only() {
    for world in worlds().await {
        let token = world.token("partner", &["a"]).await.row.id;
        remember(&world.store, token).await;
        record(
            &world.store,
            vec![
                decisions(None, RecordCode::NotFound, "203.0.113.9", 900),
                decisions(None, RecordCode::NotFound, "203.0.113.10", 19),
            ],
        )
        .await;
        assert_eq!(watch(&world.authority).await.unwrap(), 1);
        let told = alerts_of(&world).await;
        assert_eq!((told[0].kind, told[0].subject.id), (AlertKind::UnknownTokens, None));
        assert!(told[0].summary.starts_with("203.0.113.9 "), "{}", told[0].summary);

        let old = World::over(keywright_store::testing::store_on(world.engine()).await.unwrap());
        remember(&old.store, token).await;
        record(&old.store, vec![decisions(None, RecordCode::NotFound, "203.0.113.9", 900)]).await;
        old.advance_seconds(80 * 3_600);
        assert_eq!(watch(&old.authority).await.unwrap(), 0);
        assert_eq!(through(&old).await, Some(hour().plus_seconds(80 * 3_600)));
    }
}
