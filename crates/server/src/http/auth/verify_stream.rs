//! `GET /auth/verify/stream`: what changes, for caches elsewhere (docs/decisions/0026-remote-caches-hear-marks.md).
//!
//! A stream reads what the node remembers of its changes, each time that it is ready for more: nothing is kept for one
//! that reads slowly. One that falls behind what is remembered is told that everything may have changed; one that takes
//! nothing for a while is cut off.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use keywright_api::remote_cache::{StreamBeat, StreamHello};
use keywright_core::{Actor, Bearing, Facts, Requirements, address};
use keywright_verify::freshness::MAX_UNCONFIRMED_MICROS;
use keywright_verify::{Change, Lookup};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::streams::StreamEnd;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::audit::export::Leaving;
use crate::http::gate::{Caller, Permission as _, TokensVerify, requirements};
use crate::http::input::NoQuery;

/// Between two beats, in milliseconds.
const BEAT_MILLIS: u32 = 500;
/// A stream ends after this long, and is to be opened again: so long do two clocks not drift apart.
const LIFE: Duration = Duration::from_mins(10);
/// How long a client may take nothing of what waits for it.
const IDLE: Duration = Duration::from_secs(5);
/// Bytes after which a piece is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// What a request says beside who asks: the last event that it knows, and when the server leaves.
pub struct Resumed {
    last_event_id: Option<String>,
    leaving: Option<Leaving>,
}

impl FromRequestParts<App> for Resumed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let id = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
        Ok(Self { last_event_id: id.map(str::to_owned), leaving: parts.extensions.get::<Leaving>().cloned() })
    }
}

/// Listen to what changes: server-sent events for caches that keep decisions.
///
/// `hello` comes first. `change` has the marks of what changed, which are those in `depends_on` of a kept decision;
/// `flush` means that anything may have changed, and begins a stream that does not go on where `Last-Event-ID` says.
/// `beat` comes twice a second and says up to which moment all changes were told: whoever hears none of it for 1.5
/// seconds asks again about what it keeps.
#[utoipa::path(
    get, path = "/auth/verify/stream", tag = "verification", operation_id = "stream_invalidations",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard, to go on after it")),
    responses(
        (status = 200, description = "Events, until the server or the credential ends it", body = String, content_type = "text/event-stream"),
        Refused,
    ),
)]
pub async fn stream_invalidations(
    State(app): State<App>,
    caller: Caller<TokensVerify>,
    _: NoQuery,
    resumed: Resumed,
) -> Result<Response, Refused> {
    let asker = match caller.call.actor {
        Actor::Bearer(bearing) => Some(Asker::new(&app, *bearing)?),
        Actor::Operator => None,
    };
    let bearing = asker.as_ref().map(|asker| &asker.bearing);
    let place = app
        .streams()
        .enter(bearing.map(|asker| asker.credential_id), bearing.and_then(|asker| asker.home))?;
    let began = app.authority().clock().boot_micros();
    let stream = Stream { newest: app.authority().verifier().changes().watch(), app, asker, began, heard: 0 };
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let telling = tokio::time::timeout(LIFE, stream.tell_all(resumed.last_event_id, &sender));
        let ended = match resumed.leaving {
            None => telling.await,
            Some(Leaving(mut leaving)) => tokio::select! {
                ended = telling => ended,
                _ = leaving.wait_for(|leaving| *leaving) => Ok(StreamEnd::Leaving),
            },
        };
        place.end(ended.unwrap_or(StreamEnd::Old));
    });
    let mut response = Response::new(body(receiver));
    *response.headers_mut() = headers();
    Ok(response)
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects what it passes on would make every beat late.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers
}

fn body(receiver: mpsc::Receiver<Bytes>) -> Body {
    Body::from_stream(unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    }))
}

/// Who listens, judged again and again for as long as it does.
struct Asker {
    bearing: Bearing,
    wanted: Requirements,
    /// The version of the signing keys at its begin: what a token was signed by may have gone with another.
    keys: u64,
}

impl Asker {
    fn new(app: &App, bearing: Bearing) -> Result<Self, Refused> {
        let keys = app.authority().verifier().epochs().keys;
        Ok(Self { bearing, wanted: requirements(TokensVerify::SCOPE)?, keys })
    }

    /// Whether it may still listen.
    async fn may_listen(&self, app: &App) -> bool {
        let (verifier, clock) = (app.authority().verifier(), app.authority().clock());
        let Bearing { wanted, claimed, home, address, .. } = &self.bearing;
        let known = match verifier.peek(&wanted.key()) {
            Some(lookup) => lookup,
            None => verifier.resolve(wanted, address.map(address::network)).await,
        };
        let Lookup::Known(known) = known else { return false };
        let (grant, facts) = (known.grant(), Facts { now: clock.now(), address: *address });
        let decision = keywright_core::decide(grant, claimed.as_ref(), known.epochs, &self.wanted, facts);
        let is_signed_still = claimed.is_none() || known.epochs.keys == self.keys;
        decision.is_ok() && is_signed_still && (home.is_none() || *home == grant.publisher())
    }
}

struct Stream {
    app: App,
    asker: Option<Asker>,
    newest: watch::Receiver<u64>,
    /// When it began, on the boot-time clock.
    began: i64,
    /// Up to here it was told.
    heard: u64,
}

impl Stream {
    /// Tells for as long as somebody reads, and may.
    async fn tell_all(mut self, last_event_id: Option<String>, sender: &mpsc::Sender<Bytes>) -> StreamEnd {
        let mut out = self.begin(last_event_id.as_deref());
        let mut tick = tokio::time::interval(Duration::from_millis(BEAT_MILLIS.into()));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What is new is not told to whoever may not hear it any more.
            if !self.may_listen().await {
                return StreamEnd::Refused;
            }
            if let Err(end) = self.tell_news(&mut out, sender).await {
                return end;
            }
            tokio::select! {
                _ = tick.tick() => {}
                changed = self.newest.changed() => if changed.is_err() { return StreamEnd::Leaving },
                () = sender.closed() => return StreamEnd::Client,
            }
        }
    }

    async fn may_listen(&self) -> bool {
        match &self.asker {
            Some(asker) => asker.may_listen(&self.app).await,
            None => true,
        }
    }

    /// The first events.
    fn begin(&mut self, last_event_id: Option<&str>) -> String {
        let authority = self.app.authority();
        let hello = StreamHello {
            node: authority.node().0,
            beat_milliseconds: BEAT_MILLIS,
            unconfirmed_after_milliseconds: u32::try_from(MAX_UNCONFIRMED_MICROS / 1_000).unwrap_or(0),
        };
        let mut out = String::new();
        put(&mut out, "hello", None, &hello);
        let known = last_event_id.and_then(|id| {
            let (node, number) = id.split_once('.')?;
            let number: u64 = number.parse().ok()?;
            (node.parse() == Ok(authority.node())).then_some(number)
        });
        if let Some(number) = known {
            self.heard = number;
        } else {
            self.heard = authority.verifier().changes().after(u64::MAX).number;
            self.put_change(&mut out, &Change::Everything, self.heard);
        }
        out
    }

    /// What was told since, and then up to when that is all; an end when nobody takes it.
    async fn tell_news(&mut self, out: &mut String, sender: &mpsc::Sender<Bytes>) -> Result<(), StreamEnd> {
        // In this order: what is told below is all that there was at that moment.
        let verifier = self.app.authority().verifier().clone();
        let now = self.app.authority().clock().boot_micros();
        let lag = verifier.freshness().lag_micros(now);
        self.newest.mark_unchanged();
        let news = verifier.changes().after(self.heard);
        let first = news.number.saturating_sub(news.changes.len() as u64);
        for (number, change) in (first + 1..).zip(&news.changes) {
            self.put_change(out, change, number);
            if *change == Change::Everything {
                self.app.streams().flushed();
            }
            if out.len() >= PIECE_BYTES {
                sent(sender, out).await?;
            }
        }
        self.heard = news.number;
        let beat = StreamBeat { confirmed_microseconds: lag.map(|lag| now - lag - self.began) };
        put(out, "beat", None, &beat);
        sent(sender, out).await
    }

    fn put_change(&self, out: &mut String, change: &Change, number: u64) {
        let id = format!("{}.{number}", self.app.authority().node());
        match change {
            Change::Of(marks) => {
                let marks: Vec<_> = marks.iter().map(ToString::to_string).collect();
                put(out, "change", Some(&id), &marks);
            }
            Change::Everything => put(out, "flush", Some(&id), &()),
        }
    }
}

/// One event (HTML Standard, Server-sent events).
fn put<T: Serialize>(out: &mut String, event: &str, id: Option<&str>, data: &T) {
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = writeln!(out, "event: {event}");
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    let _ = writeln!(out, "data: {data}\n");
}

async fn sent(sender: &mpsc::Sender<Bytes>, out: &mut String) -> Result<(), StreamEnd> {
    let piece = Bytes::from(std::mem::take(out));
    match tokio::time::timeout(IDLE, sender.send(piece)).await {
        Ok(sent) => sent.map_err(|_| StreamEnd::Client),
        Err(_) => Err(StreamEnd::Slow),
    }
}
