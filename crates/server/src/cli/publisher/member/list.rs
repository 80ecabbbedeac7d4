//! `keywright publisher member list`.

use clap::Args;
use serde_json::Value as Json;

use super::super::super::failure::Outcome;
use super::super::super::output::details::text;
use super::super::super::output::table::{Table, Tone, Value};
use super::super::super::paging::Paging;
use super::super::super::resolve::{self, PublisherArg};
use super::super::super::session::Session;
use super::super::super::transport::Request;

/// List members.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    publisher: PublisherArg,

    /// Only those who hold this role, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    role: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher(session, &self.publisher.publisher).await?;
        let mut request = Request::get(format!("/publishers/{publisher}/members"));
        if let Some(role) = &self.role {
            let role = resolve::role(session, Some(publisher), role).await?;
            request = request.with("role_id", role.to_string());
        }
        self.paging.print_by(session, request, "user_id", "no members", table).await
    }
}

fn table(members: &[Json]) -> Table {
    let mut table = Table::with_header(&["EMAIL", "NAME", "ROLE", "STATUS", "USER"]);
    for member in members {
        let disabled = member.get("is_disabled").and_then(Json::as_bool).unwrap_or_default();
        let status =
            if disabled { Value::toned("disabled", Tone::Bad) } else { Value::toned("active", Tone::Good) };
        table.row(vec![
            text(member, "email").into(),
            text(member, "display_name").into(),
            text(member, "role").into(),
            status,
            text(member, "user_id").into(),
        ]);
    }
    table
}
