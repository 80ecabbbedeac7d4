//! The store's database seen from outside, as somebody with its password sees it.

use keywright_core::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

/// A connection of the test's own.
pub(crate) enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    pub(crate) async fn connect(url: &str) -> Self {
        if url.starts_with("sqlite") {
            Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(url).await.unwrap())
        }
    }

    /// Bytes as the engine writes them.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        match self {
            Self::Sqlite(_) => format!("X'{}'", hex::encode(bytes)),
            Self::Postgres(_) => format!("'\\x{}'::bytea", hex::encode(bytes)),
        }
    }

    /// An id as the engine writes it.
    pub(crate) fn uuid(&self, id: uuid::Uuid) -> String {
        match self {
            Self::Sqlite(_) => format!("X'{}'", id.simple()),
            Self::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Changes rows behind the node's back.
    pub(crate) async fn execute(&mut self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => sqlx::query(sql).execute(c).await.unwrap().rows_affected(),
            Self::Postgres(c) => sqlx::query(sql).execute(c).await.unwrap().rows_affected(),
        }
    }

    /// A moment, given as RFC 3339, as the engine writes it.
    pub(crate) fn moment(&self, text: &str) -> String {
        match self {
            Self::Sqlite(_) => text.parse::<Timestamp>().unwrap().as_micros().to_string(),
            Self::Postgres(_) => format!("'{text}'"),
        }
    }

    /// Begins a transaction that keeps writers out of what it changes.
    pub(crate) async fn begin(&mut self) {
        self.execute(if matches!(self, Self::Sqlite(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" }).await;
    }

    /// Ends the life of a token. What a node has cached of it stays.
    pub(crate) async fn expire(&mut self, name: &str) {
        let past = self.moment("1970-01-01T00:00:01Z");
        let sql = format!("UPDATE service_tokens SET expires_at = {past} WHERE token_name = '{name}'");
        assert_eq!(self.execute(&sql).await, 1);
    }

    /// The first column of each row, which must be a whole number.
    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_one(c).await.unwrap(),
        }
    }

    /// The first column of each row, which must be text.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await.unwrap(),
        }
    }

    /// The codes of the authentication events of a request, which is one if all is well.
    pub(crate) async fn codes_of(&mut self, request_id: &str) -> Vec<String> {
        self.texts(&format!("SELECT code FROM authentication_events WHERE request_id = '{request_id}'")).await
    }

    /// Every table with all that is in it, as text; bytes as hexadecimal digits.
    pub(crate) async fn dump(&mut self) -> Vec<(String, String)> {
        let tables = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Self::Postgres(_) => {
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
            }
        };
        let mut dump = Vec::new();
        for table in self.texts(tables).await {
            let rows = match self {
                Self::Postgres(_) => self.texts(&format!("SELECT to_jsonb(t)::text FROM {table} t")).await,
                Self::Sqlite(c) => {
                    let columns = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"));
                    let columns = sqlx::query(columns).fetch_all(&mut *c).await.unwrap();
                    let quoted =
                        |row: &sqlx::sqlite::SqliteRow| format!("quote({})", row.get::<String, _>(0));
                    let columns: Vec<_> = columns.iter().map(quoted).collect();
                    self.texts(&format!("SELECT {} FROM {table}", columns.join(" || '|' || "))).await
                }
            };
            dump.push((table, rows.join("\n")));
        }
        dump
    }
}
