//! What a reader pastes: the blocks of a document, carried out by a shell, and held against what the document shows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::child::run_reading;

/// A fenced block of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The heading that it stands under, with its marks.
    pub(crate) heading: String,
    pub(crate) language: String,
    /// Where its first line is.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Block {
    /// Whether it is there to be pasted into a shell.
    pub(crate) fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "bash" | "console")
    }
}

/// The blocks of a document, in their order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut heading) = (Vec::new(), None::<Block>, String::new());
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &[line, "\n"].concat(),
            (None, Some(language)) => {
                let (heading, language) = (heading.clone(), language.to_owned());
                open = Some(Block { heading, language, line: index + 2, text: String::new() });
            }
            (None, None) if line.starts_with('#') => line.clone_into(&mut heading),
            (None, None) => {}
        }
    }
    blocks
}

/// What a reader pastes at once, and what the document shows of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) shown: Vec<String>,
}

/// A block of a shell is pasted at once; of a console, each line behind a `$`.
pub(crate) fn steps(block: &Block) -> Vec<Step> {
    if block.language != "console" {
        return vec![Step { line: block.line, command: block.text.clone(), shown: Vec::new() }];
    }
    let mut steps = Vec::<Step>::new();
    for (index, line) in block.text.lines().enumerate() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                let (line, command) = (block.line + index, format!("{command}\n"));
                steps.push(Step { line, command, shown: Vec::new() });
            }
            None => steps.last_mut().unwrap().shown.push(line.to_owned()),
        }
    }
    steps
}

/// What a shell said to one of several things, and the status of the last command in it that failed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: String,
    pub(crate) lines: Vec<String>,
}

/// Pastes one after the other into one shell that begins with the prologue.
pub(crate) async fn paste(mut shell: Command, folder: &Path, prologue: &str, pasted: &[String]) -> Vec<Said> {
    let mut script = prologue.to_owned();
    for text in pasted {
        script += &["failed=0\n", text, "\nprintf '\\n<== %s\\n' \"$failed\"\n"].concat();
    }
    // In a file, as what is pasted may read its standard input.
    let file = folder.join("pasted.sh");
    std::fs::write(&file, script).unwrap();
    shell.arg(&file).current_dir(folder);
    let printed = run_reading(shell, "").await;
    let all = printed.stdout + &printed.stderr;
    let (mut said, mut lines) = (Vec::new(), Vec::new());
    for line in all.lines() {
        match line.strip_prefix("<== ") {
            Some(status) => said.push(Said { status: status.to_owned(), lines: std::mem::take(&mut lines) }),
            None if line.is_empty() => {}
            None => lines.push(line.to_owned()),
        }
    }
    assert_eq!(said.len(), pasted.len(), "the shell ended early\n{all}");
    said
}

/// What is wrong with what was said to a step.
pub(crate) fn wrong(step: &Step, said: &Said) -> Option<String> {
    let expected = if step.shown.first().is_some_and(|line| line.contains("denied")) { "3" } else { "0" };
    if said.status != expected {
        return Some(format!("status {}, not {expected}", said.status));
    }
    let is_problem = |line: &String| line.contains("\"urn:keywright:") || line.starts_with("{\"error\"");
    if said.lines.iter().any(is_problem) {
        return Some("a problem".to_owned());
    }
    let is_accepted = |line: &String| line.starts_with("{\"valid\":true");
    if step.command.contains("/auth/verify") && !said.lines.iter().any(is_accepted) {
        return Some("not accepted".to_owned());
    }
    let words = |lines: &[String]| {
        lines.iter().filter(|line| !line.is_empty()).map(|line| word(line)).collect::<Vec<_>>()
    };
    let (shown, answer) = (words(&step.shown), words(&said.lines));
    (!shown.is_empty() && shown != answer).then(|| format!("{answer:?}, not {shown:?}"))
}

/// The first word of a line, without what differs each time: digits, and all that follows the prefix of a secret.
fn word(line: &str) -> String {
    let first = line.split_whitespace().next().unwrap_or_default();
    if first.starts_with("sk_") {
        return "sk_".to_owned();
    }
    if first.contains('T') && first.ends_with('Z') {
        return "a moment".to_owned();
    }
    // A name that an older token was given ends in its id.
    let first = first.split('~').next().unwrap_or_default();
    first.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// What a document shows in JSON and an answer does not have, with its place: members are missing, or of another kind.
/// An answer may have more, and null stands for anything.
pub(crate) fn unlike(shown: &Value, answer: &Value) -> Option<String> {
    match (shown, answer) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Object(shown), Value::Object(answer)) => shown.iter().find_map(|(name, shown)| {
            let Some(answer) = answer.get(name) else { return Some(format!("no {name}")) };
            unlike(shown, answer).map(|what| format!("{name}: {what}"))
        }),
        (Value::Array(shown), Value::Array(answer)) => unlike(shown.first()?, answer.first()?),
        (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) => None,
        (Value::String(_), Value::String(_)) => None,
        _ => Some(format!("{answer}")),
    }
}

#[test]
fn steps_are_what_a_reader_pastes() {
    let text = "## A\n```sh\nx\n```\n## B\n```sh\na \\\n  # b\n```\n```json\n{}\n```\n```console\n$ c\nC 1\n$ d\n```\n";
    let blocks = blocks(text);
    let told: Vec<_> = blocks.iter().map(|block| (block.heading.as_str(), block.language.as_str())).collect();
    assert_eq!(told, [("## A", "sh"), ("## B", "sh"), ("## B", "json"), ("## B", "console")]);
    let step = |line: usize, command: &str, shown: &[&str]| Step {
        line,
        command: command.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(steps(&blocks[1]), [step(7, "a \\\n  # b\n", &[])]);
    assert_eq!(steps(&blocks[3]), [step(14, "c\n", &["C 1"]), step(16, "d\n", &[])]);
    assert_eq!([word("sk_7ab8…d8e2"), word("ci~f1 x"), word("2026-11-21T2Z a")], ["sk_", "ci", "a moment"]);
}

#[test]
fn what_is_not_as_shown_is_told() {
    let said = |status: &str, line: &str| Said { status: status.to_owned(), lines: vec![line.to_owned()] };
    let step = |command: &str, shown: &[&str]| Step {
        line: 1,
        command: command.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let plain = step("keywright token list", &["NAME  USES", "ci-1  2"]);
    let two = Said { status: "0".to_owned(), lines: vec!["NAME  USES".to_owned(), "ci-2  1".to_owned()] };
    assert_eq!(wrong(&plain, &two), None);
    assert!(wrong(&plain, &said("0", "NAME  USES")).is_some());
    assert!(wrong(&step("x", &[]), &said("1", "")).is_some());
    assert!(wrong(&step("x", &["decision  denied: revoked"]), &said("3", "decision denied")).is_none());
    assert!(wrong(&step("x", &[]), &said("0", "{\"type\":\"urn:keywright:problem:x\"}")).is_some());
    assert!(wrong(&step("curl $URL/auth/verify", &[]), &said("0", "{\"valid\":false}")).is_some());

    let shown = serde_json::json!({"a": {"b": [{"c": "x"}], "d": null}});
    let unlike = |answer: Value| unlike(&shown, &answer);
    assert_eq!(unlike(serde_json::json!({"a": {"b": [{"c": "y", "e": 1}], "d": 1}, "f": 2})), None);
    assert_eq!(unlike(serde_json::json!({"a": {"b": [{}], "d": 1}})).unwrap(), "a: b: no c");
    assert_eq!(unlike(serde_json::json!({"a": {"b": [{"c": 1}], "d": 1}})).unwrap(), "a: b: c: 1");
}
