//! Answers against the OpenAPI document: the operation is in it, the status and the media type are
//! told, and the body is what its schema says, with no member that the schema does not name.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Answer;

/// The document, as the code makes it.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&keywright_server::http::openapi::document()).unwrap());

/// One operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) object: Value,
}

/// All operations of the document.
pub(crate) fn operations() -> Vec<Operation> {
    let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter().filter(|(name, _)| methods.contains(&name.as_str()));
        item.map(|(method, object)| Operation {
            method: method.to_ascii_uppercase(),
            path: path.clone(),
            id: object["operationId"].as_str().unwrap().to_owned(),
            object: object.clone(),
        })
    });
    all.collect()
}

/// What answers every method alike; the document tells of GET.
pub(crate) const BY_ANY_METHOD: [&str; 1] = ["/api/v1/auth/forward"];

/// Holds an answer against the document. A path or method that is not in it is 404 or 405.
pub(crate) fn check_answer(method: &str, path: &str, answer: &Answer) {
    let asked = if method == "HEAD" || BY_ANY_METHOD.contains(&path) { "GET" } else { method };
    let fits = |operation: &&Operation| operation.method == asked && matches(&operation.path, path);
    let all = operations();
    let fewest = |operation: &&Operation| operation.path.matches('{').count();
    let Some(operation) = all.iter().filter(fits).min_by_key(fewest) else {
        assert!(matches!(answer.status, 404 | 405), "{method} {path} is not in the document: {answer:?}");
        return;
    };
    let told = &operation.object["responses"];
    let class = format!("{}XX", answer.status / 100);
    let response = [answer.status.to_string(), class].into_iter().find_map(|key| told.get(key));
    let name = format!("{method} {path} → {}", answer.status);
    let response = response.unwrap_or_else(|| panic!("{name}: the document does not tell this status"));
    if method == "HEAD" {
        return;
    }
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert!(answer.body.is_empty(), "{name}: a body that the document does not tell");
        return;
    };
    let whole = answer.header("content-type");
    let said = whole.split(';').next().unwrap_or_default();
    let media = content.get(whole).or_else(|| content.get(said));
    let media = media.unwrap_or_else(|| panic!("{name}: media type {whole:?}"));
    if said == "application/x-ndjson" {
        for line in answer.text().lines() {
            let object = serde_json::from_str(line).unwrap_or_else(|_| panic!("{name}: not JSON: {line}"));
            check(&media["schema"], &object, "$").unwrap_or_else(|fault| panic!("{name}: {fault}\n{line}"));
        }
        return;
    }
    if said.starts_with("text/") {
        return;
    }
    let is_json = answer.header("content-type").ends_with("json");
    let body = if is_json { answer.json() } else { Value::String(answer.text().to_owned()) };
    if let Err(fault) = check(&media["schema"], &body, "$") {
        panic!("{name}: {fault}\n{}", answer.text());
    }
}

/// Whether a path is one of a template: `/auth/tokens/{id}`.
fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}

type Checked = Result<(), String>;

/// A value against a schema; a keyword that is not known here fails, rather than being passed over.
pub(crate) fn check(schema: &Value, value: &Value, at: &str) -> Checked {
    let schema = resolve(schema);
    let fail = |why: String| Err(format!("{at}: {why}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "description" | "title" | "default" | "examples" | "required" | "additionalProperties" => {}
            "type" => {
                let types = rule.as_array().map_or_else(|| vec![rule], |all| all.iter().collect());
                if !types.iter().any(|name| is_of(value, name.as_str().unwrap())) {
                    return fail(format!("{value} is not of type {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                return fail(format!("{value} is none of {rule}"));
            }
            "properties" => {}
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{at}[{index}]"))?;
                }
            }
            "oneOf" => {
                let all = rule.as_array().unwrap();
                let tried: Vec<_> = all.iter().map(|one| check(one, value, at)).collect();
                if tried.iter().filter(|one| one.is_ok()).count() != 1 {
                    return fail(format!("fits not exactly one: {tried:?}"));
                }
            }
            "allOf" => {}
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                return fail(format!("{value} is below {rule}"));
            }
            "maximum" if value.as_f64() > rule.as_f64() => return fail(format!("{value} is above {rule}")),
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !fits_pattern(text, rule.as_str().unwrap())
                {
                    return fail(format!("{value} does not fit {rule}"));
                }
            }
            "format" => {
                if let Some(text) = value.as_str()
                    && !fits_format(text, rule.as_str().unwrap())
                {
                    return fail(format!("{value} is no {rule}"));
                }
            }
            "enum" | "minimum" | "maximum" => {}
            other => return fail(format!("the keyword {other} is not known to this check")),
        }
    }
    match value.as_object() {
        Some(members) => check_members(&schema, members, at),
        None => Ok(()),
    }
}

/// Members: those required are there, those there are named, each is what it should be.
fn check_members(schema: &Value, members: &Map<String, Value>, at: &str) -> Checked {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    gather(schema, &mut properties, &mut required);
    if let Some(name) = required.iter().find(|name| !members.contains_key(*name)) {
        return Err(format!("{at}: {name} is missing"));
    }
    if properties.is_empty() {
        return Ok(());
    }
    for (name, value) in members {
        let property = properties.get(name).ok_or_else(|| format!("{at}: {name} is not told"))?;
        check(property, value, &format!("{at}.{name}"))?;
    }
    Ok(())
}

fn gather(schema: &Value, properties: &mut Map<String, Value>, required: &mut Vec<String>) {
    let schema = resolve(schema);
    properties.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        gather(part, properties, required);
    }
}

fn resolve(schema: &Value) -> Value {
    let Some(reference) = schema.get("$ref") else { return schema.clone() };
    let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
    resolve(DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("type {other}"),
    }
}

/// The few patterns of answers, spelled out.
fn fits_pattern(text: &str, pattern: &str) -> bool {
    match pattern {
        "^[a-z][a-z_]*$" => {
            text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        }
        "^sk_[0-9a-f]{64}$" => is_hex(text.strip_prefix("sk_"), 64),
        "^pat_[0-9a-f]{72}$" => is_hex(text.strip_prefix("pat_"), 72),
        r"^whsec_[A-Za-z0-9+/]{43}=$" => {
            let digits = text.strip_prefix("whsec_").and_then(|rest| rest.strip_suffix('='));
            digits.is_some_and(|digits| {
                digits.len() == 43 && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
            })
        }
        other => panic!("the pattern {other} is not known to this check"),
    }
}

fn is_hex(digits: Option<&str>, length: usize) -> bool {
    let digits = digits.unwrap_or_default();
    digits.len() == length && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn fits_format(text: &str, format: &str) -> bool {
    match format {
        "uuid" => text.len() == 36 && text.parse::<uuid::Uuid>().is_ok_and(|id| id.to_string() == text),
        "date" => format!("{text}T00:00:00Z").parse::<keywright_core::Timestamp>().is_ok(),
        "date-time" => text.ends_with('Z') && text.parse::<keywright_core::Timestamp>().is_ok(),
        "uri" => text.parse::<url::Url>().is_ok(),
        other => panic!("the format {other} is not known to this check"),
    }
}
