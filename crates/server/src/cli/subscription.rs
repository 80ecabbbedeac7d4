//! `keywright subscription …`: who is told of which events.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value as Json, json};

use super::deliveries::{self, Filter, made};
use super::failure::{Failure, Outcome};
use super::output::details::{owner, plain, text};
use super::output::table::{Table, Tone, Value};
use super::output::text::escape;
use super::paging::Paging;
use super::resolve;
use super::session::Session;
use super::transport::Request;
use super::verify::read_secret;

/// Where subscriptions live in the API.
const PATH: &str = "/event-subscriptions";

/// Which subscription.
#[derive(Args, Debug)]
struct Identifier {
    /// The subscription's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,
}

impl Identifier {
    async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        let id = resolve::named(session, PATH, "subscription", &self.identifier).await?;
        Ok(format!("{PATH}/{id}"))
    }
}

/// Verbs on event subscriptions.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a subscription; its id is printed, and below it its secret, this once
    Create(Create),
    /// List subscriptions, newest first
    List(List),
    /// Show one subscription
    Show(Show),
    /// Change a subscription; switched off, it gives up what waits for it
    Update(Update),
    /// Delete a subscription
    Delete(Delete),
    /// What became of what a subscription was to tell, newest first
    Deliveries(Deliveries),
    /// Have a delivery that was given up tried again for another day
    Retry(Retry),
}

/// Make a subscription. Its address is a secret: it is read from standard input.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique within the publisher, or at platform level
    #[arg(long)]
    name: String,

    /// Which events it is told of, separated by commas: types such as token.created, all of a noun (token.*), or *
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', required = true)]
    events: Vec<String>,

    /// The publisher that it belongs to, by its name or id; a caller of a publisher makes it there
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,
}

/// List subscriptions.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those of this publisher
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

/// Show one subscription.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    subscription: Identifier,
}

/// Change a subscription.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["name", "new_address", "events", "enable", "disable"]))]
pub(crate) struct Update {
    #[command(flatten)]
    subscription: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// Read a new address from standard input; the secret stays
    #[arg(long)]
    new_address: bool,

    /// Which events it is told of from now on, separated by commas
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    events: Vec<String>,

    /// Switch it on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// Switch it off; what waits for it is given up
    #[arg(long)]
    disable: bool,
}

/// Delete a subscription.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    subscription: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// List the deliveries of a subscription.
#[derive(Args, Debug)]
pub(crate) struct Deliveries {
    #[command(flatten)]
    subscription: Identifier,

    #[command(flatten)]
    filter: Filter,
}

/// Have a delivery tried again.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    #[command(flatten)]
    subscription: Identifier,

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
            Self::Show(Show { subscription }) => {
                session.show(&session.ask(&Request::get(subscription.path(session).await?)).await?)
            }
            Self::Update(command) => command.run(session).await,
            Self::Delete(Delete { subscription, reason }) => {
                let request = Request::delete(subscription.path(session).await?);
                session.ask(&request.with_some("reason", reason.as_ref())).await?;
                session.output.note(&format!("deleted {}", escape(&subscription.identifier)));
                Ok(())
            }
            Self::Deliveries(Deliveries { subscription, filter }) => {
                filter.run(session, &subscription.path(session).await?).await
            }
            Self::Retry(Retry { subscription, delivery }) => {
                deliveries::retry(session, &subscription.path(session).await?, *delivery).await
            }
        }
    }
}

impl Create {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let address = read_secret("address", "keywright subscription create … < address.txt")?;
        let mut body = json!({ "name": self.name, "url": address.as_str(), "event_types": self.events });
        if let Some(id) = resolve::publisher_if_named(session, self.publisher.as_deref()).await? {
            body["publisher_id"] = json!(id);
        }
        made(session, &session.create(PATH, body).await?)
    }
}

impl Update {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = json!({});
        if let Some(name) = &self.name {
            body["name"] = json!(name);
        }
        if self.new_address {
            let address = read_secret("address", "keywright subscription update … < address.txt")?;
            body["url"] = json!(address.as_str());
        }
        if !self.events.is_empty() {
            body["event_types"] = json!(self.events);
        }
        if self.enable || self.disable {
            body["is_enabled"] = json!(self.enable);
        }
        let path = self.subscription.path(session).await?;
        session.show(&session.ask(&Request::patch(path, body)).await?)
    }
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request = Request::get(PATH).with_some("publisher_id", publisher);
        self.paging
            .print(
                session,
                request,
                "no subscription matches; make one: keywright subscription create",
                table,
            )
            .await
    }
}

fn table(subscriptions: &[Json]) -> Table {
    let mut table = Table::with_header(&["NAME", "EVENTS", "LEADS TO", "ON", "PUBLISHER", "ID"]);
    for subscription in subscriptions {
        let tone = if subscription["is_enabled"] == true { Tone::Good } else { Tone::Bad };
        table.row(vec![
            text(subscription, "name").into(),
            plain(&subscription["event_types"]).into(),
            text(subscription, "destination").into(),
            Value::toned(&plain(&subscription["is_enabled"]), tone),
            owner(subscription),
            text(subscription, "id").into(),
        ]);
    }
    table
}
