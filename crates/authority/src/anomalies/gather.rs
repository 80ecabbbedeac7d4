//! An hour of many credentials, put together from the roll-ups.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use keywright_core::CredentialId;
use keywright_core::anomalies::{HourOfUse, Seen};
use keywright_core::usage::OTHER;
use keywright_store::anomalies::{self, CodeCount, FreshSource, Slice};
use keywright_store::{Reader, usage};
use keywright_verify::places::PRIVATE;

use crate::fault::Fault;

/// How a decision ended, as far as anomalies go.
enum Ending {
    Accepted,
    /// Its life is over.
    Ended,
    Denied,
    /// Somebody switched it, its principal or its publisher off, or nothing could be known: no sign of anything.
    Nothing,
}

fn ending(code: &str) -> Ending {
    match code {
        "valid" => Ending::Accepted,
        "revoked" | "expired" => Ending::Ended,
        "ip_not_allowed" | "wrong_publisher" | "rate_limited" | "insufficient_scope" => Ending::Denied,
        _ => Ending::Nothing,
    }
}

/// What each credential of a slice did in the hour.
pub(super) async fn hours(
    reader: &mut Reader,
    slice: &Slice,
) -> Result<BTreeMap<CredentialId, HourOfUse>, Fault> {
    let mut all: BTreeMap<CredentialId, HourOfUse> = BTreeMap::new();
    for count in anomalies::hours(reader.conn(), slice).await? {
        add(all.entry(count.credential).or_default(), &count);
    }
    let mut addresses: BTreeMap<CredentialId, Vec<Seen>> = BTreeMap::new();
    for source in anomalies::fresh_sources(reader.conn(), slice).await? {
        let Some(hour) = all.get_mut(&source.credential) else { continue };
        if source.label == OTHER {
            continue;
        }
        match source.kind.as_str() {
            usage::NETWORK => hour.networks.push(seen(source)),
            usage::USER_AGENT => hour.user_agents.push(seen(source)),
            _ => addresses.entry(source.credential).or_default().push(seen(source)),
        }
    }
    for (credential, addresses) in addresses {
        if let Some(hour) = all.get_mut(&credential).filter(|hour| hour.networks.is_empty()) {
            hour.networks = prefixes(addresses);
        }
    }
    Ok(all)
}

fn add(hour: &mut HourOfUse, count: &CodeCount) {
    let (mut accepted, mut denied) = (0, 0);
    match ending(&count.code) {
        Ending::Accepted => accepted = count.decisions,
        Ending::Ended => {
            hour.ended += count.decisions;
            let between = hour.ended_between.get_or_insert((count.first_at, count.last_at));
            *between = (between.0.min(count.first_at), between.1.max(count.last_at));
            denied = count.decisions;
        }
        Ending::Denied => {
            hour.denied += count.decisions;
            denied = count.decisions;
        }
        Ending::Nothing => return,
    }
    hour.accepted += accepted;
    if count.country.is_empty() || count.country == PRIVATE || count.country == OTHER {
        return;
    }
    match hour.countries.iter_mut().find(|seen| seen.label == count.country) {
        Some(seen) => {
            // The times are of accepted uses, where there are any: a hop is between those.
            if accepted > 0 || seen.accepted == 0 {
                let first = seen.accepted == 0 && accepted > 0;
                seen.first_at = if first { count.first_at } else { seen.first_at.min(count.first_at) };
                seen.last_at = if first { count.last_at } else { seen.last_at.max(count.last_at) };
            }
            seen.accepted += accepted;
            seen.denied += denied;
        }
        None => hour.countries.push(Seen {
            label: count.country.clone(),
            accepted,
            denied,
            first_at: count.first_at,
            last_at: count.last_at,
        }),
    }
}

fn seen(source: FreshSource) -> Seen {
    Seen {
        label: source.label,
        accepted: source.decisions.saturating_sub(source.failures),
        denied: source.failures,
        first_at: source.first_at,
        last_at: source.last_at,
    }
}

/// Where no database of places tells networks, /24 and /48 stand for them.
fn prefixes(addresses: Vec<Seen>) -> Vec<Seen> {
    let mut networks: Vec<Seen> = Vec::new();
    for address in addresses {
        let Ok(ip) = address.label.parse::<IpAddr>() else { continue };
        let bits = if ip.is_ipv4() { 24 } else { 48 };
        let Ok(network) = IpNet::new(ip, bits) else { continue };
        let label = network.trunc().to_string();
        match networks.iter_mut().find(|seen| seen.label == label) {
            Some(seen) => {
                seen.accepted += address.accepted;
                seen.denied += address.denied;
                seen.first_at = seen.first_at.min(address.first_at);
                seen.last_at = seen.last_at.max(address.last_at);
            }
            None => networks.push(Seen { label, ..address }),
        }
    }
    networks
}
