//! Settings, and variables of the environment.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::LazyLock;

use keywright_server::config::{self, LoadInput, SECTIONS};

use crate::markdown::Document;
use crate::{files, root};

/// What the names of our variables begin with.
const FAMILIES: [&str; 7] =
    ["KEYWRIGHT_", "DATABASE_", "JWT_", "CLOUDFLARE_", "SERVICE_TOKEN_", "MONITORING_", "PROMPTCRAFT_"];
/// Names of a form, and names that are no one's of ours but told apart from ours.
const EXAMPLES: [&str; 3] =
    ["KEYWRIGHT_SECTION__KEY", "KEYWRIGHT_ISSUERS__NAME__KEY", "KEYWRIGHT_SERVICE_HOST"];

/// Every variable that something of ours reads: the settings', those that the sources name as a text
/// of their own, and those of the scripts.
static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut known: BTreeSet<String> = config::all()
        .flat_map(|setting| [Some(setting.environment_name()), setting.alias.map(str::to_owned)])
        .flatten()
        .collect();
    let is_setting = |name: &str| name.contains("__");
    for path in files(&root().join("crates"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        if !path.starts_with(root().join("crates/server/tests/docs")) {
            let quoted =
                text.split('"').filter(|text| variables(text).next() == Some(text) && !is_setting(text));
            known.extend(quoted.map(str::to_owned));
        }
    }
    for script in ["scripts/test", "scripts/postgres"] {
        let text = std::fs::read_to_string(root().join(script)).unwrap();
        known.extend(variables(&text).filter(|name| !name.ends_with('_')).map(str::to_owned));
    }
    known
});

/// What the sources name as a text of its own and looks like a key: types of events, and files.
static NO_KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut found = BTreeSet::new();
    for path in files(&root().join("crates"), "rs") {
        if !path.starts_with(root().join("crates/server/tests/docs")) {
            let text = std::fs::read_to_string(path).unwrap();
            found.extend(text.split('"').filter(|text| is_key(text)).map(str::to_owned));
        }
    }
    found
});

/// The variables of ours in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| {
        FAMILIES.iter().any(|family| word.starts_with(family) && word.len() > family.len())
            && !word.contains(|c: char| c.is_ascii_lowercase())
    })
}

/// The variables and keys that do not exist, and the configuration files that are not sound.
pub(crate) fn wrong(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        for name in variables(line) {
            if !KNOWN.contains(name) && !EXAMPLES.contains(&name) {
                found.push(document.at(index + 1, format_args!("there is no variable {name}")));
            }
        }
    }
    for code in &document.code {
        match code.language.as_deref() {
            None => {
                for word in code.words() {
                    let key = word.split('=').next().unwrap_or_default();
                    if is_key(key) && config::find(key).is_none() && !NO_KEYS.contains(key) {
                        found.push(document.at(code.line, format_args!("there is no key {key}")));
                    }
                }
            }
            Some("toml") => found.extend(unsound(&code.text).map(|what| document.at(code.line, what))),
            Some(_) => {}
        }
    }
    found
}

/// A section of ours, a dot, and a name that is not the ending of a file.
fn is_key(word: &str) -> bool {
    let Some((section, name)) = word.split_once('.') else { return false };
    SECTIONS.iter().any(|known| known.name == section)
        && !matches!(name, "rs" | "md" | "toml" | "db")
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// What the loader itself finds wrong with a file.
fn unsound(text: &str) -> Option<String> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let loaded = config::load(&LoadInput { file: Some(file.path().to_owned()), ..LoadInput::default() });
    let errors: Vec<_> = loaded.errors().map(ToString::to_string).collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}
