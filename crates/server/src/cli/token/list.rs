//! `keywright token list`.

use clap::Args;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{last, plain, text};
use super::super::output::moment;
use super::super::output::table::{NOTHING, Table, Tone, Value};
use super::super::paging::Paging;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;
use keywright_core::Timestamp;
use uuid::Uuid;

/// List tokens.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only tokens in this state: active, superseded, inactive, expired, revoked
    #[arg(long)]
    status: Option<String>,

    /// Only the tokens with exactly this name
    #[arg(long)]
    name: Option<String>,

    /// Only tokens whose name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// Only live tokens that expire within so many days
    #[arg(long, value_name = "DAYS")]
    expiring_within_days: Option<u32>,

    /// Only tokens of this service account, by its name or id
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let account = resolve::account_if_named(session, self.service_account.as_deref()).await?;
        let none = if self.is_filtered() {
            "no token matches"
        } else {
            "no tokens yet; make one: keywright token create --name ci --permissions api_read"
        };
        let table = |items: &[Json]| table(items, session.output.now);
        self.paging.print(session, self.request(account), none, table).await
    }

    fn request(&self, account: Option<Uuid>) -> Request {
        Request::get(super::PATH)
            .with_some("status", self.status.as_ref())
            .with_some("name", self.name.as_ref())
            .with_some("q", self.search.as_ref())
            .with_some("expiring_within_days", self.expiring_within_days)
            .with_some("service_account_id", account)
    }

    fn is_filtered(&self) -> bool {
        self.status.is_some()
            || self.name.is_some()
            || self.search.is_some()
            || self.expiring_within_days.is_some()
            || self.service_account.is_some()
    }
}

pub(in crate::cli) fn table(tokens: &[Json], now: Timestamp) -> Table {
    let mut table =
        Table::with_header(&["NAME", "HINT", "STATUS", "PERMISSIONS", "EXPIRES", "USES", "LAST USED"]);
    for token in tokens {
        table.row(vec![
            text(token, "token_name").into(),
            text(token, "token_hint").into(),
            status(text(token, "status")),
            plain(&token["permissions"]).into(),
            expiry(token, now),
            plain(&token["usage_count"]).into(),
            last(token, "last_used_at", now),
        ]);
    }
    table
}

pub(crate) fn status(status: &str) -> Value {
    let tone = match status {
        "active" => Tone::Good,
        "superseded" => Tone::Warning,
        "expired" | "inactive" => Tone::Faint,
        "revoked" => Tone::Bad,
        _ => Tone::Plain,
    };
    Value::toned(status, tone)
}

/// The moment at which it stops working: for a superseded token that is the end of its grace.
pub(crate) fn expiry(token: &Json, now: Timestamp) -> Value {
    let ended = matches!(text(token, "status"), "revoked");
    let time = match text(token, "grace_expires_at") {
        "" => text(token, "expires_at"),
        grace => grace,
    };
    match time {
        _ if ended => Value::toned(NOTHING, Tone::Faint),
        "" => "never".into(),
        time => moment::told(time, now).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Look;
    use keywright_api::actor::{Actor, ActorType};
    use keywright_api::service_token::{ServiceToken, TokenStatus};
    use uuid::Uuid;

    fn token(name: &str, status: TokenStatus) -> ServiceToken {
        ServiceToken {
            id: Uuid::nil(),
            token_name: name.to_owned(),
            token_hint: "sk_3f9a…c2d1".to_owned(),
            permissions: vec!["api_read".to_owned(), "system_status".to_owned()],
            status,
            is_active: true,
            metadata: serde_json::Map::new(),
            service_account_id: None,
            rate_limits: None,
            ip_allowlist: None,
            expires_at: Some("2027-02-18T12:00:00Z".to_owned()),
            usage_count: 1200,
            last_used_at: Some("2026-11-21T11:58:00Z".to_owned()),
            rotated_from_id: None,
            superseded_by_id: None,
            grace_expires_at: None,
            revoked_at: None,
            revoked_reason: None,
            created_by: Actor { kind: ActorType::Operator, id: None, name: None },
            created_at: "2026-11-20T12:00:00Z".to_owned(),
        }
    }

    fn lines(tokens: &[ServiceToken]) -> Vec<String> {
        let json: Vec<Json> = tokens.iter().map(|token| serde_json::to_value(token).unwrap()).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        table(&json, now)
            .render(Look { terminal: false, colour: false })
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }

    fn columns(line: &str) -> Vec<&str> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
    }

    #[test]
    fn a_line_tells_what_one_looks_for_in_a_token() {
        let lines = lines(&[token("ci", TokenStatus::Active)]);
        assert_eq!(
            columns(&lines[0]),
            ["NAME", "HINT", "STATUS", "PERMISSIONS", "EXPIRES", "USES", "LAST USED"]
        );
        let row = [
            "ci",
            "sk_3f9a…c2d1",
            "active",
            "api_read, system_status",
            "2027-02-18 (in 89 days)",
            "1200",
            "2 minutes ago",
        ];
        assert_eq!(columns(&lines[1]), row);
    }

    #[test]
    fn the_end_that_is_shown_is_the_one_that_counts() {
        let grace = Some("2026-11-22T11:00:00Z".to_owned());
        let lines = lines(&[
            ServiceToken { grace_expires_at: grace, ..token("old", TokenStatus::Superseded) },
            ServiceToken { expires_at: None, last_used_at: None, ..token("forever", TokenStatus::Active) },
            token("gone", TokenStatus::Revoked),
        ]);
        assert_eq!(columns(&lines[1])[4], "2026-11-22 (in 23 hours)");
        assert_eq!((columns(&lines[2])[4], columns(&lines[2])[6]), ("never", "never"));
        assert_eq!(columns(&lines[3])[4], NOTHING);
    }
}
