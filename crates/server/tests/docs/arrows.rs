//! Which crate may know which: the arrows of ARCHITECTURE.md, held against the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each crate may depend on, of ours.
const ARROWS: [(&str, &[&str]); 8] = [
    ("keywright-core", &[]),
    ("keywright-api", &[]),
    ("keywright-verify", &["keywright-core"]),
    ("keywright-store", &["keywright-core", "keywright-verify"]),
    ("keywright-authority", &["keywright-core", "keywright-verify", "keywright-store"]),
    ("keywright-client", &["keywright-core", "keywright-verify", "keywright-api"]),
    (
        "keywright-server",
        &["keywright-core", "keywright-verify", "keywright-store", "keywright-authority", "keywright-api"],
    ),
    (
        "keywright-embedded",
        &["keywright-core", "keywright-verify", "keywright-store", "keywright-server", "keywright-client"],
    ),
];

/// The dependencies of a manifest that are crates of ours; those of its tests are nobody's concern.
pub(crate) fn known(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" && line.starts_with("keywright-") {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            found.insert(name.to_owned());
        }
    }
    found
}

/// What the manifests say against the arrows.
pub(crate) fn wrong(manifests: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, known) in manifests {
        let Some((_, allowed)) = ARROWS.iter().find(|(own, _)| own == name) else {
            found.push(format!("{name} is no crate that is known"));
            continue;
        };
        let beyond = known.iter().filter(|other| !allowed.contains(&other.as_str()));
        found.extend(beyond.map(|other| format!("{name} must not know {other}")));
    }
    found
}

/// The manifests of the crates, by the names of these.
pub(crate) fn manifests(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let entries = std::fs::read_dir(root.join("crates")).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
        (format!("keywright-{}", entry.file_name().to_str().unwrap()), known(&text))
    };
    entries.map(read).collect()
}
