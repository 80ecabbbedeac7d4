//! The two folders of migrations make the same tables.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Postgres, Sqlite};

use crate::conn::call;
use crate::testing::{engines, test_stores};
use crate::{Conn, Engine, Store};

/// A table: its columns with "may be null", and its unique keys, each with its columns and whether it
/// is partial.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    columns: BTreeMap<String, bool>,
    unique: BTreeSet<(Vec<String>, bool)>,
    indexes: BTreeSet<Vec<String>>,
}

type Column = (String, String, bool);
type Index = (String, bool, bool, Vec<String>);
type Tables = BTreeMap<String, Table>;

const POSTGRES_COLUMNS: &str = "SELECT table_name::TEXT, column_name::TEXT, is_nullable = 'YES' \
     FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' \
     AND table_name NOT IN (SELECT relname FROM pg_class WHERE relispartition)";
const POSTGRES_INDEXES: &str = "SELECT t.relname::TEXT, i.indisunique, i.indpred IS NOT NULL, \
     ARRAY(SELECT a.attname::TEXT FROM UNNEST(i.indkey::INT[]) WITH ORDINALITY AS k (number, place) \
     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place) \
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid \
     JOIN pg_am m ON m.oid = x.relam JOIN pg_namespace n ON n.oid = t.relnamespace \
     WHERE n.nspname = 'public' AND t.relname <> '_sqlx_migrations' AND m.amname = 'btree' \
     AND NOT t.relispartition";
const SQLITE_COLUMNS: &str = "SELECT t.name, c.name, c.\"notnull\" = 0 \
     FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'";
const SQLITE_INDEXES: &str = "SELECT t.name, i.\"unique\", i.partial, \
     (SELECT json_group_array(k.name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) k) \
     FROM sqlite_schema t JOIN pragma_index_list(t.name) i \
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'";

async fn tables(store: &Store) -> Tables {
    let mut reader = store.read().await.unwrap();
    let (columns, indexes): (Vec<Column>, Vec<Index>) = match reader.conn() {
        Conn::Sqlite(link) => {
            let columns = call!(&mut *link, |c| sqlx::query_as::<Sqlite, _>(SQLITE_COLUMNS).fetch_all(c));
            let indexes: Vec<(String, bool, bool, sqlx::types::Json<Vec<String>>)> =
                call!(link, |c| sqlx::query_as::<Sqlite, _>(SQLITE_INDEXES).fetch_all(c)).unwrap();
            let plain = |(table, unique, partial, keys): (_, _, _, sqlx::types::Json<_>)| {
                (table, unique, partial, keys.0)
            };
            (columns.unwrap(), indexes.into_iter().map(plain).collect())
        }
        Conn::Postgres(link) => (
            call!(&mut *link, |c| sqlx::query_as::<Postgres, _>(POSTGRES_COLUMNS).fetch_all(c)).unwrap(),
            call!(link, |c| sqlx::query_as::<Postgres, _>(POSTGRES_INDEXES).fetch_all(c)).unwrap(),
        ),
    };
    let mut tables = Tables::new();
    for (table, column, nullable) in columns {
        tables.entry(table).or_default().columns.insert(column, nullable);
    }
    for (table, unique, partial, keys) in indexes {
        // SQLite keeps a single integer key in the table itself and tells of no index.
        let of_one_row =
            ["platform", "audit_chain", "schema_compatibility", "delivery_cursor", "anomaly_watch"];
        if keys == ["id"] && of_one_row.contains(&table.as_str()) {
            continue;
        }
        let table = tables.get_mut(&table).unwrap();
        if unique {
            table.unique.insert((keys, partial));
        } else {
            table.indexes.insert(keys);
        }
    }
    tables
}

#[tokio::test]
async fn both_engines_have_the_same_columns_and_keys() {
    if engines().len() < 2 {
        return;
    }
    let stores = test_stores().await;
    let (sqlite, postgres) = (tables(&stores[0]).await, tables(&stores[1]).await);
    assert_eq!((stores[0].engine(), stores[1].engine()), (Engine::Sqlite, Engine::Postgres));
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    assert!(sqlite.len() >= 11, "{} tables", sqlite.len());
    for (name, table) in &sqlite {
        assert_eq!(table, &postgres[name], "{name}");
    }
}
