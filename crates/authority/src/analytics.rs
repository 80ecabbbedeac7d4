//! What was decided how often, from roll-ups alone: the number of events behind them does not matter.

use std::collections::BTreeMap;

use keywright_core::usage::{LATENCY_CLASSES, OTHER, latency_quantile};
use keywright_core::{CredentialId, CredentialName, ServiceAccountId, Timestamp};
use keywright_store::service_accounts::ServiceAccountRow;
use keywright_store::service_tokens::{self, ServiceTokenRow, TokenTotals};
use keywright_store::usage::{self, CredentialCount, GroupCount, HourCount, SourceCount};
use keywright_store::{Reader, platform};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::service_accounts;
use crate::service_tokens::READ;

/// Entries of a ranking.
const TOP: u32 = 10;
/// Most tokens of an account that are told one by one.
const MAX_TOKENS: u32 = 200;
/// Hours that are told one by one.
const RECENT_HOURS: i64 = 48;
const HOUR_SECONDS: i64 = 3_600;

/// Decisions, and how many of them were denials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub decisions: u64,
    /// Those that did not accept the credential.
    pub denials: u64,
}

impl Tally {
    fn add(&mut self, decisions: u64, denials: u64) {
        self.decisions += decisions;
        self.denials += denials;
    }
}

/// Decisions from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The begin of a day or an hour.
    pub begin: Timestamp,
    /// What was decided in it.
    pub tally: Tally,
}

/// What was seen most, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// At most ten, the most frequent first. An empty name is not known.
    pub top: Vec<(String, Tally)>,
    /// All others together.
    pub other: Tally,
}

/// Latencies in microseconds, estimated from classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Half of the decisions took no longer.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// Decisions of a number of days (UTC), of which the last one is today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The begin of the first day.
    pub since: Timestamp,
    /// This moment.
    pub until: Timestamp,
    /// All together.
    pub total: Tally,
    /// Denials by code, the most frequent first.
    pub denials_by_code: Vec<(String, u64)>,
    /// Every day, also those without a decision.
    pub by_day: Vec<Since>,
    /// By hour of the day; of no use where days alone were read.
    pub by_hour_of_day: [Tally; 24],
    /// The last 48 hours, the current one last, whatever the number of days.
    pub last_48_hours: Vec<Since>,
}

/// A token that was used, of whichever kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its id.
    pub id: CredentialId,
    /// Its name.
    pub name: CredentialName,
    /// How often it was accepted, as far as journals have been moved.
    pub usage_count: u64,
    /// When it was accepted last.
    pub last_used_at: Option<Timestamp>,
}

/// How one token was used.
#[derive(Clone, Debug)]
pub struct TokenAnalytics {
    /// The token.
    pub token: Used,
    /// When it was accepted first, as far as that is kept.
    pub first_used_at: Option<Timestamp>,
    /// The decisions about it.
    pub course: Course,
    /// Endpoint groups.
    pub endpoints: Ranking,
    /// Client addresses.
    pub addresses: Ranking,
    /// Countries.
    pub countries: Ranking,
    /// User agents.
    pub user_agents: Ranking,
    /// None without a decision.
    pub latency: Option<Latency>,
}

/// How the tokens of an account were used, together and each.
#[derive(Clone, Debug)]
pub struct AccountUsage {
    /// The account.
    pub account: ServiceAccountRow,
    /// The decisions about all of them.
    pub course: Course,
    /// Those that were asked about, the most used first.
    pub tokens: Vec<CredentialCount>,
}

/// How all tokens were used.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Tokens by status.
    pub totals: TokenTotals,
    /// All decisions, those about unknown credentials included.
    pub course: Course,
    /// The tokens that were accepted most often.
    pub most_used: Vec<CredentialCount>,
    /// The addresses from which most was refused.
    pub failing_addresses: Vec<(String, Tally)>,
}

/// How a token was used in the last `days` days.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn of_token(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    days: u32,
) -> Result<TokenAnalytics, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let row = service_tokens::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    let ServiceTokenRow { token_name: name, usage_count, last_used_at, .. } = row;
    of_credential(authority, reader, Used { id, name, usage_count, last_used_at }, days).await
}

/// How a token that the caller may know of was used in the last `days` days.
pub(crate) async fn of_credential(
    authority: &Authority,
    mut reader: Reader,
    token: Used,
    days: u32,
) -> Result<TokenAnalytics, Fault> {
    let (now, id) = (authority.now(), token.id);
    let since = first_day(now, days);
    let first_used_at = usage::first_use(reader.conn(), id).await?;
    let hours = usage::hours(reader.conn(), id.0, first_hour(now, since)).await?;
    let groups = usage::groups(reader.conn(), id.0, since).await?;
    let sources = usage::sources(reader.conn(), id.0, since, TOP).await?;
    drop(reader);
    Ok(TokenAnalytics {
        token,
        first_used_at,
        course: course(&hours, &hours, since, now),
        endpoints: rank(groups.iter().map(|group| (group.endpoint_group.as_str(), of_group(group)))),
        countries: rank(groups.iter().map(|group| (group.country.as_str(), of_group(group)))),
        addresses: ranked(&sources, usage::ADDRESS),
        user_agents: ranked(&sources, usage::USER_AGENT),
        latency: latency(&groups),
    })
}

/// How the tokens of an account were used in the last `days` days.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:read`; [`Fault::NotFound`].
pub async fn of_account(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    days: u32,
) -> Result<AccountUsage, Fault> {
    let account = service_accounts::get(authority, call, id).await?;
    let now = authority.now();
    let since = first_day(now, days);
    let mut reader = authority.store().read().await?;
    let hours = usage::hours_of_account(reader.conn(), id, first_hour(now, since)).await?;
    let tokens = usage::tokens_of_account(reader.conn(), id, since, MAX_TOKENS).await?;
    Ok(AccountUsage { account, course: course(&hours, &hours, since, now), tokens })
}

/// How all tokens were used in the last `days` days.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`.
pub async fn summary(authority: &Authority, call: &Call, days: u32) -> Result<Summary, Fault> {
    call.require(READ)?;
    let now = authority.now();
    let since = first_day(now, days);
    let mut reader = authority.store().read().await?;
    let epochs = platform::epochs(reader.conn()).await?;
    let totals = service_tokens::totals(reader.conn(), now, epochs.service).await?;
    let days = usage::days(reader.conn(), since).await?;
    let hours = usage::hours(reader.conn(), usage::ALL, first_hour(now, now)).await?;
    let most_used = usage::most_used(reader.conn(), since, TOP).await?;
    let failing = usage::failing_addresses(reader.conn(), since, TOP).await?;
    let tally = |source: SourceCount| {
        let tally = Tally { decisions: source.decisions, denials: source.failures };
        (source.label.unwrap_or_default(), tally)
    };
    let failing_addresses = failing.into_iter().map(tally).collect();
    Ok(Summary { totals, course: course(&days, &hours, since, now), most_used, failing_addresses })
}

fn first_day(now: Timestamp, days: u32) -> Timestamp {
    now.start_of_day().plus_days(1 - i64::from(days.max(1)))
}

/// From here on hours are read: those of the window, and the recent ones.
fn first_hour(now: Timestamp, since: Timestamp) -> Timestamp {
    since.min(now.start_of_hour().plus_seconds(-(RECENT_HOURS - 1) * HOUR_SECONDS))
}

/// From hours, or days, for the days, and from hours for the recent ones.
fn course(counts: &[HourCount], recent_hours: &[HourCount], since: Timestamp, until: Timestamp) -> Course {
    let mut by_day = slots(since, until, 24 * HOUR_SECONDS);
    let recent = until.start_of_hour().plus_seconds(-(RECENT_HOURS - 1) * HOUR_SECONDS);
    let mut last_48_hours = slots(recent, until, HOUR_SECONDS);
    let mut by_hour_of_day = [Tally::default(); 24];
    let (mut total, mut codes) = (Tally::default(), BTreeMap::<&str, u64>::new());
    // What a node whose clock was ahead has stored in the future belongs to no day that is told.
    for hour in recent_hours.iter().filter(|hour| hour.hour <= until) {
        if let Some(slot) = slot(&mut last_48_hours, hour.hour, HOUR_SECONDS) {
            slot.add(hour.decisions, hour.denials());
        }
    }
    for hour in counts.iter().filter(|hour| hour.hour <= until) {
        let add = |tally: &mut Tally| tally.add(hour.decisions, hour.denials());
        let Some(day) = slot(&mut by_day, hour.hour, 24 * HOUR_SECONDS) else { continue };
        add(day);
        add(&mut total);
        let of_day = hour.hour.micros_since(hour.hour.start_of_day()) / (HOUR_SECONDS * 1_000_000);
        if let Some(tally) = usize::try_from(of_day).ok().and_then(|of_day| by_hour_of_day.get_mut(of_day)) {
            add(tally);
        }
        if !hour.success() {
            *codes.entry(&hour.code).or_default() += hour.decisions;
        }
    }
    let mut denials_by_code: Vec<_> =
        codes.into_iter().map(|(code, decisions)| (code.to_owned(), decisions)).collect();
    denials_by_code.sort_by_key(|(_, decisions)| std::cmp::Reverse(*decisions));
    Course { since, until, total, denials_by_code, by_day, by_hour_of_day, last_48_hours }
}

/// Empty slots of `seconds` from `since` to `until`.
fn slots(since: Timestamp, until: Timestamp, seconds: i64) -> Vec<Since> {
    std::iter::successors(Some(since), |begin| Some(begin.plus_seconds(seconds)))
        .take_while(|begin| *begin <= until)
        .map(|begin| Since { begin, tally: Tally::default() })
        .collect()
}

fn slot(slots: &mut [Since], at: Timestamp, seconds: i64) -> Option<&mut Tally> {
    let offset = at.micros_since(slots.first()?.begin);
    let place = usize::try_from(offset.div_euclid(seconds * 1_000_000)).ok()?;
    slots.get_mut(place).map(|slot| &mut slot.tally)
}

const fn of_group(group: &GroupCount) -> Tally {
    Tally { decisions: group.decisions, denials: group.failures }
}

/// Those seen most; what was counted as other when it was rolled up stays so.
fn rank<'a>(counts: impl Iterator<Item = (&'a str, Tally)>) -> Ranking {
    let mut sums = BTreeMap::<&str, Tally>::new();
    for (name, tally) in counts {
        sums.entry(name).or_default().add(tally.decisions, tally.denials);
    }
    let mut ranking = Ranking { top: Vec::new(), other: sums.remove(OTHER).unwrap_or_default() };
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.decisions));
    for (place, (name, tally)) in sums.into_iter().enumerate() {
        if place < TOP as usize {
            ranking.top.push((name.to_owned(), tally));
        } else {
            ranking.other.add(tally.decisions, tally.denials);
        }
    }
    ranking
}

/// The sources of a kind, which the store has ranked.
fn ranked(sources: &[SourceCount], kind: &str) -> Ranking {
    let mut ranking = Ranking::default();
    for source in sources.iter().filter(|source| source.kind == kind) {
        match &source.label {
            Some(label) => {
                let tally = Tally { decisions: source.decisions, denials: source.failures };
                ranking.top.push((label.clone(), tally));
            }
            None => ranking.other.add(source.decisions, source.failures),
        }
    }
    ranking
}

fn latency(groups: &[GroupCount]) -> Option<Latency> {
    let mut classes = [0; LATENCY_CLASSES];
    for (class, count) in groups.iter().flat_map(|group| group.latency.iter().enumerate()) {
        classes[class] += count;
    }
    let quantile = |share| latency_quantile(&classes, share);
    Some(Latency { p50: quantile(0.5)?, p95: quantile(0.95)?, p99: quantile(0.99)? })
}
