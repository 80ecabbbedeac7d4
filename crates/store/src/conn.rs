//! [`Conn`]: what every query function takes, so that a reader and a transaction share them.

use std::pin::Pin;

use sqlx::{Postgres, Sqlite};
use tracing::Instrument as _;

use crate::engine::Engine;
use crate::link::Link;

/// A connection to either engine, lent for one or more calls.
pub enum Conn<'a> {
    /// SQLite.
    Sqlite(&'a mut Link<Sqlite>),
    /// PostgreSQL.
    Postgres(&'a mut Link<Postgres>),
}

impl Conn<'_> {
    /// The same connection for a shorter time.
    pub fn reborrow(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(link) => Conn::Sqlite(link),
            Self::Postgres(link) => Conn::Postgres(link),
        }
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
}

/// Runs one call on a [`Link`]: the body sees the bare connection and gives a future of a
/// `Result<_, sqlx::Error>`. The whole gives a `Result<_, StoreError>`.
macro_rules! call {
    ($link:expr, |$c:ident| $body:expr) => {{
        let link = $link;
        match link.enter() {
            Ok(limit) => {
                let result = {
                    let $c = link.connection();
                    $crate::conn::within(limit, module_path!(), $body).await
                };
                link.leave(result)
            }
            Err(error) => Err(error),
        }
    }};
}

/// Runs one call on a [`Conn`], whichever engine it is: as [`call`], with `DB` as the engine.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite(link) => {
                type DB = ::sqlx::Sqlite;
                $crate::conn::call!(link, |$c| $body)
            }
            $crate::conn::Conn::Postgres(link) => {
                type DB = ::sqlx::Postgres;
                $crate::conn::call!(link, |$c| $body)
            }
        }
    };
}

/// Runs a statement that changes rows, with its values, and gives the number of rows.
macro_rules! change {
    ($conn:expr, $statement:ident; $($value:expr),+ $(,)?) => {
        $crate::conn::on!($conn, |c| async {
            let query = ::sqlx::query::<DB>($statement.text::<DB>())$(.bind($value))+;
            query.execute(c).await.map(|done| done.rows_affected())
        })
    };
}

pub(crate) use {call, change, on};

/// Awaits a call for at most `limit`; `None` when it took longer. In a trace it is a span, named after the
/// module that makes it. Boxed, so that the futures of those who call a store stay small.
pub(crate) fn within<'a, T: 'a>(
    limit: Option<std::time::Duration>,
    module: &'static str,
    call: impl Future<Output = Result<T, sqlx::Error>> + Send + 'a,
) -> impl Future<Output = Option<Result<T, sqlx::Error>>> + Send + 'a {
    let call: Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>> = Box::pin(call);
    let span = tracing::trace_span!(
        target: "keywright_trace",
        "store",
        otel.name = module.strip_prefix("keywright_").unwrap_or(module),
        otel.kind = "client",
    );
    async move {
        match limit {
            Some(limit) => tokio::time::timeout(limit, call).await.ok(),
            None => Some(call.await),
        }
    }
    .instrument(span)
}
