//! Many events at once: by binary COPY on PostgreSQL, by rows of one prepared INSERT on SQLite.

use std::sync::{Arc, LazyLock};

use keywright_core::{CredentialId, NodeId, PrincipalKind};
use keywright_verify::{DecisionRecord, Piece};
use serde_json::json;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};
use uuid::Uuid;

use super::event_columns;
use crate::conn::{Conn, call};
use crate::engine::SuccessEvents;
use crate::error::StoreError;
use crate::link::Link;
use crate::places::FoundPlaces;
use crate::types::{Ip, POSTGRES_EPOCH_MICROS, Time, clean, clean_json};

const COLUMNS: usize = 24;
/// Rows of one INSERT.
const ROWS: usize = 40;
/// Events of one COPY, so that none comes near the time that a statement may take.
const COPY_ROWS: usize = 10_000;
/// Bytes after which a part of a COPY is sent.
const COPY_CHUNK: usize = 256 * 1024;

/// Inserts events; successes only where they are kept as such. It belongs into a transaction: a batch is more than one statement.
///
/// # Errors
/// [`StoreError::Duplicate`] when one of them is stored already.
pub(crate) async fn append_batch(
    conn: Conn<'_>,
    pieces: &[Piece],
    successes: SuccessEvents,
    found: &FoundPlaces,
) -> Result<(), StoreError> {
    let kept = |event: &DecisionRecord| successes == SuccessEvents::All || !event.success();
    let of_piece = |piece| {
        let Piece { node, records, .. }: &Piece = piece;
        records.iter().filter(|event| kept(event)).map(|event| {
            let place = found.of(event.ip_address);
            (*node, event, place.and_then(|place| place.country.as_deref()))
        })
    };
    let events: Vec<Event<'_>> = pieces.iter().flat_map(of_piece).collect();
    if events.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(link) => insert(link, &events).await,
        Conn::Postgres(link) => {
            for events in events.chunks(COPY_ROWS) {
                copy(link, events).await?;
            }
            Ok(())
        }
    }
}

/// The node that decided, the event, and the country.
type Event<'a> = (NodeId, &'a DecisionRecord, Option<&'a str>);

/// The details as JSON that both engines keep, whatever was recorded.
fn clean_details(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| json!({ "unreadable": clean(text) }), clean_json).to_string()
}

/// OR FAIL: a failure ends the transaction anyway, so SQLite need not note how to undo half a
/// statement.
fn insert_text(rows: usize) -> Arc<str> {
    let mut text =
        String::from(concat!("INSERT OR FAIL INTO authentication_events (", event_columns!(), ") VALUES "));
    for row in 0..rows {
        text.push_str(if row == 0 { "(?" } else { ", (?" });
        text.push_str(&", ?".repeat(COLUMNS - 1));
        text.push(')');
    }
    text.into()
}

static INSERT_ROWS: LazyLock<Arc<str>> = LazyLock::new(|| insert_text(ROWS));
static INSERT_ROW: LazyLock<Arc<str>> = LazyLock::new(|| insert_text(1));

type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>;

fn bind<'q>(query: SqliteQuery<'q>, (node, event, country): Event<'_>) -> SqliteQuery<'q> {
    let text = |text: &Option<Box<str>>| text.as_deref().map(|text| clean(text).into_owned());
    query
        .bind(Time(event.occurred_at))
        .bind(event.id.0)
        .bind(event.kind.as_str())
        .bind(event.success())
        .bind(event.code.as_str())
        .bind(i64::from(event.occurrences))
        .bind(event.credential_id.map(|id| id.0))
        .bind(text(&event.token_name))
        .bind(event.principal_kind.map(PrincipalKind::as_str))
        .bind(event.principal_id)
        .bind(event.asked_by.map(|id| id.0))
        .bind(event.publisher_id)
        .bind(text(&event.user_email))
        .bind(Ip::optional(event.ip_address))
        .bind(country.map(str::to_owned))
        .bind(text(&event.user_agent))
        .bind(text(&event.method))
        .bind(text(&event.endpoint))
        .bind(text(&event.cloudflare_ray_id))
        .bind(clean(&event.request_id).into_owned())
        .bind(i64::from(event.latency_micros))
        .bind(event.stale)
        .bind(event.error_details.as_deref().map(clean_details))
        .bind(node.0)
}

async fn insert(link: &mut Link<Sqlite>, events: &[Event<'_>]) -> Result<(), StoreError> {
    let (full, rest) = events.split_at(events.len() - events.len() % ROWS);
    call!(link, |c| async {
        for rows in full.chunks_exact(ROWS) {
            let query = sqlx::query::<Sqlite>(AssertSqlSafe(Arc::clone(&INSERT_ROWS)));
            rows.iter().fold(query, |query, event| bind(query, *event)).execute(&mut *c).await?;
        }
        for event in rest {
            let query = sqlx::query::<Sqlite>(AssertSqlSafe(Arc::clone(&INSERT_ROW)));
            bind(query, *event).execute(&mut *c).await?;
        }
        Ok::<(), sqlx::Error>(())
    })
}

/// One COPY in PostgreSQL's binary format (its manual, COPY, Binary Format).
struct CopyBuffer(Vec<u8>);

impl CopyBuffer {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(COPY_CHUNK + 4096);
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    fn field(&mut self, bytes: &[u8]) {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn null(&mut self) {
        self.0.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    fn id(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.field(id.as_bytes()),
            None => self.null(),
        }
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.field(clean(text).as_bytes()),
            None => self.null(),
        }
    }

    fn address(&mut self, address: Option<std::net::IpAddr>) {
        let Some(address) = address else { return self.null() };
        let mut bytes = Vec::with_capacity(20);
        Ip(address).write_inet(&mut bytes);
        self.field(&bytes);
    }

    fn details(&mut self, details: Option<&str>) {
        let Some(details) = details else { return self.null() };
        // JSONB, version 1.
        let mut bytes = vec![1];
        bytes.extend_from_slice(clean_details(details).as_bytes());
        self.field(&bytes);
    }

    fn event(&mut self, (node, event, country): Event<'_>) {
        self.0.extend_from_slice(&u16::try_from(COLUMNS).unwrap_or(0).to_be_bytes());
        self.field(&(event.occurred_at.as_micros() - POSTGRES_EPOCH_MICROS).to_be_bytes());
        self.field(event.id.0.as_bytes());
        self.text(Some(event.kind.as_str()));
        self.field(&[u8::from(event.success())]);
        self.text(Some(event.code.as_str()));
        self.field(&i64::from(event.occurrences).to_be_bytes());
        self.id(event.credential_id.map(|CredentialId(id)| id));
        self.text(event.token_name.as_deref());
        self.text(event.principal_kind.map(PrincipalKind::as_str));
        self.id(event.principal_id);
        self.id(event.asked_by.map(|CredentialId(id)| id));
        self.id(event.publisher_id);
        self.text(event.user_email.as_deref());
        self.address(event.ip_address);
        self.text(country);
        self.text(event.user_agent.as_deref());
        self.text(event.method.as_deref());
        self.text(event.endpoint.as_deref());
        self.text(event.cloudflare_ray_id.as_deref());
        self.text(Some(&event.request_id));
        self.field(&i64::from(event.latency_micros).to_be_bytes());
        self.field(&[u8::from(event.stale)]);
        self.details(event.error_details.as_deref());
        self.id(Some(node.0));
    }
}

async fn copy(link: &mut Link<Postgres>, events: &[Event<'_>]) -> Result<(), StoreError> {
    const COPY: &str =
        concat!("COPY authentication_events (", event_columns!(), ") FROM STDIN WITH (FORMAT binary)");
    let rows = call!(link, |c| async {
        let mut copy = c.copy_in_raw(COPY).await?;
        let mut buffer = CopyBuffer::new();
        for event in events {
            buffer.event(*event);
            if buffer.0.len() >= COPY_CHUNK {
                copy.send(buffer.0.as_slice()).await?;
                buffer.0.clear();
            }
        }
        buffer.0.extend_from_slice(&(-1_i16).to_be_bytes());
        copy.send(buffer.0.as_slice()).await?;
        copy.finish().await
    })?;
    if rows == events.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Other(format!("COPY took {rows} of {} events", events.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_json_that_both_engines_keep() {
        assert_eq!(clean_details(r#"{"a":1}"#), r#"{"a":1}"#);
        assert_eq!(clean_details(r#"{"a\u0000":["x\u0000"]}"#), "{\"a\u{FFFD}\":[\"x\u{FFFD}\"]}");
        assert_eq!(clean_details("no\0json"), "{\"unreadable\":\"no\u{FFFD}json\"}");
        assert_eq!(
            clean_details(r#"{"a":"\ud800"}"#),
            json!({"unreadable": r#"{"a":"\ud800"}"#}).to_string()
        );
    }
}
