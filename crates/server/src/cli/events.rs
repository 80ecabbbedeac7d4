//! `keywright events …`: the audit trail.

use clap::{Args, Subcommand, ValueEnum};
use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::duration::Seconds;
use super::failure::{Failure, Outcome};
use super::output::details::text;
use super::output::table::{NOTHING, Table};
use super::output::text::escape;
use super::paging::Paging;
use super::session::Session;
use super::transport::Request;

/// Verbs on events.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List security events: who changed what
    List(List),
    /// Check that no sealed security event was altered, removed, moved or cut off
    Verify(Verify),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Verify(command) => command.run(session).await,
        }
    }
}

/// List security events.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only events since then: a time such as 2027-01-31T12:00:00Z, or how long ago, such as 24h
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<String>,

    /// Only events before then, in the same forms
    #[arg(long, value_name = "TIME|DURATION")]
    until: Option<String>,

    /// Only events of this type, such as token.rotated
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// Only what this principal did
    #[arg(long, value_name = "ID")]
    principal: Option<String>,

    /// Only events about this credential
    #[arg(long, value_name = "ID")]
    credential: Option<String>,

    /// Only events from this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,

    /// Newest first, or oldest first
    #[arg(long, value_enum, default_value_t = Order::Desc)]
    order: Order,

    #[command(flatten)]
    paging: Paging,
}

/// Order of a list.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Oldest first
    Asc,
    /// Newest first
    Desc,
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let listing = session.list(&self.request(output.now)?, self.paging.all).await?;
        if output.json {
            return listing.print(output);
        }
        if output.quiet {
            return listing.items().iter().try_for_each(|event| output.line(text(event, "id")));
        }
        if listing.items().is_empty() {
            output.note("no security event matches");
            return Ok(());
        }
        output.table(&table(listing.items()))?;
        Paging::note_more(output, &listing);
        Ok(())
    }

    fn request(&self, now: Timestamp) -> Result<Request, Failure> {
        let order = match self.order {
            Order::Asc => "asc",
            Order::Desc => "desc",
        };
        let request = Request::get("/audit/security-events")
            .with_some("since", moment("--since", self.since.as_deref(), now)?)
            .with_some("until", moment("--until", self.until.as_deref(), now)?)
            .with_some("type", self.kind.as_ref())
            .with_some("principal_id", self.principal.as_ref())
            .with_some("credential_id", self.credential.as_ref())
            .with_some("ip", self.ip.as_ref())
            .with("order", order);
        Ok(self.paging.apply(request))
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

fn table(events: &[Json]) -> Table {
    let mut table = Table::with_header(&["TIME", "TYPE", "ACTOR", "SUBJECT", "FROM", "REASON"]);
    for event in events {
        let or_nothing = |text: &str| if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() };
        table.row(vec![
            text(event, "occurred_at").into(),
            text(event, "type").into(),
            someone(&event["actor"]).into(),
            someone(&event["subject"]).into(),
            or_nothing(text(event, "ip_address")).into(),
            or_nothing(text(event, "reason")).into(),
        ]);
    }
    table
}

/// The name, else the id, else the kind.
fn someone(who: &Json) -> &str {
    ["name", "id", "type"]
        .iter()
        .map(|member| text(who, member))
        .find(|text| !text.is_empty())
        .unwrap_or(NOTHING)
}

/// Check the chain of security events.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A head that was noted before, from the log or from `--json`: also proves that nothing was cut
    /// off since
    #[arg(long, value_name = "SEQ:MAC")]
    head: Option<String>,
}

impl Verify {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let request = Request::get("/audit/security-events/verify").with_some("head", self.head.as_ref());
        let answer = session.ask(&request).await?;
        let Some(holds) = answer.json.get("holds").and_then(Json::as_bool) else {
            return Err(Failure::Failed("the API answered without a verdict".to_owned()));
        };
        if output.json {
            output.answer(&answer)?;
        } else {
            output.line(&verdict(&answer.json))?;
        }
        if holds { Ok(()) } else { Err(Failure::Found) }
    }
}

fn verdict(answer: &Json) -> String {
    let number = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or(0);
    let waiting = match number("unsealed") {
        0 => String::new(),
        count => format!("; {count} wait to be sealed"),
    };
    let broken = &answer["broken_at"];
    if answer["holds"] == Json::Bool(true) {
        let head = match (answer.get("head_seq").and_then(Json::as_i64), text(answer, "head_mac")) {
            (Some(seq), mac) => format!("\nhead: {seq}:{}", escape(mac)),
            (None, _) => String::new(),
        };
        return format!("the chain holds: {} events checked{waiting}{head}", number("checked"));
    }
    let event = match text(broken, "event_id") {
        "" => "no event".to_owned(),
        id => format!("event {}", escape(id)),
    };
    format!(
        "the chain is broken at {}: {} ({event}); {} events checked{waiting}",
        broken.get("seq").and_then(Json::as_i64).unwrap_or(0),
        escape(text(broken, "problem")),
        number("checked")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_api::event::{ChainBreak, ChainVerification};
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
        let look = crate::cli::output::Look { terminal: false, colour: false };
        let text = table(&[event]).render(look);
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, [NOW, "token.rotated", "operator", "ci", NOTHING, "scheduled"]);
    }

    #[test]
    fn the_verdict_names_the_head_or_the_place_of_the_break() {
        let whole = ChainVerification {
            holds: true,
            checked: 12,
            first_seq: Some(1),
            head_seq: Some(12),
            head_mac: Some("ab12".to_owned()),
            unsealed: 2,
            broken_at: None,
        };
        let told = |chain: &ChainVerification| verdict(&serde_json::to_value(chain).unwrap());
        assert_eq!(told(&whole), "the chain holds: 12 events checked; 2 wait to be sealed\nhead: 12:ab12");
        let broken_at = Some(ChainBreak { seq: 7, event_id: None, problem: "missing".to_owned() });
        let broken = ChainVerification { holds: false, checked: 6, unsealed: 0, broken_at, ..whole };
        assert_eq!(told(&broken), "the chain is broken at 7: missing (no event); 6 events checked");
    }
}
