//! Emergency revocation: its reach, whom it spares, and what it leaves to the job.

use keywright_authority::emergency::{self, EmergencyRevoke, Kinds, Revoked, Scope};
use keywright_authority::service_tokens::{self, Target};
use keywright_authority::{Call, Fault, jobs};
use keywright_core::Status;
use keywright_store::testing::TestStore;
use keywright_store::{Engine, platform, service_tokens as rows};

use crate::raw::Raw;
use crate::world::{World, by, denial, operator, until, wanted, worlds};

pub(crate) fn all(keep_caller: bool) -> EmergencyRevoke {
    EmergencyRevoke {
        reason: "test".to_owned(),
        scope: Scope::All,
        kinds: Kinds { service: true, ..Kinds::default() },
        keep_caller,
    }
}

pub(crate) async fn emergency(world: &World, call: Call, keep_caller: bool) -> Result<Revoked, Fault> {
    emergency::revoke(&world.authority, call, all(keep_caller)).await
}

/// Adds `count` copies of each token, each with an id, a name and a hash of its own.
pub(crate) async fn multiply(raw: &mut Raw, count: u32) {
    const KEPT: &str = "token_hint, permissions, metadata, is_active, expires_at, epoch, created_by_type, \
                        created_by_name, created_at, updated_at, version, service_account_id, publisher_id";
    let (numbers, id, hash) = match raw {
        Raw::Sqlite(_) => (
            format!(
                "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {count}) SELECT n FROM g)"
            ),
            "randomblob(16)",
            "randomblob(32)",
        ),
        Raw::Postgres(_) => (
            format!("(SELECT n FROM generate_series(1, {count}) AS n)"),
            "gen_random_uuid()",
            "sha256(convert_to(n || token_name, 'UTF8'))",
        ),
    };
    let sql = format!(
        "INSERT INTO service_tokens (id, token_hash, token_name, name_folded, {KEPT}) \
         SELECT {id}, {hash}, token_name || n, name_folded || n, {KEPT} FROM service_tokens, {numbers} AS g"
    );
    raw.run(sql).await;
}

pub(crate) async fn epoch(store: &TestStore) -> u64 {
    platform::epochs(store.read().await.unwrap().conn()).await.unwrap().service
}

#[tokio::test]
async fn all_in_reach_is_refused_when_the_call_returns_cached_or_not() {
    for world in worlds().await {
        let (cached, fresh) = (world.token("cached", &["a"]).await, world.token("fresh", &["a"]).await);
        let replaced = world.token("replaced", &["a"]).await;
        let rotated = service_tokens::rotate(
            &world.authority,
            operator(),
            Target::Id(replaced.row.id),
            crate::rotation::rotation(),
        );
        let new = crate::world::made(rotated.await);
        let gone = world.token("gone", &["a"]).await;
        world.revoke(&gone).await;
        assert_eq!(world.verdict(&cached).await, "valid");
        let revoked = emergency(&world, operator(), false).await.unwrap();
        assert_eq!(revoked.service, 4, "all but the one that was revoked before");
        for token in [&cached, &fresh, &replaced, &new, &gone] {
            assert_eq!(world.verdict(token).await, "revoked", "{:?}", world.engine());
        }
        assert_eq!(revoked.nodes.confirmed, [world.authority.node()]);
        let later = world.token("later", &["a"]).await;
        assert_eq!(world.verdict(&later).await, "valid", "what is made afterwards lives");
        assert_eq!(world.verdict(&cached).await, "revoked");
    }
}

#[tokio::test]
async fn it_spares_the_caller_if_asked_and_nobody_else() {
    for world in worlds().await {
        let caller = world.token("caller", &["emergency:revoke", "tokens:read"]).await;
        let other = world.token("other", &["*"]).await;
        for token in [&caller, &other] {
            assert_eq!(world.verdict(token).await, "valid");
        }
        let revoked = emergency(&world, by(&caller), true).await.unwrap();
        assert_eq!(revoked.service, 1);
        assert_eq!((world.verdict(&caller).await, world.verdict(&other).await), ("valid", "revoked"));
        assert_eq!(denial(&emergency(&world, by(&other), true).await), "revoked");
        // The one that was spared has not become immune.
        assert_eq!(emergency(&world, by(&caller), false).await.unwrap().service, 1);
        assert_eq!(world.verdict(&caller).await, "revoked");
        assert_eq!(denial(&emergency(&world, by(&caller), true).await), "revoked");
    }
}

#[tokio::test]
async fn it_needs_its_own_permission_and_a_refused_one_raises_nothing() {
    for world in worlds().await {
        let admin = world.token("admin", &["tokens:*", "monitoring:*"]).await;
        let before = epoch(&world.store).await;
        assert_eq!(denial(&emergency(&world, by(&admin), true).await), "insufficient_scope");
        assert_eq!(epoch(&world.store).await, before);
        assert_eq!(world.verdict(&admin).await, "valid");
    }
}

#[tokio::test]
async fn what_is_not_in_its_reach_lives_on() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        let nothing = EmergencyRevoke { kinds: Kinds::default(), ..all(false) };
        let revoked = emergency::revoke(&world.authority, operator(), nothing).await.unwrap();
        assert_eq!(revoked.service, 0);
        assert_eq!(world.verdict(&token).await, "valid");
    }
}

#[tokio::test]
async fn a_second_one_does_not_count_what_the_first_one_reached() {
    for world in worlds().await {
        for name in ["one", "two"] {
            world.token(name, &["a"]).await;
        }
        assert_eq!(emergency(&world, operator(), false).await.unwrap().service, 2);
        world.token("three", &["a"]).await;
        assert_eq!(
            emergency(&world, operator(), false).await.unwrap().service,
            1,
            "the rows are not marked yet"
        );
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 3);
        assert_eq!(emergency(&world, operator(), false).await.unwrap().service, 0);
    }
}

#[tokio::test]
async fn rows_are_marked_afterwards_and_the_spared_one_is_not() {
    for world in worlds().await {
        let caller = world.token("caller", &["emergency:revoke"]).await;
        let dead = world.token("dead", &["a"]).await;
        world.advance_seconds(5);
        emergency(&world, by(&caller), true).await.unwrap();
        assert_eq!(world.row(&dead).await.revoked_at, None);
        let epochs = keywright_core::Epochs { service: epoch(&world.store).await, ..Default::default() };
        assert_eq!(
            world.row(&dead).await.status(epochs, world.now()),
            Status::Revoked,
            "lists tell it already"
        );
        world.advance_seconds(5);
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 1);
        let row = world.row(&dead).await;
        assert_eq!(row.revoked_at, Some(world.now()));
        assert_eq!(row.revoked_reason.as_deref(), Some("emergency revocation"));
        assert_eq!(world.row(&caller).await.revoked_at, None);
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn marking_leaves_what_somebody_holds_and_takes_it_up_again() {
    for world in worlds().await {
        if world.engine() == Engine::Sqlite {
            continue; // Its one writer holds all or nothing.
        }
        let held = world.token("held", &["a"]).await;
        world.token("free", &["a"]).await;
        emergency(&world, operator(), false).await.unwrap();
        let mut holder = world.store.begin().await.unwrap();
        rows::lock_for_change(holder.conn(), None, held.row.id).await.unwrap().unwrap();
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 1, "it neither waits nor spins");
        assert_eq!(world.row(&held).await.revoked_at, None);
        holder.rollback().await;
        assert_eq!(jobs::mark(&world.authority).await.unwrap(), 1);
    }
}

/// The work of the call does not grow with its reach, and verification answers while the rows are
/// marked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_are_revoked_by_touching_none_of_them() {
    for world in worlds().await {
        let known = world.token("known", &["a"]).await;
        let mut raw = world.raw().await;
        multiply(&mut raw, 99_999).await;
        let before = raw.number("SELECT COUNT(*) FROM security_events").await;
        assert_eq!(world.verdict(&known).await, "valid");
        world.advance_seconds(60);
        let revoked = emergency(&world, operator(), false).await.unwrap();
        assert_eq!(revoked.service, 100_000);
        let touched = "SELECT COUNT(*) FROM service_tokens WHERE version > 1 OR updated_at > created_at OR epoch > 1 \
                       OR revoked_at IS NOT NULL";
        assert_eq!(raw.number(touched).await, 0, "{:?}", world.engine());
        assert_eq!(raw.number("SELECT COUNT(*) FROM security_events").await, before + 1);
        assert_eq!(world.verdict(&known).await, "revoked");
        let later = world.token("later", &["a"]).await;
        let authority = world.authority.clone();
        let marking = tokio::spawn(async move { jobs::mark(&authority).await });
        let mut asked = 0;
        while !marking.is_finished() {
            // Asked of the store each time.
            world.authority.verifier().invalidate_everything();
            assert_eq!((world.verdict(&known).await, world.verdict(&later).await), ("revoked", "valid"));
            asked += 1;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(asked > 0);
        assert_eq!(marking.await.unwrap().unwrap(), 100_000);
        assert_eq!(
            raw.number("SELECT COUNT(*) FROM service_tokens WHERE revoked_at IS NOT NULL").await,
            100_000
        );
    }
}

#[tokio::test]
async fn the_job_marks_as_soon_as_the_call_has_returned() {
    for world in worlds().await {
        let running = jobs::Running::start(&world.authority);
        // Its first run has nothing to do; from then on only the call can wake it before half a minute.
        until("the first run", async || {
            world.authority.board().runs().iter().any(|(name, _)| *name == "revocation_marker")
        })
        .await;
        service_tokens::create(&world.authority, operator(), wanted("ci", &["a"])).await.unwrap();
        emergency(&world, operator(), false).await.unwrap();
        let mut raw = world.raw().await;
        until("the row is marked", async || {
            raw.number("SELECT COUNT(*) FROM service_tokens WHERE revoked_at IS NULL").await == 0
        })
        .await;
        running.stop();
    }
}
