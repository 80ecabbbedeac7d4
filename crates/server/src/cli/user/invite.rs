//! `keywright user invite` and `keywright user remind`.

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::output::details::text;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::{Answer, Request};
use super::resolve::{self, Identifier};

/// Where somebody is to belong, and as what.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("place").required(true).multiple(true).args(["publisher", "platform_admin"]))]
pub(super) struct Place {
    /// The address
    #[arg(long, value_name = "EMAIL")]
    email: String,

    /// What they are called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The language in which they are written to: en, de
    #[arg(long, value_name = "LANGUAGE")]
    locale: Option<String>,

    /// The publisher, by name or id
    #[arg(long, value_name = "NAME|ID", requires = "role")]
    publisher: Option<String>,

    /// Their role there, by name or id
    #[arg(long, value_name = "NAME|ID", requires = "publisher")]
    role: Option<String>,

    /// Make them an administrator of the platform
    #[arg(long)]
    platform_admin: bool,
}

impl Place {
    pub(super) async fn body(&self, session: &Session<'_>) -> Result<Map<String, Value>, Failure> {
        let mut body = self.words();
        if let Some(publisher) = &self.publisher {
            let id = resolve::publisher(session, publisher).await?;
            body.insert("publisher_id".to_owned(), json!(id));
        }
        Ok(body)
    }

    fn words(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        };
        put("email", &Some(self.email.clone()));
        put("display_name", &self.name);
        put("locale", &self.locale);
        put("role", &self.role);
        if self.platform_admin {
            body.insert("platform_role".to_owned(), json!("platform_admin"));
        }
        body
    }
}

/// Invite somebody.
#[derive(Args, Debug)]
pub(crate) struct Invite {
    #[command(flatten)]
    place: Place,

    /// Print the link instead of sending it; for the local operator alone
    #[arg(long)]
    show_link: bool,
}

impl Invite {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.place.body(session).await?;
        if self.show_link {
            body.insert("show_link".to_owned(), json!(true));
        }
        let answer = session.create(super::PATH, Value::Object(body)).await?;
        tell(session, &answer, "invited")
    }
}

/// Invite somebody again.
#[derive(Args, Debug)]
pub(crate) struct Remind {
    #[command(flatten)]
    user: Identifier,

    /// Print the link instead of sending it; for the local operator alone
    #[arg(long)]
    show_link: bool,
}

impl Remind {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.user.path(session).await?;
        let body = if self.show_link { json!({"show_link": true}) } else { json!({}) };
        let answer = session.ask(&Request::post(format!("{path}/invite"), body)).await?;
        tell(session, &answer, "invited again")
    }
}

/// Says who it is, and prints the link, where there is one, alone on standard output.
pub(super) fn tell(session: &Session<'_>, answer: &Answer, what: &str) -> Outcome {
    let (output, user) = (session.output, &answer.json);
    if output.json {
        return output.answer(answer);
    }
    output.note(&format!("{what} {} ({})", escape(text(user, "email")), escape(text(user, "id"))));
    let Some(invitation) = user.get("invitation") else {
        return if output.quiet { output.line(text(user, "id")) } else { Ok(()) };
    };
    let (url, token) = (text(invitation, "url"), text(invitation, "token"));
    if url.is_empty() {
        output.note("accept it by POST /auth/invitations/accept with this token:");
        output.line(token)
    } else {
        output.line(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::user::InviteUser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        invite: Invite,
    }

    fn parse(arguments: &str) -> Result<Invite, clap::Error> {
        Line::try_parse_from(format!("invite --email ada@example.com {arguments}").split(' '))
            .map(|line| line.invite)
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let invite =
            parse("--name Ada --locale de --publisher songtrust --role publisher_editor --platform-admin");
        let body = Value::Object(invite.unwrap().place.words());
        assert_eq!(
            body,
            json!({"email": "ada@example.com", "display_name": "Ada", "locale": "de",
                   "role": "publisher_editor", "platform_role": "platform_admin"})
        );
        let anything = |_: Format, _: &str| Ok(());
        assert!(InviteUser::from_body(body.to_string().as_bytes(), &anything).is_ok());
    }

    #[test]
    fn an_invitation_says_to_what() {
        assert!(parse("--platform-admin --show-link").is_ok());
        for wrong in ["--name Ada", "--publisher songtrust", "--role publisher_editor --platform-admin"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
