//! `keywright login` and `keywright logout`.

use std::io::IsTerminal as _;

use clap::Args;
use keywright_api::secret::Secret;
use keywright_core::Timestamp;
use keywright_verify::clock::wall_clock;
use reqwest::Url;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::credentials::{Credentials, Kept};
use super::failure::{Failure, Outcome};
use super::globals::{Environment, Globals, process_environment};
use super::output::Output;
use super::output::details::text;
use super::output::text::escape;
use super::session::Session;
use super::transport::{Answer, Api, Remote, Request, Wire};
use super::verify::read_secret;

/// An access token that ends sooner than this, in seconds, is replaced before it is used.
const REPLACED_BEFORE_SECONDS: i64 = 30;

/// Log in to a server; it is remembered until `keywright logout`.
#[derive(Args, Debug)]
pub(crate) struct Login {
    /// My address; without it, it is asked for
    #[arg(long)]
    email: Option<String>,

    /// The publisher to act for, by id; without it, my default one
    #[arg(long, value_name = "ID")]
    publisher: Option<uuid::Uuid>,
}

/// The server that is meant: the one that is named, else the one that was logged in to last.
pub(crate) fn server(globals: &Globals, credentials: &Credentials) -> Result<Option<Url>, Failure> {
    let named = globals.server(&Environment(&process_environment))?;
    Ok(named.or_else(|| credentials.current.as_deref().and_then(|server| server.parse().ok())))
}

impl Login {
    /// Logs in.
    pub(crate) async fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        let mut credentials = Credentials::read(&Environment(&process_environment))?;
        let base = server(globals, &credentials)?.ok_or_else(|| {
            Failure::Usage("say where: keywright login --url https://auth.example.com".to_owned())
        })?;
        let email = match &self.email {
            Some(email) => email.clone(),
            None => asked("Address: ")?,
        };
        let password = password()?;
        let body = json!({"email": email, "password": password.as_str(), "publisher_id": self.publisher});
        let answer = call(&base, None, output, &Request::post("/auth/login", body)).await?;
        credentials.keep(base.to_string(), kept(&answer, email)?)?;
        output.note(&format!("logged in to {}", escape(base.as_str())));
        Ok(())
    }
}

/// Logs out: the session ends on the server, and is forgotten here in any case.
pub(crate) async fn log_out(globals: &Globals, output: &Output) -> Outcome {
    let mut credentials = Credentials::read(&Environment(&process_environment))?;
    let nobody = || Failure::Usage("nobody is logged in".to_owned());
    let base = server(globals, &credentials)?.ok_or_else(nobody)?;
    let token = token(&base, &mut credentials, output).await;
    credentials.forget(base.as_str())?;
    let token = token?.ok_or_else(nobody)?;
    call(&base, Some(token), output, &Request::post("/auth/logout", json!({}))).await?;
    output.note(&format!("logged out of {}", escape(base.as_str())));
    Ok(())
}

/// The access token of a login that is kept, replaced when it is about to end; none where there is no login.
pub(crate) async fn token(
    base: &Url,
    credentials: &mut Credentials,
    output: &Output,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(own) = credentials.of(base.as_str()) else { return Ok(None) };
    if !wall_clock().plus_seconds(REPLACED_BEFORE_SECONDS).has_reached(Some(own.access_expires_at)) {
        return Ok(Some(Zeroizing::new(own.access_token.expose().to_owned())));
    }
    let email = own.email.clone();
    let body = json!({"refresh_token": own.refresh_token.expose()});
    let answer = match call(base, None, output, &Request::post("/auth/refresh", body)).await {
        Err(Failure::Refused(_)) => {
            let why = format!("the login of {} has ended: keywright login --url {base}", escape(&email));
            return Err(Failure::Usage(why));
        }
        answer => answer?,
    };
    let kept = kept(&answer, email)?;
    let token = Zeroizing::new(kept.access_token.expose().to_owned());
    credentials.keep(base.to_string(), kept)?;
    Ok(Some(token))
}

async fn call(
    base: &Url,
    token: Option<Zeroizing<String>>,
    output: &Output,
    request: &Request,
) -> Result<Answer, Failure> {
    let api = Api::Wire(Wire::remote(&Remote { base: base.clone(), token })?);
    Session { api: &api, output }.ask(request).await
}

fn kept(answer: &Answer, email: String) -> Result<Kept, Failure> {
    let secret = |name: &str| Secret::new(text(&answer.json, name));
    let expires_in = answer.json.get("expires_in").and_then(Value::as_i64);
    let expires_in =
        expires_in.ok_or_else(|| Failure::Failed("the API's answer is not understood".to_owned()))?;
    let access_expires_at: Timestamp = wall_clock().plus_seconds(expires_in);
    Ok(Kept {
        email,
        access_token: secret("access_token"),
        access_expires_at,
        refresh_token: secret("refresh_token"),
    })
}

fn asked(what: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "say who: keywright login --email ada@example.com < password.txt".to_owned(),
        ));
    }
    let terminal = console::Term::stderr();
    terminal.write_str(what)?;
    Ok(terminal.read_line()?.trim().to_owned())
}

/// From a terminal without showing it, which takes `console` (the progress bars of `indicatif` stand on it anyway),
/// else from standard input.
fn password() -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return read_secret("password", "keywright login --email ada@example.com < password.txt");
    }
    let terminal = console::Term::stderr();
    terminal.write_str("Password: ")?;
    Ok(Zeroizing::new(terminal.read_secure_line()?))
}
