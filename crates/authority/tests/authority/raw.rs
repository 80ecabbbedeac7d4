//! A connection past the store, for what only an intruder, an operator or a fault would do.

use keywright_store::testing::TestStore;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub(crate) async fn to(store: &TestStore) -> Self {
        match store.sqlite_path() {
            Some(path) => {
                let url = format!("sqlite:{}", path.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("PRAGMA busy_timeout = 5000").execute(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            None => Self::Postgres(PgConnection::connect(&store.options().url).await.unwrap()),
        }
    }

    /// Runs statements; gives the number of rows that the last ones changed.
    pub(crate) async fn run(&mut self, sql: impl Into<String>) -> u64 {
        let sql = AssertSqlSafe(sql.into());
        match self {
            Self::Sqlite(c) => sqlx::raw_sql(sql).execute(c).await.unwrap().rows_affected(),
            Self::Postgres(c) => sqlx::raw_sql(sql).execute(c).await.unwrap().rows_affected(),
        }
    }

    pub(crate) async fn number(&mut self, sql: impl Into<String>) -> i64 {
        let sql = AssertSqlSafe(sql.into());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
        }
    }

    pub(crate) async fn texts(&mut self, sql: impl Into<String>) -> Vec<String> {
        let sql = AssertSqlSafe(sql.into());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
        }
    }

    /// Every value of every table as text, but for the columns named `TABLE.COLUMN`; bytes in hex.
    pub(crate) async fn dump(&mut self, without: &[&str]) -> String {
        let columns = match self {
            Self::Sqlite(_) => {
                "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY 1"
            }
            Self::Postgres(_) => {
                "SELECT table_name || '.' || column_name FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY 1"
            }
        };
        let mut dump = String::new();
        for name in self.texts(columns).await {
            let (table, column) = name.split_once('.').unwrap();
            if without.contains(&name.as_str()) {
                continue;
            }
            let shown = match self {
                Self::Sqlite(_) => format!("quote({column})"),
                Self::Postgres(_) => format!("{column}::text"),
            };
            let sql = AssertSqlSafe(format!("SELECT {shown} AS shown FROM {table}"));
            let values: Vec<Option<String>> = match self {
                Self::Sqlite(c) => {
                    let rows = sqlx::query(sql).fetch_all(c).await.unwrap();
                    rows.iter().map(|row| row.get("shown")).collect()
                }
                Self::Postgres(c) => {
                    let rows = sqlx::query(sql).fetch_all(c).await.unwrap();
                    rows.iter().map(|row| row.get("shown")).collect()
                }
            };
            for value in values.into_iter().flatten() {
                dump.push_str(&value.to_lowercase());
                dump.push('\n');
            }
        }
        dump
    }
}
