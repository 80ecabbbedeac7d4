//! The OpenAPI document: committed, served, and about exactly what the router answers.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{BY_ANY_METHOD, DOCUMENT, TestApp, on_both_engines, operations};

on_both_engines![the_document_is_served_to_everybody];

async fn the_document_is_served_to_everybody(app: &TestApp) {
    let mut served = app.nobody().get("/openapi.json").await.expect(200);
    let servers = served.as_object_mut().unwrap().remove("servers");
    assert_eq!(servers, Some(json!([{"url": "https://auth.example.com"}])));
    assert!(served == *DOCUMENT);
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let made = keywright_server::http::openapi::document();
    assert!(
        committed.trim_end() == made.trim_end(),
        "docs/openapi.json is not what the code says: cargo run -- openapi > docs/openapi.json"
    );
}

/// What axum's router says of itself: the one way to learn its paths from outside.
fn paths_of_the_router(described: &str) -> BTreeSet<String> {
    let quoted = described.split('"').skip(1).step_by(2);
    // What answers 404 everywhere else.
    let fallback = ["/", "/{*__private__axum_fallback}"];
    // Pages for people are no part of the API: those that links in mails lead to, and the reference of the API itself.
    let is_page = |text: &str| text.starts_with("/account/") || text == "/docs" || text == "/docs/{page}";
    quoted
        .filter(|text| text.starts_with('/') && !fallback.contains(text) && !is_page(text))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_path_of_the_router_is_in_the_document_and_no_other() {
    let Some(app) = TestApp::start(keywright_store::Engine::Sqlite).await else { return };
    let described = format!("{:?}", keywright_server::http::router(app.app().clone()));
    let told: BTreeSet<_> = operations().into_iter().map(|operation| operation.path).collect();
    assert_eq!(paths_of_the_router(&described), told);
    app.stop().await;
}

#[tokio::test]
async fn every_method_of_a_path_is_in_the_document() {
    let Some(app) = TestApp::start(keywright_store::Engine::Sqlite).await else { return };
    let told = operations();
    let paths: BTreeSet<_> = told.iter().map(|operation| operation.path.clone()).collect();
    // What answers every method has none to allow.
    for path in paths.into_iter().filter(|path| !BY_ANY_METHOD.contains(&path.as_str())) {
        let real = path.replace("{id}", "0198c0de-0000-7000-8000-000000000000");
        let real = real.strip_prefix("/api/v1").unwrap_or(&real);
        // Not DOCUMENT's word for it, but what the router itself allows.
        let answer = app.admin().send("BREW", real, None).await;
        let allowed: BTreeSet<_> = answer.header("allow").split(',').map(str::trim).collect();
        let methods = told.iter().filter(|operation| operation.path == path);
        let mut expected: BTreeSet<_> = methods.map(|operation| operation.method.as_str()).collect();
        if expected.contains("GET") {
            expected.insert("HEAD");
        }
        assert_eq!(allowed, expected, "{path}");
    }
    app.stop().await;
}

/// Each type of the wire, by its own name and by the one that the document calls it.
fn wire_types(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            wire_types(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let named = |line: &str, before: &str| {
            let name = line.trim_start().strip_prefix(before)?;
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            // A macro names its types where it is used.
            (end > 0).then(|| name[..end].to_owned())
        };
        let kinds = ["pub struct ", "pub enum ", "#[schema(as = "];
        found.extend(text.lines().flat_map(|line| kinds.iter().filter_map(move |kind| named(line, kind))));
    }
}

/// The document has one schema for each name: of two types that bear it only one would be told.
#[test]
fn no_two_wire_types_have_one_name() {
    let mut found = Vec::new();
    wire_types(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src"), &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = found.into_iter().filter(|name| !seen.insert(name.clone())).collect();
    // A problem on its way is a box around the document of one, which bears its name.
    assert_eq!(twice, ["Problem"]);
}

#[test]
fn every_operation_is_named_and_told_in_words() {
    let mut seen = BTreeSet::new();
    for operation in operations() {
        assert!(seen.insert(operation.id.clone()), "{} twice", operation.id);
        for word in ["summary", "tags"] {
            assert!(!operation.object[word].is_null(), "{}: no {word}", operation.id);
        }
        for (status, response) in operation.object["responses"].as_object().unwrap() {
            assert!(response["description"].is_string(), "{} {status}", operation.id);
        }
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk(value: &Value, seen: &mut usize) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
                    *seen += 1;
                }
                members.values().for_each(|value| walk(value, seen));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk(&DOCUMENT, &mut seen);
    assert!(seen > 50, "{seen}");
}

/// What is of two types at once nobody can send: a reference beside which something is said is still one.
#[test]
fn no_schema_of_the_document_contradicts_itself() {
    fn walk(value: &Value, at: &str, seen: &mut usize) {
        for part in value["allOf"].as_array().into_iter().flatten() {
            let pointer = part["$ref"].as_str().map(|reference| reference.strip_prefix('#').unwrap());
            let part = pointer.map_or(part, |pointer| DOCUMENT.pointer(pointer).unwrap());
            let is_object = part["type"] == "object" || part["allOf"].is_array();
            assert!(is_object, "{at}: {part} beside an object");
            *seen += 1;
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    walk(value, &format!("{at}/{name}"), seen);
                }
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, at, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk(&DOCUMENT["components"]["schemas"], "", &mut seen);
    assert!(seen > 10, "{seen}");
}

#[test]
fn every_parameter_is_told_in_words() {
    for operation in operations() {
        for parameter in operation.object["parameters"].as_array().into_iter().flatten() {
            let told = parameter["description"].as_str().unwrap_or_default();
            assert!(!told.is_empty(), "{}: {}", operation.id, parameter["name"]);
        }
    }
}
