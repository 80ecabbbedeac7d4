//! A command at work: the API it asks, and where it prints.

use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::output::details::text;
use super::output::text::escape;
use super::transport::{Answer, Api, Request, Streamed, idempotency_key};

/// What a command of the API works with.
pub(crate) struct Session<'a> {
    pub(crate) api: &'a Api,
    pub(crate) output: &'a Output,
}

impl Session<'_> {
    /// Asks, and takes nothing but success.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.api.send(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(Failure::Refused(Box::new(answer))) }
    }

    /// Asks for what comes in pieces, and takes nothing but success.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Streamed, Failure> {
        self.api.stream(request).await?.map_err(|answer| Failure::Refused(Box::new(answer)))
    }

    /// Asks for something to be created or rotated, under a key of its own.
    pub(crate) async fn create(&self, path: impl Into<String>, body: Value) -> Result<Answer, Failure> {
        self.create_for(None, path, body).await
    }

    /// The same for a publisher, where that must be said.
    pub(crate) async fn create_for(
        &self,
        publisher: Option<Uuid>,
        path: impl Into<String>,
        body: Value,
    ) -> Result<Answer, Failure> {
        let key = idempotency_key(&keywright_authority::entropy::token());
        self.ask(&Request::create(path, body, key).acting_for(publisher)).await
    }

    /// Asks for one page of a list, or for all of them as if they were one.
    pub(crate) async fn list(&self, request: &Request, all: bool) -> Result<Listing, Failure> {
        let mut page = self.ask(request).await?;
        if !all {
            return Ok(Listing::Page(page));
        }
        let mut items = Vec::new();
        loop {
            if let Some(Value::Array(more)) = page.json.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.json.get("next_cursor").and_then(Value::as_str) {
                None => return Ok(Listing::All(json!({ "items": items, "next_cursor": null }))),
                Some(cursor) => page = self.ask(&request.clone().with("cursor", cursor)).await?,
            }
        }
    }

    /// Prints the id of what was made, and says what it is called.
    pub(crate) fn made(&self, answer: &Answer, name: &str) -> Outcome {
        let output = self.output;
        if output.json {
            return output.answer(answer);
        }
        output.note(&format!("made {}", escape(text(&answer.json, name))));
        output.line(text(&answer.json, "id"))
    }

    /// Prints an object that the API answered, as pairs.
    pub(crate) fn show(&self, answer: &Answer) -> Outcome {
        if self.output.json {
            return self.output.answer(answer);
        }
        self.output.table(&super::output::details::details(&answer.json, self.output.now))
    }
}

/// A list, as the API answered it or put together from its pages.
pub(crate) enum Listing {
    /// One page.
    Page(Answer),
    /// All pages, in the shape of one.
    All(Value),
}

impl Listing {
    fn json(&self) -> &Value {
        match self {
            Self::Page(answer) => &answer.json,
            Self::All(json) => json,
        }
    }

    /// Its items.
    pub(crate) fn items(&self) -> &[Value] {
        self.json().get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Where the next page begins.
    pub(crate) fn next_cursor(&self) -> Option<&str> {
        self.json().get("next_cursor").and_then(Value::as_str)
    }

    /// Prints it as JSON.
    pub(crate) fn print(&self, output: &Output) -> Outcome {
        match self {
            Self::Page(answer) => output.answer(answer),
            Self::All(json) => output.value(json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::captured;
    use crate::cli::transport::InProcess;
    use axum::extract::{Query, State};
    use axum::{Json, Router, routing::get};
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    type Queries = Arc<Mutex<Vec<HashMap<String, String>>>>;

    /// Three pages of one item each.
    fn pages(queries: &Queries) -> Api {
        async fn page(
            State(queries): State<Queries>,
            Query(query): Query<HashMap<String, String>>,
        ) -> Json<Value> {
            let at: u32 = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
            queries.lock().unwrap().push(query);
            Json(json!({ "items": [at], "next_cursor": (at < 2).then(|| (at + 1).to_string()) }))
        }
        let router = Router::new().route("/api/v1/things", get(page)).with_state(queries.clone());
        Api::InProcess(InProcess::new(router, async { Ok(()) }))
    }

    #[tokio::test]
    async fn all_pages_are_read_with_the_same_filter_and_look_like_one() {
        let queries = Queries::default();
        let (output, results, _) = captured::output();
        let session = Session { api: &pages(&queries), output: &output };
        let request = Request::get("/things").with("name", "ci");
        let listing = session.list(&request, true).await.unwrap();
        listing.print(&output).unwrap();
        assert_eq!(results.text(), "{\"items\":[0,1,2],\"next_cursor\":null}\n");
        let queries = queries.lock().unwrap();
        assert!(queries.len() == 3 && queries.iter().all(|query| query["name"] == "ci"), "{queries:?}");
    }

    #[tokio::test]
    async fn one_page_is_printed_as_it_came() {
        let (output, results, _) = captured::output();
        let session = Session { api: &pages(&Queries::default()), output: &output };
        let listing = session.list(&Request::get("/things"), false).await.unwrap();
        assert_eq!((listing.items().len(), listing.next_cursor()), (1, Some("1")));
        listing.print(&output).unwrap();
        assert_eq!(results.text(), "{\"items\":[0],\"next_cursor\":\"1\"}\n");
    }

    #[tokio::test]
    async fn a_refusal_is_no_answer() {
        let (output, ..) = captured::output();
        let session = Session { api: &pages(&Queries::default()), output: &output };
        let refused = session.ask(&Request::get("/nothing")).await;
        assert!(refused.is_err());
    }
}
