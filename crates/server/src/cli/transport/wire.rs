//! The API over a connection: TCP or the operator's socket.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{self, HeaderValue};
use reqwest::{Client, ClientBuilder, Url, redirect};
use zeroize::Zeroizing;

use super::request::BASE_PATH;
use super::{Answer, Request, Streamed, TransportError};

/// Longer than any answer of the API that is not a stream.
pub(super) const LARGEST_ANSWER: usize = 64 << 20;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence before and within an answer; a server gives up after 30 s.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// A server elsewhere, and the credential that speaks to it.
pub(crate) struct Remote {
    /// The API's address, with its base path.
    pub(crate) base: Url,
    /// The caller's credential; none for what is public.
    pub(crate) token: Option<Zeroizing<String>>,
}

/// A connection to an API.
pub(crate) struct Wire {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    /// What messages call it.
    address: String,
}

impl Wire {
    /// Over the network.
    pub(crate) fn remote(remote: &Remote) -> Result<Self, TransportError> {
        let authorization = match &remote.token {
            None => None,
            Some(token) => {
                let bearer = Zeroizing::new(format!("Bearer {}", token.as_str()));
                let mut value = HeaderValue::from_str(&bearer).map_err(|_| {
                    TransportError::Unsendable("the token has characters that no header can carry".to_owned())
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Self::build(client(), remote.base.clone(), authorization, remote.base.to_string())
    }

    /// Through the operator's socket of the server on this machine.
    pub(crate) fn socket(path: &Path) -> Result<Self, TransportError> {
        let base = base_url("http://localhost").map_err(TransportError::Unsendable)?;
        Self::build(
            client().unix_socket(path),
            base,
            None,
            format!("the operator's socket {}", path.display()),
        )
    }

    fn build(
        client: ClientBuilder,
        base: Url,
        authorization: Option<HeaderValue>,
        address: String,
    ) -> Result<Self, TransportError> {
        match client.build() {
            Ok(client) => Ok(Self { client, base, authorization, address }),
            Err(error) => Err(TransportError::from_reqwest(&address, error)),
        }
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Answer, TransportError> {
        let response = self.call(request).await?;
        self.whole(response).await
    }

    pub(super) async fn stream(&self, request: &Request) -> Result<Result<Streamed, Answer>, TransportError> {
        let response = self.call(request).await?;
        if !Answer::is_streamed(response.status(), response.headers(), request) {
            return self.whole(response).await.map(Err);
        }
        let address = self.address.clone();
        let chunks = response.bytes_stream();
        let chunks =
            chunks.map(move |chunk| chunk.map_err(|error| TransportError::from_reqwest(&address, error)));
        Ok(Ok(Streamed::new(&self.address, chunks)))
    }

    async fn whole(&self, response: reqwest::Response) -> Result<Answer, TransportError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.read(response).await?;
        Answer::take(&self.address, status, &headers, body)
    }

    async fn call(&self, request: &Request) -> Result<reqwest::Response, TransportError> {
        let mut call = self.client.request(request.method.clone(), request.url(&self.base));
        if let Some(value) = &self.authorization {
            call = call.header(header::AUTHORIZATION, value.clone());
        }
        if let Some(key) = &request.idempotency_key {
            call = call.header("idempotency-key", key);
        }
        if let Some(publisher) = request.publisher {
            call = call.header("x-publisher-id", publisher.to_string());
        }
        if let Some(media_type) = request.accept {
            call = call.header(header::ACCEPT, media_type);
        }
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        call.send().await.map_err(|error| TransportError::from_reqwest(&self.address, error))
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, TransportError> {
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(body.freeze()),
                Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_ANSWER => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(TransportError::TooLarge { address: self.address.clone() }),
                Err(error) => return Err(TransportError::from_reqwest(&self.address, error)),
            }
        }
    }
}

fn client() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("keywright/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
}

/// The API's address from what a person wrote: the base path is added where it is missing.
///
/// # Errors
/// What is wrong with it, without repeating what could be a password.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text.trim())
        .map_err(|error| format!("not a URL ({error}); give one such as https://auth.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is not http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a URL with a user or a password in it is not accepted: the token goes into KEYWRIGHT_TOKEN"
                .to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("give the server's address without anything after ? or #".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.ends_with(BASE_PATH) { path } else { format!("{path}{BASE_PATH}") });
    Ok(url)
}
