//! One object as pairs of name and value, under the names that the API gives them; and its members in tables.

use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::moment;
use super::table::{NOTHING, Table, Tone, Value};

/// Every member of an object, nested ones under dotted names.
pub(crate) fn details(object: &Json, now: Timestamp) -> Table {
    let mut table = Table::default();
    add(&mut table, "", object, now);
    table
}

fn add(table: &mut Table, name: &str, value: &Json, now: Timestamp) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                add(table, &name, member, now);
            }
        }
        Json::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                add(table, &format!("{name}[{index}]"), item, now);
            }
        }
        scalar if name.ends_with("_at") => match scalar.as_str() {
            Some(time) if time.parse::<Timestamp>().is_ok() => {
                let distance = time.parse().map(|time| moment::relative(time, now)).unwrap_or_default();
                table.pair(name, format!("{time} ({distance})"));
            }
            _ => table.pair(name, plain(scalar)),
        },
        Json::Number(number) => table.pair(name, measured(name, number)),
        scalar => table.pair(name, plain(scalar)),
    }
}

/// A number, with its unit where the name tells it.
fn measured(name: &str, number: &serde_json::Number) -> String {
    let value = number.as_f64().unwrap_or(f64::NAN);
    let readable = if name.ends_with("bytes") && value >= 1024.0 {
        Some(bytes(value))
    } else if name.ends_with("_seconds") {
        seconds(value)
    } else {
        None
    };
    readable.map_or_else(|| number.to_string(), |readable| format!("{number} ({readable})"))
}

fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// What is less than a second, or more than a few minutes, in units that one reads without counting digits.
fn seconds(value: f64) -> Option<String> {
    match value.abs() {
        below if below > 0.0 && below < 0.001 => Some(format!("{:.0} µs", value * 1e6)),
        below if below > 0.0 && below < 1.0 => Some(format!("{:.1} ms", value * 1e3)),
        above if above >= 86_400.0 => Some(format!("{:.1} days", value / 86_400.0)),
        above if above >= 3_600.0 => Some(format!("{:.1} hours", value / 3_600.0)),
        above if above >= 300.0 => Some(format!("{:.1} minutes", value / 60.0)),
        _ => None,
    }
}

/// A value on one line.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::Null => NOTHING.to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(members) if members.is_empty() => NOTHING.to_owned(),
        Json::Object(_) => value.to_string(),
    }
}

/// The text of a member, empty when it has none.
pub(crate) fn text<'a>(object: &'a Json, name: &str) -> &'a str {
    object.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// A moment of the API, as how far it is from now; what is no moment is shown as it is.
pub(crate) fn ago(time: &str, now: Timestamp) -> Value {
    time.parse().map_or_else(|_| time.into(), |time| moment::relative(time, now).into())
}

/// When something was done last.
pub(crate) fn last(object: &Json, name: &str, now: Timestamp) -> Value {
    match text(object, name) {
        "" => Value::toned("never", Tone::Faint),
        time => ago(time, now),
    }
}

/// The publisher that an object belongs to, or the platform.
pub(crate) fn owner(object: &Json) -> Value {
    match text(object, "publisher_id") {
        "" => Value::toned("platform", Tone::Faint),
        publisher => publisher.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Look;
    use serde_json::json;

    #[test]
    fn an_object_is_shown_under_the_names_of_the_api() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let object = json!({
            "name": "ci", "expires_at": "2026-11-24T12:00:00Z", "revoked_at": null, "permissions": ["a", "b"],
            "is_active": true, "max_bytes": 1_073_741_824, "bytes": 12, "lag_seconds": 0.0125,
            "uptime_seconds": 7200, "stale_grace_seconds": 60, "size": 5000, "nodes": [{"id": "n1"}], "metadata": {}, "context": {"inner": {"deep": 1}}
        });
        let text = details(&object, now).render(Look { terminal: false, colour: false });
        for line in [
            ["name", "ci"],
            ["expires_at", "2026-11-24T12:00:00Z (in 3 days)"],
            ["revoked_at", NOTHING],
            ["permissions", "a, b"],
            ["is_active", "yes"],
            ["max_bytes", "1073741824 (1.0 GiB)"],
            ["bytes", "12"],
            ["lag_seconds", "0.0125 (12.5 ms)"],
            ["uptime_seconds", "7200 (2.0 hours)"],
            ["stale_grace_seconds", "60"],
            ["size", "5000"],
            ["nodes[0].id", "n1"],
            ["metadata", NOTHING],
            ["context.inner.deep", "1"],
        ] {
            assert!(
                text.lines().any(|shown| shown
                    .split_once("  ")
                    .is_some_and(|(name, value)| [name, value.trim_start()] == line)),
                "{line:?} in\n{text}"
            );
        }
    }
}
