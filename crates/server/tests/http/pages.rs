//! What the documents tell to paste, pasted: every block of a shell in them is carried out against the real binary, in its
//! order, and what is shown in JSON is held against what is answered. `pages/*.sh` says what a reader of each section has
//! at hand; what is not carried out stands in [`NOT_RUN`], with its reason, what others try in [`ELSEWHERE`].

mod place;
mod section;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Engine;
use crate::harness::pasted::{Block, blocks};
use place::Place;
use section::{Section, sections};

/// Blocks that are not carried out, by their document and how their first line begins, and why. This list may only shrink.
const NOT_RUN: [(&str, &str, &str); 12] = [
    ("README.md", "cargo run -- serve --dev ", "builds the program anew, and is this very suite"),
    ("bench/README.md", "$ bench/run ", "takes 25 minutes, and measures"),
    ("docs/deployment.md", "scripts/release ", "builds the program anew, for minutes"),
    ("docs/deployment.md", "# sudo systemctl edit keywright", "is read by systemd alone"),
    ("docs/deployment.md", "sudo systemd-creds encrypt ", "needs root, and a machine that systemd runs"),
    ("docs/deployment.md", "docker build ", "needs an engine for containers, and an image from a registry"),
    (
        "docs/rotation.md",
        "{\n  \"type\": \"token.delivered\"",
        "is sent by the job that rotates: crates/authority/tests/authority/rotations_remote.rs",
    ),
    ("docs/rust-client.md", "let ", "is a part of a program, such as lie in crates/client/examples"),
    ("packaging/kubernetes/README.md", "kubectl create namespace ", "needs a cluster"),
    ("sdk/python/README.md", "pip install ", "needs a registry"),
    ("sdk/typescript/README.md", "npm ", "needs a registry"),
    ("sdk/typescript/README.md", "(cd sdk/typescript ", "needs a registry"),
];

/// What is tried by others: the blocks of a document in a language, and who tries them.
const ELSEWHERE: [(&str, &str, &str); 6] = [
    ("docs/notifications.md", "python", "crates/server/tests/http/notification_channels.rs"),
    ("docs/notifications.md", "js", "crates/server/tests/http/notification_channels.rs"),
    ("docs/github-actions.md", "yaml", "crates/server/tests/http/examples.rs"),
    ("sdk/python/README.md", "python", "sdk/python/tests/test_readme.py"),
    ("sdk/typescript/README.md", "js", "sdk/typescript/test/package.test.ts"),
    ("*", "toml", "crates/server/tests/docs/settings.rs"),
];

/// In the order in which one server is asked; what ends every token comes last.
const PAGES: [&str; 13] = [
    "readme",
    "verification",
    "tokens",
    "audit",
    "people",
    "personal-tokens",
    "service-accounts",
    "oauth",
    "rotation",
    "notifications",
    "deployment",
    "operations",
    "moving-in",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_documents_tell_to_paste_works_on_sqlite() {
    all_can_be_pasted(Engine::Sqlite).await;
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn folder() -> PathBuf {
    root().join("crates/server/tests/http/pages")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn all_sections() -> Vec<Section> {
    PAGES.map(|page| sections(&read(folder().join(page).with_extension("sh")))).concat()
}

fn why_not(document: &str, block: &Block) -> Option<&'static str> {
    let is_it = |own: &str, line: &str| own == document && block.text.starts_with(line);
    NOT_RUN.iter().find(|(own, line, _)| is_it(own, line)).map(|(_, _, why)| *why)
}

fn is_here(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok()
}

async fn all_can_be_pasted(engine: Engine) {
    if !is_here("bash", "--version") || !is_here("curl", "--version") || !is_here("openssl", "version") {
        eprintln!("SKIPPED: bash, curl or openssl is not here");
        return;
    }
    let Some(mut place) = Place::open(engine).await else { return };
    let told = all_sections().into_iter().filter(|own| engine == Engine::Sqlite || !own.has("sqlite"));
    let (stopped, serving): (Vec<_>, Vec<_>) = told.partition(|own| own.has("stopped"));
    let mut wrong = Vec::new();
    for section in &serving {
        if section.has("alone") {
            wrong.extend(Place::open(engine).await.unwrap().carry_out(section).await);
        } else {
            wrong.extend(place.carry_out(section).await);
        }
    }
    place.stop().await;
    for section in &stopped {
        wrong.extend(place.carry_out(section).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The documents of the repository, without what others brought.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_ours = !name.starts_with('.') && !matches!(name, "target" | "node_modules" | "dist");
        if path.is_dir() && is_ours {
            documents(&path, found);
        } else if path.extension().is_some_and(|own| own == "md") {
            found.push(path);
        }
    }
}

/// The blocks of a document that nobody tries.
fn unaccounted(document: &str, text: &str, sections: &[Section]) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(text).iter().filter(|block| block.language != "text") {
        let own = sections.iter().filter(|own| own.document == document && own.heading == block.heading);
        let is_pasted = block.is_shell() || block.language == "json";
        let is_tried =
            own.clone().count() == 1 && (is_pasted || own.clone().any(|own| own.uses(&block.language)));
        let is_elsewhere = ELSEWHERE
            .iter()
            .any(|(own, language, _)| (*own == document || *own == "*") && *language == block.language);
        if !is_tried && !is_elsewhere && why_not(document, block).is_none() {
            found.push(format!("{document}:{}: nobody tries this block", block.line));
        }
    }
    found
}

#[test]
fn every_block_of_the_documents_is_tried_or_says_why_not() {
    let (root, sections) = (root(), all_sections());
    let mut paths = Vec::new();
    documents(&root, &mut paths);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let all: Vec<_> = paths.iter().map(|path| (name(path), read(path))).collect();
    let found: Vec<_> = all.iter().flat_map(|(name, text)| unaccounted(name, text, &sections)).collect();
    assert_eq!(found, Vec::<String>::new());

    // What is listed exists.
    let of = |document: &str| {
        let found = all.iter().filter(|(name, _)| document == "*" || name == document);
        found.flat_map(|(_, text)| blocks(text)).collect::<Vec<_>>()
    };
    for (document, line, why) in NOT_RUN {
        assert!(of(document).iter().any(|block| block.text.starts_with(line)), "{document}: {line}: {why}");
    }
    for (document, language, who) in ELSEWHERE {
        assert!(of(document).iter().any(|block| block.language == language), "{document}: {language}");
        let name = document.rsplit('/').next().unwrap();
        assert!(document == "*" || read(root.join(who)).contains(name), "{who} does not name {name}");
    }
    for section in &sections {
        let is_there = of(&section.document).iter().any(|block| block.heading == section.heading);
        assert!(is_there, "{} has no block under {}", section.document, section.heading);
    }
    let mut scripts: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|own| own == "sh"));
    assert_eq!(
        scripts.len(),
        PAGES.len() + 2,
        "one for each page, the prologue, and the machine: {scripts:?}"
    );
}

#[test]
fn a_block_that_nobody_tries_is_found() {
    let told = sections("#: section docs/a.md ## B\n#: operator\nx\n#: after\nblock csv\n");
    let find = |text: &str| unaccounted("docs/a.md", text, &told);
    assert_eq!(
        find("## B\n```sh\nx\n```\n```json\n{}\n```\n```csv\na,b\n```\n```toml\na = 1\n```\n"),
        [""; 0]
    );
    assert_eq!(find("## B\n```python\nx\n```\n").len(), 1);
    assert_eq!(find("## B\n### C\n```console\n$ x\n```\n").len(), 1);
    assert_eq!(find("## C\n```json\n{}\n```\n").len(), 1);
}
