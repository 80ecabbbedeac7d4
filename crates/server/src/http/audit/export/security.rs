//! Security events as an export: in NDJSON with all that it takes to check the chain over it.

use keywright_api::event::ExportedSecurityEvent;
use keywright_authority::audit::{self, Linked};
use keywright_authority::{Call, Fault};
use keywright_store::security_events::EventFilter;
use serde_json::value::RawValue;

use super::{Form, Pages, cells};
use crate::http::{App, view};

/// Security events, page by page.
pub(crate) struct SecurityPages {
    pub(crate) app: App,
    pub(crate) call: Call,
    pub(crate) filter: EventFilter,
}

impl Pages for SecurityPages {
    const NAME: &'static str = "security-events";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "seq",
        "type",
        "occurred_at",
        "actor_type",
        "actor_id",
        "actor_name",
        "subject_type",
        "subject_id",
        "subject_name",
        "publisher_id",
        "ip_address",
        "user_agent",
        "request_id",
        "reason",
        "before",
        "after",
        "details",
        "node_id",
        "mac",
    ];
    type Row = Linked;

    async fn next(&mut self, limit: u32) -> Result<Vec<Linked>, Fault> {
        self.filter.limit = limit;
        let rows = audit::export_security(self.app.authority(), &self.call, &self.filter).await?;
        if let Some(last) = rows.last() {
            self.filter.after = Some((last.row.event.occurred_at, last.row.event.id));
        }
        Ok(rows)
    }

    fn write(linked: Linked, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Ndjson => cells::line(&exported(linked), out),
            Form::Csv => row(linked, out),
        }
    }
}

fn row(Linked { row, .. }: Linked, out: &mut Vec<u8>) {
    let event = row.event;
    let text = |text: Option<String>| text.unwrap_or_default();
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let row: [String; 20] = [
        event.id.0.to_string(),
        row.seq.map(|seq| seq.to_string()).unwrap_or_default(),
        event.type_,
        view::time(event.occurred_at),
        event.actor.kind.as_str().to_owned(),
        id(event.actor.id),
        event.actor.name,
        text(event.subject_type),
        id(event.subject_id),
        text(event.subject_name),
        id(event.publisher_id),
        event.ip_address.map(|ip| ip.to_string()).unwrap_or_default(),
        text(event.user_agent),
        text(event.request_id),
        text(event.reason),
        text(event.before),
        text(event.after),
        text(event.details),
        id(event.node_id.map(|id| id.0)),
        row.mac.map(hex::encode).unwrap_or_default(),
    ];
    cells::row(row.iter().map(String::as_str), out);
}

fn exported(Linked { row, previous_mac }: Linked) -> ExportedSecurityEvent {
    let event = row.event;
    ExportedSecurityEvent {
        id: event.id.0,
        seq: row.seq,
        kind: event.type_,
        occurred_at: view::time(event.occurred_at),
        actor: view::actor(&event.actor),
        subject: keywright_api::event::ExportedSubject {
            kind: event.subject_type,
            id: event.subject_id,
            name: event.subject_name,
        },
        publisher_id: event.publisher_id,
        ip_address: event.ip_address.map(|ip| ip.to_string()),
        user_agent: event.user_agent,
        request_id: event.request_id,
        reason: event.reason,
        before: event.before.as_deref().map(exact),
        after: event.after.as_deref().map(exact),
        details: event.details.as_deref().map(exact),
        node_id: event.node_id.map(|id| id.0),
        key_id: row.key_id,
        mac: row.mac.map(hex::encode),
        previous_mac: previous_mac.map(hex::encode),
    }
}

/// The text byte by byte as it is sealed: an object as it was written, and what cannot stand in a line
/// as it is as a string.
fn exact(text: &str) -> Box<RawValue> {
    if text.starts_with('{')
        && cells::fits_a_line(text)
        && let Ok(raw) = RawValue::from_string(text.to_owned())
        && raw.get() == text
    {
        return raw;
    }
    serde_json::value::to_raw_value(text).unwrap_or_default()
}
