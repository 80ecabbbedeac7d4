//! `keywright-bench detectors`: what the anomaly detectors find in labelled synthetic traffic.
//!
//! The generator knows nothing of the detectors, nor they of it: both speak of hours, as the store keeps them.

mod chance;
mod client;
mod incident;
mod score;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use keywright_core::Timestamp;
use keywright_core::anomalies::{
    AnomalyKind, AnomalyTuning, Bearer, Finding, Guesser, Guessers, HourOfUse, Profile, Seen, Sensitivity,
};

use self::chance::Chance;
use self::client::{Client, DAYS, Kind, LEARNING_DAYS, Origin, Stream};
use self::incident::Incident;
use self::score::{Case, Score};

/// The share of clients that an incident befalls.
const INCIDENT_SHARE: f64 = 0.35;
/// A Monday: 2027-01-04.
const BEGIN_SECONDS: i64 = 1_798_934_400 + 86_400 * 3;

/// What is simulated.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    clients: usize,
    sensitivity: Sensitivity,
}

/// Simulates some seeds, and prints the figures.
pub(crate) fn print(seed: u64, runs: u64, clients: usize, sensitivity: &str) {
    let sensitivity = match sensitivity {
        "low" => Sensitivity::Low,
        "high" => Sensitivity::High,
        _ => Sensitivity::Normal,
    };
    let mut score = Score::default();
    for seed in seed..seed + runs {
        run(&Plan { seed, clients, sensitivity }, &mut score);
    }
    let (precision, recall) = (score.precision(), score.recall());
    println!("Precision {precision:.3}, recall {recall:.3}.\n\n{}", score.to_markdown());
}

/// Simulates, and scores what was found.
fn run(plan: &Plan, score: &mut Score) {
    let mut chance = Chance::new(plan.seed);
    let tuning = AnomalyTuning { sensitivity: plan.sensitivity, ..AnomalyTuning::default() };
    let weights = Kind::ALL.map(|(_, weight)| weight);
    for _ in 0..plan.clients {
        let kind = Kind::ALL[chance.weighted(&weights)].0;
        let client = Client::new(kind, chance.fork());
        score.add(&of_client(client, chance.fork(), &tuning));
    }
    for _ in 0..plan.clients.div_ceil(60) {
        of_addresses(&mut chance.fork(), plan.sensitivity, score);
    }
}

fn moment(hour: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(BEGIN_SECONDS + hour * 3_600)
}

fn of_client(mut client: Client, mut chance: Chance, tuning: &AnomalyTuning) -> Case {
    let incident =
        if chance.happens(INCIDENT_SHARE) { Incident::plan(&mut client, &mut chance) } else { None };
    let bearer = if client.kind.is_person() { Bearer::Person } else { Bearer::Service };
    let ends_at = incident.as_ref().and_then(|incident| incident.after_end_at);
    // Some clients go on for a while with a credential that was revoked.
    let ends = client.ends_at.or_else(|| ends_at.map(|end| (end, chance.whole(0, 48))));
    let mut profile: Option<Profile> = None;
    let mut day = (0, [const { BTreeSet::new() }; 2]);
    let mut findings = Vec::new();
    for hour in 0..DAYS * 24 {
        let mut streams = client.streams(hour);
        let ended = ends.is_some_and(|(end, _)| hour >= end);
        if ends.is_some_and(|(end, forgotten)| hour >= end + forgotten) {
            streams.clear();
        }
        if let Some(stream) = incident.as_ref().and_then(|incident| incident.stream(hour, &mut chance)) {
            streams.push(stream);
        }
        if streams.is_empty() {
            continue;
        }
        if day.0 != hour / 24 {
            day = (hour / 24, [const { BTreeSet::new() }; 2]);
        }
        let seen = roll_up(hour, &streams, ended, &mut day.1, &mut chance);
        let profile = profile.get_or_insert_with(|| Profile::new(moment(hour)));
        findings.extend(
            profile.observe(moment(hour), &seen, bearer, tuning).into_iter().map(|found| (hour, found)),
        );
    }
    let findings = findings.into_iter().filter(|(hour, _)| *hour >= LEARNING_DAYS * 24).collect();
    Case { client: Some(client.kind), incident: incident.map(Into::into), findings }
}

/// An hour as the store tells it: what is known of networks and user agents is their first use of the day.
fn roll_up(
    hour: i64,
    streams: &[Stream],
    ended: bool,
    of_day: &mut [BTreeSet<String>; 2],
    chance: &mut Chance,
) -> HourOfUse {
    let mut seen = HourOfUse::default();
    let [networks, agents] = of_day;
    for stream in streams {
        let all = stream.accepted + stream.denied;
        let (accepted, denied) = if ended { (0, all) } else { (stream.accepted, stream.denied) };
        seen.accepted += accepted;
        if ended {
            seen.ended += denied;
        } else {
            seen.denied += denied;
        }
        let within = spread(hour, stream.minutes, all, chance);
        if ended {
            let between = seen.ended_between.get_or_insert(within);
            *between = (between.0.min(within.0), between.1.max(within.1));
        }
        let Origin { country, network, agent } = &stream.origin;
        add(&mut seen.countries, country, (accepted, denied), within);
        if networks.insert(network.clone()) || seen.networks.iter().any(|seen| seen.label == *network) {
            add(&mut seen.networks, network, (accepted, denied), within);
        }
        if agents.insert(agent.clone()) || seen.user_agents.iter().any(|seen| seen.label == *agent) {
            add(&mut seen.user_agents, agent, (accepted, denied), within);
        }
    }
    seen
}

fn add(all: &mut Vec<Seen>, label: &str, (accepted, denied): (u64, u64), within: (Timestamp, Timestamp)) {
    if let Some(seen) = all.iter_mut().find(|seen| seen.label == label) {
        seen.accepted += accepted;
        seen.denied += denied;
        seen.first_at = seen.first_at.min(within.0);
        seen.last_at = seen.last_at.max(within.1);
    } else {
        let (first_at, last_at) = within;
        all.push(Seen { label: label.to_owned(), accepted, denied, first_at, last_at });
    }
}

/// The first and the last of so many requests within some minutes of an hour.
fn spread(hour: i64, (from, until): (f64, f64), count: u64, chance: &mut Chance) -> (Timestamp, Timestamp) {
    let mut minutes = (until, from);
    for _ in 0..count.min(12) {
        let minute = chance.between(from, until);
        minutes = (minutes.0.min(minute), minutes.1.max(minute));
    }
    let at = |minute: f64| moment(hour).plus_micros((minute * 6e7) as i64);
    (at(minutes.0), at(minutes.1))
}

/// Addresses that try tokens nobody has: clients with a wrong one, scanners, and somebody who guesses.
fn of_addresses(chance: &mut Chance, sensitivity: Sensitivity, score: &mut Score) {
    let hours = DAYS * 24;
    let mut guessers = Guessers::default();
    // Begin, end, attempts an hour.
    let mut clients: Vec<(String, i64, i64, f64)> = Vec::new();
    for number in 0..30 {
        let begin = chance.whole(0, hours);
        let most = if chance.happens(0.1) { 400.0 } else { 90.0 };
        let rate = chance.scale(0.2, most);
        clients.push((format!("198.51.100.{number}"), begin, begin + chance.whole(5, 24 * 60), rate));
    }
    let begin = chance.whole(LEARNING_DAYS * 24, hours - 8);
    let end = begin + chance.whole(1, 6);
    let rate = chance.scale(300.0, 30_000.0);
    clients.push(("203.0.113.9".to_owned(), begin, end, rate));
    let mut findings: Vec<(i64, Finding)> = Vec::new();
    for hour in 0..hours {
        let mut seen: Vec<Guesser> = Vec::new();
        for (address, from, until, rate) in &clients {
            let attempts = if (*from..*until).contains(&hour) { chance.noisy_count(*rate, 0.2) } else { 0 };
            if attempts > 0 {
                seen.push(Guesser { address: address.clone(), attempts });
            }
        }
        for scanner in 0..chance.count(6.0) {
            let address = format!("2001:db8:{hour:x}::{scanner}");
            seen.push(Guesser { address, attempts: 1 + chance.count(4.0) });
        }
        let found = guessers.observe(moment(hour), &seen, sensitivity);
        findings.extend(found.into_iter().map(|finding| (hour, finding)));
    }
    findings.retain(|(hour, _)| *hour >= LEARNING_DAYS * 24);
    let (own, others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|(_, finding)| finding.place.as_deref() == Some("203.0.113.9"));
    let told = score::Told {
        kind: AnomalyKind::UnknownTokens,
        hours: (begin, end),
        fits: |told, kind| told == kind,
    };
    score.add(&Case { client: None, incident: Some(told), findings: own });
    score.add(&Case { client: None, incident: None, findings: others });
}
