//! `keywright token analytics`.

use clap::Args;
use keywright_api::analytics::{
    AnalyticsSummary, Course, DEFAULT_DAYS, MAX_DAYS, RankedCount, Ranking, TokenAnalytics,
};
use serde::de::DeserializeOwned;

use super::super::failure::{Failure, Outcome};
use super::super::output::chart::{sparkline, understands_unicode};
use super::super::output::table::{NOTHING, Table, Tone, Value};
use super::super::output::text::redact;
use super::super::output::{Output, moment};
use super::super::session::Session;
use super::super::transport::{Answer, Request};
use super::resolve;

/// How a token was used, or all of them.
#[derive(Args, Debug)]
pub(crate) struct Analytics {
    /// The token's name or id; all tokens without
    #[arg(long, value_name = "NAME|ID")]
    token: Option<String>,

    /// How many days to look back, today included
    #[arg(long, default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
}

impl Analytics {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let path = match &self.token {
            Some(token) if redact(token).1 => {
                let why = "--token wants a name or an id: a secret does not belong on the command line";
                return Err(Failure::Usage(why.to_owned()));
            }
            Some(token) => format!("{}/analytics", resolve::path(session, token).await?),
            None => "/analytics/summary".to_owned(),
        };
        let answer = session.ask(&Request::get(path).with("days", self.days.to_string())).await?;
        if output.json {
            return output.answer(&answer);
        }
        let unicode = understands_unicode();
        if self.token.is_some() {
            show_token(output, &read(&answer)?, unicode)
        } else {
            show_summary(output, &read(&answer)?, unicode)
        }
    }
}

/// Prints how a token was used, as the API answered it.
pub(crate) fn show(session: &Session<'_>, answer: &Answer) -> Outcome {
    if session.output.json {
        return session.output.answer(answer);
    }
    show_token(session.output, &read(answer)?, understands_unicode())
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_value(answer.json.clone())
        .map_err(|error| Failure::Failed(format!("the API's answer is not understood: {error}")))
}

fn show_token(output: &Output, shown: &TokenAnalytics, unicode: bool) -> Outcome {
    let mut table = Table::default();
    let moment = |time: &Option<String>| {
        time.as_ref().map_or_else(|| "never".to_owned(), |time| moment::told(time, output.now))
    };
    table.pair("token", &shown.token_name);
    table.pair("uses", shown.usage_count.to_string());
    table.pair("first use", moment(&shown.first_used_at));
    table.pair("last use", moment(&shown.last_used_at));
    if shown.course.decisions == 0 {
        output.table(&table)?;
        nothing_decided(output, &shown.course);
        return Ok(());
    }
    add_course(&mut table, &shown.course, unicode);
    let hours: Vec<u64> = shown.by_hour_of_day.iter().map(|hour| hour.decisions).collect();
    table.pair("by hour of the day (UTC)", chart(&hours, unicode));
    if let Some(latency) = &shown.latency {
        let told = [latency.p50_ms, latency.p95_ms, latency.p99_ms].map(millis).join(" / ");
        table.pair("latency p50 / p95 / p99", format!("{told} (estimated)"));
    }
    output.table(&table)?;
    for (name, ranking) in [
        ("ENDPOINT", &shown.endpoints),
        ("ADDRESS", &shown.addresses),
        ("COUNTRY", &shown.countries),
        ("USER AGENT", &shown.user_agents),
    ] {
        show_ranking(output, name, ranking)?;
    }
    Ok(())
}

fn show_summary(output: &Output, shown: &AnalyticsSummary, unicode: bool) -> Outcome {
    let numbers = &shown.service_tokens;
    let mut table = Table::default();
    for (name, count) in [
        ("tokens", numbers.total),
        ("active", numbers.active),
        ("superseded", numbers.superseded),
        ("inactive", numbers.inactive),
        ("expired", numbers.expired),
        ("revoked", numbers.revoked),
        ("expiring within 7 days", numbers.expiring_within_7_days),
        ("expiring within 30 days", numbers.expiring_within_30_days),
    ] {
        table.pair(name, count.to_string());
    }
    if shown.course.decisions == 0 {
        output.table(&table)?;
        nothing_decided(output, &shown.course);
        return Ok(());
    }
    add_course(&mut table, &shown.course, unicode);
    output.table(&table)?;
    if !shown.most_used.is_empty() {
        let mut used = Table::with_header(&["MOST USED", "USES", "DENIALS", "LAST DECISION"]);
        for token in &shown.most_used {
            let last = moment::told(&token.last_decision_at, output.now);
            let name = token.token_name.clone().unwrap_or_else(|| token.token_id.to_string());
            used.row(vec![
                name.into(),
                token.successes.to_string().into(),
                token.denials.to_string().into(),
                last.into(),
            ]);
        }
        output.line("")?;
        output.table(&used)?;
    }
    if !shown.failing_addresses.is_empty() {
        let mut failing = Table::with_header(&["FAILING ADDRESS", "DENIALS", "DECISIONS"]);
        for address in &shown.failing_addresses {
            let (denials, decisions) = (address.denials.to_string(), address.decisions.to_string());
            failing.row(vec![named(address).into(), denials.into(), decisions.into()]);
        }
        output.line("")?;
        output.table(&failing)?;
    }
    Ok(())
}

fn nothing_decided(output: &Output, course: &Course) {
    let days = if course.days == 1 { "day".to_owned() } else { format!("{} days", course.days) };
    output.note(&format!("no decisions in the last {days}; they appear within seconds of a verification"));
}

fn add_course(table: &mut Table, course: &Course, unicode: bool) {
    table.pair(format!("decisions in {} days", course.days), course.decisions.to_string());
    let tone = if course.denials == 0 { Tone::Good } else { Tone::Plain };
    let rate = course.success_rate.map_or_else(|| NOTHING.to_owned(), percent);
    table.pair("accepted", Value::toned(&format!("{} ({rate})", course.successes), tone));
    let tone = if course.denials == 0 { Tone::Plain } else { Tone::Warning };
    table.pair("denied", Value::toned(&course.denials.to_string(), tone));
    for code in &course.denials_by_code {
        table.pair(format!("  {}", code.code), code.denials.to_string());
    }
    let days: Vec<u64> = course.by_day.iter().map(|day| day.decisions).collect();
    table.pair("by day", chart(&days, unicode));
    let hours: Vec<u64> = course.last_48_hours.iter().map(|hour| hour.decisions).collect();
    table.pair("last 48 hours", chart(&hours, unicode));
}

/// Between bars, so that slots of nothing at either end are seen too.
fn chart(values: &[u64], unicode: bool) -> String {
    let most = values.iter().copied().max().unwrap_or(0);
    format!("|{}| at most {most}", sparkline(values, unicode))
}

fn show_ranking(output: &Output, name: &'static str, ranking: &Ranking) -> Outcome {
    if ranking.top.iter().all(|count| count.name.is_none()) && ranking.other.decisions == 0 {
        return Ok(());
    }
    let mut table = Table::with_header(&[name, "DECISIONS", "SHARE", "DENIALS"]);
    let mut row = |name: String, count: &RankedCount| {
        let (decisions, denials) = (count.decisions.to_string(), count.denials.to_string());
        table.row(vec![name.into(), decisions.into(), percent(count.share).into(), denials.into()]);
    };
    for count in &ranking.top {
        row(named(count), count);
    }
    if ranking.other.decisions > 0 {
        row("all others".to_owned(), &ranking.other);
    }
    output.line("")?;
    output.table(&table)
}

/// A name as a client told it is no secret of ours, but it may hold one that was sent in the wrong place.
fn named(count: &RankedCount) -> String {
    count.name.as_deref().map_or_else(|| "not known".to_owned(), |name| redact(name).0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn millis(millis: f64) -> String {
    if millis < 1.0 { format!("{:.0} µs", millis * 1_000.0) } else { format!("{millis:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::captured;
    use keywright_api::analytics::{CodeCount, DayCount, Latency, TokenNumbers};

    fn course(decisions: u64) -> Course {
        let day = |day: &str, decisions| DayCount { day: day.to_owned(), decisions, denials: 0 };
        Course {
            days: 2,
            since: "2026-11-20T00:00:00Z".to_owned(),
            until: "2026-11-21T12:00:00Z".to_owned(),
            decisions,
            successes: decisions - decisions / 4,
            denials: decisions / 4,
            success_rate: (decisions > 0).then_some(0.75),
            denials_by_code: vec![CodeCount { code: "expired".to_owned(), denials: decisions / 4 }],
            by_day: vec![day("2026-11-20", decisions / 2), day("2026-11-21", decisions / 4)],
            last_48_hours: Vec::new(),
        }
    }

    fn ranking(name: Option<&str>, other: u64) -> Ranking {
        let count = |name: Option<&str>, decisions| RankedCount {
            name: name.map(str::to_owned),
            decisions,
            denials: 1,
            share: 0.5,
        };
        Ranking { top: vec![count(name, 4)], other: count(None, other) }
    }

    fn token(decisions: u64) -> TokenAnalytics {
        TokenAnalytics {
            token_id: uuid::Uuid::nil(),
            token_name: "ci\u{1b}[2J".to_owned(),
            usage_count: 6,
            first_used_at: None,
            last_used_at: Some("2026-11-19T12:00:00Z".to_owned()),
            course: course(decisions),
            by_hour_of_day: Vec::new(),
            endpoints: ranking(Some("/works/{id}"), 4),
            addresses: ranking(Some("192.0.2.7"), 0),
            countries: ranking(None, 0),
            user_agents: ranking(Some("evil\u{1b}]0;\u{202e}\nagent"), 0),
            latency: Some(Latency { p50_ms: 0.035, p95_ms: 0.09, p99_ms: 1.25 }),
        }
    }

    /// Without the spaces that line columns up.
    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_token_is_told_in_numbers_shares_and_lines() {
        let (output, results, notes) = captured::output();
        show_token(&output, &token(8), true).unwrap();
        let text = words(&results.text());
        for expected in [
            "accepted 6 (75.0 %)",
            "expired 2",
            "by day |█▄| at most 4",
            "latency p50 / p95 / p99 35 µs / 90 µs / 1.2 ms (estimated)",
            "last use 2026-11-19 (2 days ago)",
            "/works/{id} 4 50.0 % 1",
            "all others 4 50.0 % 1",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
        assert!(!text.contains("COUNTRY"), "nothing is known of countries:\n{text}");
        assert_eq!(notes.text(), "");
        let (output, results, _) = captured::output();
        show_token(&output, &token(8), false).unwrap();
        assert!(results.text().contains("|@=| at most 4"), "{}", results.text());
    }

    #[test]
    fn what_clients_say_of_themselves_does_not_steer_the_terminal() {
        let (output, results, _) = captured::output();
        show_token(&output, &token(8), true).unwrap();
        let text = results.text();
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
        assert!(text.contains("u{a}agent") && text.contains("u{202e}"), "{text}");
    }

    #[test]
    fn a_secret_that_a_client_sent_in_the_wrong_place_is_not_shown() {
        let secret = format!("Bearer sk_{}", "0a".repeat(32));
        let count = RankedCount { name: Some(secret), decisions: 1, denials: 1, share: 1.0 };
        assert_eq!(named(&count), "Bearer sk_…");
    }

    #[test]
    fn nothing_decided_says_when_something_will_be() {
        let (output, results, notes) = captured::output();
        show_token(&output, &token(0), true).unwrap();
        assert_eq!(
            notes.text(),
            "no decisions in the last 2 days; they appear within seconds of a verification\n"
        );
        assert!(!results.text().contains("by day"), "{}", results.text());
        let summary = AnalyticsSummary {
            service_tokens: TokenNumbers { total: 3, active: 2, ..TokenNumbers::default() },
            course: course(0),
            most_used: Vec::new(),
            failing_addresses: Vec::new(),
        };
        let (output, results, notes) = captured::output();
        show_summary(&output, &summary, true).unwrap();
        assert!(words(&results.text()).starts_with("tokens 3 active 2"), "{}", results.text());
        assert!(notes.text().starts_with("no decisions in the last 2 days"), "{}", notes.text());
    }
}
