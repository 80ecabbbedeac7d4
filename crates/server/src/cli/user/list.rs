//! `keywright user list`.

use clap::Args;
use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{last, text};
use super::super::output::table::{Table, Tone, Value};
use super::super::paging::Paging;
use super::super::session::Session;
use super::super::transport::Request;

/// List users.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only users who stand there: invited, active, disabled
    #[arg(long)]
    status: Option<String>,

    /// Only the user with this address
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,

    /// Only users whose name or address contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let request = Request::get(super::PATH)
            .with_some("status", self.status.as_ref())
            .with_some("email", self.email.as_ref())
            .with_some("q", self.search.as_ref());
        self.paging
            .print(session, request, "no user matches; invite one: keywright user invite", |items| {
                table(items, session.output.now)
            })
            .await
    }
}

fn table(users: &[Json], now: Timestamp) -> Table {
    let mut table = Table::with_header(&["EMAIL", "NAME", "STATUS", "ROLES", "LAST LOGIN"]);
    for user in users {
        table.row(vec![
            text(user, "email").into(),
            text(user, "display_name").into(),
            status(text(user, "status")),
            roles(user).into(),
            last(user, "last_login_at", now),
        ]);
    }
    table
}

fn status(status: &str) -> Value {
    let tone = match status {
        "active" => Tone::Good,
        "disabled" => Tone::Bad,
        _ => Tone::Faint,
    };
    Value::toned(status, tone)
}

/// `platform_admin, songtrust: publisher_editor`
fn roles(user: &Json) -> String {
    let platform = Some(text(user, "platform_role").to_owned()).filter(|role| !role.is_empty());
    let publishers = user["publishers"].as_array().into_iter().flatten();
    let publishers = publishers.map(|own| format!("{}: {}", text(own, "name"), text(own, "role")));
    platform.into_iter().chain(publishers).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_told_with_the_publisher_in_which_they_are_held() {
        let user = json!({"platform_role": "platform_admin", "publishers": [{"name": "songtrust", "role": "editor"}]});
        assert_eq!(roles(&user), "platform_admin, songtrust: editor");
        assert_eq!(roles(&json!({"platform_role": null, "publishers": []})), "");
    }
}
