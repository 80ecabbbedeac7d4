//! The manual: `keywright man` writes a page for each command, which `man` can show.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as it does")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn keywright(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

/// `keywright`, `keywright-token`, `keywright-token-create` and so on.
fn names(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
    let name = if before.is_empty() {
        command.get_name().to_owned()
    } else {
        format!("{before}-{}", command.get_name())
    };
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        names(inner, &name, found);
    }
    found.insert(name);
}

fn pages(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages_in = folder.path().join("share/man/man1");
    let ended = keywright(&["man", pages_in.to_str().unwrap()]);
    assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    let mut commands = BTreeSet::new();
    names(&keywright_server::cli::command(), "", &mut commands);
    assert!(commands.len() > 100 && commands.contains("keywright-token-create"), "{commands:?}");
    assert_eq!(pages(&pages_in), commands.iter().map(|name| format!("{name}.1")).collect());
    let page = std::fs::read_to_string(pages_in.join("keywright-token-create.1")).unwrap();
    assert!(page.contains("permissions") && page.contains(env!("CARGO_PKG_VERSION")), "{page}");
    // Again into the same place, as packaging does.
    assert!(keywright(&["man", pages_in.to_str().unwrap()]).status.success());
}

#[test]
fn the_first_page_is_printed_and_a_place_that_cannot_be_written_is_told() {
    let printed = keywright(&["man"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success() && text.contains(".TH keywright 1"), "{text}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = keywright(&["man", file.path().to_str().unwrap()]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("cannot write the pages into"), "{said}");
}

/// What man itself would complain about. Without groff it says that it is skipped.
#[test]
fn pages_are_shown_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keywright(&["man", folder.path().to_str().unwrap()]).status.success());
    let groff = |page: &Path| {
        Command::new("groff").args(["-Kutf8", "-man", "-Tutf8", "-ww", "-Wbreak", "-z"]).arg(page).output()
    };
    for page in pages(folder.path()) {
        let Ok(shown) = groff(&folder.path().join(&page)) else {
            eprintln!("SKIPPED: groff is not here");
            return;
        };
        assert!(shown.status.success() && shown.stderr.is_empty(), "{page}: {shown:?}");
    }
}
