//! `keywright keys …`: the keys that sign access tokens, and keys that follow from the master key.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::{connect, disconnect};
use super::failure::{Failure, Outcome};
use super::globals::{Caller, Globals};
use super::output::Output;
use super::output::details::text;
use super::output::table::{NOTHING, Table, Value as Cell};
use super::output::text::counted;
use super::paging::Paging;
use super::session::Session;
use super::settings;
use super::transport::Request;

/// Verbs on keys.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print the audit key, with which `events verify --file` checks an export; a secret, for auditors
    AuditKey,
    /// List the keys that sign access tokens
    List(List),
    /// Make a new signing key; with --revoke the others are refused at once
    Rotate(Rotate),
    /// Seal signing keys and mails that wait anew, under the first of the configured master keys
    Rekey,
}

/// List the keys that sign access tokens.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

/// Make a new signing key.
#[derive(Args, Debug)]
pub(crate) struct Rotate {
    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,

    /// Revoke the keys that there were: what they signed is refused at once, and every user has to refresh
    #[arg(long)]
    revoke: bool,
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        match self {
            Self::AuditKey => audit_key(globals, output),
            Self::Rekey => rekey(globals, output).await,
            Self::List(_) | Self::Rotate(_) => {
                let api = connect(globals, Caller::Token, output).await?;
                let session = Session { api: &api, output };
                let outcome = match self {
                    Self::List(list) => list.run(&session).await,
                    Self::Rotate(rotate) => rotate.run(&session).await,
                    Self::AuditKey | Self::Rekey => Ok(()),
                };
                disconnect(api, output).await;
                outcome
            }
        }
    }
}

fn audit_key(globals: &Globals, output: &Output) -> Outcome {
    let loaded = settings::load(globals, &[], false)?;
    let keys = crate::node::keys(settings::require(&loaded)?).map_err(|error| Failure::from_chain(&error))?;
    for key in keys.audit_keys() {
        output.line(&key)?;
    }
    output.note("whoever has it can check exports, and could write one that passes the check");
    Ok(())
}

/// It touches the store itself: no server needs to know two master keys for it.
async fn rekey(globals: &Globals, output: &Output) -> Outcome {
    let loaded = settings::load(globals, &[], false)?;
    settings::require(&loaded)?;
    let sealed = crate::admin::rekey(&loaded).await.map_err(|error| Failure::from_chain(&error))?;
    if output.json {
        return output.value(&json!({
            "signing_keys": sealed.signing_keys,
            "mails": sealed.mails,
            "channels": sealed.channels,
            "rotations": sealed.rotations,
        }));
    }
    let count = |count, what| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
    let keys = count(sealed.signing_keys, "signing key");
    let mails = count(sealed.mails, "waiting mail");
    let channels = count(sealed.channels, "notification destination");
    let rotations = count(sealed.rotations, "rotation secret");
    output.note(&format!(
        "sealed {keys}, {mails}, {channels} and {rotations} anew: the other master keys are not needed to run"
    ));
    output.note("to check the audit trail from before, keep them behind the first, or their audit keys");
    Ok(())
}

impl List {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let request = self.paging.apply(Request::get("/signing-keys"));
        let listing = session.list(&request, self.paging.all).await?;
        if session.output.json {
            return listing.print(session.output);
        }
        let mut table = Table::with_header(&["ID", "ALGORITHM", "STATUS", "ACTIVE FROM", "ACCEPTED UNTIL"]);
        for key in listing.items() {
            table.row(cells(key));
        }
        session.output.table(&table)?;
        Paging::note_more(session.output, &listing);
        Ok(())
    }
}

fn cells(key: &Value) -> Vec<Cell> {
    let or_nothing = |name: &str| match text(key, name) {
        "" => NOTHING.to_owned(),
        text => text.to_owned(),
    };
    let names = ["id", "algorithm", "status", "active_from", "accepted_until"];
    names.into_iter().map(|name| or_nothing(name).into()).collect()
}

impl Rotate {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = json!({ "revoke": self.revoke });
        if let Some(reason) = &self.reason {
            body["reason"] = json!(reason);
        }
        let answer = session.create("/signing-keys/rotate", body).await?;
        session.show(&answer)
    }
}
