//! How many connections the server gives to all its clients together.

use sqlx::Postgres;

use crate::conn::{Conn, call};
use crate::error::StoreError;
use crate::store::Store;

/// The connections of a PostgreSQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ServerLimits {
    /// Most that it gives.
    pub max_connections: i64,
    /// Of them, those that it keeps for its administrators.
    pub reserved: i64,
    /// Those in use now, this one among them.
    pub in_use: i64,
}

impl Store {
    /// How many connections the server gives; `None` on SQLite, which has no server.
    ///
    /// # Errors
    /// As any query.
    pub async fn server_limits(&self) -> Result<Option<ServerLimits>, StoreError> {
        let mut reader = self.read().await?;
        let Conn::Postgres(link) = reader.conn() else { return Ok(None) };
        // reserved_connections came with PostgreSQL 16.
        let limits = call!(link, |c| sqlx::query_as::<Postgres, ServerLimits>(
            "SELECT current_setting('max_connections')::BIGINT AS max_connections, \
             current_setting('superuser_reserved_connections')::BIGINT \
             + COALESCE(NULLIF(current_setting('reserved_connections', true), '')::BIGINT, 0) AS reserved, \
             (SELECT CAST(COALESCE(SUM(numbackends), 0) AS BIGINT) FROM pg_stat_database) AS in_use"
        )
        .fetch_one(c))?;
        Ok(Some(limits))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::testing::test_stores;

    #[tokio::test]
    async fn a_server_tells_its_connections_and_a_file_has_none() {
        for store in test_stores().await {
            match (store.engine(), store.server_limits().await.unwrap()) {
                (Engine::Sqlite, limits) => assert_eq!(limits, None),
                (Engine::Postgres, limits) => {
                    let limits = limits.unwrap();
                    assert!(limits.in_use >= 1 && limits.reserved < limits.max_connections, "{limits:?}");
                }
            }
        }
    }
}
