//! Lists of authentication events are read through an index, whatever is asked: the table grows to
//! hundreds of millions of rows.

use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, NodeId};
use keywright_verify::{DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use sqlx::Row;
use uuid::Uuid;

use super::{NOW, change, credential_id, event_id, read};
use crate::authentication_events::{AuthenticationEventFilter, list_statement};
use crate::conn::on;
use crate::security_events::SortOrder;
use crate::sql::{Part, Sql, builder};
use crate::testing::test_stores;
use crate::{Conn, Engine, Store, StoreError};

/// One in fifty is refused; each credential has one in a hundred: less than a page.
fn record(number: u64) -> DecisionRecord {
    let credential = Some(credential_id(number % 100));
    let at = NOW.plus_seconds(i64::try_from(number).unwrap());
    let code = if number.is_multiple_of(50) { RecordCode::Expired } else { RecordCode::Valid };
    DecisionRecord {
        credential_id: credential,
        principal_id: credential.map(|CredentialId(id)| id),
        request_id: "r".into(),
        latency_micros: 1,
        ..DecisionRecord::bare(event_id(number), at, EventKind::Verify, code)
    }
}

/// How the engine would read the list, in its own words.
async fn plan(store: &Store, filter: &AuthenticationEventFilter) -> String {
    let explain = match store.engine() {
        Engine::Sqlite => "EXPLAIN QUERY PLAN ",
        Engine::Postgres => "EXPLAIN ",
    };
    let mut sql = Sql(vec![Part::Text(explain)]);
    sql.0.extend(list_statement(filter).0);
    let lines = read(store, async |conn| match conn {
        Conn::Sqlite(_) => lines(conn, &sql, 3).await,
        Conn::Postgres(_) => lines(conn, &sql, 0).await,
    });
    lines.await.join("\n")
}

async fn lines(conn: Conn<'_>, sql: &Sql, column: usize) -> Result<Vec<String>, StoreError> {
    on!(conn, |c| async {
        let rows = builder!(sql).build().fetch_all(c).await?;
        rows.iter().map(|row| row.try_get::<String, _>(column)).collect()
    })
}

async fn filled() -> Vec<crate::testing::TestStore> {
    let stores = test_stores().await;
    for store in &stores {
        let (node, segment) = (NodeId(Uuid::from_u128(1)), SegmentId(Uuid::from_u128(2)));
        let records = (0..5_000).map(record).collect();
        store.append(&[Piece { node, segment, from: 0, to: 1, records }]).await.unwrap();
        change(store, async |conn| {
            on!(conn, |c| async {
                sqlx::query::<DB>("ANALYZE authentication_events").execute(c).await.map(drop)
            })
        })
        .await;
    }
    stores
}

#[tokio::test]
async fn a_list_of_events_is_read_through_an_index() {
    let all = AuthenticationEventFilter { limit: 51, ..Default::default() };
    let credential = AuthenticationEventFilter { credential_id: Some(credential_id(7)), ..all.clone() };
    let window = AuthenticationEventFilter {
        since: Some(NOW.plus_seconds(1_000)),
        until: Some(NOW.plus_seconds(1_100)),
        ..all.clone()
    };
    let failures = AuthenticationEventFilter { success: Some(false), ..all.clone() };
    let code = AuthenticationEventFilter { code: Some("expired".to_owned()), ..all.clone() };
    let page = AuthenticationEventFilter {
        after: Some((NOW.plus_seconds(3_000), event_id(3_000))),
        ..failures.clone()
    };
    // SQLite names them as the schema does, and its table lies in the order of the primary key;
    // PostgreSQL names them by the columns, for each partition.
    let (time, span, own, failed) = (
        ["SCAN authentication_events", "_pkey"],
        ["USING PRIMARY KEY", "_pkey"],
        ["INDEX authentication_events_credential", "_credential_id_occurred_at_idx"],
        ["INDEX authentication_events_failures", "_occurred_at_id_idx"],
    );
    for store in filled().await {
        for (filter, index) in [
            (&all, time),
            (&window, span),
            (&credential, own),
            (&failures, failed),
            (&code, failed),
            (&page, failed),
        ] {
            for order in [SortOrder::Descending, SortOrder::Ascending] {
                let filter = AuthenticationEventFilter { order, ..filter.clone() };
                let plan = plan(&store, &filter).await;
                let index = index[usize::from(store.engine() == Engine::Postgres)];
                assert!(plan.contains(index), "{filter:?} on {:?}:\n{plan}", store.engine());
                // Neither the whole table nor all that matches is read for a page. PostgreSQL sorts the
                // little that matches here, and reads empty months whole: both are right.
                for whole in ["Seq Scan on authentication_events_2027_01", "TEMP B-TREE FOR ORDER BY"] {
                    assert!(
                        filter.code.is_some() || !plan.contains(whole),
                        "{filter:?} on {:?}:\n{plan}",
                        store.engine()
                    );
                }
            }
        }
    }
}
