//! `keywright pat scopes`.

use super::super::failure::Outcome;
use super::super::output::details::{plain, text};
use super::super::output::table::Table;
use super::super::session::Session;
use super::super::transport::Request;

/// What the caller could grant.
pub(super) async fn run(session: &Session<'_>) -> Outcome {
    let output = session.output;
    let answer = session.ask(&Request::get(format!("{}/scopes", super::PATH))).await?;
    if output.json {
        return output.answer(&answer);
    }
    let mut table = Table::with_header(&["PUBLISHER", "TOKENS", "AT MOST", "APPROVAL", "SCOPES"]);
    for own in answer.json["items"].as_array().into_iter().flatten() {
        let name = match text(own, "publisher_name") {
            "" => "the platform",
            name => name,
        };
        let days =
            own["max_days"].as_u64().map_or_else(|| "any life".to_owned(), |days| format!("{days} days"));
        let yes = |name: &str, yes: &'static str, no: &'static str| {
            if own[name] == true { yes } else { no }
        };
        table.row(vec![
            name.into(),
            yes("may_create", "may be made", "none").into(),
            days.into(),
            yes("require_approval", "needed", "none").into(),
            plain(&own["scopes"]).into(),
        ]);
    }
    output.table(&table)
}
