//! Callers: whoever sends requests to a node. Each answer is held against the OpenAPI document.

use std::net::SocketAddr;

use http::Method;
use serde_json::Value;

use super::{Answer, schema};

const BASE: &str = "/api/v1";

/// Somebody who calls a node, with or without a credential.
#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    address: SocketAddr,
    headers: Vec<(String, String)>,
    apart: bool,
}

impl Caller {
    pub(crate) fn nobody(client: reqwest::Client, address: SocketAddr) -> Self {
        Self { client, address, headers: Vec::new(), apart: false }
    }

    /// One whose answers are not told by the OpenAPI document.
    pub(crate) fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// The same with one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name.to_owned(), value.to_owned()));
        Self { headers, ..self.clone() }
    }

    /// The same with a credential.
    pub(crate) fn bearing(&self, credential: &str) -> Self {
        self.with("authorization", &format!("Bearer {credential}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, Some(&body)).await
    }

    /// Sends JSON, or no body at all.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match body {
            None => self.send_bytes(method, path, Vec::new()).await,
            Some(body) => {
                let json = self.with("content-type", "application/json");
                json.send_bytes(method, path, body.to_string().into_bytes()).await
            }
        }
    }

    /// Sends whatever it is.
    pub(crate) async fn send_bytes(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let answer = self.try_send(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// The same with a server that may be gone.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let whole = if ["/healthz", "/metrics", "/.well-known", "/oauth2"]
            .iter()
            .any(|outside| path.starts_with(outside))
        {
            path.to_owned()
        } else {
            format!("{BASE}{path}")
        };
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method.clone(), format!("http://{}{whole}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let mut response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end: its begin will do.
        let is_stream = headers.get("content-type").is_some_and(|value| value == "text/event-stream");
        let body =
            if is_stream { response.chunk().await?.unwrap_or_default() } else { response.bytes().await? };
        let answer = Answer { status, headers, body };
        let path = whole.split('?').next().unwrap_or_default();
        if !self.apart {
            schema::check_answer(method.as_str(), path, &answer);
        }
        Ok(answer)
    }
}
