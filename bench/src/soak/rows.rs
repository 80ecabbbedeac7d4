//! What the store holds, read past Keywright.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use super::ledger::{Fate, Ledger};

/// A connection of our own to the store.
pub(crate) struct Rows {
    runtime: Runtime,
    url: String,
}

impl Rows {
    pub(crate) fn of(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, url: url.to_owned() })
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str) -> Result<i64> {
        self.runtime.block_on(async {
            let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
            Ok(if self.url.starts_with("sqlite") {
                query.fetch_one(&mut SqliteConnection::connect(&self.url).await?).await?
            } else {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query.fetch_one(&mut PgConnection::connect(&self.url).await?).await?
            })
        })
    }

    /// Runs statements that give nothing back.
    pub(crate) fn execute(&self, sql: &str) -> Result<()> {
        self.runtime.block_on(async {
            let sql = AssertSqlSafe(sql.to_owned());
            if self.url.starts_with("sqlite") {
                sqlx::raw_sql(sql).execute(&mut SqliteConnection::connect(&self.url).await?).await?;
            } else {
                sqlx::raw_sql(sql).execute(&mut PgConnection::connect(&self.url).await?).await?;
            }
            Ok(())
        })
    }

    /// How many rows each request id has.
    fn requests(&self) -> Result<HashMap<String, usize>> {
        const SQL: &str = "SELECT request_id FROM authentication_events WHERE request_id LIKE 'soak-%'";
        let ids: Vec<String> = self.runtime.block_on(async {
            Ok::<_, sqlx::Error>(if self.url.starts_with("sqlite") {
                let mut connection = SqliteConnection::connect(&self.url).await?;
                sqlx::query_scalar(SQL).fetch_all(&mut connection).await?
            } else {
                let mut connection = PgConnection::connect(&self.url).await?;
                sqlx::query_scalar(SQL).fetch_all(&mut connection).await?
            })
        })?;
        let mut counts = HashMap::with_capacity(ids.len());
        for id in ids {
            *counts.entry(id).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// Holds the ledger against the rows, and the counters and roll-ups as well. Gives a line about it.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<String> {
        let counts = self.requests()?;
        let missing: Vec<&str> = ledger.ids(Fate::Decided).filter(|id| !counts.contains_key(*id)).collect();
        ensure!(
            missing.is_empty(),
            "{} answered verifications without a row: {:?}",
            missing.len(),
            first(&missing)
        );
        let twice: Vec<&String> = counts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
        ensure!(twice.is_empty(), "{} requests with several rows: {:?}", twice.len(), first(&twice));
        let unknown = counts.keys().filter(|id| ledger.fate(id).is_none()).count();
        ensure!(unknown == 0, "{unknown} rows of requests that were never sent");
        let beyond = counts.len() - ledger.count(Fate::Decided);
        let others = ledger.count(Fate::InFlight) + ledger.count(Fate::Unavailable);
        ensure!(beyond <= others, "{beyond} rows beyond the answers, {others} requests without a decision");
        self.check_sums()?;
        Ok(format!(
            "{} answered with a decision, {} in flight at an end, {} answered 503; {} rows, {beyond} of them of \
             requests without an answer; counters and roll-ups equal the rows",
            ledger.count(Fate::Decided),
            ledger.count(Fate::InFlight),
            ledger.count(Fate::Unavailable),
            counts.len(),
        ))
    }

    fn check_sums(&self) -> Result<()> {
        let all = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
        let max = if self.url.starts_with("sqlite") {
            format!("unhex(replace({all}, '-', ''))")
        } else {
            all.to_owned()
        };
        let rows = "SELECT CAST(COALESCE(SUM(occurrences), 0) AS BIGINT) FROM authentication_events";
        let total = self.number(rows)?;
        let valid = self.number(&format!("{rows} WHERE success AND credential_id IS NOT NULL"))?;
        for (what, sql, wanted) in [
            (
                "usage counters",
                "SELECT CAST(COALESCE(SUM(usage_count), 0) AS BIGINT) FROM credential_usage".to_owned(),
                valid,
            ),
            (
                "daily roll-ups",
                format!(
                    "SELECT CAST(COALESCE(SUM(decisions), 0) AS BIGINT) FROM usage_daily WHERE credential_id = {max}"
                ),
                total,
            ),
            (
                "hourly roll-ups",
                format!(
                    "SELECT CAST(COALESCE(SUM(decisions), 0) AS BIGINT) FROM usage_hourly WHERE credential_id = {max}"
                ),
                total,
            ),
        ] {
            let found = self.number(&sql).context(what)?;
            ensure!(found == wanted, "{what} say {found}, the rows {wanted}");
        }
        Ok(())
    }
}

fn first<T>(of: &[T]) -> &[T] {
    &of[..of.len().min(3)]
}
