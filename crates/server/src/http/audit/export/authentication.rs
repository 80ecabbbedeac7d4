//! Authentication events as an export.

use keywright_api::WireEnum;
use keywright_authority::{Call, Fault, audit};
use keywright_store::authentication_events::{AuthenticationEventFilter, AuthenticationEventRow};

use super::{Form, Pages, cells};
use crate::http::{App, view};

/// Authentication events, page by page.
pub(crate) struct AuthenticationPages {
    pub(crate) app: App,
    pub(crate) call: Call,
    pub(crate) filter: AuthenticationEventFilter,
}

impl Pages for AuthenticationPages {
    const NAME: &'static str = "authentication-events";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "type",
        "occurred_at",
        "success",
        "code",
        "occurrences",
        "token_type",
        "credential_id",
        "token_name",
        "principal_type",
        "principal_id",
        "user_email",
        "publisher_id",
        "asked_by_id",
        "ip_address",
        "country",
        "user_agent",
        "method",
        "endpoint",
        "cloudflare_ray_id",
        "request_id",
        "node_id",
        "latency_seconds",
        "stale",
        "error_details",
    ];
    type Row = AuthenticationEventRow;

    async fn next(&mut self, limit: u32) -> Result<Vec<AuthenticationEventRow>, Fault> {
        self.filter.limit = limit;
        let rows = audit::export_authentication(self.app.authority(), &self.call, &self.filter).await?;
        if let Some(last) = rows.last() {
            self.filter.after = Some((last.occurred_at, last.id));
        }
        Ok(rows)
    }

    fn write(row: AuthenticationEventRow, form: Form, out: &mut Vec<u8>) {
        let event = view::authentication_event(row);
        if form == Form::Ndjson {
            return cells::line(&event, out);
        }
        let text = |text: Option<String>| text.unwrap_or_default();
        let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let row: [String; 25] = [
            event.id.to_string(),
            event.kind,
            event.occurred_at,
            event.success.to_string(),
            event.code,
            event.occurrences.to_string(),
            event.token_type.map(WireEnum::as_str).unwrap_or_default().to_owned(),
            id(event.credential_id),
            text(event.token_name),
            event.principal_type.map(WireEnum::as_str).unwrap_or_default().to_owned(),
            id(event.principal_id),
            text(event.user_email),
            id(event.publisher_id),
            id(event.asked_by_id),
            text(event.ip_address),
            text(event.country),
            text(event.user_agent),
            text(event.method),
            text(event.endpoint),
            text(event.cloudflare_ray_id),
            text(event.request_id),
            id(event.node_id),
            event.latency_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            event.stale.to_string(),
            event
                .error_details
                .map(|details| serde_json::Value::Object(details).to_string())
                .unwrap_or_default(),
        ];
        cells::row(row.iter().map(String::as_str), out);
    }
}
