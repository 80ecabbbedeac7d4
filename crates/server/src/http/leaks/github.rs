//! `POST /leaks/github`.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::leak::{GithubFeedback, GithubLabel, MAX_PLACE};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_api::secret::Secret;
use keywright_authority::leaks;
use keywright_core::TokenHash;
use serde::Deserialize;

use super::leak;
use crate::github_keys::Signed;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::input::{NoQuery, read_body};
use crate::http::shown::written;

/// Most bytes of a message.
const MOST_BYTES: usize = 1024 * 1024;
/// Most matches in one message.
const MOST_MATCHES: usize = 1_000;

/// One match. Other members than these are GitHub's own affair.
#[derive(Deserialize)]
struct Match {
    token: Secret,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    url: Option<String>,
}

/// What GitHub's secret scanning has found (secret-scanning partner program). Needs no credential: the bytes of the body are
/// signed by GitHub. Each token of ours is revoked at once, where it was found is kept, and an alert is opened; the
/// answer says which were ours. What was told before changes nothing.
#[utoipa::path(
    post, path = "/leaks/github", tag = "leaks", operation_id = "report_leaks_by_github", security(()),
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which of GitHub's keys signed"),
        ("Github-Public-Key-Signature" = String, Header, description = "ECDSA (P-256, SHA-256) over the body, in base64"),
    ),
    request_body(content = Vec<serde_json::Value>, description = "Matches: `token`, `type`, `url`, `source`"),
    responses((status = 200, description = "Which were ours, in the same order", body = Vec<GithubFeedback>),
        Refused),
)]
pub async fn report(State(app): State<App>, _: NoQuery, request: Request) -> Result<Response, Refused> {
    let Some(keys) = app.github_keys() else {
        return Err(Problem::new(Refusal::NotConfigured, "leaks.github_keys_url is not set.").into());
    };
    let (parts, body) = request.into_parts();
    let key = header(&parts.headers, "github-public-key-identifier")?;
    let signature = header(&parts.headers, "github-public-key-signature")?;
    let body = read_body(body, MOST_BYTES).await?;
    match keys.signed(key, signature, &body).await {
        Signed::Yes => {}
        Signed::No => return Err(unsigned().into()),
        Signed::Unavailable => {
            let detail = "GitHub's keys cannot be had at the moment.";
            return Err(Problem::new(Refusal::Unavailable, detail).into());
        }
    }
    let unread = |_| Problem::new(Refusal::InvalidJson, "The body must be an array of matches.");
    let matches: Vec<Match> = serde_json::from_slice(&body).map_err(unread)?;
    if matches.len() > MOST_MATCHES {
        let detail = format!("A message may have at most {MOST_MATCHES} matches.");
        return Err(Problem::new(Refusal::PayloadTooLarge, detail).into());
    }
    let mut all = Vec::with_capacity(matches.len());
    for one in &matches {
        all.push(leak(&app, one.token.expose(), place(one)).await?);
    }
    let found = leaks::of_github(app.authority(), all).await?;
    let feedback = matches.into_iter().zip(found).map(|(one, found)| GithubFeedback {
        token_hash: hex::encode(TokenHash::of(one.token.expose().as_bytes()).as_bytes()),
        token_type: one.kind,
        label: if found.is_some() { GithubLabel::TruePositive } else { GithubLabel::FalsePositive },
    });
    Ok(json_no_store(StatusCode::OK, &feedback.collect::<Vec<_>>()))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(unsigned()),
    }
}

fn unsigned() -> Problem {
    Problem::new(Refusal::InvalidSignature, "The body is not signed by a key of GitHub's.")
}

/// Where it was found, within our bounds; no further than where a credential stands in it.
fn place(one: &Match) -> String {
    let url = one.url.as_deref().map(|url| written(url.trim())).filter(|url| !url.is_empty());
    let url = url.unwrap_or("GitHub");
    url.chars().filter(|c| !c.is_control()).take(MAX_PLACE).collect()
}
