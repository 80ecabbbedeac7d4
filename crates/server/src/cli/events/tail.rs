//! `keywright events tail`.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::filter::Filter;
use crate::cli::duration::Seconds;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::output::details::text;
use crate::cli::output::text::escape;
use crate::cli::session::Session;
use crate::cli::transport::{NDJSON, Request};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Print the newest events, and with `--follow` every one that comes.
#[derive(Args, Debug)]
pub(crate) struct Tail {
    #[command(flatten)]
    filter: Filter,

    /// How many of the newest to begin with, up to 200
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=200))]
    lines: u32,

    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,

    /// With --follow: how late an event may come and still be printed. Nodes bring decisions to the
    /// store a second or two after they were made, and after an outage of it later; so much is read
    /// again at each look
    #[arg(long, value_name = "DURATION", default_value = "15s", requires = "follow")]
    overlap: Seconds,
}

impl Tail {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut seen = Seen::new(i64::try_from(self.overlap.0).unwrap_or(i64::MAX / 2_000_000));
        let request = self.filter.request();
        let newest = request.clone().with("order", "desc").with("limit", self.lines.max(1).to_string());
        let listing = session.list(&newest, false).await?;
        let items = listing.items();
        for (index, event) in items.iter().enumerate().rev() {
            if seen.takes(event) && index < self.lines as usize {
                self.print(session.output, event)?;
            }
        }
        seen.begin(session.output.now);
        if self.follow { self.watch(session, &request, &mut seen).await } else { Ok(()) }
    }

    /// Looks again and again, until interrupted or refused.
    async fn watch(&self, session: &Session<'_>, request: &Request, seen: &mut Seen) -> Outcome {
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.look(session, request, seen).await {
                Ok(()) => {}
                // A server that restarts comes back, and nothing is missed meanwhile.
                Err(failure) if passes(&failure) => {
                    session.output.note(&format!("{failure}; trying again"));
                    tokio::time::sleep(5 * PAUSE).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Prints what has come since the last look.
    async fn look(&self, session: &Session<'_>, request: &Request, seen: &mut Seen) -> Outcome {
        let request = request.clone().with("order", "asc").with("since", seen.since().to_string());
        let mut stream = session.stream(&request.accepting(NDJSON)).await?;
        while let Some(line) = stream.line().await? {
            let event: Json = serde_json::from_slice(&line)
                .map_err(|_| Failure::Failed("the API sent a line that is no event".to_owned()))?;
            if seen.takes(&event) {
                self.print(session.output, &event)?;
            }
        }
        seen.forget();
        Ok(())
    }

    fn print(&self, output: &Output, event: &Json) -> Outcome {
        if output.json {
            return output.json_line(event);
        }
        if output.quiet {
            return output.line(&escape(text(event, "id")));
        }
        output.line(&escape(&self.filter.kind.row(event).join("  ")))
    }
}

fn passes(failure: &Failure) -> bool {
    match failure {
        Failure::Transport(_) => true,
        Failure::Refused(answer) => answer.status.is_server_error(),
        _ => false,
    }
}

/// What was printed already, as far back as events are looked for.
struct Seen {
    overlap_seconds: i64,
    newest: Timestamp,
    /// During the first look: what is not later than this was there before.
    before: Option<Timestamp>,
    ids: HashMap<String, Timestamp>,
}

/// Without any event the following begins so long ago: this machine's clock is not the store's.
const SKEW_SECONDS: i64 = 300;

impl Seen {
    fn new(overlap_seconds: i64) -> Self {
        Self { overlap_seconds, newest: Timestamp::from_micros(0), before: None, ids: HashMap::new() }
    }

    /// An event that nobody has seen yet.
    fn takes(&mut self, event: &Json) -> bool {
        let Ok(at) = text(event, "occurred_at").parse::<Timestamp>() else { return false };
        self.newest = self.newest.max(at);
        let new = self.ids.insert(text(event, "id").to_owned(), at).is_none();
        new && self.before.is_none_or(|before| at > before)
    }

    /// The following begins: of what the first look finds, only what is later than all that was there.
    fn begin(&mut self, now: Timestamp) {
        if self.ids.is_empty() {
            self.newest = now.plus_seconds(-SKEW_SECONDS);
        } else {
            self.before = Some(self.newest);
        }
    }

    fn since(&self) -> Timestamp {
        self.newest.plus_seconds(-self.overlap_seconds)
    }

    /// A look is done: what is not looked for any more can be forgotten.
    fn forget(&mut self) {
        self.before = None;
        let since = self.since();
        self.ids.retain(|_, at| *at >= since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: &str, second: u32) -> Json {
        json!({ "id": id, "occurred_at": format!("2026-11-21T12:00:{second:02}Z") })
    }

    #[test]
    fn an_event_that_comes_late_is_printed_once_and_none_twice() {
        let mut seen = Seen::new(15);
        assert!(seen.takes(&event("a", 30)));
        assert_eq!(seen.since().to_string(), "2026-11-21T12:00:15Z");
        // From another node, made before and stored after.
        assert!(seen.takes(&event("late", 20)));
        assert!(!seen.takes(&event("a", 30)) && !seen.takes(&event("late", 20)));
        assert_eq!(seen.since().to_string(), "2026-11-21T12:00:15Z");
        assert!(seen.takes(&event("b", 40)));
        seen.forget();
        assert_eq!(seen.ids.len(), 2, "what is not looked for any more is forgotten: {:?}", seen.ids);
        assert!(!seen.takes(&event("a", 30)));
    }

    #[test]
    fn without_any_event_the_following_begins_with_the_first() {
        let mut seen = Seen::new(15);
        seen.begin("2026-11-21T12:05:20Z".parse().unwrap());
        assert_eq!(seen.since().to_string(), "2026-11-21T12:00:05Z");
        assert!(seen.takes(&event("a", 6)));
    }

    #[test]
    fn what_was_there_before_the_lines_that_were_asked_for_is_not_printed_later() {
        let mut seen = Seen::new(15);
        assert!(seen.takes(&event("shown", 30)));
        seen.begin("2026-11-21T12:00:31Z".parse().unwrap());
        assert!(!seen.takes(&event("older", 29)) && seen.takes(&event("newer", 31)));
        seen.forget();
        assert!(seen.takes(&event("late", 28)) && !seen.takes(&event("older", 29)));
    }
}
