//! One object as pairs of name and value, under the names that the API gives them.

use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::moment;
use super::table::{NOTHING, Table};

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
        scalar => table.pair(name, plain(scalar)),
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
            "is_active": true, "nodes": [{"id": "n1"}], "metadata": {}, "context": {"inner": {"deep": 1}}
        });
        let text = details(&object, now).render(Look { terminal: false, colour: false });
        for line in [
            ["name", "ci"],
            ["expires_at", "2026-11-24T12:00:00Z (in 3 days)"],
            ["revoked_at", NOTHING],
            ["permissions", "a, b"],
            ["is_active", "yes"],
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
