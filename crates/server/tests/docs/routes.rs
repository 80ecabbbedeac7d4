//! Routes of the API.

use std::collections::{BTreeMap, BTreeSet};

use keywright_server::http::{BASE, openapi};
use serde_json::Value;

use crate::markdown::{Code, Document};
use crate::shell::commands;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// What begins with a slash and is no route of ours: places on a machine, the API that is protected, a receiver of traces,
/// and the two routes that cannot describe themselves.
const ELSEWHERE: [&str; 10] = [
    "/etc/",
    "/mnt/",
    "/var/",
    "/usr/",
    "/dev/",
    "/backup/",
    "/v1/traces",
    "/works/",
    "/api/v1/openapi.json",
    "/docs",
];

type Routes = BTreeMap<String, BTreeSet<String>>;

fn routes() -> Routes {
    let document: Value = serde_json::from_str(&openapi::document()).unwrap();
    let methods =
        |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// The routes that do not exist, or not with that method.
pub(crate) fn wrong(document: &Document) -> Vec<String> {
    let routes = routes();
    let mut found = Vec::new();
    let mut look = |line: usize, method: Option<&str>, word: &str| {
        let Some(path) = path_of(word) else { return };
        match methods_of(&routes, path) {
            None => found.push(document.at(line, format_args!("there is no route {path}"))),
            Some(methods) => {
                if let Some(method) = method.filter(|method| !methods.contains(*method)) {
                    found.push(document.at(line, format_args!("{path} does not know {method}")));
                }
            }
        }
    };
    for code in &document.code {
        let requests = curl(code);
        for (line, method, word) in &requests {
            look(*line, Some(method), word);
        }
        if requests.is_empty() {
            let mut method = None;
            for word in code.words() {
                look(code.line, method, word);
                method = METHODS.contains(&word).then_some(word);
            }
        }
    }
    found
}

/// The requests of a block that calls curl: line, method, address.
fn curl(code: &Code) -> Vec<(usize, String, String)> {
    let mut requests = Vec::new();
    for command in commands(code) {
        if command.words.first().is_none_or(|first| first != "curl") {
            continue;
        }
        let short =
            |word: &str, flag: char| word.starts_with('-') && !word.starts_with("--") && word.ends_with(flag);
        let asked = command.words.iter().position(|word| short(word, 'X') || word == "--request");
        let sends = command.words.iter().any(|word| short(word, 'd') || word == "--data" || word == "--json");
        let method = match asked {
            Some(at) => command.words[at + 1].as_str(),
            None if sends => "POST",
            None => "GET",
        };
        let addresses = command.words.iter().filter(|word| path_of(word).is_some());
        requests.extend(addresses.map(|word| (command.line, method.to_owned(), word.clone())));
    }
    requests
}

/// The path of a word that names a route: alone, behind a variable, or behind an address of ours.
fn path_of(word: &str) -> Option<&str> {
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    let (host, _) = rest.split_once('/')?;
    let ours = host.is_empty() && rest.len() == word.len()
        || host.starts_with('$')
        || host.starts_with("127.0.0.1")
        || host.split(':').next()?.ends_with(".example.com");
    let path = rest[host.len()..].split(['?', '#']).next()?.trim_end_matches(['.', ':']);
    let elsewhere = ELSEWHERE.iter().any(|prefix| path.starts_with(prefix));
    (ours && path.len() > 1 && !elsewhere && path != BASE).then_some(path)
}

/// The methods of a path, given with the base path or without it.
fn methods_of<'a>(routes: &'a Routes, path: &str) -> Option<&'a BTreeSet<String>> {
    let full = format!("{BASE}{path}");
    let same = |template: &str, path: &str| {
        let (mut templates, mut segments) = (template.split('/'), path.split('/'));
        loop {
            match (templates.next(), segments.next()) {
                (None, None) => return true,
                (Some(template), Some(segment)) if template == segment => {}
                (Some(template), Some(segment)) if template.starts_with('{') && !segment.is_empty() => {}
                _ => return false,
            }
        }
    };
    // A literal segment wins over a parameter, as in the router.
    let matching = |path: &str| {
        let all = routes.iter().filter(|(template, _)| same(template, path));
        all.min_by_key(|(template, _)| template.matches('{').count()).map(|(_, methods)| methods)
    };
    matching(path).or_else(|| matching(&full))
}
