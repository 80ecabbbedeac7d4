//! `keywright events verify`: against the authority, or over an export without it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use keywright_authority::AuditKeys;
use keywright_authority::audit::chain::SignedHead;
use keywright_authority::audit::file::{Checked, FileCheck, Finding, Tampering};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::file;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::{Environment, Globals, process_environment, read_secret_file};
use crate::cli::output::details::text;
use crate::cli::output::text::escape;
use crate::cli::output::{Output, progress};
use crate::cli::session::Session;
use crate::cli::settings;
use crate::cli::transport::Request;

/// Check the chain of security events.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A head that was noted before, from the log or from `--json`: also proves that nothing was cut
    /// off since
    #[arg(long, value_name = "SEQ:MAC")]
    head: Option<String>,

    /// An export of security events (`events export --format ndjson`) to check instead, without any
    /// server
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// With --file: a file that holds the audit key (`keywright keys audit-key`); without it
    /// `KEYWRIGHT_AUDIT_KEY`, else the master key of this machine
    #[arg(long, value_name = "FILE", requires = "file")]
    key_file: Option<PathBuf>,

    /// With --file: the export was filtered by more than time, so events may be missing between others
    #[arg(long, requires = "file")]
    filtered: bool,
}

impl Verify {
    /// The export to be checked without the authority.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let request = Request::get("/audit/security-events/verify").with_some("head", self.head.as_ref());
        let answer = session.ask(&request).await?;
        let Some(holds) = answer.json.get("holds").and_then(Json::as_bool) else {
            return Err(Failure::Failed("the API answered without a verdict".to_owned()));
        };
        if output.json {
            output.answer(&answer)?;
        } else {
            output.line(&verdict(&answer.json))?;
        }
        if holds { Ok(()) } else { Err(Failure::Found) }
    }

    /// Checks an export.
    pub(crate) fn check(&self, path: &Path, globals: &Globals, output: &Output) -> Outcome {
        let head: Option<SignedHead> =
            self.head.as_deref().map(str::parse).transpose().map_err(|why: &str| {
                Failure::Usage(format!(
                    "--head: {why}; give what the log or an earlier check told, such as 12:ab…"
                ))
            })?;
        let keys = self.keys(globals)?;
        let wrong = |why: &dyn std::fmt::Display| Failure::Failed(format!("{}: {why}", path.display()));
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(|error| wrong(&error))?);
        let bar = progress::counter(output);
        let mut check = FileCheck::new(&keys, head.as_ref());
        let (mut number, mut line) = (0, Vec::new());
        while next(&mut reader, &mut line).map_err(|error| wrong(&error))? {
            number += 1;
            bar.inc(1);
            let event = file::event(&line).map_err(|why| wrong(&format_args!("line {number} {why}")))?;
            check.next(number, &event);
        }
        bar.finish_and_clear();
        let checked = check.end(self.filtered);
        if output.json {
            output.value(&told(&checked))?;
        } else {
            for line in in_words(&checked, head.is_some()) {
                output.line(&line)?;
            }
        }
        if checked.found == 0 { Ok(()) } else { Err(Failure::Found) }
    }

    fn keys(&self, globals: &Globals) -> Result<AuditKeys, Failure> {
        let environment = Environment(&process_environment);
        let (source, given) = if let Some(path) = &self.key_file {
            ("--key-file", Some(read_secret_file("--key-file", path)?))
        } else {
            ("KEYWRIGHT_AUDIT_KEY", environment.first(&["KEYWRIGHT_AUDIT_KEY"]).map(Zeroizing::new))
        };
        if let Some(text) = given {
            return AuditKeys::parse(&text).map_err(|why| Failure::Usage(format!("{source}: {why}")));
        }
        let loaded = settings::load(globals, &[], false)?;
        let missing = "no audit key: set KEYWRIGHT_AUDIT_KEY, or name a file that holds it with --key-file";
        let keys = settings::require(&loaded)
            .ok()
            .and_then(|config| crate::node::keys(config).ok())
            .ok_or_else(|| Failure::Usage(missing.to_owned()))?;
        let text = Zeroizing::new(keys.audit_keys().map(|key| key.to_string()).collect::<Vec<_>>().join(","));
        AuditKeys::parse(&text).map_err(|why| Failure::Failed(why.to_owned()))
    }
}

fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    file::next_line(reader, line)
}

fn told(checked: &Checked) -> Json {
    let findings = checked.findings.iter().map(|finding| {
        json!({
            "line": finding.line, "seq": finding.seq, "events": finding.events,
            "problem": finding.tampering.as_str(),
        })
    });
    json!({
        "holds": checked.found == 0, "checked": checked.checked, "unsealed": checked.unsealed,
        "first_seq": checked.span.map(|(first, _)| first), "last_seq": checked.span.map(|(_, last)| last),
        "through_head": checked.through_head, "found": checked.found, "findings": findings.collect::<Vec<_>>(),
    })
}

fn in_words(checked: &Checked, head: bool) -> Vec<String> {
    let mut lines: Vec<_> = checked.findings.iter().map(finding).collect();
    let more = checked.found.saturating_sub(checked.findings.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    let places = checked.span.map_or_else(String::new, |(first, last)| format!(", places {first} to {last}"));
    let waiting = match checked.unsealed {
        0 => String::new(),
        count => format!("; {count} were not sealed yet"),
    };
    let verdict = if checked.found == 0 { "the chain holds" } else { "the chain is broken" };
    lines.push(format!("{verdict}: {} events checked{places}{waiting}", checked.checked));
    if checked.found == 0 && !head {
        lines.push(
            "what came after the last of them cannot be known from the file: compare with a head".to_owned(),
        );
    }
    lines
}

fn finding(finding: &Finding) -> String {
    let Finding { line, seq, events, tampering } = finding;
    match tampering {
        Tampering::Altered => format!("line {line}: the event at place {seq}, or its place, was altered"),
        Tampering::Missing if *events == 1 => {
            format!("after line {line}: the event at place {seq} is missing")
        }
        Tampering::Missing => {
            format!("after line {line}: {events} events are missing, from place {seq} on")
        }
        Tampering::OutOfPlace => {
            format!("line {line}: the event at place {seq} does not stand where it belongs")
        }
        Tampering::Twice => format!("line {line}: place {seq} is there twice"),
        Tampering::UnknownKey => {
            format!("line {line}: the event at place {seq} was sealed with a key that was not given")
        }
        Tampering::CutOff => format!("line {line}: the chain does not go through the head at place {seq}"),
    }
}

fn verdict(answer: &Json) -> String {
    let number = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or(0);
    let waiting = match number("unsealed") {
        0 => String::new(),
        count => format!("; {count} wait to be sealed"),
    };
    let broken = &answer["broken_at"];
    if answer["holds"] == Json::Bool(true) {
        let head = match (answer.get("head_seq").and_then(Json::as_i64), text(answer, "head_mac")) {
            (Some(seq), mac) => format!("\nhead: {seq}:{}", escape(mac)),
            (None, _) => String::new(),
        };
        return format!("the chain holds: {} events checked{waiting}{head}", number("checked"));
    }
    let event = match text(broken, "event_id") {
        "" => "no event".to_owned(),
        id => format!("event {}", escape(id)),
    };
    format!(
        "the chain is broken at {}: {} ({event}); {} events checked{waiting}",
        broken.get("seq").and_then(Json::as_i64).unwrap_or(0),
        escape(text(broken, "problem")),
        number("checked")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_api::event::{ChainBreak, ChainVerification};

    #[test]
    fn the_verdict_names_the_head_or_the_place_of_the_break() {
        let whole = ChainVerification {
            holds: true,
            checked: 12,
            first_seq: Some(1),
            head_seq: Some(12),
            head_mac: Some("ab12".to_owned()),
            unsealed: 2,
            broken_at: None,
        };
        let told = |chain: &ChainVerification| verdict(&serde_json::to_value(chain).unwrap());
        assert_eq!(told(&whole), "the chain holds: 12 events checked; 2 wait to be sealed\nhead: 12:ab12");
        let broken_at = Some(ChainBreak { seq: 7, event_id: None, problem: "missing".to_owned() });
        let broken = ChainVerification { holds: false, checked: 6, unsealed: 0, broken_at, ..whole };
        assert_eq!(told(&broken), "the chain is broken at 7: missing (no event); 6 events checked");
    }
}
