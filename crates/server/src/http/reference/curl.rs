//! An operation as a line for a shell. What differs each time is a variable: ids, and secrets, which never stand in a
//! body on the command line.

use std::fmt::Write as _;

use serde_json::Value;

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// Members that are secrets.
const SECRETS: [&str; 6] =
    ["token", "refresh_token", "password", "current_password", "new_password", "secret"];
/// Bodies up to this length stand on one line.
const ONE_LINE: usize = 88;

/// The line; `example` is an example of the body, of this media type.
pub(super) fn line(
    method: &str,
    path: &str,
    bears: bool,
    object: &Value,
    example: Option<(&str, &Value)>,
) -> String {
    let mut line = if is_stream(object) { "curl -sN" } else { "curl -s" }.to_owned();
    if method != "GET" {
        let _ = write!(line, " -X {method}");
    }
    let _ = write!(line, " \"$KEYWRIGHT_URL{}{}\"", with_variables(path), query(object));
    if bears {
        line.push_str(" \\\n  -H \"Authorization: Bearer $KEYWRIGHT_TOKEN\"");
    }
    for (name, value) in examples(object, "header") {
        let _ = if is_id(&value) {
            write!(line, " \\\n  -H \"{name}: ${}\"", variable(name.trim_start_matches("X-")))
        } else {
            write!(line, " \\\n  -H '{name}: {}'", value.replace('\'', "'\\''"))
        };
    }
    match example {
        Some((FORM, example)) => {
            let _ = write!(line, " \\\n  -d @- <<FORM\n{}\nFORM", form(example, true));
        }
        Some((_, example)) => {
            line.push_str(" \\\n  -H 'Content-Type: application/json'");
            let short = example.to_string();
            if !needs_variables(example, "") && short.len() <= ONE_LINE {
                let _ = write!(line, " -d '{}'", short.replace('\'', "'\\''"));
            } else {
                let _ = write!(line, " -d @- <<JSON\n{}\nJSON", expanding(example));
            }
        }
        None => {}
    }
    line
}

/// Whether its answer goes on until somebody hangs up.
fn is_stream(object: &Value) -> bool {
    object["responses"]["200"]["content"].get("text/event-stream").is_some()
}

/// The members of a form. For a here-document in which variables are expanded, those that differ each time are variables;
/// what is escaped has no character that a shell knows.
pub(super) fn form(example: &Value, has_variables: bool) -> String {
    let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let members = example.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let told = if has_variables && is_variable(&text, name) {
            format!("${}", variable(name))
        } else {
            escaped(&text)
        };
        format!("{}={told}", escaped(name))
    });
    members.collect::<Vec<_>>().join("&")
}

/// `{token_id}` is `$TOKEN_ID`.
fn with_variables(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        name.map_or_else(|| part.to_owned(), |name| format!("${}", name.to_ascii_uppercase()))
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Parameters that have an example, or that must be there.
fn examples<'a>(object: &'a Value, place: &'a str) -> impl Iterator<Item = (&'a str, String)> {
    let all = object["parameters"].as_array().into_iter().flatten();
    all.filter(move |one| one["in"] == place).filter_map(|one| {
        let name = one["name"].as_str()?;
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let example = one.get("example").map(plain);
        let needed = (one["required"] == true).then(|| format!("${}", variable(name)));
        Some((name, example.or(needed)?))
    })
}

fn query(object: &Value) -> String {
    let mut query = String::new();
    for (name, value) in examples(object, "query") {
        let value = if is_id(&value) { format!("${}", variable(name)) } else { value };
        let _ = write!(query, "{}{name}={value}", if query.is_empty() { '?' } else { '&' });
    }
    query
}

/// The variable that holds a member of this name: `publisher_ids` has several, of which one is shown.
fn variable(name: &str) -> String {
    let one = name.strip_suffix("_ids").map_or_else(|| name.to_owned(), |name| format!("{name}_id"));
    one.replace('-', "_").to_ascii_uppercase()
}

fn is_variable(text: &str, name: &str) -> bool {
    is_id(text) || SECRETS.contains(&name)
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn needs_variables(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => is_variable(text, name),
        Value::Array(items) => items.iter().any(|item| needs_variables(item, name)),
        Value::Object(members) => members.iter().any(|(name, value)| needs_variables(value, name)),
        _ => false,
    }
}

/// JSON for a here-document in which variables are expanded: all else stands for itself.
fn expanding(value: &Value) -> String {
    let mut marked = value.clone();
    let mut names = Vec::new();
    mark(&mut marked, "", &mut names);
    let mut text = String::new();
    for c in serde_json::to_string_pretty(&marked).unwrap_or_default().chars() {
        if matches!(c, '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    for (index, name) in names.iter().enumerate() {
        text = text.replacen(&placeholder(index), &format!("${name}"), 1);
    }
    text
}

/// Stands for a variable until all else is escaped; a private character, which no example has.
fn placeholder(index: usize) -> String {
    format!("\u{e000}{index}\u{e000}")
}

fn mark(value: &mut Value, name: &str, names: &mut Vec<String>) {
    match value {
        Value::String(text) if is_variable(text, name) => {
            *text = placeholder(names.len());
            names.push(variable(name));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, name, names)),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| mark(value, name, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_each_time_is_a_variable() {
        let id = "0198c0de-0000-7000-8000-000000000000";
        let object = json!({"parameters": [
            {"in": "path", "name": "id", "required": true},
            {"in": "query", "name": "credential_id", "example": id},
            {"in": "query", "name": "limit"},
            {"in": "header", "name": "X-A", "example": "it's"},
            {"in": "header", "name": "X-Publisher-Id", "example": id},
        ]});
        let body = json!({"token": "sk_0", "publisher_ids": [id], "note": "a $b `c` \"d\""});
        let expected = r#"curl -s -X POST "$KEYWRIGHT_URL/a/$ID/b?credential_id=$CREDENTIAL_ID" \
  -H "Authorization: Bearer $KEYWRIGHT_TOKEN" \
  -H 'X-A: it'\''s' \
  -H "X-Publisher-Id: $PUBLISHER_ID" \
  -H 'Content-Type: application/json' -d @- <<JSON
{
  "note": "a \$b \`c\` \\"d\\"",
  "publisher_ids": [
    "$PUBLISHER_ID"
  ],
  "token": "$TOKEN"
}
JSON"#;
        assert_eq!(line("POST", "/a/{id}/b", true, &object, Some(("application/json", &body))), expected);
    }

    #[test]
    fn what_is_short_stands_on_one_line() {
        let body = json!({"reason": "it's"});
        let expected = "curl -s -X PUT \"$KEYWRIGHT_URL/a\" \\\n  -H 'Content-Type: application/json' \
                        -d '{\"reason\":\"it'\\''s\"}'";
        assert_eq!(line("PUT", "/a", false, &json!({}), Some(("application/json", &body))), expected);
        assert_eq!(line("GET", "/a", false, &json!({}), None), "curl -s \"$KEYWRIGHT_URL/a\"");
    }

    #[test]
    fn a_form_is_escaped_and_a_stream_is_shown_as_it_comes() {
        let body = json!({"grant_type": "a b&$c", "token": "sk_0"});
        let expected = "curl -s -X POST \"$KEYWRIGHT_URL/a\" \\\n  -d @- <<FORM\n\
                        grant_type=a+b%26%24c&token=$TOKEN\nFORM";
        assert_eq!(line("POST", "/a", false, &json!({}), Some((FORM, &body))), expected);
        assert_eq!(form(&body, false), "grant_type=a+b%26%24c&token=sk_0");
        let stream = json!({"responses": {"200": {"content": {"text/event-stream": {}}}}});
        assert_eq!(line("GET", "/a", false, &stream, None), "curl -sN \"$KEYWRIGHT_URL/a\"");
    }
}
