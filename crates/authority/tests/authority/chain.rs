//! The chain of security events: whatever is done to it afterwards is found.

use keywright_authority::audit::chain::{self, Break, SignedHead};
use keywright_authority::service_tokens;
use keywright_authority::{Authority, audit};
use keywright_store::{Engine, security_events};
use keywright_verify::Clock;

use crate::raw::Raw;
use crate::world::{World, at_once, authority, by, denial, keys, noon, operator, until, wanted, worlds};

/// A sealed chain of `count` events.
pub(crate) async fn sealed(world: &World, count: usize) {
    for number in 0..count {
        world.token(&format!("token {number}"), &["a"]).await;
        world.advance_seconds(1);
    }
    assert_eq!(chain::seal(&world.authority).await.unwrap(), count);
    assert_eq!(broken(world, None).await, None);
}

pub(crate) async fn broken(world: &World, known: Option<&SignedHead>) -> Option<Break> {
    chain::verify(&world.authority, known).await.unwrap().broken_at
}

/// Where it breaks; it must.
async fn breaks_at(world: &World, known: Option<&SignedHead>) -> u64 {
    broken(world, known).await.unwrap_or_else(|| panic!("{:?}: it was not found", world.engine())).seq
}

async fn head(world: &World) -> SignedHead {
    chain::verify(&world.authority, None).await.unwrap().head.unwrap()
}

/// Does it, sees it found at `place`, and puts the copies of the tables back.
async fn found(world: &World, raw: &mut Raw, sql: &str, place: u64) {
    raw.run("DROP TABLE IF EXISTS kept_events; CREATE TABLE kept_events AS SELECT * FROM security_events")
        .await;
    raw.run("DROP TABLE IF EXISTS kept_chain; CREATE TABLE kept_chain AS SELECT * FROM audit_chain").await;
    assert!(raw.run(sql).await > 0, "nothing was changed by {sql}");
    assert_eq!(breaks_at(world, None).await, place, "{:?}: {sql}", world.engine());
    raw.run("DELETE FROM security_events; INSERT INTO security_events SELECT * FROM kept_events").await;
    raw.run("DELETE FROM audit_chain; INSERT INTO audit_chain SELECT * FROM kept_chain").await;
    assert_eq!(broken(world, None).await, None);
}

#[tokio::test]
async fn every_column_of_a_sealed_event_is_covered() {
    for world in worlds().await {
        sealed(&world, 5).await;
        let mut raw = world.raw().await;
        let (id, time, address) = match world.engine() {
            Engine::Sqlite => ("x'00112233445566778899aabbccddeeff'", "occurred_at + 1", "'192.0.2.9'"),
            Engine::Postgres => (
                "'00112233-4455-6677-8899-aabbccddeeff'::uuid",
                "occurred_at + interval '1 microsecond'",
                "'192.0.2.9'::inet",
            ),
        };
        for (column, value) in [
            ("id", id),
            ("occurred_at", time),
            ("type", "'token.revoked'"),
            ("actor_type", "'system'"),
            ("actor_id", id),
            ("actor_name", "'somebody else'"),
            ("subject_type", "NULL"),
            ("subject_id", id),
            ("subject_name", "'another'"),
            ("publisher_id", id),
            ("ip_address", address),
            ("user_agent", "''"),
            ("request_id", "NULL"),
            ("reason", "'none'"),
            ("before", "'{}'"),
            ("after", "after || ' '"),
            ("details", "'{}'"),
            ("node_id", "NULL"),
            ("mac", "(SELECT e.mac FROM security_events e WHERE e.seq = 2)"),
            ("key_id", "'00000000'"),
            // An actor of no kind that is known: it cannot even be read.
            ("actor_type", "'nobody'"),
        ] {
            let sql = format!("UPDATE security_events SET {column} = {value} WHERE seq = 3");
            found(&world, &mut raw, &sql, 3).await;
        }
        // Moving text from one column to its neighbour changes it too.
        let moved = "UPDATE security_events SET reason = request_id, request_id = NULL WHERE seq = 3";
        found(&world, &mut raw, moved, 3).await;
    }
}

#[tokio::test]
async fn removed_reordered_inserted_and_cut_off_events_are_found() {
    for world in worlds().await {
        sealed(&world, 6).await;
        let mut raw = world.raw().await;
        found(&world, &mut raw, "DELETE FROM security_events WHERE seq = 1", 1).await;
        found(&world, &mut raw, "DELETE FROM security_events WHERE seq = 3", 3).await;
        found(&world, &mut raw, "DELETE FROM security_events WHERE seq = 6", 6).await;
        found(&world, &mut raw, "DELETE FROM security_events WHERE seq > 2", 3).await;
        found(&world, &mut raw, "DELETE FROM security_events", 1).await;
        let closed = "DELETE FROM security_events WHERE seq = 3; \
                      UPDATE security_events SET seq = seq - 10 WHERE seq > 3; \
                      UPDATE security_events SET seq = seq + 9 WHERE seq < 0";
        found(&world, &mut raw, closed, 3).await;
        let swapped = "UPDATE security_events SET seq = 100 WHERE seq = 2; \
                       UPDATE security_events SET seq = 2 WHERE seq = 4; \
                       UPDATE security_events SET seq = 4 WHERE seq = 100";
        found(&world, &mut raw, swapped, 2).await;
        found(&world, &mut raw, "UPDATE security_events SET seq = NULL WHERE seq = 5", 5).await;
        let inserted = |place: u64, from: u64| {
            let id = match world.engine() {
                Engine::Sqlite => "x'00112233445566778899aabbccddeeff'",
                Engine::Postgres => "'00112233-4455-6677-8899-aabbccddeeff'::uuid",
            };
            format!(
                "INSERT INTO security_events (id, seq, key_id, mac, occurred_at, type, actor_type, actor_name) \
                 SELECT {id}, {place}, key_id, mac, occurred_at, type, actor_type, actor_name \
                 FROM security_events WHERE seq = {from}"
            )
        };
        found(&world, &mut raw, &inserted(7, 6), 7).await;
        let made_room = format!(
            "UPDATE security_events SET seq = seq + 100 WHERE seq > 3; \
             UPDATE security_events SET seq = seq - 99 WHERE seq > 100; {}",
            inserted(4, 3)
        );
        found(&world, &mut raw, &made_room, 4).await;
    }
}

#[tokio::test]
async fn a_head_that_was_altered_or_is_gone_is_found() {
    for world in worlds().await {
        sealed(&world, 3).await;
        let mut raw = world.raw().await;
        found(&world, &mut raw, "UPDATE audit_chain SET seq = 2", 3).await;
        found(&world, &mut raw, "UPDATE audit_chain SET seq = 4", 4).await;
        let other = "UPDATE audit_chain SET mac = (SELECT mac FROM security_events WHERE seq = 3)";
        found(&world, &mut raw, other, 3).await;
        found(&world, &mut raw, "UPDATE audit_chain SET key_id = '00000000'", 3).await;
        found(&world, &mut raw, "UPDATE audit_chain SET key_id = NULL", 3).await;
        found(&world, &mut raw, "DELETE FROM audit_chain", 0).await;
    }
}

/// Whoever can write to the database can put an older head back with the events that it covers. A
/// line of the log tells.
#[tokio::test]
async fn a_trail_that_was_cut_off_with_its_head_is_found_by_a_head_that_was_kept() {
    for world in worlds().await {
        sealed(&world, 3).await;
        let mut raw = world.raw().await;
        raw.run("CREATE TABLE old_head AS SELECT * FROM audit_chain").await;
        let early = head(&world).await;
        world.token("a token that nobody should hear of", &["*"]).await;
        chain::seal(&world.authority).await.unwrap();
        let kept: SignedHead = head(&world).await.to_string().parse().unwrap();
        assert_eq!((early.seq, kept.seq), (3, 4));
        for known in [&early, &kept] {
            assert_eq!(broken(&world, Some(known)).await, None, "it goes through every head it ever had");
        }
        raw.run("DELETE FROM security_events WHERE seq = 4").await;
        raw.run("DELETE FROM audit_chain; INSERT INTO audit_chain SELECT * FROM old_head").await;
        assert_eq!(broken(&world, None).await, None, "by itself it looks whole");
        assert_eq!(broken(&world, Some(&early)).await, None);
        assert_eq!(breaks_at(&world, Some(&kept)).await, 4);
        // And when it has grown again in another way.
        world.token("harmless", &["a"]).await;
        chain::seal(&world.authority).await.unwrap();
        assert_eq!(breaks_at(&world, Some(&kept)).await, 4);
        let forged = SignedHead { seq: 2, mac: vec![7; 32] };
        assert_eq!(breaks_at(&world, Some(&forged)).await, 2);
    }
}

#[tokio::test]
async fn nothing_is_sealed_onto_a_chain_that_does_not_hold_at_its_end() {
    for world in worlds().await {
        sealed(&world, 3).await;
        let mut raw = world.raw().await;
        raw.run("DELETE FROM security_events WHERE seq = 3").await;
        world.token("later", &["a"]).await;
        assert!(chain::seal(&world.authority).await.is_err());
        assert_eq!(breaks_at(&world, None).await, 3);
        assert_eq!(raw.number("SELECT COUNT(*) FROM security_events WHERE seq IS NULL").await, 1);
        // The change itself was not held up by that.
        assert_eq!(raw.number("SELECT COUNT(*) FROM service_tokens").await, 4);
    }
}

/// More events than one slice of the sealer and one of the check.
#[tokio::test]
async fn a_long_chain_is_sealed_and_checked_to_its_end() {
    for world in worlds().await {
        world.token("first", &["a"]).await;
        let mut raw = world.raw().await;
        let (numbers, id) = match world.engine() {
            Engine::Sqlite => (
                "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 2500) SELECT n FROM g)",
                "randomblob(16)",
            ),
            Engine::Postgres => ("(SELECT n FROM generate_series(1, 2500) AS n)", "gen_random_uuid()"),
        };
        raw.run(format!(
            "INSERT INTO security_events (id, occurred_at, type, actor_type, actor_name) \
             SELECT {id}, occurred_at, type, actor_type, actor_name FROM security_events, {numbers} AS g"
        ))
        .await;
        assert_eq!(chain::seal(&world.authority).await.unwrap(), 2_501);
        let verified = chain::verify(&world.authority, None).await.unwrap();
        assert_eq!((verified.checked, verified.unsealed, verified.broken_at), (2_501, 0, None));
        assert_eq!(verified.head.unwrap().seq, 2_501);
        found(&world, &mut raw, "UPDATE security_events SET reason = 'x' WHERE seq = 2499", 2_499).await;
        found(&world, &mut raw, "UPDATE security_events SET actor_type = 'nobody' WHERE seq = 1234", 1_234)
            .await;
    }
}

#[tokio::test]
async fn an_empty_chain_holds_and_goes_through_no_head() {
    for world in worlds().await {
        let verified = chain::verify(&world.authority, None).await.unwrap();
        assert_eq!((verified.checked, verified.head, verified.broken_at), (0, None, None));
        let known = SignedHead { seq: 1, mac: vec![0; 32] };
        assert_eq!(breaks_at(&world, Some(&known)).await, 1);
        let reader = world.token("reader", &["tokens:read"]).await;
        assert_eq!(denial(&audit::verify(&world.authority, &by(&reader), None).await), "insufficient_scope");
    }
}

async fn seal_until(authority: Authority, done: tokio::sync::watch::Receiver<bool>) {
    while !*done.borrow() {
        chain::seal(&authority).await.unwrap();
    }
}

/// Two that both hold the lease for theirs: the one of a node that was paused, and its successor's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sealers_at_once_make_one_chain_while_it_is_written_and_checked() {
    for world in worlds().await {
        let other = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        // Nobody's lease ever keeps anybody out.
        let mut raw = world.raw().await;
        let unleased = match world.engine() {
            Engine::Sqlite => {
                "CREATE TRIGGER unleased AFTER UPDATE ON leases BEGIN UPDATE leases SET expires_at = 0; END; \
                 CREATE TRIGGER unleased_first AFTER INSERT ON leases BEGIN UPDATE leases SET expires_at = 0; END"
            }
            Engine::Postgres => {
                "CREATE FUNCTION unleased() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN NEW.expires_at = 'epoch'; RETURN NEW; END $$; \
                 CREATE TRIGGER unleased BEFORE INSERT OR UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION unleased()"
            }
        };
        raw.run(unleased).await;
        let sealers = [
            tokio::spawn(seal_until(world.authority.clone(), stopped.clone())),
            tokio::spawn(seal_until(other.clone(), stopped)),
        ];
        let writers = at_once(4, |worker| {
            let authority = world.authority.clone();
            async move {
                for number in 0..25 {
                    let wanted = wanted(&format!("{worker} {number}"), &["a"]);
                    service_tokens::create(&authority, operator(), wanted).await.unwrap();
                    let verified = chain::verify(&authority, None).await.unwrap();
                    assert_eq!(verified.broken_at, None, "a sealer at work is no break");
                }
            }
        });
        writers.await;
        until("all are sealed", async || {
            security_events::unsealed_count(world.store.read().await.unwrap().conn()).await.unwrap() == 0
        })
        .await;
        stop.send(true).unwrap();
        for sealer in sealers {
            sealer.await.unwrap();
        }
        let verified = chain::verify(&world.authority, None).await.unwrap();
        assert_eq!((verified.checked, verified.broken_at), (100, None), "{:?}", world.engine());
    }
}
