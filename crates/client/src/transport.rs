//! Sends requests: with the client's credential, within a time limit, repeated where that changes nothing.

use std::time::Duration;

use bytes::BytesMut;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use keywright_api::problem::Problem;
use keywright_api::secret::Secret;
use keywright_verify::clock::boot_micros;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::entropy;
use crate::error::ClientError;

/// The path under which the API lies.
const BASE_PATH: &str = "/api/v1";
/// Longer than any answer of a call.
const LARGEST_ANSWER: usize = 16 << 20;
/// Most of the pause before the first repetition; doubled for each further one.
const FIRST_PAUSE_MILLIS: u64 = 100;
/// `X-Publisher-Id`.
const PUBLISHER_ID: HeaderName = HeaderName::from_static("x-publisher-id");
/// `X-Request-Id`.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `Idempotency-Key`.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Last-Event-ID`.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a transport is made of.
pub(crate) struct Setup<'a> {
    pub(crate) url: &'a str,
    pub(crate) credential: &'a Secret,
    pub(crate) publisher_id: Option<Uuid>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
}

/// A server, and the credential that speaks to it. It is in no `Debug` output.
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    publisher_id: Option<Uuid>,
    timeout: Duration,
    retries: u32,
}

/// One call.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the base path; no text of a caller's stands in it.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// JSON; it may hold a credential.
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
    /// Whether it may be repeated as it is. One with an idempotency key always may.
    pub(crate) repeatable: bool,
    /// Of a call that creates or rotates.
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Of a stream that goes on after it.
    pub(crate) last_event_id: Option<String>,
    /// In place of the client's own, for the call with all its repetitions.
    pub(crate) timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
            repeatable: true,
            idempotency_key: None,
            request_id: None,
            last_event_id: None,
            timeout: None,
        }
    }

    /// One that sends JSON, and is not repeated.
    pub(crate) fn post(path: impl Into<String>, body: &impl serde::Serialize) -> Result<Self, ClientError> {
        let body =
            serde_json::to_vec(body).map_err(|_| ClientError::Setup("the request cannot be written"))?;
        let body = Some(Zeroizing::new(body));
        Ok(Self { method: Method::POST, body, repeatable: false, ..Self::get(path) })
    }

    /// The same, which may be repeated as it is.
    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// The same of a call that creates: under the caller's key, or one of its own.
    pub(crate) fn creating(self, key: Option<&str>) -> Self {
        Self { idempotency_key: Some(key.map_or_else(entropy::id, str::to_owned)), ..self }
    }
}

impl Transport {
    pub(crate) fn new(setup: &Setup<'_>) -> Result<Self, ClientError> {
        let bearer = Zeroizing::new(format!("Bearer {}", plain(setup.credential)?));
        let mut authorization = HeaderValue::from_str(&bearer)
            .map_err(|_| ClientError::Setup("a credential is one line of visible ASCII characters"))?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .user_agent(concat!("keywright-rust/", env!("CARGO_PKG_VERSION")))
            // Whoever is redirected to must not be handed the body, which may hold a credential.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| ClientError::Setup("TLS cannot be set up on this machine"))?;
        Ok(Self {
            http,
            base: base(setup.url)?,
            authorization,
            publisher_id: setup.publisher_id,
            timeout: setup.timeout,
            retries: setup.retries,
        })
    }

    /// The JSON of an answer.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let (status, body) = self.answer(call).await?;
        serde_json::from_slice(&body).map_err(|_| ClientError::Unexpected {
            status: status.as_u16(),
            what: "it does not say what was asked for",
            retry_after_seconds: None,
        })
    }

    /// Only that it was carried out.
    pub(crate) async fn send_for_nothing(&self, call: &Call) -> Result<(), ClientError> {
        self.answer(call).await.map(drop)
    }

    async fn answer(&self, call: &Call) -> Result<(StatusCode, BytesMut), ClientError> {
        let limit = call.timeout.unwrap_or(self.timeout);
        let ends_at = boot_micros().saturating_add(i64::try_from(limit.as_micros()).unwrap_or(i64::MAX));
        let mut attempt = 0;
        loop {
            let left = Duration::from_micros(u64::try_from(ends_at - boot_micros()).unwrap_or(0));
            let error = match tokio::time::timeout(left, self.ask(call)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => return Err(ClientError::TimedOut),
            };
            let passes = matches!(error.status(), Some(503 | 429));
            let may_repeat = call.repeatable || call.idempotency_key.is_some();
            let pause = pause(attempt, error.retry_after_seconds());
            let left = u64::try_from(ends_at - boot_micros()).unwrap_or(0);
            if !passes || !may_repeat || attempt >= self.retries || pause >= Duration::from_micros(left) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Sends a call once.
    async fn ask(&self, call: &Call) -> Result<(StatusCode, BytesMut), ClientError> {
        let response = self.request(call)?.send().await.map_err(unreachable)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = whole(response).await?;
        if status.is_success() {
            return Ok((status, body));
        }
        Err(refusal(status, retry_after, &body))
    }

    /// An answer whose body is read as it comes, asked for once; the time limit is the caller's.
    pub(crate) async fn open(&self, call: &Call) -> Result<reqwest::Response, ClientError> {
        let response = self.request(call)?.send().await.map_err(unreachable)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        if status.is_success() {
            return Ok(response);
        }
        Err(refusal(status, retry_after, &whole(response).await?))
    }

    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, application/problem+json, text/event-stream"),
        );
        if let Some(id) = self.publisher_id {
            headers.extend(HeaderValue::try_from(id.to_string()).ok().map(|value| (PUBLISHER_ID, value)));
        }
        for (name, text) in [
            (REQUEST_ID, &call.request_id),
            (IDEMPOTENCY_KEY, &call.idempotency_key),
            (LAST_EVENT_ID, &call.last_event_id),
        ] {
            if let Some(text) = text {
                let value = HeaderValue::try_from(text.as_str());
                headers.insert(
                    name,
                    value.map_err(|_| ClientError::Setup("an id is of visible ASCII characters"))?,
                );
            }
        }
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request = request.body(body.to_vec());
        }
        Ok(request.headers(headers))
    }
}

/// The credential, as it can stand in a header.
fn plain(credential: &Secret) -> Result<&str, ClientError> {
    let text = credential.expose().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ClientError::Setup("a credential is one line of visible ASCII characters"));
    }
    Ok(text)
}

/// The address of the API.
fn base(text: &str) -> Result<Url, ClientError> {
    let mut url = Url::parse(text.trim())
        .map_err(|_| ClientError::Setup("the address is no URL such as https://auth.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ClientError::Setup("the address is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ClientError::Setup("the address has a user or a password in it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ClientError::Setup("the address has a query or a fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.ends_with(BASE_PATH) { path } else { format!("{path}{BASE_PATH}") });
    Ok(url)
}

/// Pauses grow and are spread over their whole length, so that many clients do not come back as one; never before they
/// are asked to.
fn pause(attempt: u32, retry_after_seconds: Option<u64>) -> Duration {
    let longest = FIRST_PAUSE_MILLIS << attempt.min(10);
    Duration::from_secs(retry_after_seconds.unwrap_or(0)) + Duration::from_millis(entropy::up_to(longest))
}

/// Whole seconds; a date says nothing to us.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    (text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

async fn whole(mut response: reqwest::Response) -> Result<BytesMut, ClientError> {
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ClientError::Unexpected {
                status,
                what: "it is too long",
                retry_after_seconds: None,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refusal(status: StatusCode, retry_after_seconds: Option<u64>, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        // The status of the answer counts, whatever its body says.
        Ok(mut problem) if problem.type_uri.starts_with("urn:keywright:") => {
            problem.status = status.as_u16();
            problem.retry_after_seconds = retry_after_seconds;
            ClientError::Problem(problem)
        }
        _ => ClientError::Unexpected {
            status: status.as_u16(),
            what: "it is no problem document",
            retry_after_seconds,
        },
    }
}

/// What can be said of a connection that failed; addresses hold no secret, but say nothing new either.
pub(crate) fn unreachable(error: reqwest::Error) -> ClientError {
    if error.is_timeout() {
        return ClientError::TimedOut;
    }
    ClientError::Unreachable(error.without_url().to_string().chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_base_path_is_added_where_it_is_missing_and_what_is_no_address_is_refused() {
        for (text, expected) in [
            ("https://auth.example.com", "https://auth.example.com/api/v1"),
            ("https://auth.example.com/", "https://auth.example.com/api/v1"),
            ("http://127.0.0.1:8080/api/v1/", "http://127.0.0.1:8080/api/v1"),
            ("https://example.com/keys", "https://example.com/keys/api/v1"),
        ] {
            assert_eq!(base(text).unwrap().as_str(), expected);
        }
        for bad in ["", "auth.example.com", "ftp://a", "https://u:p@a", "https://a?b", "https://a#b"] {
            assert!(matches!(base(bad), Err(ClientError::Setup(_))), "{bad}");
        }
    }

    #[test]
    fn a_credential_that_no_header_can_carry_is_refused_without_being_shown() {
        for bad in ["", " ", "a b", "a\nb", "é", "a\u{0}"] {
            let error = plain(&Secret::new(bad)).unwrap_err();
            assert!(bad.trim().is_empty() || !error.to_string().contains(bad), "{error}");
        }
        assert_eq!(plain(&Secret::new(" sk_a\n")).unwrap(), "sk_a");
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_asked_for_nor_much_longer(attempt in 0u32..40, seconds in 0u64..100_000) {
            let pause = pause(attempt, Some(seconds));
            prop_assert!(pause >= Duration::from_secs(seconds));
            prop_assert!(pause <= Duration::from_secs(seconds) + Duration::from_millis(FIRST_PAUSE_MILLIS << 10));
        }

        #[test]
        fn any_answer_that_is_no_success_is_an_error_that_repeats_nothing_of_it(
            status in 300u16..600, body in "[ -~]{0,80}"
        ) {
            let error = refusal(StatusCode::from_u16(status).unwrap(), None, body.as_bytes());
            prop_assert_eq!(error.status(), Some(status));
            prop_assert!(body.len() < 8 || !error.to_string().contains(&body));
        }
    }
}
