//! Listening to what changes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keywright_api::remote_cache::{StreamBeat, StreamHello};
use keywright_verify::Stamps;
use keywright_verify::clock::boot_micros;
use keywright_verify::freshness::MAX_UNCONFIRMED_MICROS;
use keywright_verify::stamps::Noted;
use parking_lot::Mutex;
use reqwest::Response;
use uuid::Uuid;

use super::entry::Entry;
use crate::client::Client;
use crate::entropy;
use crate::error::ClientError;
use crate::transport::{Call, unreachable};

/// A stream on which nothing is heard for so long, not even a beat, is given up.
const DEAF: Duration = Duration::from_secs(3);
/// Longest time for a stream to begin.
const BEGIN: Duration = Duration::from_secs(5);
/// A stream that takes longer to begin is opened anew, in microseconds.
const LATE_MICROS: i64 = 500_000;
/// Most of the pause before a stream is opened again, in milliseconds.
const PAUSE_MILLIS: u64 = 500;
/// Longer than any event.
const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Slots of the stamps: 128 KiB, and one needless question in some 16,000 for each change.
const SLOTS: usize = 1 << 14;

/// What is known of changes.
pub(super) struct Follow {
    stamps: Stamps,
    /// Up to which moment of the boot-time clock all changes were heard of, in microseconds.
    confirmed_at: AtomicI64,
    node: Mutex<Option<Uuid>>,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            stamps: Stamps::with_slots(SLOTS),
            confirmed_at: AtomicI64::new(i64::MIN),
            node: Mutex::new(None),
        }
    }
}

/// The id that stands for a mark of the stream.
pub(super) fn mark_id(mark: &str) -> Option<Uuid> {
    let number = (mark.len() == 16).then(|| u64::from_str_radix(mark, 16).ok())??;
    Some(Uuid::from_u64_pair(number, 0))
}

impl Follow {
    /// See [`Stamps::note`].
    pub(super) fn note(&self) -> Noted {
        self.stamps.note()
    }

    /// Whether all changes were heard of up to a moment that is recent enough.
    pub(super) fn is_fresh(&self, now: i64) -> bool {
        now.saturating_sub(self.confirmed_at.load(Ordering::Acquire)) <= MAX_UNCONFIRMED_MICROS
    }

    /// Whether it is this boot of a node that is listened to.
    pub(super) fn is_of(&self, node: Uuid) -> bool {
        *self.node.lock() == Some(node)
    }

    /// Whether an entry may be decided on.
    pub(super) fn holds(&self, entry: &Entry, now: i64) -> bool {
        now < entry.ends_at
            && self.is_fresh(now)
            && self.stamps.holds(entry.noted, entry.depends_on.iter().copied())
    }

    /// Obeys an event of a stream that was asked for at `asked_at`. What is not understood may mean anything.
    fn hear(&self, event: &Event, asked_at: i64) {
        match event.name.as_str() {
            "hello" => {
                let hello = serde_json::from_str::<StreamHello>(&event.data).ok();
                *self.node.lock() = hello.map(|hello| hello.node);
            }
            "beat" => {
                let beat = serde_json::from_str::<StreamBeat>(&event.data).ok();
                if let Some(confirmed) = beat.and_then(|beat| beat.confirmed_microseconds) {
                    // `hello` was told after it was asked for: so this is no later than the moment that is meant.
                    self.confirmed_at.fetch_max(asked_at.saturating_add(confirmed), Ordering::AcqRel);
                }
            }
            "change" => {
                let marks = serde_json::from_str::<Vec<String>>(&event.data).ok();
                match marks
                    .and_then(|marks| marks.iter().map(|mark| mark_id(mark)).collect::<Option<Vec<_>>>())
                {
                    Some(ids) => self.stamps.invalidate(ids),
                    None => self.stamps.invalidate_everything(),
                }
            }
            _ => self.stamps.invalidate_everything(),
        }
    }
}

/// Listens for as long as it is polled.
pub(super) async fn follow(client: &Client, follow: &Follow) {
    let mut last_id = None;
    loop {
        if let Err(error) = listen(client, follow, &mut last_id).await {
            tracing::warn!(%error, "changes are not heard of; the authority is asked each time");
        }
        tokio::time::sleep(Duration::from_millis(entropy::up_to(PAUSE_MILLIS))).await;
    }
}

/// Listens to one stream to its end.
async fn listen(client: &Client, follow: &Follow, last_id: &mut Option<String>) -> Result<(), ClientError> {
    let asked_at = boot_micros();
    let call = Call { last_event_id: last_id.clone(), ..Call::get("/auth/verify/stream") };
    let opening = tokio::time::timeout(BEGIN, client.transport().open(&call));
    let mut stream =
        Stream { response: opening.await.map_err(|_| ClientError::TimedOut)??, text: Vec::new() };
    loop {
        let next = tokio::time::timeout(DEAF, stream.next()).await.map_err(|_| ClientError::TimedOut)?;
        let Some(event) = next? else { return Ok(()) };
        follow.hear(&event, asked_at);
        // What is confirmed is counted from the asking: a stream that began late after it would never confirm enough.
        if event.name == "hello" && boot_micros() - asked_at > LATE_MICROS {
            return Ok(());
        }
        // Only once it is obeyed: whoever goes on after it has heard it.
        if event.id.is_some() {
            last_id.clone_from(&event.id);
        }
    }
}

/// An event (HTML Standard, Server-sent events).
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    id: Option<String>,
    data: String,
}

struct Stream {
    response: Response,
    text: Vec<u8>,
}

impl Stream {
    /// The next event; none at the end.
    async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let event = read(&String::from_utf8_lossy(&self.text[..end]));
                self.text.drain(..end + 2);
                return Ok(Some(event));
            }
            if self.text.len() > MAX_EVENT_BYTES {
                let what = "an event of the stream is too long";
                return Err(ClientError::Unexpected { status: 200, what, retry_after_seconds: None });
            }
            match self.response.chunk().await.map_err(unreachable)? {
                Some(chunk) => self.text.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

fn read(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "id" => event.id = Some(value.to_owned()),
            "data" => event.data.push_str(value),
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), id: None, data: data.to_owned() }
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let read = read("event: change\nid: n.7\ndata: [\"00000000000000ff\"]");
        assert_eq!(
            read,
            Event { name: "change".into(), id: Some("n.7".into()), data: "[\"00000000000000ff\"]".into() }
        );
        assert_eq!(mark_id("00000000000000ff"), Some(Uuid::from_u64_pair(255, 0)));
        for bad in ["", "ff", "00000000000000fg", "000000000000000ff"] {
            assert_eq!(mark_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_beat_that_was_held_up_confirms_no_more_than_when_it_was_sent() {
        let follow = Follow::default();
        assert!(!follow.is_fresh(0));
        // The stream was asked for at 1 s; 2 s later by its own count the node was right.
        follow.hear(&event("beat", r#"{"confirmed_microseconds":2000000}"#), 1_000_000);
        assert!(follow.is_fresh(3_000_000 + MAX_UNCONFIRMED_MICROS));
        assert!(!follow.is_fresh(3_000_001 + MAX_UNCONFIRMED_MICROS), "whenever it was heard");
        follow.hear(&event("beat", r#"{"confirmed_microseconds":null}"#), 9_000_000);
        assert!(!follow.is_fresh(9_000_000));
    }

    proptest! {
        #[test]
        fn what_is_not_understood_ends_everything(name in "[a-z]{0,8}", data in ".{0,40}") {
            let follow = Follow::default();
            let noted = follow.note();
            let holds = |follow: &Follow| follow.stamps.holds(noted, [Uuid::from_u64_pair(1, 0)]);
            follow.hear(&event(&name, &data), 0);
            prop_assert!(!holds(&follow) || matches!(name.as_str(), "hello" | "beat" | "change"));
            let follow = Follow::default();
            follow.hear(&event("change", &data), 0);
            let marks: Result<Vec<String>, _> = serde_json::from_str(&data);
            let known = marks.is_ok_and(|marks| marks.iter().all(|mark| mark_id(mark).is_some()));
            prop_assert_eq!(holds(&follow), known);
        }
    }
}
