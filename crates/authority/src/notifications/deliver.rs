//! The job that delivers: at least once, under one id, by one node at a time, later when it fails, for a day.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use keywright_core::{ChannelId, ChannelKind, PublisherId, SubscriptionId, Timestamp};
use keywright_store::deliveries::{self, DeliveryRow, Told};
use keywright_store::notification_channels::ChannelRow;
use keywright_store::{event_subscriptions, notification_channels};
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::{info, warn};
use uuid::Uuid;

use super::destination::Destination;
use super::lanes::Place;
use super::notice::Notice;
use super::{LIFE_SECONDS, dead, lanes, render, signature};
use crate::attempts::{LONGEST_PAUSE, Outcome, pause_seconds};
use crate::authority::Authority;
use crate::connector::{CALL_TIMEOUT, Outgoing};
use crate::entropy;
use crate::fault::Fault;

/// A delivery that was taken is another's after this long, in seconds: longer than any attempt takes.
const TAKEN_SECONDS: i64 = 3 * CALL_TIMEOUT.as_secs().cast_signed();
/// The same for mail, whose servers are slower.
const MAIL_TAKEN_SECONDS: i64 = 180;
/// The first pause after a failure, in seconds; each next one is twice as long.
const FIRST_PAUSE: i64 = 10;
/// Of an answer this much is kept, in bytes.
const KEPT_ANSWER: usize = 1_024;
/// What is settled is forgotten after so many days.
const KEPT_DAYS: i64 = 30;
/// Who looks at what waits does so at most this often, in seconds.
const LOOK_SECONDS: i64 = 15;
/// What was given up is counted for so many seconds.
const DEAD_SECONDS: i64 = 24 * 3_600;

/// Whom a delivery goes to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: Uuid,
    pub(super) kind: ChannelKind,
    pub(super) name: String,
    pub(super) publisher: Option<PublisherId>,
    /// `None` when no master key opens it.
    pub(super) destination: Option<Destination>,
}

/// Delivers what is due, and waits for every attempt; tells how many receivers took theirs.
///
/// # Errors
/// As the store.
pub async fn deliver(authority: &Authority) -> Result<u64, Fault> {
    let (mut delivered, mut attempts) = (0, take_all(authority).await?);
    while let Some(done) = attempts.join_next().await {
        delivered += u64::from(done.map_err(|error| Fault::Internal(error.to_string()))??);
    }
    Ok(delivered)
}

/// Begins what is due and has a place, and waits for none of it: a receiver that hangs holds up only itself. Tells
/// how many attempts have begun.
///
/// # Errors
/// As the store.
pub(crate) async fn deliver_in_background(authority: &Authority) -> Result<u64, Fault> {
    if !authority.settings().notifies {
        return Ok(0);
    }
    let mut attempts = take_all(authority).await?;
    let begun = attempts.len() as u64;
    attempts.detach_all();
    let now = authority.now();
    let known = authority.notifications();
    if known.looked_at().is_none_or(|at| now.has_reached(Some(at.plus_seconds(LOOK_SECONDS)))) {
        let mut reader = authority.store().read().await?;
        let waiting = deliveries::waiting(reader.conn(), now.plus_seconds(-DEAD_SECONDS)).await?;
        known.keep(now, waiting);
    }
    Ok(begun)
}

async fn take_all(authority: &Authority) -> Result<JoinSet<Result<bool, Fault>>, Fault> {
    let mut attempts = JoinSet::new();
    let waiting = deliveries::targets_waiting(authority.store().read().await?.conn()).await?;
    for id in waiting {
        let Some(first) = authority.lanes().place(id) else { continue };
        let now = authority.now();
        let due = {
            let mut reader = authority.store().read().await?;
            deliveries::due(reader.conn(), id, now, lanes::OF_ONE).await?
        };
        if due.is_empty() {
            continue;
        }
        let Some(target) = target(authority, id).await? else {
            let mut tx = authority.store().begin().await?;
            deliveries::drop_of_target(tx.conn(), id, now, "nobody is there to be told").await?;
            tx.commit().await?;
            continue;
        };
        let mut first = Some(first);
        for row in due {
            let Some(place) = first.take().or_else(|| authority.lanes().place(id)) else { break };
            // One after the other: the store is everybody's.
            if !take(authority, &target, &row).await? {
                continue;
            }
            let (authority, target) = (authority.clone(), target.clone());
            attempts.spawn(async move {
                let done = attempt(&authority, &target, &row, &place).await;
                drop(place);
                if matches!(done, Ok(true)) {
                    // It answers: what else waits for it need not wait for the next round.
                    authority.deliveries_wanted().notify_one();
                }
                if let Err(error) = &done {
                    warn!(id = %row.id, %error, "how an attempt went could not be written down; it is repeated");
                }
                done
            });
        }
    }
    Ok(attempts)
}

/// Whom a delivery goes to; `None` when it is gone or off.
pub(super) async fn target(authority: &Authority, id: Uuid) -> Result<Option<Target>, Fault> {
    let mut reader = authority.store().read().await?;
    if let Some(row) = notification_channels::by_id(reader.conn(), None, ChannelId(id)).await? {
        let sealed = notification_channels::sealed_by_id(reader.conn(), row.id).await?;
        return Ok(row.is_enabled.then(|| target_of(authority, &row, sealed.as_deref())));
    }
    let Some(row) = event_subscriptions::by_id(reader.conn(), None, SubscriptionId(id)).await? else {
        return Ok(None);
    };
    let sealed = event_subscriptions::sealed_by_id(reader.conn(), row.id).await?;
    let destination = sealed.and_then(|sealed| Destination::open(authority, id, &sealed));
    let (name, kind) = (row.name.as_str().to_owned(), ChannelKind::Webhook);
    Ok(row.is_enabled.then_some(Target { id, kind, name, publisher: row.publisher_id, destination }))
}

/// Whom the deliveries of a channel go to.
pub(super) fn target_of(authority: &Authority, row: &ChannelRow, sealed: Option<&[u8]>) -> Target {
    let destination = match sealed {
        Some(sealed) => Destination::open(authority, row.id.0, sealed),
        None => Some(Destination::Log),
    };
    let name = row.name.as_str().to_owned();
    Target { id: row.id.0, kind: row.kind, name, publisher: row.publisher_id, destination }
}

/// How long a delivery that was taken is nobody else's, in seconds.
pub(super) const fn taken_seconds(kind: ChannelKind) -> i64 {
    if matches!(kind, ChannelKind::Email) { MAIL_TAKEN_SECONDS } else { TAKEN_SECONDS }
}

/// Takes a delivery, unless another has.
async fn take(authority: &Authority, target: &Target, row: &DeliveryRow) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    let until = authority.now().plus_seconds(taken_seconds(target.kind));
    let taken = deliveries::take(tx.conn(), row.id, row.attempts, until).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Makes an attempt at a delivery that was taken.
async fn attempt(
    authority: &Authority,
    target: &Target,
    row: &DeliveryRow,
    place: &Place,
) -> Result<bool, Fault> {
    let outcome = perform(authority, target, row).await;
    place.note(outcome.as_ref().is_ok() || outcome.as_ref().is_err_and(|failed| failed.answered));
    // However many answer at once, they leave connections to the store for all else.
    let _turn = authority.lanes().turn().await;
    settle(authority, target, row, row.attempts + 1, outcome).await
}

/// Why an attempt failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) told: Told,
    /// The receiver answered, or refused at once: it does not hang.
    answered: bool,
    retry_after_seconds: Option<u32>,
}

impl Failed {
    fn because(reason: impl Into<String>, answered: bool) -> Self {
        Self { told: Told { error: reason.into(), ..Told::default() }, answered, retry_after_seconds: None }
    }
}

/// Tells a delivery; gives the status of the answer, where there is one.
pub(super) async fn perform(
    authority: &Authority,
    target: &Target,
    row: &DeliveryRow,
) -> Result<Option<u16>, Failed> {
    let Some(destination) = &target.destination else {
        // A node that has its key may still, and so may this one once it is configured again.
        return Err(Failed::because("no master key opens where it leads", true));
    };
    let Ok(notice) = serde_json::from_str::<Notice>(&row.payload) else {
        return Err(Failed::because("what is to be told cannot be read", true));
    };
    match destination {
        Destination::Log => {
            log(target, row, &notice);
            Ok(None)
        }
        Destination::Mail { recipients } => {
            let post = authority.post().ok_or_else(|| Failed::because("mail is not configured", true))?;
            let words = render::words(&notice);
            post.deliver_note(recipients, &words.title, &lines(&words), row.id.0)
                .await
                .map(|()| None)
                .map_err(|reason| Failed::because(reason, false))
        }
        Destination::Call { url, secret } => {
            let secret = secret.as_ref().map(super::destination::Hidden::reveal);
            call(authority, target.kind, row, &notice, (url.reveal(), secret)).await
        }
    }
}

fn lines(words: &render::Words) -> Vec<String> {
    let facts = words.facts.iter().map(|(name, value)| format!("{name}: {value}"));
    std::iter::once(words.text.clone()).chain(facts).chain(words.items.iter().cloned()).collect()
}

fn log(target: &Target, row: &DeliveryRow, notice: &Notice) {
    let (id, channel, event_type) = (row.id, target.name.as_str(), notice.event_type.as_str());
    let render::Words { title, text, .. } = render::words(notice);
    warn!(%id, channel, event_type, title, text, "a notification");
}

/// The body for a kind of receiver.
fn body(kind: ChannelKind, row: &DeliveryRow, notice: &Notice) -> String {
    let json = |message: Value| message.to_string();
    match kind {
        ChannelKind::Slack => json(render::slack::message(notice)),
        ChannelKind::Discord => json(render::discord::message(notice)),
        ChannelKind::Teams => json(render::teams::message(notice)),
        ChannelKind::Webhook | ChannelKind::Email | ChannelKind::Log => row.payload.clone(),
    }
}

async fn call(
    authority: &Authority,
    kind: ChannelKind,
    row: &DeliveryRow,
    notice: &Notice,
    (url, secret): (&str, Option<&str>),
) -> Result<Option<u16>, Failed> {
    let target =
        authority.connector().target(url).map_err(|error| Failed::because(error.to_string(), true))?;
    let body = body(kind, row, notice);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(secret) = secret {
        let (id, now) = (row.id.to_string(), authority.now());
        let signature = signature::sign(secret, &id, now, body.as_bytes())
            .ok_or_else(|| Failed::because("its secret cannot be read", true))?;
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", now.as_seconds().to_string()),
            ("webhook-signature", signature),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    let outgoing = Outgoing {
        method: Method::POST,
        target: &target,
        headers,
        body: body.into_bytes(),
        most_bytes: KEPT_ANSWER,
    };
    match authority.connector().send(outgoing).await {
        Ok(answer) if answer.is_success() => Ok(Some(answer.status)),
        Ok(answer) => {
            let error = match answer.status {
                300..=399 => format!("answered {}; redirects are not followed", answer.status),
                status => format!("answered {status}"),
            };
            let begin = excerpt(&answer.body, url, secret);
            Err(Failed {
                told: Told { status_code: Some(answer.status), error, answer: begin },
                answered: true,
                retry_after_seconds: answer.retry_after_seconds,
            })
        }
        Err(failure) => Err(Failed::because(failure.reason, failure.refused)),
    }
}

/// The begin of an answer on one line, unless it repeats what is secret.
fn excerpt(body: &[u8], url: &str, secret: Option<&str>) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let line: String =
        text.chars().map(|c| if keywright_core::name::is_hidden(c) { ' ' } else { c }).collect();
    let secrets = url.split(['/', '?', '&', '=', '#']).skip(3).filter(|part| part.len() >= 6).chain(secret);
    if secrets.into_iter().any(|secret| line.contains(secret)) {
        return Some("[it repeats what is secret]".to_owned());
    }
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Writes down how an attempt went, unless another has overtaken it; tells whether the receiver took it.
async fn settle(
    authority: &Authority,
    target: &Target,
    row: &DeliveryRow,
    number: u64,
    outcome: Result<Option<u16>, Failed>,
) -> Result<bool, Fault> {
    let (now, id, channel) = (authority.now(), row.id, target.name.as_str());
    let mut tx = authority.store().begin().await?;
    let outcome = match outcome {
        Ok(status) => {
            if deliveries::delivered(tx.conn(), id, number, now, status).await? {
                dead::over(authority, &mut tx, target).await?;
            }
            info!(%id, channel, attempt = number, "a notification was delivered");
            Outcome::Delivered
        }
        Err(failed) if now.has_reached(Some(row.expires_at)) => {
            if deliveries::give_up(tx.conn(), id, number, now, &failed.told).await? {
                dead::tell(authority, &mut tx, target, row, &failed.told).await?;
            }
            warn!(%id, channel, attempt = number, reason = failed.told.error, "a notification was given up");
            Outcome::GivenUp
        }
        Err(failed) => {
            let asked = failed.retry_after_seconds.map_or(0, i64::from).min(LONGEST_PAUSE);
            let pause = pause_seconds(FIRST_PAUSE, number, entropy::id()[0]).max(asked);
            // Never put off past its end: there it is tried for the last time.
            let next = now.plus_seconds(pause).min(row.expires_at.max(now));
            deliveries::postpone(tx.conn(), id, number, next, &failed.told).await?;
            let reason = failed.told.error;
            warn!(%id, channel, attempt = number, reason, "a notification was not delivered; it is tried again");
            Outcome::Failed
        }
    };
    tx.commit().await?;
    authority.notifications().count(outcome);
    Ok(outcome == Outcome::Delivered)
}

/// Settles the one attempt of a test: it is not tried again.
pub(super) async fn settle_test(
    authority: &Authority,
    row: &DeliveryRow,
    outcome: Result<Option<u16>, Failed>,
) -> Result<(), Fault> {
    let (now, number) = (authority.now(), row.attempts + 1);
    let mut tx = authority.store().begin().await?;
    match outcome {
        Ok(status) => deliveries::delivered(tx.conn(), row.id, number, now, status).await?,
        Err(failed) => deliveries::give_up(tx.conn(), row.id, number, now, &failed.told).await?,
    };
    tx.commit().await?;
    Ok(())
}

/// Forgets deliveries that were settled long ago.
///
/// # Errors
/// As the store.
pub(crate) async fn forget(authority: &Authority, now: Timestamp) -> Result<u64, Fault> {
    let mut tx = authority.store().begin().await?;
    let forgotten = deliveries::forget(tx.conn(), now.plus_days(-KEPT_DAYS)).await?;
    tx.commit().await?;
    Ok(forgotten)
}

/// When a delivery that is made now is no longer repeated.
pub(super) fn end_of_life(now: Timestamp) -> Timestamp {
    now.plus_seconds(LIFE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_holds_no_secret_and_no_line_of_its_own() {
        let url = "https://hooks.example.com/services/T0000000/verysecret?key=alsosecret";
        assert_eq!(excerpt(b"no\r\nsuch\x00\x1b[31m user", url, None).unwrap(), "no  such  [31m user");
        assert_eq!(excerpt(b" \n", url, None), None);
        for echoed in ["verysecret", "alsosecret", "whsec_abc", url] {
            let kept = excerpt(format!("you sent {echoed}!").as_bytes(), url, Some("whsec_abc")).unwrap();
            assert!(!kept.contains(echoed), "{kept}");
        }
        assert!(excerpt(&[0xff; 1_024], url, None).is_some());
    }
}
