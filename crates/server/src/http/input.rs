//! Reading requests: body, query and path, each strictly.

use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt;
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::problem_code::Refusal;
use keywright_api::request::{Fields, Format, FormatFault, Formats, FromFields};
use keywright_core::metadata::MetadataError;
use keywright_core::publisher::login_domain;
use keywright_core::scope::ScopeError;
use keywright_core::{CredentialId, CredentialName, EmailAddress, Metadata, Network, Scope, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use super::App;
use super::answer::Refused;
use super::shown::{holds_credential, written};

/// Most bytes of a body.
pub const MAX_BODY: usize = 64 * 1024;
/// Longest time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The core's own rules, for the reader of requests: each rule exists once.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The authority time, which ends must lie behind.
    pub now: Timestamp,
}

impl Formats for Rules {
    fn check(&self, format: Format, text: &str) -> Result<(), FormatFault> {
        match format {
            Format::Name => {
                CredentialName::parse(text)
                    .map_err(|error| (FieldCode::InvalidFormat, error.to_string().into()))?;
                words(text)
            }
            Format::Words => words(text),
            Format::Scope => text.parse::<Scope>().map(drop).map_err(|error| {
                let code =
                    if error == ScopeError::TooLong { FieldCode::TooLong } else { FieldCode::InvalidFormat };
                (code, error.to_string().into())
            }),
            Format::Email => EmailAddress::parse(text)
                .map(drop)
                .map_err(|error| (FieldCode::InvalidFormat, error.to_string().into())),
            Format::Domain => login_domain(text)
                .map(drop)
                .map_err(|error| (FieldCode::InvalidFormat, error.to_string().into())),
            Format::Network => text
                .parse::<Network>()
                .map(drop)
                .map_err(|error| (FieldCode::InvalidFormat, error.to_string().into())),
            Format::Time => moment(text).map(drop),
            Format::Expiry => {
                if self.now.has_reached(Some(moment(text)?)) {
                    return Err((FieldCode::OutOfRange, "is not in the future".into()));
                }
                Ok(())
            }
        }
    }

    fn kept<'a>(&self, text: &'a str) -> &'a str {
        written(text)
    }

    fn check_metadata(&self, metadata: &Map<String, Value>) -> Result<(), FormatFault> {
        Metadata::new(metadata.clone()).map(drop).map_err(|error| {
            let code =
                if error == MetadataError::TooLarge { FieldCode::TooLong } else { FieldCode::InvalidFormat };
            (code, error.to_string().into())
        })
    }
}

/// What something is called, or described as, is shown to others, and told in the audit trail for as long as that is kept.
fn words(text: &str) -> Result<(), FormatFault> {
    if holds_credential(text) {
        let detail =
            "must not hold a credential: it is shown to others. Rotate the credential if it is a real one";
        return Err((FieldCode::HoldsCredential, detail.into()));
    }
    Ok(())
}

fn moment(text: &str) -> Result<Timestamp, FormatFault> {
    text.parse().map_err(|error: keywright_core::time::TimestampError| {
        (FieldCode::InvalidFormat, error.to_string().into())
    })
}

/// The rules at this moment.
pub fn rules(app: &App) -> Rules {
    Rules { now: app.authority().now() }
}

/// The bytes of a JSON body.
#[derive(Clone, Debug)]
pub struct JsonBytes(pub Bytes);

impl FromRequest<App> for JsonBytes {
    type Rejection = Refused;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, MAX_BODY).await?;
        check_content_type(&parts, &bytes)?;
        Ok(Self(bytes))
    }
}

/// A JSON body that was read strictly.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: FromFields> FromRequest<App> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, app).await?;
        Ok(Self(T::from_body(&bytes, &rules(app))?))
    }
}

/// The same where it may be left out.
#[derive(Clone, Debug)]
pub struct JsonBodyOrNone<T>(pub T);

impl<T: FromFields> FromRequest<App> for JsonBodyOrNone<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, app).await?;
        Ok(Self(T::from_body_or_empty(&bytes, &rules(app))?))
    }
}

/// A body is JSON and says so; none needs to say nothing. A change may say that it is a merge patch
/// (RFC 7396 §4), which is what it is.
fn check_content_type(parts: &Parts, bytes: &[u8]) -> Result<(), Refused> {
    let said = parts.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let patch = parts.method == Method::PATCH && is_media_type(said, "application/merge-patch+json");
    if bytes.is_empty() || patch || is_json(said) {
        return Ok(());
    }
    Err(not_json().into())
}

/// The body says that it is something else.
pub fn not_json() -> Problem {
    Problem::new(Refusal::UnsupportedMediaType, "Send the body as Content-Type: application/json.")
}

/// The members of a body without those of `read_only` that say what the object shows already: `PUT` ignores
/// them, and the reader refuses the others.
pub fn without_unchanged(
    mut members: Map<String, Value>,
    shown: &impl Serialize,
    read_only: &[&str],
) -> Map<String, Value> {
    let shown = serde_json::to_value(shown).unwrap_or_default();
    members.retain(|name, value| !read_only.contains(&name.as_str()) || shown.get(name) != Some(value));
    members
}

/// One bad field.
pub fn invalid(field: &str, detail: &str) -> Problem {
    Problem::of_fields(vec![FieldError::new(field, FieldCode::InvalidFormat, detail.to_owned())])
}

/// An address of mail in a field.
pub fn email_address(field: &str, text: &str) -> Result<EmailAddress, Problem> {
    EmailAddress::parse(text).map_err(|error| invalid(field, &error.to_string()))
}

/// Whether a content type is JSON; parameters such as a charset change nothing.
pub fn is_json(content_type: Option<&[u8]>) -> bool {
    is_media_type(content_type, "application/json")
}

/// Whether it is a form.
pub fn is_form(content_type: Option<&[u8]>) -> bool {
    is_media_type(content_type, "application/x-www-form-urlencoded")
}

fn is_media_type(content_type: Option<&[u8]>, media_type: &str) -> bool {
    let Some(value) = content_type.and_then(|value| std::str::from_utf8(value).ok()) else { return false };
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

/// Reads a whole body, of at most `most` bytes and in time.
///
/// # Errors
/// 413, 408, or 400 when it breaks off.
pub async fn read_body<B>(body: B, most: usize) -> Result<Bytes, Refused>
where
    B: http_body::Body<Data = Bytes>,
{
    let mut reading = std::pin::pin!(read_within(body, most));
    // Most bodies came with their head: no timer is set for those.
    if let Poll::Ready(read) = futures::poll!(reading.as_mut()) {
        return read.map_err(Into::into);
    }
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(read) => read.map_err(Into::into),
        Err(_) => Err(Problem::new(Refusal::RequestTimeout, "The body did not arrive in time.").into()),
    }
}

async fn read_within<B>(body: B, most: usize) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes>,
{
    let too_large =
        || Problem::new(Refusal::PayloadTooLarge, format!("A body may have at most {} KiB.", most / 1024));
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.as_mut().frame().await {
        let frame = frame.map_err(|_| Problem::new(Refusal::InvalidJson, "The body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.as_ref().map_or(0, BytesMut::len) + data.len() > most {
            return Err(too_large());
        }
        match &mut rest {
            None if first.is_empty() => first = data,
            None => rest = Some(data.into()),
            Some(rest) => rest.extend_from_slice(&data),
        }
    }
    Ok(match rest {
        None => first,
        Some(rest) => [first.as_ref(), &rest].concat().into(),
    })
}

/// A query that was read strictly.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: FromFields> FromRequestParts<App> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        Ok(Self(T::from_query(pairs(parts), &rules(app))?))
    }
}

/// Of an endpoint without parameters.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

impl FromFields for NoQuery {
    fn from_fields(fields: Fields<'_>) -> Result<Self, keywright_api::request::Refused> {
        fields.finish(|| Some(Self))
    }
}

impl FromRequestParts<App> for NoQuery {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        Ok(Self::from_query(pairs(parts), &rules(app))?)
    }
}

fn pairs(parts: &Parts) -> Vec<(String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The id in a path. What is none is not found: it names no object.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T = CredentialId>(pub T);

impl<T: FromStr> FromRequestParts<App> for PathId<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, app).await;
        let id = path.ok().and_then(|path| path.0.parse().ok());
        id.map(Self).ok_or_else(|| Problem::new(Refusal::NotFound, "There is no such object.").into())
    }
}

/// The two ids in a path. What is none is not found, as with [`PathId`].
#[derive(Clone, Copy, Debug)]
pub struct PathIds<A, B>(pub A, pub B);

impl<A: FromStr, B: FromStr> FromRequestParts<App> for PathIds<A, B> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let path = axum::extract::Path::<(String, String)>::from_request_parts(parts, app).await;
        let ids = path.ok().and_then(|path| Some(Self(path.0.0.parse().ok()?, path.0.1.parse().ok()?)));
        ids.ok_or_else(|| Problem::new(Refusal::NotFound, "There is no such object.").into())
    }
}
