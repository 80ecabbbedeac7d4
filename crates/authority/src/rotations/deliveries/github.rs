//! Into a secret of GitHub Actions: sealed to the key of the repository, or of its environment.

use http::HeaderName;
use http::header::ACCEPT;
use reqwest::Method;
use serde_json::json;

use super::remote::{Call, Stop, bearer, below, bring, content, not_sent, read, send};
use super::sealed::ReceiverKey;
use super::{Outcome, Parcel};
use crate::authority::Authority;

/// The version of the API that is asked for.
const VERSION: &str = "2022-11-28";

/// Where the secret is kept.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    /// `OWNER/NAME`
    pub(super) repository: &'a str,
    pub(super) environment: Option<&'a str>,
    pub(super) secret_name: &'a str,
}

impl Place<'_> {
    /// The path of one of its secrets, or of the key that they are sealed to.
    fn segments<'b>(&'b self, last: &'b str) -> Vec<&'b str> {
        let mut segments = vec!["repos"];
        segments.extend(self.repository.split('/'));
        match self.environment {
            Some(environment) => segments.extend(["environments", environment, "secrets", last]),
            None => segments.extend(["actions", "secrets", last]),
        }
        segments
    }
}

pub(super) async fn deliver(authority: &Authority, place: &Place<'_>, parcel: &Parcel<'_>) -> Outcome {
    put(authority, place, parcel).await.unwrap_or_else(|stop| stop)
}

async fn put(authority: &Authority, place: &Place<'_>, parcel: &Parcel<'_>) -> Result<Outcome, Stop> {
    let headers = || {
        vec![
            bearer(parcel.key),
            (ACCEPT, "application/vnd.github+json".to_owned()),
            (HeaderName::from_static("x-github-api-version"), VERSION.to_owned()),
        ]
    };
    let where_the_key_is = below(authority, place.url, &place.segments("public-key"))?;
    let answer = send(authority, Call::asking(&where_the_key_is, headers())).await?;
    if !answer.is_success() {
        return Err(not_sent(format!("asked for its key, answered {}", answer.status)));
    }
    let key = read(&answer);
    let (Some(id), Some(public)) = (key["key_id"].as_str(), key["key"].as_str()) else {
        return Err(not_sent("asked for its key, answered with none"));
    };
    let boxed = ReceiverKey::parse(public).and_then(|public| public.seal(parcel.text()));
    let Some(boxed) = boxed else {
        return Err(not_sent("asked for its key, answered with one that nothing can be sealed to"));
    };
    let target = below(authority, place.url, &place.segments(place.secret_name))?;
    let mut headers = headers();
    headers.push(content("application/json"));
    let body = json!({ "encrypted_value": boxed, "key_id": id });
    Ok(bring(authority, Call::carrying(Method::PUT, &target, headers, &body)).await)
}
