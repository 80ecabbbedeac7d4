//! Notices in the forms of the services that show them, each within the limits that the service publishes: what
//! goes beyond them is refused as a whole.
//!
//! What others chose (summaries, names, reasons) is shown as it is and does nothing: no markup, no link, no
//! mention, no line of its own.

pub mod discord;
pub mod slack;
pub mod teams;

use keywright_core::Severity;
use keywright_core::name::is_hidden;

use super::notice::{AlertData, DIGEST, DigestData, Notice, TEST};

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// One line.
    pub(super) title: String,
    /// What is to be known.
    pub(super) text: String,
    /// Names and values.
    pub(super) facts: Vec<(&'static str, String)>,
    /// One line each.
    pub(super) items: Vec<String>,
    /// How soon somebody should look, where it is about that.
    pub(super) severity: Option<Severity>,
}

/// A notice in words. Never empty.
pub(super) fn words(notice: &Notice) -> Words {
    let alert = serde_json::from_value::<AlertData>(notice.data.clone()).ok();
    let digest = serde_json::from_value::<DigestData>(notice.data.clone()).ok();
    match (notice.event_type.as_str(), alert, digest) {
        (DIGEST, _, Some(digest)) => of_digest(&digest),
        (TEST, ..) => Words {
            title: "Test".to_owned(),
            text: "This is a test. If you read it, messages from Keywright reach you.".to_owned(),
            facts: vec![("Channel", text_of(notice, "name"))],
            items: Vec::new(),
            severity: None,
        },
        (event_type, Some(alert), _) => of_alert(event_type, notice, &alert),
        (event_type, ..) => Words {
            title: event_type.to_owned(),
            text: format!("{event_type} at {}", notice.timestamp),
            facts: Vec::new(),
            items: Vec::new(),
            severity: None,
        },
    }
}

fn text_of(notice: &Notice, name: &str) -> String {
    notice.data.get(name).and_then(|value| value.as_str()).unwrap_or("–").to_owned()
}

fn of_alert(event_type: &str, notice: &Notice, alert: &AlertData) -> Words {
    let over = event_type == "alert.resolved";
    let mut facts = vec![
        ("Severity", alert.severity.clone()),
        ("Kind", alert.kind.clone()),
        ("About", about(alert)),
        ("Publisher", alert.publisher_id.map_or_else(|| "the platform".to_owned(), |id| id.to_string())),
        ("When", notice.timestamp.to_string()),
    ];
    facts.extend(alert.alert_id.map(|id| ("Alert", id.to_string())));
    facts.extend(alert.reason.clone().filter(|_| over).map(|reason| ("Over because", reason)));
    Words {
        title: heading(event_type, alert),
        text: alert.summary.clone(),
        facts,
        items: Vec::new(),
        severity: (!over).then(|| alert.severity()),
    }
}

fn about(alert: &AlertData) -> String {
    match alert.subject_id {
        Some(id) => format!("{} {id}", alert.subject_type.replace('_', " ")),
        None => alert.subject_type.replace('_', " "),
    }
}

fn heading(event_type: &str, alert: &AlertData) -> String {
    let kind = alert.kind.replace('_', " ");
    match event_type {
        "alert.resolved" => format!("Over: {kind}"),
        _ => format!("{}: {kind}", capital(&alert.severity)),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn of_digest(digest: &DigestData) -> Words {
    let sorts: Vec<String> = digest
        .counts
        .iter()
        .map(|sort| {
            let kind = sort.kind.map_or("alerts", |kind| kind.as_str()).replace('_', " ");
            let what = if sort.event_type == "alert.resolved" { "over" } else { "opened" };
            let severity = sort.severity.map_or("", |severity| severity.as_str());
            format!("{} {severity} {kind} {what}", sort.count)
        })
        .collect();
    let items: Vec<String> = digest
        .items
        .iter()
        .map(|item| format!("{} – {}", heading(&item.event_type, &item.alert), item.alert.summary))
        .collect();
    let opened = digest.items.iter().filter(|item| item.event_type != "alert.resolved");
    Words {
        title: match digest.count {
            1 => "1 notice".to_owned(),
            count => format!("{count} notices"),
        },
        text: sorts.join("; "),
        facts: vec![("From", digest.first_at.to_string()), ("Until", digest.last_at.to_string())],
        items,
        severity: opened.map(|item| item.alert.severity()).max_by_key(|severity| *severity as u8),
    }
}

/// The text on one line, without what is not seen, in at most so many UTF-16 units: all of these services count
/// in no more than those.
fn fit(text: &str, most: usize) -> String {
    fit_by(text, most, |c, out| out.push(c))
}

/// The same, with each character as `put` writes it.
fn fit_by(text: &str, most: usize, put: impl Fn(char, &mut String)) -> String {
    let (mut out, mut units, mut one) = (String::new(), 0, String::new());
    for c in text.chars().map(|c| if is_hidden(c) { ' ' } else { c }) {
        one.clear();
        put(c, &mut one);
        let length: usize = one.chars().map(char::len_utf16).sum();
        // Room for the mark, unless nothing follows.
        if units + length > most.saturating_sub(1) {
            out.push('…');
            return out;
        }
        out.push_str(&one);
        units += length;
    }
    if out.trim().is_empty() { "–".to_owned() } else { out }
}

#[cfg(test)]
mod tests;
