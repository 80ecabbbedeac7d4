//! `keywright rotation …`: automated rotations, and what would be rotated.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::Outcome;
use super::output::details::{plain, text};
use super::output::table::Table;
use super::paging::Paging;
use super::resolve;
use super::session::Session;
use super::token;
use super::transport::Request;

/// Where rotations live in the API.
const PATH: &str = "/rotations";

/// Verbs on automated rotations.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List rotations, newest first
    List(List),
    /// Show one rotation: its steps, what the receiver answered, and who still presents the old secret
    Show(Identifier),
    /// Show what would be rotated within the next days; nothing is changed
    Plan(Plan),
    /// Say that whoever uses the token has the new secret: the old one's grace begins
    Confirm(Decide),
    /// Revoke the new token, and let the old one count again
    Rollback(Decide),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Show(which) => {
                session.show(&session.ask(&Request::get(format!("{PATH}/{}", which.identifier))).await?)
            }
            Self::Plan(command) => command.run(session).await,
            Self::Confirm(command) => command.run(session, "confirm").await,
            Self::Rollback(command) => command.run(session, "rollback").await,
        }
    }
}

/// Which rotation.
#[derive(Args, Debug)]
pub(crate) struct Identifier {
    /// The rotation's id
    #[arg(long, value_name = "ID")]
    identifier: Uuid,
}

/// Decide by hand.
#[derive(Args, Debug)]
pub(crate) struct Decide {
    #[command(flatten)]
    rotation: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Decide {
    async fn run(&self, session: &Session<'_>, verb: &str) -> Outcome {
        let body = self.reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let path = format!("{PATH}/{}/{verb}", self.rotation.identifier);
        session.show(&session.ask(&Request::post(path, body)).await?)
    }
}

/// List rotations.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long)]
    state: Option<String>,

    /// Only those of this service token, or that made it, by its name or id
    #[arg(long = "service-token", value_name = "NAME|ID")]
    service_token: Option<String>,

    /// Only those of tokens of this publisher, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let credential = match &self.service_token {
            Some(name) => Some(token::id(session, name).await?),
            None => None,
        };
        let request = Request::get(PATH)
            .with_some("publisher_id", publisher)
            .with_some("state", self.state.as_ref())
            .with_some("credential_id", credential);
        self.paging.print(session, request, "no rotations", table).await
    }
}

fn table(rotations: &[Value]) -> Table {
    let mut table = Table::with_header(&["TOKEN", "STATE", "RULE", "DELIVERY", "ATTEMPTS", "UPDATED", "ID"]);
    for rotation in rotations {
        table.row(vec![
            text(rotation, "token_name").into(),
            text(rotation, "state").into(),
            text(rotation, "rule").into(),
            text(rotation, "delivery").into(),
            plain(&rotation["attempts"]).into(),
            text(rotation, "updated_at").into(),
            text(rotation, "id").into(),
        ]);
    }
    table
}

/// Show what would be rotated.
#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// How many days to look ahead
    #[arg(long, default_value_t = 30)]
    days: u32,
}

impl Plan {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let request = Request::get(format!("{PATH}/plan")).with("days", self.days.to_string());
        let answer = session.ask(&request).await?;
        if output.json {
            return output.answer(&answer);
        }
        let plan = &answer.json;
        if plan["enabled"] == Value::Bool(false) {
            output.note(
                "automated rotation is switched off (rotation.enabled): nothing of this begins by itself",
            );
        }
        let items = plan["items"].as_array().map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            output.note(&format!("nothing is due within {} days", self.days));
            return Ok(());
        }
        let mut table =
            Table::with_header(&["TOKEN", "RULE", "DUE", "BEGINS", "DELIVERY", "IN THE WAY", "ID"]);
        for one in items {
            table.row(vec![
                text(one, "token_name").into(),
                text(one, "rule").into(),
                text(one, "due_at").into(),
                plain(&one["begins_at"]).into(),
                text(one, "delivery").into(),
                plain(&one["obstacle"]).into(),
                text(one, "credential_id").into(),
            ]);
        }
        output.table(&table)?;
        if plan["truncated"] == Value::Bool(true) {
            output.note("there are more");
        }
        Ok(())
    }
}
