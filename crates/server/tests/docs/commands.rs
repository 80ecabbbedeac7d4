//! Commands of ours.

use clap::error::ErrorKind;

use crate::markdown::Document;
use crate::shell::{Command, commands};

/// The command lines that the real command line does not take. A span may leave out what is needed:
/// it names a command, a block is there to be pasted.
pub(crate) fn wrong(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for code in &document.code {
        for command in commands(code) {
            let Some(arguments) = arguments(&command) else { continue };
            let parsed = keywright_server::cli::command()
                .try_get_matches_from(std::iter::once("keywright").chain(arguments));
            let Err(error) = parsed else { continue };
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {}
                ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    if code.language.is_none() => {}
                _ => found.push(document.at(command.line, error)),
            }
        }
    }
    found
}

/// The arguments of `keywright`, also as cargo runs it.
fn arguments(command: &Command) -> Option<impl Iterator<Item = &str>> {
    let words = &command.words;
    let first = words.first()?;
    let skipped = if first == "keywright" || first.ends_with("/keywright") {
        1
    } else if first == "cargo" && words.get(1)? == "run" && !words.iter().any(|word| word == "-p") {
        words.iter().position(|word| word == "--")? + 1
    } else {
        return None;
    };
    Some(words.iter().skip(skipped).map(String::as_str))
}
