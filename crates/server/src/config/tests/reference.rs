//! The generated files are what the code says.

use std::path::PathBuf;

use super::*;
use crate::config::{all, example_file, reference_page};

fn compare(path: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("KEYWRIGHT_TEST_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date; write it anew with\n\
         KEYWRIGHT_TEST_WRITE_REFERENCE=1 cargo test -p keywright-server --lib config::tests::reference",
        path.display()
    );
}

#[test]
fn the_example_file_is_up_to_date() {
    compare("keywright.example.toml", &example_file());
}

#[test]
fn the_reference_page_is_up_to_date() {
    compare("docs/configuration.md", &reference_page());
}

#[test]
fn the_example_file_changes_nothing_as_it_stands() {
    let loaded = with_file(&example_file());
    assert_eq!(loaded.findings, []);
    assert!(loaded.rows.iter().all(|row| row.origin == "default"));
}

#[test]
fn every_line_of_the_example_file_can_be_taken_into_use() {
    let used: String = example_file()
        .lines()
        .map(|line| {
            let name = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(name, _)| name);
            let is_setting = name.is_some_and(|name| all().any(|setting| setting.name() == name));
            if is_setting { format!("{}\n", &line[2..]) } else { format!("{line}\n") }
        })
        .collect();
    let loaded = with_file(&used);
    let from_file = loaded.rows.iter().filter(|row| row.origin != "default").count();
    assert_eq!(from_file, all().count(), "a line for each setting");
    for finding in loaded.errors() {
        let about_feature = finding.message.contains("not available yet");
        // The example of a key is no key, and one source of the three is enough.
        assert!(about_feature || finding.key.starts_with("keys."), "{finding}");
    }
    for setting in all().filter(|setting| !setting.default.is_empty()) {
        let default = load(&LoadInput::default());
        assert_eq!(row(&loaded, setting.key).0, row(&default, setting.key).0, "{}", setting.key);
    }
}
