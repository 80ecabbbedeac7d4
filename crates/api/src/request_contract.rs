//! The schema of each request says what its reader takes: no field more or less, the same bounds.

mod all;

use crate::problem::{FieldCode, FieldError};
use all::every_contract;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A request type: its properties, and a reader that shows only what it finds wrong.
struct Contract {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    /// Fields of which one is needed although neither is `required`; the first is in every body.
    either: Option<(&'static str, &'static str)>,
    read: fn(Map<String, Value>) -> Vec<FieldError>,
    textual: bool,
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ if schema["oneOf"].is_array() => vec!["string"],
        _ => panic!("a schema without a type: {schema}"),
    }
}

/// A value that the schema takes.
fn sample(schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    match (types(schema)[0], schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2030-01-01T00:00:00Z"),
        ("string", Some("uuid")) => json!("01980000-0000-7000-8000-000000000001"),
        ("string", _) if schema["oneOf"][0]["format"] == "ipv4" => json!("192.0.2.1"),
        ("string", _) => json!("x"),
        ("integer", _) => schema["minimum"].clone(),
        ("boolean", _) => json!(true),
        ("array", _) => json!([sample(&schema["items"])]),
        ("object", _) => {
            let most =
                schema["maxProperties"].as_u64().map_or(usize::MAX, |most| usize::try_from(most).unwrap());
            let members = schema["properties"].as_object().into_iter().flatten().take(most);
            Value::Object(members.map(|(name, schema)| (name.clone(), sample(schema))).collect())
        }
        (other, _) => panic!("no sample of {other}"),
    }
}

impl Contract {
    /// The least body that is taken.
    fn least(&self) -> Map<String, Value> {
        let needed = self.required.iter().map(String::as_str).chain(self.either.map(|(first, _)| first));
        needed.map(|name| (name.to_owned(), sample(&self.properties[name]))).collect()
    }

    /// What is wrong with the least body once `name` has that value.
    fn with(&self, name: &str, value: Value) -> Vec<FieldError> {
        let mut members = self.least();
        if let Some((first, second)) = self.either
            && name == second
        {
            members.remove(first);
        }
        members.insert(name.to_owned(), value);
        (self.read)(members)
    }

    fn takes(&self, name: &str, value: Value) {
        assert_eq!(self.with(name, value), [], "{name}");
    }

    fn refuses(&self, name: &str, value: Value, code: FieldCode) {
        let shown = value.to_string();
        let errors = self.with(name, value);
        let [error] = errors.as_slice() else { panic!("{name} = {shown}: {errors:?}") };
        assert!(error.field.starts_with(name), "{error:?}");
        assert!(error.is(code), "{name} = {shown}: {error:?}");
    }
}

#[test]
fn a_reader_knows_the_fields_of_its_schema_and_no_other() {
    for (request, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            contract.takes(name, sample(schema));
        }
        let errors = contract.with("no_such_field", json!("1"));
        let [error] = errors.as_slice() else { panic!("{request}: {errors:?}") };
        assert!(error.is(FieldCode::UnknownField), "{request}");
        let known = error.detail.strip_prefix("does not exist; there are: ").unwrap();
        let known: BTreeSet<_> = known.split(", ").collect();
        let documented: BTreeSet<_> = contract.properties.keys().map(String::as_str).collect();
        assert_eq!(known, documented, "{request}");
    }
}

#[test]
fn what_the_schema_requires_is_what_the_reader_needs() {
    for (request, contract) in every_contract() {
        for name in contract.properties.keys() {
            let mut members = contract.least();
            members.remove(name);
            let errors = (contract.read)(members);
            let needed =
                contract.required.contains(name) || contract.either.is_some_and(|(first, _)| first == name);
            let found = errors.iter().any(|e| e.field == *name && e.is(FieldCode::Required));
            assert_eq!(found, needed, "{request}: {name}: {errors:?}");
            assert_eq!(errors.len(), usize::from(needed), "{request}: {name}: {errors:?}");
        }
    }
}

#[test]
fn null_and_other_types_are_taken_only_where_the_schema_says_so() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let types = types(schema);
            if contract.textual {
                if types[0] == "integer" || types[0] == "boolean" {
                    contract.refuses(name, json!("x"), FieldCode::InvalidType);
                    contract.refuses(name, json!(""), FieldCode::InvalidType);
                }
                continue;
            }
            if types.contains(&"null") {
                contract.takes(name, Value::Null);
            } else {
                contract.refuses(name, Value::Null, FieldCode::Required);
            }
            for (other, value) in [
                ("string", json!("2")),
                ("integer", json!(2)),
                ("boolean", json!(true)),
                ("array", json!([])),
                ("object", json!({})),
            ] {
                if !types.contains(&other) {
                    contract.refuses(name, value, FieldCode::InvalidType);
                }
            }
        }
    }
}

#[test]
fn bounds_of_texts_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let Some(most) = schema["maxLength"].as_u64() else { continue };
            let pattern = schema["pattern"].as_str().unwrap();
            let is_word = pattern == r"^[a-z0-9][a-z0-9_.-]*$";
            let letter = if is_word { "e" } else { "é" };
            let text = |length: u64| json!(letter.repeat(usize::try_from(length).unwrap()));
            contract.takes(name, text(most));
            contract.refuses(name, text(most + 1), FieldCode::TooLong);
            let least = schema["minLength"].as_u64().unwrap();
            contract.takes(name, text(least));
            if least > 0 {
                contract.refuses(name, text(least - 1), FieldCode::TooShort);
            }
            if is_word {
                for odd in ["A", "ä", "a b", ".a", "-a", "a/b", "a:b"] {
                    contract.refuses(name, json!(odd), FieldCode::InvalidFormat);
                }
            } else {
                assert_eq!(pattern, r"^[^\x00-\x1f\x7f-\x9f]*$", "{name}");
            }
            for control in ['\0', '\n', '\x1b', '\x7f', '\u{85}'] {
                contract.refuses(name, json!(format!("a{control}b")), FieldCode::InvalidFormat);
            }
        }
    }
}

#[test]
fn bounds_of_numbers_are_those_of_the_schema() {
    for (request, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            if types(schema)[0] != "integer" {
                continue;
            }
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            contract.takes(name, json!(least));
            contract.takes(name, json!(most));
            contract.refuses(name, json!(least - 1), FieldCode::OutOfRange);
            contract.refuses(name, json!(most + 1), FieldCode::OutOfRange);
            contract.refuses(name, json!(9_223_372_036_854_775_808_u64), FieldCode::OutOfRange);
            contract.refuses(name, json!(0.5), FieldCode::InvalidType);
            if !contract.textual {
                contract.refuses(name, json!(-1e300), FieldCode::OutOfRange);
                contract.takes(name, json!(f64::from(u32::try_from(most).unwrap())));
            }
            assert!(schema["default"].is_null() || schema["default"].is_i64(), "{request}");
        }
    }
}

#[test]
fn bounds_of_lists_and_their_items_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            if types(schema)[0] != "array" {
                continue;
            }
            let most = usize::try_from(schema["maxItems"].as_u64().unwrap()).unwrap();
            let item = sample(&schema["items"]);
            contract.refuses(name, json!(vec![&item; most + 1]), FieldCode::TooMany);
            if !contract.textual {
                contract.refuses(name, json!([&item, 7]), FieldCode::InvalidType);
            }
            if schema["minItems"] == 1 {
                contract.refuses(name, json!([]), FieldCode::TooShort);
            } else {
                contract.takes(name, json!([]));
            }
            if schema["uniqueItems"] == true {
                contract.refuses(name, json!([&item, &item]), FieldCode::Duplicate);
            } else {
                contract.takes(name, json!(vec![&item; most]));
            }
            if let Some(most) = schema["items"]["maxLength"].as_u64() {
                let text = |length: u64| "x".repeat(usize::try_from(length).unwrap());
                contract.takes(name, json!([text(most)]));
                contract.refuses(name, json!([text(most + 1)]), FieldCode::TooLong);
                contract.refuses(name, json!([""]), FieldCode::TooShort);
            }
        }
    }
}

#[test]
fn words_are_those_of_the_schema() {
    for (_, contract) in every_contract() {
        for (name, schema) in &contract.properties {
            let list = types(schema)[0] == "array";
            let schema = if list { &schema["items"] } else { schema };
            for word in schema["enum"].as_array().into_iter().flatten() {
                let as_sent = |word: Value| if list { json!([word]) } else { word };
                contract.takes(name, as_sent(word.clone()));
                contract.refuses(name, as_sent(json!("no_such_word")), FieldCode::InvalidValue);
            }
        }
    }
}

#[test]
fn what_only_the_server_sets_is_forbidden_to_all() {
    for (request, contract) in every_contract() {
        for name in ["id", "usage_count", "revoked_at", "token_hash", "created_at", "user_id"] {
            if contract.properties.contains_key(name) {
                continue;
            }
            let errors = contract.with(name, json!("1"));
            let [error] = errors.as_slice() else { panic!("{request}: {errors:?}") };
            assert!(error.is(FieldCode::ForbiddenField) && error.field == name, "{request}: {error:?}");
        }
    }
}
