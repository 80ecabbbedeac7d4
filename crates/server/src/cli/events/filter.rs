//! Which events.

use clap::{Args, ValueEnum};
use keywright_core::Timestamp;
use serde_json::Value as Json;

use crate::cli::duration::Seconds;
use crate::cli::failure::Failure;
use crate::cli::output::details::text;
use crate::cli::output::table::NOTHING;
use crate::cli::transport::Request;

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Who changed what
    Security,
    /// Who used what: one event for each decision
    Authentication,
}

impl Kind {
    /// Its path in the API.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Security => "/audit/security-events",
            Self::Authentication => "/audit/authentication-events",
        }
    }

    /// The headings of its table.
    pub(super) fn header(self) -> &'static [&'static str] {
        match self {
            Self::Security => &["TIME", "TYPE", "ACTOR", "SUBJECT", "FROM", "REASON"],
            Self::Authentication => &["TIME", "TYPE", "CODE", "CREDENTIAL", "FROM", "ENDPOINT"],
        }
    }

    /// An event as a row of that table.
    pub(super) fn row(self, event: &Json) -> Vec<String> {
        let or_nothing = |text: &str| if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() };
        let named = |name: &str| or_nothing(text(event, name));
        let [time, kind, from] = ["occurred_at", "type", "ip_address"].map(named);
        match self {
            Self::Security => {
                let (actor, subject) = (someone(&event["actor"]), someone(&event["subject"]));
                vec![time, kind, actor.to_owned(), subject.to_owned(), from, named("reason")]
            }
            Self::Authentication => {
                let credential = ["token_name", "credential_id"].map(|name| text(event, name));
                let credential = credential.into_iter().find(|text| !text.is_empty()).unwrap_or(NOTHING);
                let code = match event.get("occurrences").and_then(Json::as_u64) {
                    Some(count) if count > 1 => format!("{} ×{count}", named("code")),
                    _ => named("code"),
                };
                vec![time, kind, code, credential.to_owned(), from, named("endpoint")]
            }
        }
    }
}

/// The name, else the id, else the kind.
fn someone(who: &Json) -> &str {
    ["name", "id", "type"]
        .iter()
        .map(|member| text(who, member))
        .find(|text| !text.is_empty())
        .unwrap_or(NOTHING)
}

/// Which events.
#[derive(Args, Debug)]
pub(super) struct Filter {
    /// Which list
    #[arg(long, value_enum, default_value_t = Kind::Security)]
    pub(super) kind: Kind,

    /// Only events of this type, such as token.rotated or verify
    #[arg(long = "type", value_name = "TYPE")]
    type_: Option<String>,

    /// Only what this principal did, or how it was decided on
    #[arg(long, value_name = "ID")]
    principal: Option<String>,

    /// Only events about this credential
    #[arg(long, value_name = "ID")]
    credential: Option<String>,

    /// Only events of this publisher
    #[arg(long, value_name = "ID")]
    publisher: Option<String>,

    /// Only authentication events that ended so: true accepted, false refused
    #[arg(long, value_name = "true|false")]
    success: Option<bool>,

    /// Only authentication events with this code, such as expired
    #[arg(long, value_name = "CODE")]
    code: Option<String>,

    /// Only events from this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
}

impl Filter {
    /// Asks for what matches.
    pub(super) fn request(&self) -> Request {
        Request::get(self.kind.path())
            .with_some("type", self.type_.as_ref())
            .with_some("principal_id", self.principal.as_ref())
            .with_some("credential_id", self.credential.as_ref())
            .with_some("publisher_id", self.publisher.as_ref())
            .with_some("success", self.success)
            .with_some("code", self.code.as_ref())
            .with_some("ip", self.ip.as_ref())
    }
}

/// From when to when, and in which order.
#[derive(Args, Debug)]
pub(super) struct Window {
    /// Only events since then: a time such as 2027-01-31T12:00:00Z, or how long ago, such as 24h
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<String>,

    /// Only events before then, in the same forms
    #[arg(long, value_name = "TIME|DURATION")]
    until: Option<String>,
}

impl Window {
    /// Adds itself to the query.
    pub(super) fn apply(&self, request: Request, now: Timestamp) -> Result<Request, Failure> {
        let since = moment("--since", self.since.as_deref(), now)?;
        let until = moment("--until", self.until.as_deref(), now)?;
        Ok(request.with_some("since", since).with_some("until", until))
    }
}

/// Order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// Oldest first
    Asc,
    /// Newest first
    Desc,
}

impl Order {
    /// The API's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

/// A time as it stands, or so long before now.
fn moment(flag: &str, given: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = given else { return Ok(None) };
    if let Ok(Seconds(seconds)) = text.parse() {
        return Ok(Some(now.plus_seconds(i64::try_from(seconds).map_or(i64::MIN, |seconds| -seconds))));
    }
    let wrong = |why| Failure::Usage(format!("{flag}: {why}; or say how long ago, such as 24h"));
    text.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-21T12:00:00Z";

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = NOW.parse().unwrap();
        let told = |text| moment("--since", Some(text), now).map(|time| time.unwrap().to_string());
        assert_eq!(told("24h").unwrap(), "2026-11-20T12:00:00Z");
        assert_eq!(told("2026-01-02T03:04:05+01:00").unwrap(), "2026-01-02T02:04:05Z");
        assert_eq!(told("9223372036854775807").unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(told("yesterday").unwrap_err().exit_code(), 2);
        assert!(moment("--since", None, now).unwrap().is_none());
    }

    #[test]
    fn a_row_tells_who_did_what_to_whom() {
        let event = json!({
            "occurred_at": NOW, "type": "token.rotated", "actor": {"type": "operator", "id": null, "name": null},
            "subject": {"type": "service_token", "id": "t-1", "name": "ci"}, "ip_address": null, "reason": "scheduled"
        });
        let row = Kind::Security.row(&event);
        assert_eq!(row, [NOW, "token.rotated", "operator", "ci", NOTHING, "scheduled"]);
    }

    #[test]
    fn a_row_tells_who_used_what_and_how_often() {
        let event = json!({
            "occurred_at": NOW, "type": "verify", "code": "not_found", "occurrences": 12, "token_name": null,
            "credential_id": null, "ip_address": "192.0.2.1", "endpoint": "/works"
        });
        let row = Kind::Authentication.row(&event);
        assert_eq!(row, [NOW, "verify", "not_found ×12", NOTHING, "192.0.2.1", "/works"]);
    }
}
