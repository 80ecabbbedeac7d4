//! `keywright user create`: a user without mail, by the local operator.

use clap::Args;
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::verify::read_secret;
use super::invite::{Place, tell};

/// Make a user whose password is read from standard input.
#[derive(Args, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let password = read_secret("password", "keywright user create … < password.txt")?;
        let mut body = self.place.body(session).await?;
        body.insert("password".to_owned(), json!(password.as_str()));
        let answer = session.create(super::PATH, Value::Object(body)).await?;
        tell(session, &answer, "made")
    }
}
