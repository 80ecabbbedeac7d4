//! `keywright policy …`: when tokens are rotated without being asked, and where their new secrets go to.

mod terms;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::{Failure, Outcome};
use super::output::details::{plain, text};
use super::output::table::Table;
use super::paging::Paging;
use super::resolve;
use super::session::Session;
use super::token;
use super::transport::Request;
use terms::Terms;

/// Where policies live in the API.
const PATH: &str = "/rotation-policies";

/// Verbs on policies of automated rotation.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a policy on the platform, a publisher, a service account or a service token; its id is printed, and below it
    /// the secret of a webhook, this once
    Create(Create),
    /// List policies, newest first
    List(List),
    /// Show one policy
    Show(Identifier),
    /// Change what a policy says
    Update(Update),
    /// Delete a policy; rotations that have begun go on
    Delete(Identifier),
    /// Show what holds for a token, and which policy says so
    Effective(Effective),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(which) => session.show(&session.ask(&Request::get(which.path())).await?),
            Self::Update(command) => command.run(session).await,
            Self::Delete(which) => {
                session.ask(&Request::delete(which.path())).await?;
                session.output.note(&format!("deleted {}", which.identifier));
                Ok(())
            }
            Self::Effective(command) => command.run(session).await,
        }
    }
}

/// Which policy.
#[derive(Args, Debug)]
pub(crate) struct Identifier {
    /// The policy's id
    #[arg(long, value_name = "ID")]
    identifier: Uuid,
}

impl Identifier {
    fn path(&self) -> String {
        format!("{PATH}/{}", self.identifier)
    }
}

/// What a policy is on.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Subject {
    /// On the platform: all service tokens
    #[arg(long)]
    platform: bool,

    /// On a publisher, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    /// On a service account, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    service_account: Option<String>,

    /// On a service token, by its name or id, and on each that replaces it
    #[arg(long = "service-token", value_name = "NAME|ID")]
    service_token: Option<String>,
}

impl Subject {
    /// The field that names it, and its id; none for the platform.
    async fn field(&self, session: &Session<'_>) -> Result<Option<(&'static str, Uuid)>, Failure> {
        Ok(if let Some(name) = &self.publisher {
            Some(("publisher_id", resolve::publisher(session, name).await?))
        } else if let Some(name) = &self.service_account {
            Some(("service_account_id", resolve::account(session, name).await?))
        } else if let Some(name) = &self.service_token {
            Some(("credential_id", token::id(session, name).await?))
        } else {
            None
        })
    }
}

/// Make a policy.
#[derive(Args, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    subject: Subject,

    #[command(flatten)]
    terms: Terms,
}

impl Create {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.terms.body(session).await?;
        if let Some((field, id)) = self.subject.field(session).await? {
            body.insert(field.to_owned(), json!(id));
        }
        let answer = session.create(PATH, Value::Object(body)).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        session.output.note("made a policy; see `keywright rotation plan` for what it does");
        session.output.line(text(&answer.json, "id"))?;
        match text(&answer.json, "secret") {
            "" => Ok(()),
            secret => {
                session
                    .output
                    .note("its deliveries are signed with the secret below, which is shown this once");
                session.output.line(secret)
            }
        }
    }
}

/// Change what a policy says.
#[derive(Args, Debug)]
pub(crate) struct Update {
    #[command(flatten)]
    policy: Identifier,

    #[command(flatten)]
    terms: Terms,

    /// What is left to the next policy from now on, by its name in the API; may be repeated
    #[arg(long, value_name = "FIELD")]
    unset: Vec<String>,
}

impl Update {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.terms.body(session).await?;
        body.extend(self.unset.iter().map(|field| (field.clone(), Value::Null)));
        if body.is_empty() {
            return Err(Failure::Usage("say what is to change".to_owned()));
        }
        let request = Request::patch(self.policy.path(), Value::Object(body));
        session.show(&session.ask(&request).await?)
    }
}

/// Show what holds for a token.
#[derive(Args, Debug)]
pub(crate) struct Effective {
    /// The service token's name or id
    #[arg(long = "service-token", value_name = "NAME|ID")]
    service_token: String,
}

impl Effective {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let id = token::id(session, &self.service_token).await?;
        let request = Request::get(format!("{PATH}/effective")).with("credential_id", id.to_string());
        session.show(&session.ask(&request).await?)
    }
}

/// What a policy is on.
fn subject(policy: &Value) -> &Value {
    let ids = [&policy["lineage_id"], &policy["service_account_id"], &policy["publisher_id"]];
    ids.into_iter().find(|id| !id.is_null()).unwrap_or(&Value::Null)
}

/// List policies.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those of this publisher, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    /// Only those on things of this kind: platform, publisher, `service_account`, `service_token`
    #[arg(long, value_name = "KIND")]
    level: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request =
            Request::get(PATH).with_some("publisher_id", publisher).with_some("level", self.level.as_ref());
        self.paging.print(session, request, "no policies", table).await
    }
}

fn table(policies: &[Value]) -> Table {
    let mut table = Table::with_header(&["ON", "SUBJECT", "ENABLED", "MAX AGE", "DELIVERY", "WINDOW", "ID"]);
    for policy in policies {
        table.row(vec![
            text(policy, "level").into(),
            plain(subject(policy)).into(),
            plain(&policy["enabled"]).into(),
            plain(&policy["max_age_days"]).into(),
            plain(&policy["delivery"]["type"]).into(),
            plain(&policy["maintenance_window_id"]).into(),
            text(policy, "id").into(),
        ]);
    }
    table
}
