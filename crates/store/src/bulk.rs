//! Many rows that are inserted or added to what is there: by arrays on PostgreSQL, whose statement is
//! then planned once, by statements of several rows on SQLite.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};
use uuid::Uuid;

use crate::conn::{Conn, call};
use crate::error::StoreError;
use crate::link::Link;
use crate::types::Time;

/// Rows of one statement on SQLite.
const ROWS: usize = 40;
/// Rows of one statement on PostgreSQL.
const ARRAY_ROWS: usize = 5_000;

/// The values of one column, one for each row.
#[derive(Debug)]
pub(crate) enum Column {
    Ids(Vec<Uuid>),
    /// Ids, where there are any.
    IdsOrNone(Vec<Option<Uuid>>),
    Times(Vec<Time>),
    Texts(Vec<String>),
    /// Texts, where there are any.
    TextsOrNone(Vec<Option<String>>),
    Numbers(Vec<i64>),
    Flags(Vec<bool>),
    Bytes(Vec<Vec<u8>>),
    /// Times, where there are any.
    TimesOrNone(Vec<Option<Time>>),
    /// JSON, in the type that an engine has for it.
    Jsons(Vec<Json<Value>>),
}

impl Column {
    const fn postgres_array(&self) -> &'static str {
        match self {
            Self::Ids(_) | Self::IdsOrNone(_) => "UUID[]",
            Self::Times(_) | Self::TimesOrNone(_) => "TIMESTAMPTZ[]",
            Self::Texts(_) | Self::TextsOrNone(_) => "TEXT[]",
            Self::Numbers(_) => "BIGINT[]",
            Self::Flags(_) => "BOOLEAN[]",
            Self::Bytes(_) => "BYTEA[]",
            Self::Jsons(_) => "JSONB[]",
        }
    }
}

/// Rows for one table.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// The table and its columns.
    pub(crate) into: &'static str,
    /// `ON CONFLICT …`
    pub(crate) conflict: &'static str,
    /// In the order of `into`.
    pub(crate) columns: Vec<Column>,
    /// How many.
    pub(crate) rows: usize,
}

impl Bulk {
    /// Writes them, in their order; gives how many were written, which is fewer where some were left alone.
    pub(crate) async fn write(&self, conn: Conn<'_>) -> Result<u64, StoreError> {
        match conn {
            Conn::Sqlite(link) => self.write_rows(link).await,
            Conn::Postgres(link) => self.write_arrays(link).await,
        }
    }

    async fn write_arrays(&self, link: &mut Link<Postgres>) -> Result<u64, StoreError> {
        let mut text = format!("INSERT INTO {} SELECT * FROM UNNEST(", self.into);
        for (number, column) in self.columns.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}${}::{}", number + 1, column.postgres_array());
        }
        let _ = write!(text, ") {}", self.conflict);
        let (text, mut written): (Arc<str>, u64) = (text.into(), 0);
        for start in (0..self.rows).step_by(ARRAY_ROWS) {
            let rows = start..self.rows.min(start + ARRAY_ROWS);
            let query = sqlx::query::<Postgres>(AssertSqlSafe(Arc::clone(&text)));
            let query = self.columns.iter().fold(query, |query, column| match column {
                Column::Ids(values) => query.bind(&values[rows.clone()]),
                Column::IdsOrNone(values) => query.bind(&values[rows.clone()]),
                Column::Times(values) => query.bind(&values[rows.clone()]),
                Column::Texts(values) => query.bind(&values[rows.clone()]),
                Column::TextsOrNone(values) => query.bind(&values[rows.clone()]),
                Column::Numbers(values) => query.bind(&values[rows.clone()]),
                Column::Flags(values) => query.bind(&values[rows.clone()]),
                Column::Bytes(values) => query.bind(&values[rows.clone()]),
                Column::TimesOrNone(values) => query.bind(&values[rows.clone()]),
                Column::Jsons(values) => query.bind(&values[rows.clone()]),
            });
            written += call!(&mut *link, |c| query.execute(c))?.rows_affected();
        }
        Ok(written)
    }

    async fn write_rows(&self, link: &mut Link<Sqlite>) -> Result<u64, StoreError> {
        let rest = self.rows % ROWS;
        let text = |rows| -> Arc<str> {
            let row = format!("(?{})", ", ?".repeat(self.columns.len() - 1));
            let more = format!(", {row}").repeat(rows - 1);
            format!("INSERT INTO {} VALUES {row}{more} {}", self.into, self.conflict).into()
        };
        let (full, one) = (text(ROWS), text(1));
        call!(link, |c| async {
            let mut written = 0;
            for start in (0..self.rows - rest).step_by(ROWS) {
                written += self.bind_rows(&full, start..start + ROWS).execute(&mut *c).await?.rows_affected();
            }
            for row in self.rows - rest..self.rows {
                written += self.bind_rows(&one, row..row + 1).execute(&mut *c).await?.rows_affected();
            }
            Ok::<u64, sqlx::Error>(written)
        })
    }

    fn bind_rows(
        &self,
        text: &Arc<str>,
        rows: std::ops::Range<usize>,
    ) -> sqlx::query::Query<'_, Sqlite, <Sqlite as sqlx::Database>::Arguments> {
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(Arc::clone(text)));
        for row in rows {
            for column in &self.columns {
                query = match column {
                    Column::Ids(values) => query.bind(values[row]),
                    Column::Times(values) => query.bind(values[row]),
                    Column::IdsOrNone(values) => query.bind(values[row]),
                    Column::Texts(values) => query.bind(values[row].as_str()),
                    Column::TextsOrNone(values) => query.bind(values[row].as_deref()),
                    Column::Numbers(values) => query.bind(values[row]),
                    Column::Flags(values) => query.bind(values[row]),
                    Column::Bytes(values) => query.bind(values[row].as_slice()),
                    Column::TimesOrNone(values) => query.bind(values[row]),
                    Column::Jsons(values) => query.bind(&values[row]),
                };
            }
        }
        query
    }
}
