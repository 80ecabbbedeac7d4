//! The five minutes of the README, pasted into a shell beside a running server: every command does what is shown.

use std::process::Command;

use crate::harness::child::{Server, keywright, run_reading};

/// What a reader pastes at once, and what the README shows of the answer.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The blocks between this heading and the next, in their order.
fn steps(text: &str, heading: &str) -> Vec<Step> {
    let (mut steps, mut language, mut inside) = (Vec::<Step>::new(), None::<&str>, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(said) = line.strip_prefix("```") {
            language = if language.is_some() { None } else { Some(said) };
            if inside && language == Some("sh") {
                steps.push(Step { line: index + 2, command: String::new(), shown: Vec::new() });
            }
            continue;
        }
        match language {
            None if line.starts_with("## ") => inside = line == heading,
            Some("sh") if inside => steps.last_mut().unwrap().command += &[line, "\n"].concat(),
            Some("console") if inside => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { line: index + 1, command: format!("{command}\n"), shown: Vec::new() });
                }
                None => steps.last_mut().unwrap().shown.push(line.to_owned()),
            },
            _ => {}
        }
    }
    steps
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

fn is_here(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_five_minutes_of_the_readme_are_true() {
    if !is_here("bash", "--version") || !is_here("curl", "--version") || !is_here("openssl", "version") {
        eprintln!("SKIPPED: bash, curl or openssl is not here");
        return;
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let steps = steps(&text, "## Five minutes");
    assert!(steps.len() >= 12, "{steps:?}");
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let server = Server::start(folder.path(), &url).await;
    let first = server.first_token().await;

    let mut script = "exec 2>&1\nkeywright() { \"$PROGRAM\" \"$@\"; }\n".to_owned();
    for step in &steps {
        // Where the server is differs here, and what the README calls it is said above.
        let command = step.command.replace("127.0.0.1:8080", &server.address().to_string());
        script += &[&command, "status=$?; echo; echo \"<== $status\"\n"].concat();
    }
    let plain = keywright(folder.path(), &url, &[]);
    let environment = plain.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let mut shell = Command::new("bash");
    shell.env_clear().envs(environment).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    shell.env("PROGRAM", env!("CARGO_BIN_EXE_keywright")).env("FIRST", &first).current_dir(folder.path());
    let printed = run_reading(shell, &script).await;
    let (said, errors) = (printed.stdout, printed.stderr);

    let answers: Vec<_> = said.split("<== ").collect();
    assert_eq!(answers.len(), steps.len() + 1, "{said}\n{errors}");
    for (index, step) in steps.iter().enumerate() {
        // The status of a step stands before the answer to the next.
        let answer: Vec<_> =
            answers[index].lines().skip(usize::from(index > 0)).filter(|line| !line.is_empty()).collect();
        let status = answers[index + 1].lines().next().unwrap();
        let expected = if step.shown.first().is_some_and(|line| line.contains("denied")) { "3" } else { "0" };
        let all = format!("README.md:{}: {}→ {status} {answer:?}\n{errors}", step.line, step.command);
        assert_eq!(status, expected, "{all}");
        assert!(!answer.iter().any(|line| line.contains("\"urn:keywright:")), "{all}");
        if step.command.contains("/auth/verify") {
            assert!(answer.iter().any(|line| line.starts_with("{\"valid\":true")), "{all}");
        }
        let words = |lines: Vec<&str>| lines.into_iter().map(word).collect::<Vec<_>>();
        let shown = step.shown.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        if !step.shown.is_empty() {
            assert_eq!(words(answer), words(shown), "{all}");
        }
    }
    assert!(!errors.contains("error"), "{errors}");
    server.kill().await;
}

#[test]
fn steps_are_what_a_reader_pastes() {
    let text = "## A\n```sh\nx\n```\n## B\n```sh\na \\\n  b\n```\n```json\n{}\n```\n```console\n$ c\nC 1\n$ d\n```\n## C\n";
    let told: Vec<_> =
        steps(text, "## B").into_iter().map(|step| (step.line, step.command, step.shown)).collect();
    let step = |line: usize, command: &str, shown: &[&str]| {
        (line, command.to_owned(), shown.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(told, [step(7, "a \\\n  b\n", &[]), step(14, "c\n", &["C 1"]), step(16, "d\n", &[])]);
    assert_eq!([word("sk_7ab8…d8e2"), word("ci~f1 x"), word("2026-11-21T2Z a")], ["sk_", "ci", "a moment"]);
}
