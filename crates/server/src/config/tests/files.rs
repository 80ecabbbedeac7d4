//! The files and directories that a configuration names, and the master keys that lie in them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::config::check_files;

fn named(pairs: &[(&str, &Path)]) -> Loaded {
    let flags: Vec<_> =
        pairs.iter().map(|(key, path)| ((*key).to_owned(), path.to_str().unwrap().to_owned())).collect();
    load(&LoadInput { flags, dev: true, ..LoadInput::default() })
}

#[test]
fn what_is_named_must_be_there_or_be_creatable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let below_file = file.join("deep/er");
    let absent = directory.path().join("absent/deep/er");

    let sound = named(&[("server.tls_cert", &file), ("server.tls_key", &file), ("journal.dir", &absent)]);
    assert_eq!(check_files(&sound), []);

    let faulty = named(&[
        ("server.tls_cert", &absent),
        ("server.tls_key", directory.path()),
        ("journal.dir", &below_file),
        ("database.url", Path::new(&format!("sqlite:{}", directory.path().display()))),
        ("keys.master_key_file", &absent),
    ]);
    let found = check_files(&faulty);
    let keys: Vec<_> = found.iter().map(|finding| finding.key.as_str()).collect();
    let expected = [
        "server.tls_cert",
        "server.tls_key",
        "server.tls_key",
        "database.url",
        "journal.dir",
        "keys.master_key_file",
    ];
    assert_eq!(keys.iter().filter(|key| expected.contains(key)).count(), keys.len(), "{found:#?}");
    for key in expected {
        let errors = found.iter().filter(|finding| finding.key == key && finding.severity == Severity::Error);
        assert_eq!(errors.count(), 1, "{key}: {found:#?}");
    }
    assert!(found.iter().all(|finding| finding.origin.starts_with("--")));
}

#[test]
fn a_secret_in_a_file_that_all_may_read_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keywright.toml");
    fs::write(&path, format!("[keys]\nmaster_key = '{KEY}'\n")).unwrap();
    let look = |mode| {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let input = LoadInput { file: Some(path.clone()), ..LoadInput::default() };
        check_files(&load(&input)).into_iter().filter(|finding| finding.key == "keys.master_key").count()
    };
    assert_eq!(look(0o644), 1);
    assert_eq!(look(0o640), 0);
}

#[test]
fn master_keys_come_from_the_value_the_file_or_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    fs::write(&path, format!("{KEY}\n")).unwrap();
    let command = format!("cat {}", path.display());
    for (name, value) in [
        ("KEYWRIGHT_MASTER_KEY", KEY),
        ("KEYWRIGHT_MASTER_KEY_FILE", path.to_str().unwrap()),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", &command),
    ] {
        let loaded = with_environment(&[(name, value)]);
        let keys = config(&loaded).keys.resolve().unwrap().unwrap();
        assert_eq!(*keys.to_text(), format!("{KEY}\n"), "{name}");
    }
    assert!(config(&with_environment(&[])).keys.resolve().unwrap().is_none());
}

#[test]
fn master_keys_that_cannot_be_had_are_an_error_without_what_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    fs::write(&path, "canary").unwrap();
    let large = directory.path().join("large.key");
    fs::write(&large, format!("{KEY}\n").repeat(2000)).unwrap();
    let cat = format!("cat {}", path.display());
    for (name, value, said) in [
        (
            "KEYWRIGHT_MASTER_KEY_FILE",
            path.to_str().unwrap(),
            "keys.master_key_file gives no master key: key 1",
        ),
        ("KEYWRIGHT_MASTER_KEY_FILE", "/nonexistent/key", "cannot be read"),
        ("KEYWRIGHT_MASTER_KEY_FILE", large.to_str().unwrap(), "it is larger than 64 KiB"),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", &cat, "keys.master_key_command gives no master key: key 1"),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", "false", "failed"),
        ("KEYWRIGHT_MASTER_KEY_COMMAND", "/nonexistent/command", "cannot be run"),
    ] {
        let loaded = with_environment(&[(name, value)]);
        let error = config(&loaded).keys.resolve().unwrap_err();
        assert!(
            error.to_string().contains(said) && !format!("{error:?}").contains("canary"),
            "{name}: {error}"
        );
    }
}
