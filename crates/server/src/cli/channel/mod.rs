//! `keywright channel …`: ways by which alerts leave.

mod create;
mod update;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::deliveries::{self, Filter};
use super::failure::{Failure, Outcome};
use super::output::details::{owner, plain, text};
use super::output::table::{Table, Tone, Value};
use super::output::text::escape;
use super::paging::Paging;
use super::resolve;
use super::session::Session;
use super::transport::Request;

/// Where channels live in the API.
const PATH: &str = "/notification-channels";

/// Which channel.
#[derive(Args, Debug)]
struct Identifier {
    /// The channel's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,
}

impl Identifier {
    async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        let id = resolve::named(session, PATH, "channel", &self.identifier).await?;
        Ok(format!("{PATH}/{id}"))
    }
}

/// Verbs on notification channels.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a channel; its id is printed, and below it the secret of a webhook, this once
    Create(create::Create),
    /// List channels, newest first
    List(List),
    /// Show one channel
    Show(Show),
    /// Change a channel; switched off, it gives up what waits for it
    Update(update::Update),
    /// Delete a channel
    Delete(Delete),
    /// Send a message by a channel at once, and tell what became of it; exit code 1 when it did not arrive
    Test(Test),
    /// What became of what a channel was to tell, newest first
    Deliveries(Deliveries),
    /// Have a delivery that was given up tried again for another day
    Retry(Retry),
}

/// List channels.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only channels of this kind: log, email, webhook, slack, teams, discord
    #[arg(long)]
    kind: Option<String>,

    /// Only those of this publisher
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

/// Show one channel.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    channel: Identifier,
}

/// Delete a channel.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    channel: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// Try a channel out.
#[derive(Args, Debug)]
pub(crate) struct Test {
    #[command(flatten)]
    channel: Identifier,
}

/// List the deliveries of a channel.
#[derive(Args, Debug)]
pub(crate) struct Deliveries {
    #[command(flatten)]
    channel: Identifier,

    #[command(flatten)]
    filter: Filter,
}

/// Have a delivery tried again.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    #[command(flatten)]
    channel: Identifier,

    /// The delivery's id
    #[arg(long, value_name = "ID")]
    delivery: uuid::Uuid,
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(Show { channel }) => {
                session.show(&session.ask(&Request::get(channel.path(session).await?)).await?)
            }
            Self::Update(command) => command.run(session).await,
            Self::Delete(Delete { channel, reason }) => {
                let request = Request::delete(channel.path(session).await?);
                session.ask(&request.with_some("reason", reason.as_ref())).await?;
                session.output.note(&format!("deleted {}", escape(&channel.identifier)));
                Ok(())
            }
            Self::Test(Test { channel }) => test(session, &channel.path(session).await?).await,
            Self::Deliveries(Deliveries { channel, filter }) => {
                filter.run(session, &channel.path(session).await?).await
            }
            Self::Retry(Retry { channel, delivery }) => {
                deliveries::retry(session, &channel.path(session).await?, *delivery).await
            }
        }
    }
}

async fn test(session: &Session<'_>, path: &str) -> Outcome {
    let answer = session.ask(&Request::post(format!("{path}/test"), json!({}))).await?;
    session.show(&answer)?;
    if text(&answer.json, "state") == "delivered" { Ok(()) } else { Err(Failure::Found) }
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request =
            Request::get(PATH).with_some("kind", self.kind.as_ref()).with_some("publisher_id", publisher);
        self.paging
            .print(session, request, "no channel matches; make one: keywright channel create", table)
            .await
    }
}

fn table(channels: &[Json]) -> Table {
    let header = ["NAME", "KIND", "LEADS TO", "FROM SEVERITY", "DIGEST", "ON", "PUBLISHER", "ID"];
    let mut table = Table::with_header(&header);
    for channel in channels {
        let tone = if channel["is_enabled"] == true { Tone::Good } else { Tone::Bad };
        table.row(vec![
            text(channel, "name").into(),
            text(channel, "kind").into(),
            text(channel, "destination").into(),
            text(channel, "minimum_severity").into(),
            text(channel, "digest").into(),
            Value::toned(&plain(&channel["is_enabled"]), tone),
            owner(channel),
            text(channel, "id").into(),
        ]);
    }
    table
}
