//! Server-sent events, as a client reads them.

use reqwest::Response;
use serde_json::Value;

use super::{PATIENCE, TestApp};

/// An event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A stream that is read.
pub(crate) struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// Opens the stream of changes; the status of an answer that is none.
    pub(crate) async fn open(app: &TestApp, credential: &str, last: Option<&str>) -> Result<Self, u16> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/api/v1/auth/verify/stream", app.address());
        let request = client.get(url).bearer_auth(credential);
        let request = last.iter().fold(request, |request, id| request.header("last-event-id", *id));
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Ok(Self { response, text: String::new() })
    }

    /// The next event; none once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event = read(&self.text[..end]);
                self.text.drain(..end + 2);
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next one of these names.
    pub(crate) async fn next_of(&mut self, names: &[&str]) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if names.contains(&event.name.as_str()) {
                return event;
            }
        }
    }

    /// Reads to its end; the names of all events.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

fn read(text: &str) -> Event {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Event {
        name: field("event: ").unwrap(),
        id: field("id: "),
        data: serde_json::from_str(&field("data: ").unwrap()).unwrap(),
    }
}
