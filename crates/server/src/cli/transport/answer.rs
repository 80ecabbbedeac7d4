//! What the API answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::{Request, TransportError};

/// An answer with a JSON body, or none.
#[derive(Clone)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body as it came, for `--json`.
    pub(crate) body: Bytes,
    /// The body, read; `null` when there is none.
    pub(crate) json: Value,
    /// The server's id of this request.
    pub(crate) request_id: Option<String>,
}

impl Answer {
    /// Takes an answer that can come from the API, and refuses every other.
    pub(crate) fn take(
        address: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Self, TransportError> {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        if status.is_redirection() {
            let location = text(header::LOCATION).unwrap_or("nowhere").to_owned();
            return Err(TransportError::Redirected { address: address.to_owned(), location });
        }
        let content_type = text(header::CONTENT_TYPE).unwrap_or("nothing");
        let json = if body.is_empty() { Some(Value::Null) } else { read_json(content_type, &body) };
        match json {
            Some(json) if status.is_success() || json.is_object() => {
                let request_id = text(header::HeaderName::from_static("x-request-id")).map(ToOwned::to_owned);
                Ok(Self { status, body, json, request_id })
            }
            _ => Err(TransportError::NotTheApi {
                address: address.to_owned(),
                status,
                content_type: content_type.to_owned(),
            }),
        }
    }

    /// Whether what answers is in the form that was asked for.
    pub(super) fn is_streamed(status: StatusCode, headers: &HeaderMap, request: &Request) -> bool {
        let said =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = said.split(';').next().unwrap_or_default().trim();
        status.is_success() && request.accept.is_some_and(|wanted| wanted.eq_ignore_ascii_case(essence))
    }

    /// The problem's stable code, or the decision's.
    pub(crate) fn code(&self) -> Option<&str> {
        self.json.get("code").and_then(Value::as_str)
    }
}

/// Secrets come in answers: none is ever shown by `{:?}`.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}

fn read_json(content_type: &str, body: &[u8]) -> Option<Value> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json { serde_json::from_slice(body).ok() } else { None }
}
