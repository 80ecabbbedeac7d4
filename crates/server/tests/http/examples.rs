//! Files for other programs, of `examples/`, `packaging/` and pages such as `docs/github-actions.md`: each is what its
//! format says. What the proxies and Grafana read of them is tried in `forward_proxies.rs` and `dashboard.rs`.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::child::run_reading;
use crate::harness::pasted::blocks;
use crate::harness::python;

/// Reads documents of YAML, of which it is told the names and texts, and answers them as JSON. A member that stands there
/// twice is a fault.
const READ: &str = r#"
import json, sys, yaml

class Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(names) == len(set(names)), f"twice: {names}"
        return super().construct_mapping(node, deep)

texts = json.load(sys.stdin)
print(json.dumps({name: list(yaml.load_all(text, Strict)) for name, text in texts.items()}, default=str))
"#;

/// The files in YAML of the repository, by their path, and the blocks of the documents.
fn texts(root: &Path) -> serde_json::Map<String, Value> {
    let mut found = serde_json::Map::new();
    let mut folders = ["examples", "packaging", ".github/workflows"].map(|folder| root.join(folder)).to_vec();
    let mut paths = vec![root.join("action.yml")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let has = |own: &str| path.extension().is_some_and(|extension| extension == own);
            if path.is_dir() {
                folders.push(path);
            } else if has("yml") || has("yaml") {
                paths.push(path);
            }
        }
    }
    for path in paths {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        found.insert(name, Value::String(std::fs::read_to_string(&path).unwrap()));
    }
    for page in std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()) {
        if page.extension().is_some_and(|own| own == "md") {
            for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
                if matches!(block.language.as_str(), "yaml" | "yml") {
                    found.insert(format!("{}:{}", page.display(), block.line), Value::String(block.text));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn every_file_in_yaml_can_be_read() {
    let Some(python) = python("yaml") else {
        eprintln!("SKIPPED: there is no target/test-venv with PyYAML");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let texts = texts(&root);
    for needed in ["examples/traefik/dynamic.yml", "examples/prometheus/alerts.yml", "action.yml"] {
        assert!(texts.contains_key(needed), "{needed}");
    }
    assert!(texts.keys().any(|name| name.contains("github-actions.md")), "{:?}", texts.keys());
    let read = async |texts: Value| {
        let mut command = std::process::Command::new(&python);
        command.args(["-c", READ]);
        run_reading(command, &texts.to_string()).await
    };
    let printed = read(Value::Object(texts)).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    let read_all = printed.json();
    for (name, documents) in read_all.as_object().unwrap() {
        let all = documents.as_array().unwrap();
        assert!(!all.is_empty() && all.iter().all(Value::is_object), "{name}: {documents}");
    }
    let groups = read_all["examples/prometheus/alerts.yml"][0]["groups"].as_array().unwrap();
    for rule in groups.iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let is_whole = ["alert", "expr"].iter().all(|name| rule[name].is_string());
        assert!(
            is_whole && rule["annotations"].is_object() && rule["labels"]["severity"].is_string(),
            "{rule}"
        );
    }
    for bad in ["a: [1", "a: 1\na: 2", "a:\n\t- 1"] {
        let refused = read(json!({"bad": bad})).await;
        assert_ne!(refused.code, 0, "{bad:?} {refused:?}");
    }
}
