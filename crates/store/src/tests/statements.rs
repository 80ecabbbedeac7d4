//! Every static statement is one that both engines understand.

use sqlx::{Executor, Postgres, SqlSafeStr, Sqlite};

use crate::Conn;
use crate::conn::call;
use crate::dialect::{Dialect, registry};
use crate::testing::test_stores;

#[tokio::test]
async fn every_statement_is_prepared_by_both_engines() {
    let registry = registry();
    assert!(registry.len() > 40, "the registry holds {} statements", registry.len());
    for store in test_stores().await {
        let mut tx = store.begin().await.unwrap();
        for statement in &registry {
            let prepared = match tx.conn() {
                Conn::Sqlite(link) => {
                    call!(link, |c| c.prepare(Sqlite::pick(statement).into_sql_str())).map(|_| ())
                }
                Conn::Postgres(link) => {
                    call!(link, |c| c.prepare(Postgres::pick(statement).into_sql_str())).map(|_| ())
                }
            };
            assert_eq!(prepared, Ok(()), "{} on {:?}", statement.name, store.engine());
        }
    }
}

#[test]
fn statements_have_names_of_their_own() {
    let mut names: Vec<_> = registry().iter().map(|statement| statement.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn no_statement_asks_the_engine_for_the_time() {
    for statement in registry() {
        for text in [statement.sqlite, statement.postgres] {
            let upper = text.to_uppercase();
            for clock in ["CURRENT_", "NOW()", "CLOCK_TIMESTAMP", "UNIXEPOCH", "DATETIME("] {
                assert!(!upper.contains(clock), "{}: {text}", statement.name);
            }
        }
    }
}
