//! The tables that events lie in: a partition for each month (UTC) on PostgreSQL, made before the month
//! begins, and one for all that falls into none; on SQLite one table.
//!
//! A partition is made apart and attached: `CREATE TABLE … PARTITION OF` would lock out everybody who
//! reads or writes events until it has its turn. Attaching locks the default partition only, which
//! nobody writes to while months are made in time; and it gives up rather than make others wait.

use keywright_core::Timestamp;
use sqlx::{AssertSqlSafe, Postgres};

use crate::conn::{Conn, call};
use crate::error::{CommitError, StoreError};
use crate::link::Link;
use crate::store::Store;
use crate::types::Time;

/// Months that have a partition: this one and the next two.
const MONTHS: u8 = 3;
/// Events of a month that are moved out of the default partition; more would hold up for too long those
/// who write there, and stay.
const MAX_MOVED: i64 = 100_000;
/// How long a lock that others queue behind is waited for.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";

/// A table that events lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTable {
    /// Its name, as SQL writes it.
    pub(super) name: String,
    /// From this moment on; `None` where it holds whatever falls into no other.
    pub since: Option<Timestamp>,
    /// Before this moment; `None` where it holds whatever falls into no other.
    pub until: Option<Timestamp>,
}

impl EventTable {
    /// Its name, as SQL writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn overlaps(&self, month: &Month) -> bool {
        let (Some(since), Some(until)) = (self.since, self.until) else { return false };
        since < month.until && month.since < until
    }
}

/// What was done for the months to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadePartitions {
    /// Partitions that were made.
    pub made: u64,
    /// Months that have none because too many of their events lie in the default partition.
    pub left: u64,
}

struct Month {
    since: Timestamp,
    until: Timestamp,
}

impl Month {
    /// The months that are to have a partition.
    fn wanted(now: Timestamp) -> impl Iterator<Item = Self> {
        (0..MONTHS)
            .map(move |later| Self { since: now.start_of_month(later), until: now.start_of_month(later + 1) })
    }

    /// The months that lie between two moments, theirs included.
    fn between(since: Timestamp, until: Timestamp) -> impl Iterator<Item = Self> {
        let month = |begin: Timestamp| Self { since: begin, until: begin.start_of_month(1) };
        std::iter::successors(Some(month(since.start_of_month(0))), move |before| Some(month(before.until)))
            .take_while(move |month| month.since <= until && month.since < month.until)
    }

    /// `authentication_events_2027_01`
    fn table(&self) -> String {
        let date = self.since.to_string();
        format!("authentication_events_{}_{}", &date[..4], &date[5..7])
    }
}

/// The tables that events lie in, the oldest first.
///
/// # Errors
/// As any query.
pub async fn tables(conn: Conn<'_>) -> Result<Vec<EventTable>, StoreError> {
    // The bounds are read as they are shown: the catalogue keeps them as a tree of its own.
    const PARTITIONS: &str = "SELECT name, \
         SUBSTRING(bound FROM 'FROM \\(''([^'']+)''\\)')::TIMESTAMPTZ AS since, \
         SUBSTRING(bound FROM 'TO \\(''([^'']+)''\\)')::TIMESTAMPTZ AS until FROM (\
         SELECT c.oid::REGCLASS::TEXT AS name, pg_get_expr(c.relpartbound, c.oid) AS bound \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'authentication_events'::REGCLASS) p ORDER BY until NULLS LAST, name";
    match conn {
        Conn::Sqlite(_) => {
            Ok(vec![EventTable { name: "authentication_events".to_owned(), since: None, until: None }])
        }
        Conn::Postgres(link) => {
            let rows: Vec<(String, Option<Time>, Option<Time>)> =
                call!(link, |c| sqlx::query_as::<Postgres, _>(PARTITIONS).fetch_all(c))?;
            let table = |(name, since, until): (_, Option<Time>, Option<Time>)| EventTable {
                name,
                since: since.map(Into::into),
                until: until.map(Into::into),
            };
            Ok(rows.into_iter().map(table).collect())
        }
    }
}

impl Store {
    /// Makes the partitions of this month and the next two that are missing. Any number of nodes may do
    /// so at once. Nothing to do on SQLite.
    ///
    /// # Errors
    /// [`StoreError::Contention`] when somebody had events locked for too long; trying again may help.
    /// What was made until then stays.
    pub async fn make_partitions(&self, now: Timestamp) -> Result<MadePartitions, StoreError> {
        self.make_months(Month::wanted(now)).await
    }

    /// The same for the months from one moment to another: before events are brought in that are older.
    ///
    /// # Errors
    /// As [`Store::make_partitions`].
    pub async fn make_partitions_between(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<MadePartitions, StoreError> {
        self.make_months(Month::between(since, until)).await
    }

    async fn make_months(&self, months: impl Iterator<Item = Month>) -> Result<MadePartitions, StoreError> {
        let mut done = MadePartitions::default();
        for month in months {
            let mut reader = self.read().await?;
            let Conn::Postgres(link) = reader.conn() else { return Ok(done) };
            // Asked without a lock first: nearly always there is nothing to do.
            if is_covered(link, &month).await? {
                continue;
            }
            if in_default(link, &month).await? > MAX_MOVED {
                done.left += 1;
                continue;
            }
            drop(reader);
            done.made += u64::from(self.make_partition(&month).await?);
        }
        Ok(done)
    }

    /// False when another node was faster.
    async fn make_partition(&self, month: &Month) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let Conn::Postgres(link) = tx.conn() else { return Ok(false) };
        // One at a time; it stands in the way of nobody who reads or writes events.
        run(link, "LOCK TABLE ONLY authentication_events IN SHARE UPDATE EXCLUSIVE MODE").await?;
        if is_covered(link, month).await? {
            return Ok(false);
        }
        let table = month.table();
        let (since, until) = (month.since, month.until);
        let range = format!("occurred_at >= '{since}' AND occurred_at < '{until}'");
        for statement in [
            format!("CREATE TABLE {table} (LIKE authentication_events INCLUDING ALL)"),
            LOCK_TIMEOUT.to_owned(),
            // Nobody may add what would then belong into the new one.
            "LOCK TABLE authentication_events_default IN ACCESS EXCLUSIVE MODE".to_owned(),
            format!(
                "WITH moved AS (DELETE FROM authentication_events_default WHERE {range} RETURNING *) \
                 INSERT INTO {table} SELECT * FROM moved"
            ),
            format!(
                "ALTER TABLE authentication_events ATTACH PARTITION {table} \
                 FOR VALUES FROM ('{since}') TO ('{until}')"
            ),
        ] {
            run(link, statement).await?;
        }
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(CommitError::NotCommitted(error) | CommitError::OutcomeUnknown(error)) => Err(error),
        }
    }
}

async fn is_covered(link: &mut Link<Postgres>, month: &Month) -> Result<bool, StoreError> {
    Ok(tables(Conn::Postgres(link)).await?.iter().any(|table| table.overlaps(month)))
}

/// How many events of a month lie in the default partition, counted up to one too many.
async fn in_default(link: &mut Link<Postgres>, month: &Month) -> Result<i64, StoreError> {
    const COUNT: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM authentication_events_default \
         WHERE occurred_at >= $1 AND occurred_at < $2 LIMIT $3) e";
    call!(link, |c| sqlx::query_scalar::<Postgres, i64>(COUNT)
        .bind(Time(month.since))
        .bind(Time(month.until))
        .bind(MAX_MOVED + 1)
        .fetch_one(c))
}

/// Runs a statement of names from the catalogue and moments of our own alone.
pub(super) async fn run(link: &mut Link<Postgres>, sql: impl Into<String>) -> Result<(), StoreError> {
    let sql = AssertSqlSafe(sql.into());
    call!(link, |c| sqlx::raw_sql(sql).execute(c)).map(drop)
}

/// Drops a partition if it still lies wholly before `bound`; false when it does not, or is gone. It
/// belongs into a transaction, which it fails when somebody has events locked for too long.
///
/// # Errors
/// [`StoreError::Contention`] then.
pub(super) async fn drop_before(
    mut conn: Conn<'_>,
    name: &str,
    bound: Timestamp,
) -> Result<bool, StoreError> {
    let known = tables(conn.reborrow()).await?;
    let Some(table) = known.iter().find(|table| table.name == name) else { return Ok(false) };
    let Conn::Postgres(link) = conn else { return Ok(false) };
    if table.until.is_none_or(|until| until > bound) {
        return Ok(false);
    }
    run(link, LOCK_TIMEOUT).await?;
    run(link, format!("DROP TABLE {name}")).await?;
    Ok(true)
}
