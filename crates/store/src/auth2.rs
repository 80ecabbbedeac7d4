//! An AUTH-2 database, which is read and never written: its service tokens and authentication events.
//!
//! Pages are found by keys and each is a statement of its own: nothing is held in the source between two of them,
//! whatever is written there meanwhile, and no page is larger than it was asked for.

use std::collections::HashMap;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, Encode, Postgres, Type, encode::IsNull};
use uuid::Uuid;

use crate::engine::{Engine, StoreOptions};
use crate::error::StoreError;
use crate::imports::SourcePlace;
use crate::types::{POSTGRES_EPOCH_MICROS, TIMESTAMPTZ};

/// Characters of metadata that are read: enough to see that it is too large.
const METADATA_CHARACTERS: u32 = 20_000;
/// Characters of a user agent that are read.
const AGENT_CHARACTERS: u32 = 512;
/// Characters of the details of an event that are read.
pub const DETAILS_CHARACTERS: usize = 2_000;

/// A moment as PostgreSQL has it: microseconds since 1970, also of years that we do not know, and of infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceMoment(pub i64);

/// `infinity`
const INFINITY: i64 = i64::MAX;
/// `-infinity`
const MINUS_INFINITY: i64 = i64::MIN;

impl SourceMoment {
    /// Later than any other.
    pub const INFINITY: Self = Self(INFINITY);
}

impl Type<Postgres> for SourceMoment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        info.oid() == Some(TIMESTAMPTZ)
    }
}

impl<'q> Encode<'q, Postgres> for SourceMoment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let raw = match self.0 {
            INFINITY | MINUS_INFINITY => self.0,
            micros => micros.saturating_sub(POSTGRES_EPOCH_MICROS),
        };
        <i64 as Encode<'q, Postgres>>::encode(raw, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for SourceMoment {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Err("a time is read in binary form only".into());
        }
        // No finite moment of PostgreSQL comes near the ends of the range.
        Ok(Self(match <i64 as Decode<'r, Postgres>>::decode(value)? {
            raw @ (INFINITY | MINUS_INFINITY) => raw,
            raw => raw.saturating_add(POSTGRES_EPOCH_MICROS),
        }))
    }
}

/// A row of `service_tokens` as it is there. What its schema forbids may be missing all the same.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SourceToken {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub token_name: Option<String>,
    /// What should be 64 hexadecimal digits.
    pub token_hash: Option<String>,
    /// JSON; cut where it is far too long.
    pub metadata: Option<String>,
    /// The end of its life; none is never.
    pub expires_at: Option<SourceMoment>,
    /// Switched on.
    pub is_active: Option<bool>,
    /// How often it was used.
    pub usage_count: Option<i64>,
    /// When it was used last.
    pub last_used: Option<SourceMoment>,
    /// When it was made.
    pub created_at: Option<SourceMoment>,
}

/// A row of `authentication_events` as it is there.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SourceEvent {
    /// When it was written.
    pub created_at: SourceMoment,
    /// Its id.
    pub id: Uuid,
    /// What went on.
    pub event_type: String,
    /// Whether it was accepted.
    pub success: bool,
    /// The user.
    pub user_email: Option<String>,
    /// The token.
    pub service_token_name: Option<String>,
    /// The client's address as text, without a mask.
    pub ip_address: Option<String>,
    /// The client's user agent; cut.
    pub user_agent: Option<String>,
    /// What was asked for.
    pub endpoint: Option<String>,
    /// Cloudflare's id of the request.
    pub cloudflare_ray_id: Option<String>,
    /// JSON; cut to [`DETAILS_CHARACTERS`] and one more.
    pub error_details: Option<String>,
}

impl SourceEvent {
    /// Where it stands among all.
    pub fn place(&self) -> SourcePlace {
        (self.created_at.0, self.id)
    }
}

/// Which events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSpan {
    /// From this moment on.
    pub from: SourceMoment,
    /// Up to this moment.
    pub to: SourceMoment,
}

/// What there is to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// Tokens.
    pub tokens: u64,
    /// Events within the span.
    pub events: u64,
    /// Events before it.
    pub events_before: u64,
    /// Events after it.
    pub events_after: u64,
}

/// An open AUTH-2 database.
#[derive(Debug)]
pub struct Auth2 {
    connection: PgConnection,
    source: String,
    tokens: Texts,
    /// None where there is no table of events.
    events: Option<Texts>,
}

/// The statement of the first page, and that of each other one.
#[derive(Clone, Debug)]
struct Texts {
    first: String,
    next: String,
}

impl Auth2 {
    /// Connects to the PostgreSQL that a URL names, whose TLS parameters are those of our own store's URL.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when it is no PostgreSQL, or not an AUTH-2 database; why it cannot be reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = StoreOptions::new(url);
        if options.engine()? != Engine::Postgres {
            return Err(StoreError::Unsuitable {
                reason: "AUTH-2 keeps its tokens in PostgreSQL".to_owned(),
            });
        }
        let options = options.postgres_source()?;
        let source = format!(
            "auth2 {}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        );
        let mut connection = options.disable_statement_logging().connect().await?;
        let columns = columns(&mut connection, "service_tokens").await?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        // As its documents have it, and as its first migration does.
        let metadata = if has("token_metadata") { "token_metadata" } else { "metadata" };
        for needed in ["id", "token_name", "token_hash", metadata] {
            if !has(needed) {
                let reason = format!(
                    "it is no AUTH-2 database: there is no column {needed} in a table service_tokens"
                );
                return Err(StoreError::Unsuitable { reason });
            }
        }
        let tokens = token_texts(metadata);
        let events = event_texts(&self::columns(&mut connection, "authentication_events").await?);
        Ok(Self { connection, source, tokens, events })
    }

    /// What it is, without user and password.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is a table of events.
    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    /// How much there is to read.
    ///
    /// # Errors
    /// As any query.
    pub async fn totals(&mut self, span: Option<EventSpan>) -> Result<SourceTotals, StoreError> {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let tokens = sqlx::query_scalar::<Postgres, i64>("SELECT COUNT(*) FROM service_tokens")
            .fetch_one(&mut self.connection)
            .await?;
        let mut totals = SourceTotals { tokens: count(tokens), ..SourceTotals::default() };
        if let (Some(span), true) = (span, self.has_events()) {
            let text = "SELECT COUNT(*) FILTER (WHERE created_at >= $1 AND created_at <= $2), \
                        COUNT(*) FILTER (WHERE created_at < $1), COUNT(*) FILTER (WHERE created_at > $2) \
                        FROM authentication_events";
            let (within, before, after) = sqlx::query_as::<Postgres, (i64, i64, i64)>(text)
                .bind(span.from)
                .bind(span.to)
                .fetch_one(&mut self.connection)
                .await?;
            (totals.events, totals.events_before, totals.events_after) =
                (count(within), count(before), count(after));
        }
        Ok(totals)
    }

    /// The tokens after this one, in the order of their ids.
    ///
    /// # Errors
    /// As any query.
    pub async fn tokens_after(
        &mut self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<SourceToken>, StoreError> {
        let text = if after.is_some() { &self.tokens.next } else { &self.tokens.first };
        let query = sqlx::query_as::<Postgres, SourceToken>(AssertSqlSafe(text.clone()));
        let mut query = query.bind(i64::from(limit));
        if let Some(after) = after {
            query = query.bind(after);
        }
        Ok(query.fetch_all(&mut self.connection).await?)
    }

    /// The events of a span after this one, the oldest first; none where there is no table of events.
    ///
    /// # Errors
    /// As any query.
    pub async fn events_after(
        &mut self,
        span: EventSpan,
        after: Option<SourcePlace>,
        limit: u32,
    ) -> Result<Vec<SourceEvent>, StoreError> {
        let Some(events) = &self.events else { return Ok(Vec::new()) };
        let text = if after.is_some() { &events.next } else { &events.first };
        let from = after.map_or(span.from, |(at, _)| SourceMoment(at));
        let query = sqlx::query_as::<Postgres, SourceEvent>(AssertSqlSafe(text.clone()));
        let mut query = query.bind(i64::from(limit)).bind(from).bind(span.to);
        if let Some((_, id)) = after {
            query = query.bind(id);
        }
        Ok(query.fetch_all(&mut self.connection).await?)
    }

    /// The ids of the tokens that bear these names now.
    ///
    /// # Errors
    /// As any query.
    pub async fn ids_of(&mut self, names: &[String]) -> Result<HashMap<String, Uuid>, StoreError> {
        const TEXT: &str = "SELECT token_name::TEXT, id FROM service_tokens WHERE token_name = ANY($1)";
        let query = sqlx::query_as::<Postgres, (String, Uuid)>(TEXT).bind(names);
        let rows = query.fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().collect())
    }

    /// Leaves.
    pub async fn close(self) {
        // What cannot be closed in order is closed by its drop.
        let _ = self.connection.close().await;
    }
}

/// The columns of a table that an unqualified name finds; none where there is no such table.
async fn columns(connection: &mut PgConnection, table: &str) -> Result<Vec<String>, StoreError> {
    const COLUMNS: &str = "SELECT attname::TEXT FROM pg_attribute \
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    Ok(sqlx::query_scalar::<Postgres, String>(COLUMNS).bind(table).fetch_all(connection).await?)
}

fn token_texts(metadata: &str) -> Texts {
    let text = |after: &str| {
        format!(
            "SELECT id, token_name::TEXT AS token_name, token_hash::TEXT AS token_hash, \
             LEFT({metadata}::TEXT, {METADATA_CHARACTERS}) AS metadata, expires_at, is_active, \
             usage_count::BIGINT AS usage_count, last_used, created_at \
             FROM service_tokens{after} ORDER BY id LIMIT $1"
        )
    };
    Texts { first: text(""), next: text(" WHERE id > $2") }
}

/// None where there is no such table. Not every version has every column.
fn event_texts(columns: &[String]) -> Option<Texts> {
    if columns.is_empty() {
        return None;
    }
    let or_null = |name: &str, of: &str| {
        if columns.iter().any(|column| column == name) { of.to_owned() } else { "NULL::TEXT".to_owned() }
    };
    let text = |after: &str| {
        format!(
            "SELECT created_at, id, COALESCE(event_type::TEXT, '') AS event_type, COALESCE(success, FALSE) AS success, \
             {} AS user_email, {} AS service_token_name, {} AS ip_address, {} AS user_agent, {} AS endpoint, \
             {} AS cloudflare_ray_id, {} AS error_details FROM authentication_events \
             WHERE created_at >= $2 AND created_at <= $3{after} ORDER BY created_at, id LIMIT $1",
            or_null("user_email", "user_email::TEXT"),
            or_null("service_token_name", "service_token_name::TEXT"),
            or_null("ip_address", "host(ip_address)"),
            or_null("user_agent", &format!("LEFT(user_agent, {AGENT_CHARACTERS})")),
            or_null("endpoint", "endpoint::TEXT"),
            or_null("cloudflare_ray_id", "cloudflare_ray_id::TEXT"),
            or_null("error_details", &format!("LEFT(error_details::TEXT, {})", DETAILS_CHARACTERS + 1)),
        )
    };
    // The bound on the moment alone is what an index over moments alone serves.
    Some(Texts { first: text(""), next: text(" AND (created_at, id) > ($2, $4)") })
}
