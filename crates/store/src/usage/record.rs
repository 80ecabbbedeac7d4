//! The roll-ups of a batch of events, added to what is there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use keywright_core::Timestamp;
use keywright_core::usage::{LATENCY_CLASSES, OTHER};
use uuid::Uuid;

use super::labels::{Decided, Labels, News, SourceKind, Space};
use super::tally::{Count, HourKey, Hourly, Source, SourceKey, Tally};
use crate::bulk::{Bulk, Column};
use crate::conn::Conn;
use crate::error::StoreError;
use crate::types::Time;

/// Adds what events add up to to the roll-ups and the usage counters, in their transaction. Gives the labels that are
/// to be remembered once it is committed.
///
/// Everything is written in one order, so that two nodes never wait for each other in a circle.
///
/// # Errors
/// As any statement.
pub(crate) async fn record(
    mut conn: Conn<'_>,
    labels: &Labels,
    tally: &Tally<'_>,
) -> Result<News, StoreError> {
    let named: Vec<(Space, String)> = tally.sources.keys().map(space_of).collect();
    let mut wanted: BTreeMap<Space, BTreeSet<&str>> = BTreeMap::new();
    for key in tally.hourly.keys().filter(|key| !key.group.is_empty()) {
        wanted.entry(Space::Endpoints(key.credential)).or_default().insert(&key.group);
    }
    for (space, label) in &named {
        wanted.entry(*space).or_default().insert(label);
    }
    let decided = labels.decide(conn.reborrow(), &wanted).await?;
    for bulk in [
        groups(&decided, tally.hourly.values().map(|hourly| hourly.count.first_at).min()),
        uses(tally),
        hourly(tally, &decided),
        daily(tally),
        sources(tally, &decided),
    ] {
        bulk.write(conn.reborrow()).await?;
    }
    Ok(decided.news)
}

fn space_of(key: &SourceKey<'_>) -> (Space, String) {
    let (kind, label) = match &key.source {
        Source::Address(address) => (SourceKind::Address, address.to_string()),
        Source::UserAgent(agent) => (SourceKind::UserAgent, agent.clone().into_owned()),
        Source::Country(country) => (SourceKind::Country, (*country).to_owned()),
        Source::Network(network) => (SourceKind::Network, (*network).to_owned()),
    };
    (Space::Sources(key.credential, key.day, kind), label)
}

fn times(values: impl Iterator<Item = Timestamp>) -> Column {
    Column::Times(values.map(Time).collect())
}

fn groups(decided: &Decided, first_at: Option<Timestamp>) -> Bulk {
    let rows = &decided.new_groups;
    Bulk {
        into: "endpoint_groups (credential_id, endpoint_group, first_at)",
        conflict: "ON CONFLICT (credential_id, endpoint_group) DO NOTHING",
        rows: rows.len(),
        columns: vec![
            Column::Ids(rows.iter().map(|(credential, _)| *credential).collect()),
            Column::Texts(rows.iter().map(|(_, group)| group.to_string()).collect()),
            times(rows.iter().map(|_| first_at.unwrap_or(Timestamp::EPOCH))),
        ],
    }
}

fn uses(tally: &Tally<'_>) -> Bulk {
    let rows: BTreeMap<Uuid, Count> = tally.uses.iter().map(|(id, count)| (*id, *count)).collect();
    Bulk {
        into: "credential_usage (credential_id, usage_count, last_used_at)",
        conflict: "ON CONFLICT (credential_id) DO UPDATE SET \
                   usage_count = credential_usage.usage_count + excluded.usage_count, \
                   last_used_at = CASE WHEN excluded.last_used_at > credential_usage.last_used_at \
                   THEN excluded.last_used_at ELSE credential_usage.last_used_at END",
        rows: rows.len(),
        columns: vec![
            Column::Ids(rows.keys().copied().collect()),
            Column::Numbers(rows.values().map(|count| count.decisions).collect()),
            times(rows.values().map(|count| count.last_at)),
        ],
    }
}

fn hourly(tally: &Tally<'_>, decided: &Decided) -> Bulk {
    let mut rows: BTreeMap<HourKey<'_>, Hourly> = BTreeMap::new();
    for (key, sum) in &tally.hourly {
        let mut key = key.clone();
        if !key.group.is_empty() && !decided.keeps(Space::Endpoints(key.credential), &key.group) {
            key.group = Cow::Borrowed(OTHER);
        }
        rows.entry(key).and_modify(|known| known.add(sum)).or_insert(*sum);
    }
    let latency = |class: usize| Column::Numbers(rows.values().map(|sum| sum.latency[class]).collect());
    let mut columns = vec![
        Column::Ids(rows.keys().map(|key| key.credential).collect()),
        times(rows.keys().map(|key| key.hour)),
        Column::Texts(rows.keys().map(|key| key.group.clone().into_owned()).collect()),
        Column::Texts(rows.keys().map(|key| key.code.to_owned()).collect()),
        Column::Texts(rows.keys().map(|key| key.country.to_owned()).collect()),
        Column::Numbers(rows.values().map(|sum| sum.count.decisions).collect()),
        times(rows.values().map(|sum| sum.count.first_at)),
        times(rows.values().map(|sum| sum.count.last_at)),
    ];
    columns.extend((0..LATENCY_CLASSES).map(latency));
    Bulk {
        into: "usage_hourly (credential_id, hour, endpoint_group, code, country, decisions, first_at, last_at, \
               latency_0, latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7)",
        conflict: "ON CONFLICT (credential_id, hour, endpoint_group, code, country) DO UPDATE SET \
                   decisions = usage_hourly.decisions + excluded.decisions, \
                   first_at = CASE WHEN excluded.first_at < usage_hourly.first_at \
                   THEN excluded.first_at ELSE usage_hourly.first_at END, \
                   last_at = CASE WHEN excluded.last_at > usage_hourly.last_at \
                   THEN excluded.last_at ELSE usage_hourly.last_at END, \
                   latency_0 = usage_hourly.latency_0 + excluded.latency_0, \
                   latency_1 = usage_hourly.latency_1 + excluded.latency_1, \
                   latency_2 = usage_hourly.latency_2 + excluded.latency_2, \
                   latency_3 = usage_hourly.latency_3 + excluded.latency_3, \
                   latency_4 = usage_hourly.latency_4 + excluded.latency_4, \
                   latency_5 = usage_hourly.latency_5 + excluded.latency_5, \
                   latency_6 = usage_hourly.latency_6 + excluded.latency_6, \
                   latency_7 = usage_hourly.latency_7 + excluded.latency_7",
        rows: rows.len(),
        columns,
    }
}

fn daily(tally: &Tally<'_>) -> Bulk {
    let rows: BTreeMap<_, _> = tally.daily.iter().collect();
    Bulk {
        into: "usage_daily (day, credential_id, code, decisions, last_at)",
        conflict: "ON CONFLICT (day, credential_id, code) DO UPDATE SET \
                   decisions = usage_daily.decisions + excluded.decisions, \
                   last_at = CASE WHEN excluded.last_at > usage_daily.last_at \
                   THEN excluded.last_at ELSE usage_daily.last_at END",
        rows: rows.len(),
        columns: vec![
            times(rows.keys().map(|(day, _, _)| *day)),
            Column::Ids(rows.keys().map(|(_, credential, _)| *credential).collect()),
            Column::Texts(rows.keys().map(|(_, _, code)| (*code).to_owned()).collect()),
            Column::Numbers(rows.values().map(|count| count.decisions).collect()),
            times(rows.values().map(|count| count.last_at)),
        ],
    }
}

fn sources(tally: &Tally<'_>, decided: &Decided) -> Bulk {
    let mut rows: BTreeMap<(Uuid, Timestamp, SourceKind, String), Count> = BTreeMap::new();
    for (key, count) in &tally.sources {
        let (space, label) = space_of(key);
        let label = if decided.keeps(space, &label) { label } else { OTHER.to_owned() };
        let Space::Sources(credential, day, kind) = space else { continue };
        rows.entry((credential, day, kind, label)).and_modify(|known| known.add(*count)).or_insert(*count);
    }
    Bulk {
        into: "usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at)",
        conflict: "ON CONFLICT (credential_id, day, kind, label) DO UPDATE SET \
                   decisions = usage_sources.decisions + excluded.decisions, \
                   failures = usage_sources.failures + excluded.failures, \
                   first_at = CASE WHEN excluded.first_at < usage_sources.first_at \
                   THEN excluded.first_at ELSE usage_sources.first_at END, \
                   last_at = CASE WHEN excluded.last_at > usage_sources.last_at \
                   THEN excluded.last_at ELSE usage_sources.last_at END",
        rows: rows.len(),
        columns: vec![
            Column::Ids(rows.keys().map(|key| key.0).collect()),
            times(rows.keys().map(|key| key.1)),
            Column::Texts(rows.keys().map(|key| key.2.as_str().to_owned()).collect()),
            Column::Texts(rows.keys().map(|key| key.3.clone()).collect()),
            Column::Numbers(rows.values().map(|count| count.decisions).collect()),
            Column::Numbers(rows.values().map(|count| count.failures).collect()),
            times(rows.values().map(|count| count.first_at)),
            times(rows.values().map(|count| count.last_at)),
        ],
    }
}
