//! `keywright user update`.

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::resolve::Identifier;

/// Change a user.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["name", "email", "platform_admin", "no_platform_role"]
))]
pub(crate) struct Update {
    #[command(flatten)]
    user: Identifier,

    /// What they are called
    #[arg(long)]
    name: Option<String>,

    /// Another address; both are told, and the new one is to be confirmed
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,

    /// Make them an administrator of the platform
    #[arg(long)]
    platform_admin: bool,

    /// Take their role of the platform
    #[arg(long, conflicts_with = "platform_admin")]
    no_platform_role: bool,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.user.path(session).await?;
        let answer = session.ask(&Request::patch(path, self.body())).await?;
        session.show(&answer)
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        if let Some(name) = &self.name {
            put("display_name", json!(name));
        }
        if let Some(email) = &self.email {
            put("email", json!(email));
        }
        if self.platform_admin {
            put("platform_role", json!("platform_admin"));
        } else if self.no_platform_role {
            put("platform_role", Value::Null);
        }
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::user::PatchUser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let line = "update --identifier a@b.c --name Ada --email ada@example.com --no-platform-role";
        let body = Line::try_parse_from(line.split(' ')).unwrap().update.body();
        let expected = json!({"display_name": "Ada", "email": "ada@example.com", "platform_role": null});
        assert_eq!(body, expected);
        let anything = |_: Format, _: &str| Ok(());
        assert!(PatchUser::from_body(body.to_string().as_bytes(), &anything).is_ok());
        for wrong in
            ["update --identifier a@b.c", "update --identifier a --platform-admin --no-platform-role"]
        {
            assert!(Line::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }
}
