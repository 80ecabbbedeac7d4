//! `keywright window …`: when automated rotations may begin.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::failure::{Failure, Outcome};
use super::output::details::{plain, text};
use super::output::table::Table;
use super::output::text::escape;
use super::paging::Paging;
use super::resolve;
use super::session::Session;
use super::transport::Request;

/// Where maintenance windows live in the API.
const PATH: &str = "/maintenance-windows";

/// Verbs on maintenance windows.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a maintenance window; its id is printed
    Create(Create),
    /// List maintenance windows, newest first
    List(List),
    /// Show one maintenance window, with its next openings
    Show(Identifier),
    /// Change a maintenance window
    Update(Update),
    /// Delete a maintenance window that no policy names
    Delete(Identifier),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(which) => session.show(&session.ask(&Request::get(which.path(session).await?)).await?),
            Self::Update(command) => command.run(session).await,
            Self::Delete(which) => {
                session.ask(&Request::delete(which.path(session).await?)).await?;
                session.output.note(&format!("deleted {}", escape(&which.identifier)));
                Ok(())
            }
        }
    }
}

/// Which window.
#[derive(Args, Debug)]
pub(crate) struct Identifier {
    /// The window's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,
}

impl Identifier {
    async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        Ok(format!("{PATH}/{}", resolve::window(session, &self.identifier).await?))
    }
}

/// Make a maintenance window.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique within the publisher, or at platform level
    #[arg(long)]
    name: String,

    /// When it opens, as a cron expression of five fields, such as "0 2 * * SUN"
    #[arg(long, value_name = "EXPRESSION")]
    cron: String,

    /// How long it is open, in minutes
    #[arg(long, value_name = "MINUTES")]
    duration_minutes: u32,

    /// The place by whose clock it opens, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,

    /// The publisher that it belongs to, by its name or id; a caller of a publisher makes it there
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,
}

impl Create {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = json!({
            "name": self.name, "cron": self.cron, "duration_minutes": self.duration_minutes,
            "time_zone": self.time_zone,
        });
        if let Some(id) = resolve::publisher_if_named(session, self.publisher.as_deref()).await? {
            body["publisher_id"] = json!(id);
        }
        session.made(&session.create(PATH, body).await?, "name")
    }
}

/// Change a maintenance window.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "cron", "duration_minutes", "time_zone"]))]
pub(crate) struct Update {
    #[command(flatten)]
    window: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// Other openings, as a cron expression of five fields
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,

    /// Another length, in minutes
    #[arg(long, value_name = "MINUTES")]
    duration_minutes: Option<u32>,

    /// The clock of another place
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

impl Update {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = Map::new();
        for (name, value) in [
            ("name", self.name.as_ref().map(|name| json!(name))),
            ("cron", self.cron.as_ref().map(|cron| json!(cron))),
            ("duration_minutes", self.duration_minutes.map(|minutes| json!(minutes))),
            ("time_zone", self.time_zone.as_ref().map(|zone| json!(zone))),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        let path = self.window.path(session).await?;
        session.show(&session.ask(&Request::patch(path, Value::Object(body))).await?)
    }
}

/// List maintenance windows.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those of this publisher, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request = Request::get(PATH).with_some("publisher_id", publisher);
        self.paging.print(session, request, "no maintenance windows", table).await
    }
}

fn table(windows: &[Value]) -> Table {
    let mut table = Table::with_header(&["NAME", "OPENS", "ZONE", "MINUTES", "NEXT", "ID"]);
    for window in windows {
        table.row(vec![
            text(window, "name").into(),
            text(window, "cron").into(),
            text(window, "time_zone").into(),
            plain(&window["duration_minutes"]).into(),
            plain(&window["next_openings"][0]).into(),
            text(window, "id").into(),
        ]);
    }
    table
}
