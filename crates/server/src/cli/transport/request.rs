//! What is asked of the API.

use http::Method;
use reqwest::Url;
use serde_json::Value;
use uuid::Uuid;

/// Where the API begins.
pub(crate) const BASE_PATH: &str = "/api/v1";

/// One request. Its path is relative to the API's base path and begins with a slash.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) idempotency_key: Option<String>,
    /// The publisher that it acts for, where that must be said.
    pub(crate) publisher: Option<Uuid>,
    /// The media type that is wanted; JSON when nothing is said.
    pub(crate) accept: Option<&'static str>,
    /// Whether it may be sent again when nobody knows what became of it: twice does no more than once.
    pub(crate) repeatable: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>, repeatable: bool) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            idempotency_key: None,
            publisher: None,
            accept: None,
            repeatable,
        }
    }

    /// Reads.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, false)
    }

    /// Asks, or acts without creating anything.
    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, path, false) }
    }

    /// Creates or rotates: under its key it is done once, however often it is sent.
    pub(crate) fn create(path: impl Into<String>, body: Value, idempotency_key: String) -> Self {
        Self { idempotency_key: Some(idempotency_key), repeatable: true, ..Self::post(path, body) }
    }

    /// Changes parts of an object.
    pub(crate) fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PATCH, path, true) }
    }

    /// Ends an object's life.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, true)
    }

    /// Adds a query parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a query parameter that may be missing.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value.to_string()),
            None => self,
        }
    }

    /// Says for which publisher it acts.
    pub(crate) fn acting_for(self, publisher: Option<Uuid>) -> Self {
        Self { publisher, ..self }
    }

    /// Asks for another form than JSON.
    pub(crate) fn accepting(self, media_type: &'static str) -> Self {
        Self { accept: Some(media_type), ..self }
    }

    /// Says whether sending it twice does no more than sending it once.
    pub(crate) fn repeatable(self, repeatable: bool) -> Self {
        Self { repeatable, ..self }
    }

    /// The whole address, under that of the API.
    pub(super) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path(), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// The key of one request. The API seals the answer's secret under it, so it is as random as one.
pub(crate) fn idempotency_key(entropy: &[u8; 32]) -> String {
    hex::encode(entropy)
}
