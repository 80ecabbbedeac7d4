//! Service tokens: what is written is read back, and each change finds the state that it needs.

use keywright_core::{
    Bounds, CredentialKind, Epochs, Grant, Metadata, PrincipalKind, ScopeSet, Status, Timestamp, Wanted,
};
use serde_json::json;

use super::{DAY, NOW, by_id, change, credential_id, hash, insert, name, new_token, read};
use crate::conn::call;
use crate::service_tokens::{self, Changes, ListFilter, ServiceTokenRow};
use crate::testing::test_stores;
use crate::{Conn, StoreError, grants};

#[tokio::test]
async fn a_token_is_read_back_as_it_was_written() {
    for store in test_stores().await {
        let new = new_token(1);
        let row = insert(&store, &new).await;
        assert_eq!(by_id(&store, 1).await, Some(row.clone()));
        let by_name =
            read(&store, async |conn| service_tokens::live_by_name(conn, None, "token-1").await).await;
        assert_eq!(by_name, Some(row.clone()));
        assert_eq!(by_id(&store, 2).await, None);
        // The snapshot of an idempotent answer tells the same, and no hash.
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<ServiceTokenRow>(&json).unwrap(), row);
        assert!(!json.contains("hash"), "{json}");
    }
}

#[tokio::test]
async fn times_are_kept_to_the_microsecond_and_to_the_ends_of_their_range() {
    for store in test_stores().await {
        for (number, end) in [(1, Timestamp::EPOCH), (2, Timestamp::MAX), (3, NOW)] {
            let mut new = new_token(number);
            new.expires_at = Some(end);
            insert(&store, &new).await;
            assert_eq!(by_id(&store, number).await.unwrap().expires_at, Some(end), "{:?}", store.engine());
        }
    }
}

#[tokio::test]
async fn a_live_name_is_taken_and_a_revoked_one_is_free() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let mut twin = new_token(2);
        twin.token_name = name("token-1");
        let mut tx = store.begin().await.unwrap();
        assert_eq!(service_tokens::insert(tx.conn(), &twin).await, Err(StoreError::NameTaken));
        tx.rollback().await;

        // The same hash or id is another kind of twin.
        let mut twin_hash = new_token(3);
        twin_hash.token_hash = hash(1);
        let mut tx = store.begin().await.unwrap();
        let refused = service_tokens::insert(tx.conn(), &twin_hash).await;
        assert!(matches!(refused, Err(StoreError::Duplicate(_))), "{refused:?}");
        tx.rollback().await;

        let id = credential_id(1);
        assert!(change(&store, async |c| service_tokens::revoke(c, id, NOW, Some("leaked")).await).await);
        assert!(!change(&store, async |c| service_tokens::revoke(c, id, NOW, Some("again")).await).await);
        insert(&store, &twin).await;
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!(
            (row.revoked_at, row.revoked_reason.as_deref(), row.version),
            (Some(NOW), Some("leaked"), 2)
        );
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_it_was_made_for() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let later = NOW.plus_seconds(5);
        let changes = Changes {
            token_name: Some(name("Ärger")),
            is_active: Some(false),
            metadata: Some(Metadata::new(json!({"b": [1, null]}).as_object().unwrap().clone()).unwrap()),
            expires_at: Some(None),
            permissions: Some(ScopeSet::parse(["x:y"]).unwrap()),
            updated_at: later,
            limits: None,
            allowlist: None,
        };
        let id = credential_id(1);
        assert!(change(&store, async |c| service_tokens::update(c, id, 1, &changes).await).await);
        assert!(!change(&store, async |c| service_tokens::update(c, id, 1, &changes).await).await);
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!(row.token_name, name("Ärger"));
        assert_eq!(Some(row.metadata), changes.metadata);
        assert_eq!(Some(row.permissions), changes.permissions);
        assert_eq!((row.is_active, row.expires_at, row.updated_at, row.version), (false, None, later, 2));

        // What is not named stays.
        let none = Changes::none(later);
        assert!(change(&store, async |c| service_tokens::update(c, id, 2, &none).await).await);
        let after = by_id(&store, 1).await.unwrap();
        assert_eq!((after.token_name, after.is_active, after.version), (name("Ärger"), false, 3));
        let end = Changes { expires_at: Some(Some(later)), ..Changes::none(later) };
        assert!(change(&store, async |c| service_tokens::update(c, id, 3, &end).await).await);
        assert_eq!(by_id(&store, 1).await.unwrap().expires_at, Some(later));
    }
}

/// The grant of a token that stands alone.
fn grant_of(row: &ServiceTokenRow) -> Grant {
    Grant {
        credential_id: row.id,
        kind: CredentialKind::Service,
        name: row.token_name.as_str().into(),
        principal: PrincipalKind::ServiceToken,
        scopes: row.permissions.clone(),
        metadata: (!row.metadata.is_empty()).then(|| Box::new(row.metadata.clone())),
        expires_at: row.expires_at,
        is_active: row.is_active,
        revoked: row.revoked_at.is_some(),
        superseded: row.superseded_by_id.is_some(),
        grace_expires_at: row.grace_expires_at,
        epoch: row.epoch,
        bonds: None,
        bounds: Some(Box::new(Bounds {
            allowlists: Box::new([row.allowlist.clone()]),
            budgets: row.limits.budgets(row.lineage().0).collect(),
            limits: row.limits,
        })),
    }
}

#[tokio::test]
async fn the_grant_on_a_miss_is_the_row() {
    for store in test_stores().await {
        let row = insert(&store, &new_token(1)).await;
        let loaded = read(&store, async |c| grants::load(c, &Wanted::token(hash(1))).await).await.unwrap();
        assert_eq!(loaded.grant, grant_of(&row));
        assert_eq!(loaded.epochs, Epochs { service: 1, session: 1, personal: 1, counter: 1, keys: 1 });
        assert!(read(&store, async |c| grants::load(c, &Wanted::token(hash(2))).await).await.is_none());

        let mut bare = new_token(3);
        bare.metadata = Metadata::default();
        bare.expires_at = None;
        let row = insert(&store, &bare).await;
        let loaded = read(&store, async |c| grants::load(c, &Wanted::token(hash(3))).await).await.unwrap();
        assert_eq!(loaded.grant, grant_of(&row));
        assert_eq!(loaded.grant.metadata, None);
    }
}

#[tokio::test]
async fn several_grants_are_asked_for_at_once_and_given_in_order() {
    for store in test_stores().await {
        let mut rows = Vec::new();
        for number in [1, 2, 3] {
            rows.push(grant_of(&insert(&store, &new_token(number)).await));
        }
        let hashes = [hash(3), hash(9), hash(1), hash(2)];
        let loaded = read(&store, async |c| grants::load_tokens(c, &hashes).await).await;
        let found: Vec<_> = loaded.iter().map(|loaded| loaded.as_ref().map(|loaded| &loaded.grant)).collect();
        assert_eq!(found, [Some(&rows[2]), None, Some(&rows[0]), Some(&rows[1])], "{:?}", store.engine());
        assert!(loaded.into_iter().flatten().all(|loaded| loaded.epochs.counter == 1));
        let nobody = read(&store, async |c| grants::load_tokens(c, &[hash(8), hash(9)]).await).await;
        assert_eq!(nobody.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false]);
    }
}

/// Planning takes longer than answering, and would be done for each question about a few.
#[tokio::test]
async fn a_question_about_few_tokens_is_not_planned_anew_each_time() {
    const MANY: &str = "INSERT INTO service_tokens (id, token_name, name_folded, token_hash, token_hint, permissions, \
        metadata, is_active, epoch, created_by_type, created_by_name, created_at, updated_at, version) \
        SELECT gen_random_uuid(), n, n, sha256(n::bytea), 'hint', '[]', '{}', true, 1, 'operator', 'x', now(), now(), 1 \
        FROM (SELECT 'many' || i AS n FROM generate_series(1, 3000) i) many; ANALYZE service_tokens";
    const GENERIC: &str = "SELECT COALESCE(SUM(generic_plans), 0)::BIGINT FROM pg_prepared_statements \
        WHERE statement LIKE 'SELECT t.token_hash, %'";
    for store in test_stores().await {
        let mut reader = store.read().await.unwrap();
        let Conn::Postgres(link) = reader.conn() else { continue };
        let version =
            call!(link, |c| sqlx::query_scalar::<_, String>("SHOW server_version_num").fetch_one(c));
        if version.unwrap().parse::<u32>().unwrap() < 140_000 {
            continue;
        }
        drop(reader);
        change(&store, async |conn| match conn {
            Conn::Postgres(link) => call!(link, |c| sqlx::raw_sql(MANY).execute(c)).map(drop),
            Conn::Sqlite(_) => unreachable!(),
        })
        .await;
        let mut reader = store.read().await.unwrap();
        // PostgreSQL plans the first five in any case.
        for number in 1..=10 {
            grants::load_tokens(reader.conn(), &[hash(number)]).await.unwrap();
        }
        let Conn::Postgres(link) = reader.conn() else { unreachable!() };
        let generic = call!(link, |c| sqlx::query_scalar::<_, i64>(GENERIC).fetch_one(c)).unwrap();
        assert_eq!(generic, 5);
    }
}

#[tokio::test]
async fn a_list_goes_through_all_pages_newest_first_while_rows_are_added() {
    for store in test_stores().await {
        for number in 0..25 {
            let mut new = new_token(number);
            // Several of one moment: the id decides.
            new.created_at = NOW.plus_seconds(i64::try_from(number / 5).unwrap());
            insert(&store, &new).await;
        }
        let mut filter = ListFilter::all(4, NOW, 1);
        let mut seen = Vec::new();
        loop {
            let page = read(&store, async |c| service_tokens::list(c, &filter).await).await;
            let Some(last) = page.last() else { break };
            filter.after = Some((last.created_at, last.id));
            seen.extend(page.iter().map(|row| (row.created_at, row.id)));
            let mut newer = new_token(100 + seen.len() as u64);
            newer.created_at = NOW.plus_days(1);
            insert(&store, &newer).await;
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(seen, sorted);
        assert_eq!(seen.len(), 25);
    }
}

async fn names(store: &crate::Store, filter: &ListFilter) -> Vec<String> {
    let rows = read(store, async |c| service_tokens::list(c, filter).await).await;
    rows.into_iter().map(|row| row.token_name.as_str().to_owned()).collect()
}

#[tokio::test]
async fn a_search_takes_its_text_literally_and_in_either_case() {
    for store in test_stores().await {
        for (number, text) in ["ÄPFEL_100%", "äpfel-100", r"back\slash", "Deploy CI"].iter().enumerate() {
            let mut new = new_token(number as u64);
            new.token_name = name(text);
            insert(&store, &new).await;
        }
        let all = ListFilter::all(50, NOW, 1);
        for (q, found) in [
            ("äPFEL", vec!["äpfel-100", "ÄPFEL_100%"]),
            ("l_1", vec!["ÄPFEL_100%"]),
            ("0%", vec!["ÄPFEL_100%"]),
            ("\\", vec![r"back\slash"]),
            ("deploy c", vec!["Deploy CI"]),
            ("nothing", vec![]),
        ] {
            let filter = ListFilter { q: Some(q.to_owned()), ..all.clone() };
            assert_eq!(names(&store, &filter).await, found, "{q} on {:?}", store.engine());
        }
        // A name is looked for as it stands.
        for (exact, count) in [("Deploy CI", 1), ("deploy ci", 0), ("Deploy%", 0)] {
            let filter = ListFilter { name: Some(exact.to_owned()), ..all.clone() };
            assert_eq!(names(&store, &filter).await.len(), count, "{exact}");
        }
    }
}

#[tokio::test]
async fn those_that_expire_soon_are_usable_and_end_in_time() {
    for store in test_stores().await {
        for (number, days) in
            [(1, Some(3)), (2, Some(8)), (3, Some(-1)), (4, None), (5, Some(3)), (6, Some(3))]
        {
            let mut new = new_token(number);
            new.expires_at = days.map(|days| NOW.plus_days(days));
            insert(&store, &new).await;
        }
        change(&store, async |c| service_tokens::revoke(c, credential_id(5), NOW, None).await).await;
        let grace = NOW.plus_seconds(DAY);
        change(&store, async |c| {
            service_tokens::supersede(c, credential_id(6), credential_id(9), &name("token-6~1"), grace, NOW)
                .await
        })
        .await;
        let mut filter =
            ListFilter { expiring_before: Some(NOW.plus_days(7)), ..ListFilter::all(50, NOW, 1) };
        assert_eq!(names(&store, &filter).await, ["token-6~1", "token-1"]);
        filter.status = Some(Status::Active);
        assert_eq!(names(&store, &filter).await, ["token-1"]);
        filter.epoch = 2;
        assert!(names(&store, &filter).await.is_empty());
    }
}

#[tokio::test]
async fn only_a_usable_token_with_the_star_itself_stands_in_the_way_of_bootstrap() {
    for store in test_stores().await {
        let exists = async || read(&store, async |c| service_tokens::any_exists_with_all(c, NOW).await).await;
        let insert_with = async |number, scope: &str| {
            let mut new = new_token(number);
            new.permissions = ScopeSet::parse([scope, "z:z"]).unwrap();
            insert(&store, &new).await
        };
        insert_with(1, "a:*").await;
        assert!(!exists().await, "{:?}", store.engine());
        insert_with(2, "*").await;
        assert!(exists().await, "{:?}", store.engine());
        let ended = Changes { expires_at: Some(Some(NOW)), ..Changes::none(NOW) };
        change(&store, async |c| service_tokens::update(c, credential_id(2), 1, &ended).await).await;
        assert!(!exists().await);
        insert_with(3, "*").await;
        assert!(exists().await);
        change(&store, async |c| crate::testing::raise_service_epoch(c).await).await;
        assert!(!exists().await);
    }
}
