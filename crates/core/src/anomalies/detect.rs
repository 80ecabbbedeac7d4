//! The detectors: each looks at one hour beside what is remembered, and changes nothing.

use super::countries::least_distance_km;
use super::profile::{Profile, Stay, number};
use super::seasons::Reach;
use super::{
    AnomalyKind, AnomalyTuning, Bearer, ExpectedRange, Finding, HourOfUse, Seen, Sensitivity, float,
};
use crate::time::Timestamp;

/// Faster than any airliner, so that no traveller is told.
const FASTEST_KM_PER_HOUR: f64 = 1_200.0;
/// What is nearer may be the doubt about an address's place.
const NEAR_KM: f64 = 300.0;
/// Uses beyond what is typical below which a volume is no matter.
const LEAST_EXCESS: f64 = 50.0;
/// Hours without use after which a credential rests.
const REST_HOURS: i64 = 30 * 24;
/// Days of use from which on places and hours can be told.
const LEAST_DAYS_OF_USE: u32 = 8;

/// All findings of an hour.
pub(super) fn all(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    bearer: Bearer,
    tuning: &AnomalyTuning,
) -> Vec<Finding> {
    let sensitivity = tuning.sensitivity;
    let mut findings: Vec<Finding> = token_expired_in_use(profile, hour, seen).into_iter().collect();
    findings.extend(dormant_awake(profile, hour, seen, sensitivity));
    if !profile.has_history(hour, tuning) {
        return findings;
    }
    findings.extend(volume(profile, hour, seen, bearer, sensitivity));
    findings.extend(denial_burst(profile, hour, seen, sensitivity));
    findings.extend(unusual_hour(profile, hour, seen, bearer, sensitivity));
    // A place is told once, by what is known of it best.
    findings.extend(
        impossible_travel(profile, hour, seen, tuning)
            .or_else(|| new_place(profile, hour, seen, bearer, tuning)),
    );
    findings
}

fn finding(kind: AnomalyKind, hour: Timestamp, seen: u64, sentence: String) -> Finding {
    Finding { kind, hour, sentence, expected: None, seen, place: None, user_agent: None }
}

/// Far more use than at this hour of the week before; of a credential that is used rarely, than ever before.
fn volume(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    bearer: Bearer,
    sensitivity: Sensitivity,
) -> Option<Finding> {
    let reach = sensitivity.pick(
        Reach { sigmas: 7.0, beyond: 2.5 },
        Reach { sigmas: 5.0, beyond: 1.6 },
        Reach { sigmas: 4.0, beyond: 1.3 },
    );
    let factor = sensitivity.pick(5.0, 3.0, 2.5);
    // What a person does in one sitting varies by more.
    let wide = if bearer == Bearer::Person { 1.5 } else { 1.0 };
    let count = float(seen.accepted);
    // Whatever grew of late, no less is typical than this; nearly always that is answer enough.
    let least = profile.seasons.typical(number(hour)).unwrap_or(0.0);
    if count - least < LEAST_EXCESS || count <= least * factor {
        return None;
    }
    let (typical, most) = match profile.seasons.expect(number(hour), reach) {
        // At an hour that is not one of use as a rule there is no pattern, but what was done at others.
        Some(expected) if expected.typical < 1.0 => {
            (expected.typical, expected.most.max(profile.use_peak * wide * sensitivity.pick(3.0, 1.5, 1.0)))
        }
        Some(expected) => (expected.typical, expected.most.max(expected.typical * factor)),
        None if profile.hours_of_use >= 4 => (0.0, profile.use_peak * factor * wide),
        None => return None,
    };
    if count <= most || count - typical < LEAST_EXCESS {
        return None;
    }
    let sentence = format!(
        "It was used {} times within an hour, where {typical:.0} is typical and more than {most:.0} is not expected.",
        seen.accepted
    );
    let found = finding(AnomalyKind::Volume, hour, seen.accepted, sentence);
    Some(Finding { expected: Some(ExpectedRange { typical, most }), ..found })
}

/// Far more denials than in any hour of late.
fn denial_burst(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    sensitivity: Sensitivity,
) -> Option<Finding> {
    let (least, factor, share) = sensitivity.pick((100.0, 8.0, 0.2), (30.0, 4.0, 0.1), (15.0, 3.0, 0.05));
    // A few errors in a hundred are what a deployment brings, however much is asked.
    let of_all = share * float(seen.accepted + seen.denied);
    let (typical, most) = (profile.denial_peak, (profile.denial_peak * factor).max(least).max(of_all));
    if float(seen.denied) <= most {
        return None;
    }
    let sentence = format!(
        "{} requests were denied within an hour; no more than {most:.0} are expected, as {typical:.0} were the most of late.",
        seen.denied
    );
    let found = finding(AnomalyKind::DenialBurst, hour, seen.denied, sentence);
    Some(Finding { expected: Some(ExpectedRange { typical, most }), ..found })
}

/// Use hours away from every hour of the day at which it was used within six weeks.
fn unusual_hour(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    bearer: Bearer,
    sensitivity: Sensitivity,
) -> Option<Finding> {
    let (least_days, away) = sensitivity.pick((30, 4), (14, 3), (10, 2));
    if seen.accepted == 0 || profile.days_of_use < least_days {
        return None;
    }
    let days = profile.seasons.days_by_hour_of_day(number(hour));
    let at = usize::try_from(number(hour).rem_euclid(24)).unwrap_or(0);
    let distance = |other: usize| at.abs_diff(other).min(24 - at.abs_diff(other));
    let nearest = (0..24).filter(|other| days[*other] > 0).min_by_key(|other| distance(*other))?;
    // As with places: who keeps odd hours surprises nobody with another one, and people do more often.
    let bits = match bearer {
        Bearer::Service => sensitivity.pick(5.0, 4.0, 3.0),
        Bearer::Person => sensitivity.pick(10.0, 8.0, 6.0),
    };
    let once = days.iter().filter(|days| **days == 1).count();
    let all: usize = days.iter().sum();
    let share = float(once as u64 + 1) / float(all as u64 + 2);
    if distance(nearest) < away || new_agent(profile, seen).1 - share.log2() < bits {
        return None;
    }
    let sentence = format!(
        "It was used {} times between {at:02}:00 and {:02}:00 UTC; within six weeks it was used at no hour of the day nearer \
         than {nearest:02}:00.",
        seen.accepted,
        (at + 1) % 24
    );
    Some(finding(AnomalyKind::UnusualHour, hour, seen.accepted, sentence))
}

/// Use after a rest that is longer than any before.
fn dormant_awake(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    sensitivity: Sensitivity,
) -> Option<Finding> {
    let last = profile.last_use.filter(|_| seen.accepted > 0)?;
    let rest = number(hour) - number(last);
    let before = float(profile.longest_rest.unsigned_abs());
    let rested = float(rest.unsigned_abs());
    if rest < REST_HOURS || rested < before * sensitivity.pick(2.0, 1.5, 1.2) {
        return None;
    }
    let sentence = format!(
        "It was used {} times after {} days of rest; the longest rest before was {} days.",
        seen.accepted,
        rest / 24,
        profile.longest_rest / 24
    );
    Some(finding(AnomalyKind::DormantAwake, hour, seen.accepted, sentence))
}

/// Attempts after its end, from where it never was. A client that was forgotten goes on from where it is known.
fn token_expired_in_use(profile: &Profile, hour: Timestamp, seen: &HourOfUse) -> Option<Finding> {
    let (first, last) = seen.ended_between.filter(|_| seen.ended > 0)?;
    let within = |place: &&Seen| place.denied > 0 && place.first_at <= last && place.last_at >= first;
    let country = seen
        .countries
        .iter()
        .filter(within)
        .find(|country| profile.countries.len() > 0 && !profile.countries.knows(&country.label));
    let networks = &profile.networks;
    let is_new = |label: &str| !networks.knows(label) && (networks.len() == 0 || networks.has_like(label));
    let network = seen.networks.iter().filter(within).find(|network| is_new(&network.label));
    let place = country.or(network)?;
    let sentence = format!(
        "After its end it was tried {} times within an hour, among others from {}, where it never was before.",
        seen.ended, place.label
    );
    let found = finding(AnomalyKind::TokenExpiredInUse, hour, seen.ended, sentence);
    Some(Finding { place: Some(place.label.clone()), ..found })
}

/// Two uses in two countries, sooner after each other than anybody travels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hop {
    pub(super) from: String,
    pub(super) to: String,
    km: f64,
    minutes: i64,
}

/// The hops between the last stay and the countries of an hour that nobody travels.
pub(super) fn hops(stay: Option<&Stay>, countries: &[Seen]) -> Vec<Hop> {
    let mut stays: Vec<(&str, Timestamp, Timestamp)> = countries
        .iter()
        .filter(|country| country.accepted > 0)
        .map(|country| (country.label.as_str(), country.first_at, country.last_at))
        .collect();
    stays.sort_by_key(|(_, first, _)| *first);
    if let Some(stay) = stay {
        stays.insert(0, (&stay.country, stay.until, stay.until));
    }
    let mut hops = Vec::new();
    for (at, (from, _, until)) in stays.iter().enumerate() {
        for (to, first, _) in &stays[at + 1..] {
            let Some(km) = least_distance_km(from, to).filter(|km| *km > NEAR_KM) else { continue };
            let micros = first.micros_since(*until).max(0);
            let hours = float(micros.unsigned_abs()) / 3.6e9;
            if km > FASTEST_KM_PER_HOUR * hours {
                hops.push(Hop {
                    from: (*from).to_owned(),
                    to: (*to).to_owned(),
                    km,
                    minutes: micros / 60_000_000,
                });
            }
        }
    }
    hops
}

fn impossible_travel(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    tuning: &AnomalyTuning,
) -> Option<Finding> {
    if !tuning.looks_for(AnomalyKind::ImpossibleTravel) || profile.days_of_use < LEAST_DAYS_OF_USE {
        return None;
    }
    let hop = hops(profile.stay.as_ref(), &seen.countries)
        .into_iter()
        .find(|hop| !profile.is_habit(&hop.from, &hop.to))?;
    let place = if profile.countries.knows(&hop.to) { &hop.from } else { &hop.to };
    let uses = seen.countries.iter().find(|country| country.label == *place).map_or(0, |seen| seen.accepted);
    let sentence = format!(
        "It was used in {} and {} minutes later in {}, which are at least {:.0} km apart.",
        hop.from, hop.minutes, hop.to, hop.km
    );
    let found = finding(AnomalyKind::ImpossibleTravel, hour, uses, sentence);
    Some(Finding { place: Some(place.clone()), ..found })
}

/// A user agent that is new, and how surprising that is, in bits.
fn new_agent<'a>(profile: &Profile, seen: &'a HourOfUse) -> (Option<&'a Seen>, f64) {
    let agents = &profile.user_agents;
    let agent = seen.user_agents.iter().find(|agent| agent.accepted > 0 && !agents.knows(&agent.label));
    (agent, if agent.is_some() { agents.surprise_bits() } else { 0.0 })
}

/// Use from a country or a network that is a surprise. A service seldom moves; of a person a new place alone says
/// little, with another program it says much.
fn new_place(
    profile: &Profile,
    hour: Timestamp,
    seen: &HourOfUse,
    bearer: Bearer,
    tuning: &AnomalyTuning,
) -> Option<Finding> {
    if profile.days_of_use < LEAST_DAYS_OF_USE {
        return None;
    }
    let (agent, agent_bits) = new_agent(profile, seen);
    let (country_bits, network_bits) = match bearer {
        Bearer::Service => tuning.sensitivity.pick((6.0, 9.0), (3.5, 7.5), (2.5, 5.0)),
        Bearer::Person => tuning.sensitivity.pick((9.0, 10.0), (7.5, 8.0), (4.5, 6.5)),
    };
    let kinds = [
        (AnomalyKind::NewCountry, &seen.countries, profile.countries.surprise_bits(), country_bits),
        (AnomalyKind::NewNetwork, &seen.networks, profile.networks.surprise_bits(), network_bits),
    ];
    kinds.into_iter().find_map(|(kind, places, place_bits, wanted)| {
        let (is_new, remembered): (&dyn Fn(&str) -> bool, usize) = match kind {
            AnomalyKind::NewCountry => (&|label| !profile.countries.knows(label), profile.countries.len()),
            _ => (
                &|label| profile.networks.has_like(label) && !profile.networks.knows(label),
                profile.networks.len(),
            ),
        };
        let place = places.iter().find(|place| place.accepted > 0 && is_new(&place.label))?;
        if remembered == 0 || place_bits + agent_bits < wanted || !tuning.looks_for(kind) {
            return None;
        }
        let what = if kind == AnomalyKind::NewCountry { "country" } else { "network" };
        let with = agent.map_or(String::new(), |agent| format!(", with the new user agent {:?}", agent.label));
        let sentence = format!(
            "It was used from the {what} {} for the first time{with}; in {} days of use it came from {remembered} {}.",
            place.label,
            profile.days_of_use,
            match (kind, remembered) {
                (AnomalyKind::NewCountry, 1) => "other one",
                (AnomalyKind::NewCountry, _) => "other countries",
                (_, 1) => "other one",
                _ => "other networks",
            }
        );
        let found = finding(kind, hour, place.accepted, sentence);
        Some(Finding {
            place: Some(place.label.clone()),
            user_agent: agent.map(|agent| agent.label.clone()),
            ..found
        })
    })
}
