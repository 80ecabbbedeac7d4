//! `keywright session …`: logins of users.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::emergency::id_of;
use super::failure::{Failure, Outcome};
use super::output::details::{ago, text};
use super::output::table::{NOTHING, Table, Value as Cell};
use super::paging::Paging;
use super::session::Session;
use super::transport::Request;
use keywright_core::Timestamp;

/// Verbs on sessions.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List the sessions that are alive: my own, or those of a user
    List(List),
    /// End one of my own sessions
    End(End),
    /// End all of my own sessions, or those of a user
    EndAll(EndAll),
}

/// List sessions.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: Of,

    #[command(flatten)]
    paging: Paging,
}

/// End a session.
#[derive(Args, Debug)]
pub(crate) struct End {
    /// The session's id
    #[arg(long, value_name = "ID")]
    identifier: String,
}

/// End all sessions.
#[derive(Args, Debug)]
pub(crate) struct EndAll {
    #[command(flatten)]
    of: Of,
}

/// Whose sessions.
#[derive(Args, Debug)]
struct Of {
    /// Those of this user, named by id or address; without it, my own
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Of {
    async fn path(&self, session: &Session<'_>) -> Result<Option<String>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        let id = id_of(session, "/users", "email", user).await?;
        Ok(Some(format!("/users/{id}/sessions")))
    }
}

impl Command {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::List(list) => list.run(session).await,
            Self::End(end) => {
                session.ask(&Request::delete(format!("/auth/sessions/{}", end.identifier))).await?;
                session.output.note("ended");
                Ok(())
            }
            Self::EndAll(all) => all.run(session).await,
        }
    }
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.of.path(session).await?.unwrap_or_else(|| "/auth/sessions".to_owned());
        let listing = session.list(&self.paging.apply(Request::get(path)), self.paging.all).await?;
        let output = session.output;
        if output.json {
            return listing.print(output);
        }
        if listing.items().is_empty() {
            output.note("there is no session");
            return Ok(());
        }
        output.table(&table(listing.items(), output.now))?;
        Paging::note_more(output, &listing);
        Ok(())
    }
}

impl EndAll {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        match self.of.path(session).await? {
            Some(path) => {
                session.ask(&Request::delete(path)).await?;
                session.output.note("all of the user's sessions are ended");
                Ok(())
            }
            None => session.show(&session.ask(&Request::post("/auth/logout-all", json!({}))).await?),
        }
    }
}

fn table(sessions: &[Value], now: Timestamp) -> Table {
    let mut table = Table::with_header(&["ID", "LOGGED IN", "LAST SEEN", "FROM", "WITH"]);
    for session in sessions {
        let or_nothing = |name: &str| -> Cell {
            match text(session, name) {
                "" => NOTHING.into(),
                text => text.into(),
            }
        };
        table.row(vec![
            or_nothing("id"),
            ago(text(session, "created_at"), now),
            ago(text(session, "last_seen_at"), now),
            or_nothing("ip_address"),
            or_nothing("user_agent"),
        ]);
    }
    table
}
