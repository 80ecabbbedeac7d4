//! Files, crates and names in code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files;
use crate::markdown::Document;

/// Where files lie that the documents name by their whole path.
const FOLDERS: [&str; 7] = ["crates/", "docs/", "scripts/", "bench/", "fuzz/", ".ci/", ".config/"];

/// What the sources hold.
pub(crate) struct Sources {
    root: PathBuf,
    files: Vec<PathBuf>,
    crates: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Sources {
    /// Reads them all, but for this test's own.
    pub(crate) fn read(root: &Path) -> Self {
        let mut all = files(&root.join("crates"), "rs");
        all.extend(files(&root.join("bench"), "rs"));
        all.retain(|path| !path.starts_with(root.join("crates/server/tests/docs")));
        let mut names = BTreeSet::new();
        for path in &all {
            let text = std::fs::read_to_string(path).unwrap();
            names.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
        let mut crates = BTreeSet::new();
        for manifest in
            files(&root.join("crates"), "toml").into_iter().chain(files(&root.join("bench"), "toml"))
        {
            let text = std::fs::read_to_string(manifest).unwrap();
            let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
            crates.extend(name.map(str::to_owned));
        }
        Self { root: root.to_owned(), files: all, crates, names }
    }

    fn has_file(&self, path: &str) -> bool {
        // A form such as `NOUN/VERB.rs`, or a pattern: as far as it is fixed.
        let is_open =
            |part: &&str| part.contains('*') || part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let parts: Vec<_> = path.split('/').collect();
        let fixed = parts.iter().position(|part| is_open(&part.split('.').next().unwrap_or_default()));
        self.root.join(parts[..fixed.unwrap_or(parts.len())].join("/")).exists()
    }

    fn has_source(&self, name: &str) -> bool {
        self.files.iter().any(|path| path.ends_with(name))
    }
}

/// What is named and does not exist.
pub(crate) fn wrong(document: &Document, sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    let spans = document.code.iter().filter(|code| code.language.is_none());
    for code in spans {
        if let Some(name) = missing_name(&code.text, sources) {
            found.push(document.at(code.line, format_args!("there is no {name} in the sources")));
        }
        for word in whole_words(&code.text).into_iter().flat_map(|word| expand(&word)) {
            let path = word.trim_end_matches('/');
            let is_path = FOLDERS.iter().any(|folder| path.starts_with(folder));
            let is_source =
                Path::new(path).extension().is_some_and(|own| own == "rs") && !path.contains(['*', ':']);
            let is_known =
                if is_path { sources.has_file(path) } else { !is_source || sources.has_source(path) };
            if !is_known {
                found.push(document.at(code.line, format_args!("there is no file {path}")));
            }
            if word.starts_with("keywright-") && !sources.crates.contains(&word) {
                found.push(document.at(code.line, format_args!("there is no crate {word}")));
            }
        }
    }
    found
}

fn whole_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(['\'', '"', ',', ';']).to_owned()).collect()
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn expand(word: &str) -> Vec<String> {
    let Some((before, inner, after)) = word
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(inner, after)| (before, inner, after)))
    else {
        return vec![word.to_owned()];
    };
    inner.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
}

/// The first part of a name in code (`Type`, `Type::method`, `crate::module`, `function()`) that the
/// sources do not have.
fn missing_name<'a>(span: &'a str, sources: &Sources) -> Option<&'a str> {
    let name = span.strip_suffix("()").unwrap_or(span);
    let parts: Vec<_> = name.split("::").collect();
    let is_word =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_type = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().filter(char::is_ascii_uppercase).count() > 1
            && part.contains(|c: char| c.is_ascii_lowercase())
    };
    let is_name = parts.len() > 1 || name.len() < span.len() || is_type(name);
    if !is_name || !parts.iter().all(is_word) {
        return None;
    }
    parts.into_iter().find(|part| !sources.names.contains(*part))
}
