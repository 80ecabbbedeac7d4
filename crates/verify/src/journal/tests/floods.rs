//! What costs an attacker nothing to send does not fill the journal, and none of it goes uncounted.

use std::net::{IpAddr, Ipv4Addr};

use super::flood::MAX_NETWORKS;
use super::*;

fn garbage(n: u32) -> RecordRef<'static> {
    let address = IpAddr::from(Ipv4Addr::from(n << 8 | n & 0xff));
    let code = if n.is_multiple_of(2) { RecordCode::NotFound } else { RecordCode::Malformed };
    RecordRef { ip_address: Some(address), code, ..record("garbage") }
}

/// Garbage until it is only counted; how many decisions that took.
fn flood(journal: &Journal, writer: &Writer) -> u64 {
    let mut sent = 0;
    while journal.status(Timestamp::EPOCH).counted == 0 {
        writer.append(&garbage(7)).unwrap();
        sent += 1;
    }
    sent
}

async fn move_counts(journal: &Journal, sink: &Sink) {
    journal.inner().seal_counts();
    drain(journal, sink).await;
}

fn decisions(sink: &Sink) -> u64 {
    sink.state.lock().events.iter().map(|event| u64::from(event.occurrences)).sum()
}

#[tokio::test]
async fn a_flood_of_distinct_networks_never_fills_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let (writer, other) = (journal.writer(), journal.writer());
    let sink = Sink::default();
    let mut sent = 0;
    for n in 0..30_000 {
        writer.append(&garbage(n)).unwrap();
        sent += 1;
        if n % 1_000 == 0 {
            other.append(&record(&format!("{n}"))).unwrap();
            sent += 1;
            // The mover tries all the time, and the store is away.
            sink.state.lock().fail_before = 1;
            journal.inner().sync_all();
            let _ = pass(&journal, &sink).await;
            journal.inner().seal_counts_if_due();
        }
    }
    let status = journal.status(Timestamp::EPOCH);
    assert!(status.bytes < (1 << 20) * 3 / 4, "{status:?}");
    let on_disk: u64 =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk <= status.bytes + 100, "{on_disk} of {status:?}");
    assert!(status.writable && status.counted > 20_000);
    move_counts(&journal, &sink).await;
    move_counts(&journal, &sink).await;
    assert_eq!(decisions(&sink), sent);
    let valid = sink.state.lock().events.iter().filter(|event| event.success()).count();
    assert_eq!(valid, 30);
    let state = sink.state.lock();
    let networks: BTreeSet<_> = state.events.iter().filter_map(|event| event.error_details.clone()).collect();
    assert!(networks.len() >= MAX_NETWORKS, "{}", networks.len());
    assert!(networks.iter().any(|details| details.contains("\"others\"")));
}

#[tokio::test]
async fn one_network_and_code_is_one_event_that_tells_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    let sink = Sink::default();
    let sent = flood(&journal, &writer);
    for n in 0..500_u32 {
        let at = Timestamp::from_micros(2_000_000 + i64::from(n));
        let ip_address = Some(IpAddr::from([192, 0, 2, n.to_le_bytes()[0]]));
        let code = if n < 300 { RecordCode::NotFound } else { RecordCode::Unavailable };
        let request_id = format!("r{n}");
        let known = RecordRef { request_id: &request_id, occurred_at: at, ip_address, code, ..garbage(0) };
        writer.append(&known).unwrap();
    }
    assert!(journal.status(Timestamp::EPOCH).pending_bytes > 0);
    move_counts(&journal, &sink).await;
    assert_eq!(decisions(&sink), sent + 500);
    let state = sink.state.lock();
    let ours: Vec<_> =
        state.events.iter().filter(|event| event.ip_address == Some([192, 0, 2, 0].into())).collect();
    let told: Vec<_> = ours.iter().map(|event| (event.code, event.occurrences, &*event.request_id)).collect();
    assert_eq!(told, [(RecordCode::NotFound, 300, "r299"), (RecordCode::Unavailable, 200, "r499")]);
    assert_eq!(ours[0].occurred_at, Timestamp::from_micros(2_000_299));
    let details: &str = ours[0].error_details.as_deref().unwrap();
    assert!(details.contains("192.0.2.0/24") && details.contains("1970-01-01T00:00:02"), "{details}");
}

#[tokio::test]
async fn what_names_a_credential_is_never_only_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    flood(&journal, &writer);
    let before = journal.status(Timestamp::EPOCH).counted;
    let id = keywright_core::CredentialId::generate(Timestamp::EPOCH, entropy());
    let known = RecordRef { credential_id: Some(id), code: RecordCode::Revoked, ..record("known") };
    writer.append(&known).unwrap();
    writer.append(&record("valid")).unwrap();
    let sink = Sink::default();
    drain(&journal, &sink).await;
    assert_eq!(journal.status(Timestamp::EPOCH).counted, before);
    let ids: BTreeSet<String> = sink.request_ids().into_iter().collect();
    assert!(ids.contains("known") && ids.contains("valid"));
    // The store has caught up: garbage is recorded one by one again.
    writer.append(&garbage(1)).unwrap();
    assert_eq!(journal.status(Timestamp::EPOCH).counted, before);
}

#[tokio::test]
async fn what_names_nobody_is_kept_short_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let writer = journal.writer();
    let long = "\u{e9}".repeat(100);
    for code in [RecordCode::NotFound, RecordCode::Valid] {
        let record = RecordRef { code, user_agent: Some(&long), endpoint: Some(&long), ..record("r") };
        writer.append(&record).unwrap();
    }
    let sink = Sink::default();
    drain(&journal, &sink).await;
    let state = sink.state.lock();
    let length = |text: &Option<Box<str>>| text.as_deref().map(str::len);
    assert_eq!(length(&state.events[0].user_agent), Some(64));
    assert_eq!(length(&state.events[0].endpoint), Some(64));
    assert_eq!(length(&state.events[1].user_agent), Some(200));
}

#[tokio::test]
async fn counts_that_must_be_durable_are_on_disk_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::generate(Timestamp::EPOCH, entropy());
    let options = JournalOptions { sync_interval: Duration::ZERO, ..options(dir.path()) };
    let journal = Journal::open(options, node, entropy).unwrap();
    let writer = journal.writer();
    flood(&journal, &writer);
    let counted: Written = writer.append_and_keep(&garbage(7)).unwrap();
    assert_eq!(counted.is_durable(), None);
    writer.append_durably(&garbage(7)).await.unwrap();
    assert_eq!(counted.is_durable(), Some(true));
    // Sealing them is as good as a round of the syncer.
    let counted: Written = writer.append_and_keep(&garbage(7)).unwrap();
    journal.inner().seal_counts();
    assert_eq!(counted.is_durable(), Some(true));
}

#[tokio::test]
async fn nothing_is_counted_after_the_end_and_nothing_is_lost_at_it() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let sent = flood(&journal, &journal.writer());
        let counting: Vec<_> = (0..2)
            .map(|_| {
                let writer = journal.writer();
                std::thread::spawn(move || {
                    (0..u32::MAX).take_while(|n| writer.append(&garbage(*n % 3)).is_ok()).count() as u64
                })
            })
            .collect();
        let sink = Sink::default();
        journal.inner().seal_counts();
        pass(&journal, &sink).await.unwrap();
        journal.close();
        let counted: u64 = counting.into_iter().map(|thread| thread.join().unwrap()).sum();
        drain(&journal, &sink).await;
        assert_eq!(decisions(&sink), sent + counted);
        assert_eq!(journal.status(Timestamp::EPOCH).bytes, 0);
    }
}
