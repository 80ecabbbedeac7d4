//! Documents that age are checked: whatever they name exists. Each check is also given a wrong
//! document, so that it is known to find what it looks for.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as it does")]

mod arrows;
mod code;
mod commands;
mod denials;
mod links;
mod markdown;
mod routes;
mod settings;
mod shell;

use std::path::{Path, PathBuf};

use markdown::Document;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every document of the repository: those at its root, and all below `docs`.
fn documents() -> Vec<Document> {
    let root = root();
    let at_root = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = at_root.filter(|path| path.extension().is_some_and(|own| own == "md")).collect();
    paths.extend(files(&root.join("docs"), "md"));
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        Document::new(name, &std::fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// Checks every document, and that the check finds each of the things that are wrong in `wrong`.
fn check(find: impl Fn(&Document) -> Vec<String>, wrong: &[(&str, &str)]) {
    for (text, what) in wrong {
        let found = find(&Document::new("docs/wrong.md", text));
        assert!(
            found.len() == 1 && found[0].contains(what),
            "{text:?} should be told as {what:?}: {found:?}"
        );
    }
    let documents = documents();
    for needed in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/operations.md"] {
        assert!(documents.iter().any(|document| document.name == needed), "{needed} is missing");
    }
    let found: Vec<_> = documents.iter().flat_map(find).collect();
    assert!(found.is_empty(), "the documents name what does not exist\n{}", found.join("\n"));
}

#[test]
fn every_command_named_is_one() {
    check(
        commands::wrong,
        &[
            ("```sh\nkeywright tokens list\n```", "tokens"),
            ("```console\n$ A=b keywright token list --colour | head\nkeywright\n```", "--colour"),
            ("```sh\necho x | sudo -u kw keywright token rotate \\\n  --identifier a\n```", "--reason"),
            ("```sh\nT=$(cargo run -- token create --name x)\n```", "--permissions"),
            ("```ini\nExecStart=/usr/bin/keywright server\n```", "server"),
            ("Say `keywright events watch`.", "watch"),
        ],
    );
}

#[test]
fn every_route_named_is_in_the_openapi_document() {
    check(
        routes::wrong,
        &[
            ("`POST /auth/verification`", "/auth/verification"),
            ("`PUT /auth/verify`", "PUT"),
            ("```sh\ncurl -s http://127.0.0.1:8080/api/v1/auth/tokens/7/rotate\n```", "GET"),
            ("```sh\ncurl -s $KEYWRIGHT_URL/healthz/well -d '{}'\n```", "/healthz/well"),
            ("`/metric`", "/metric"),
            ("`DELETE /auth/tokens/{id}/rotate`", "DELETE"),
        ],
    );
}

#[test]
fn every_setting_and_variable_named_exists() {
    check(
        settings::wrong,
        &[
            ("Set KEYWRIGHT_MASTERKEY.", "KEYWRIGHT_MASTERKEY"),
            ("```sh\nDATABASE_URI=x keywright serve\n```", "DATABASE_URI"),
            ("`server.hears`", "server.hears"),
            ("```toml\n[server]\nlisten_on = \"127.0.0.1:1\"\n```", "listen_on"),
            ("```toml\n[server]\nlisten = \"nowhere\"\n```", "listen"),
        ],
    );
}

#[test]
fn every_file_crate_and_name_in_code_that_is_named_exists() {
    let sources = code::Sources::read(&root());
    check(
        |document| code::wrong(document, &sources),
        &[
            ("`crates/verify/src/stamp.rs`", "stamp.rs"),
            ("`crates/server/src/http/tokens/{create,remove}.rs`", "remove.rs"),
            ("`stampers.rs`", "stampers.rs"),
            ("`-p keywright-stores`", "keywright-stores"),
            ("`keywright_verify::hourglass`", "hourglass"),
            ("`Verifier::unravels`", "unravels"),
            ("`GrantSources`", "GrantSources"),
            ("`take_two()`", "take_two"),
        ],
    );
}

#[test]
fn crates_know_each_other_along_the_arrows_only() {
    let manifests = arrows::manifests(&root());
    assert_eq!(manifests.len(), 8);
    assert!(manifests["keywright-server"].contains("keywright-authority"), "{manifests:?}");
    assert_eq!(arrows::wrong(&manifests), Vec::<String>::new());
    let upwards = arrows::known(
        "[dependencies]\nkeywright-store.workspace = true\n[dev-dependencies]\nkeywright-api = {}",
    );
    let found = arrows::wrong(&[("keywright-core".to_owned(), upwards)].into());
    assert_eq!(found, ["keywright-core must not know keywright-store"]);
}

#[test]
fn links_between_documents_resolve() {
    check(
        |document| links::wrong(document, &root()),
        &[
            ("[a](nowhere.md)", "nowhere.md"),
            ("[a](../README.md#nowhere-in-it)", "nowhere-in-it"),
            ("# Here\n[a](#there)", "there"),
        ],
    );
}

#[test]
fn every_denial_is_explained_with_the_status_that_a_gate_gives_it() {
    let table = "| `malformed` | a | 401 |\n| `not_found` | a | 401 |\n| `revoked` | a | 401 |\n\
                 | `expired` | a | 401 |\n| `inactive` | a | 401 |\n| `principal_disabled` | a | 401 |\n\
                 | `publisher_suspended` | a | 401 |\n| `ip_not_allowed` | a | 403 |\n\
                 | `wrong_publisher` | a | 403 |\n| `rate_limited` | a | 429 |\n\
                 | `insufficient_scope` | a | 403 |\n";
    let find = |text: &str| denials::wrong(&Document::new("docs/verification.md", text));
    assert_eq!(find(table), Vec::<String>::new());
    for (from, to, what) in [
        ("| `revoked` | a | 401 |\n", "", "revoked"),
        ("| `insufficient_scope` | a | 403 |", "| `insufficient_scope` | a | 401 |", "403"),
        ("| `expired` |", "| `expired` | a | 401 |\n| `outdated` |", "outdated"),
    ] {
        let found = find(&table.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(what), "{to}: {found:?}");
    }
    let found: Vec<_> = documents()
        .iter()
        .filter(|document| document.name == "docs/verification.md")
        .flat_map(denials::wrong)
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_committed_openapi_document_is_that_of_the_code() {
    let path = root().join("docs/openapi.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let generated = keywright_server::http::openapi::document();
    assert!(
        committed.trim_end() == generated.trim_end(),
        "{} is out of date; write it anew with\ncargo run -- openapi > docs/openapi.json",
        path.display()
    );
}
