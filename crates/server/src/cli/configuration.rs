//! `keywright config …`: what the configuration says, and what is wrong with it.

use clap::Subcommand;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::output::table::{NOTHING, Table, Tone, Value};
use super::output::text::counted;
use crate::config::{Finding, Loaded, Severity, check_files};

/// Verbs on the configuration.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the effective value of every setting and where it comes from; secrets are masked
    Show,
    /// Validate everything, and name every mistake at once
    Check,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, loaded: &Loaded, output: &Output) -> Outcome {
        match self {
            Self::Show => show(loaded, output),
            Self::Check => check(loaded, output),
        }
    }
}

/// What cannot be read has no effective value: the mistakes are told beside the rest.
fn show(loaded: &Loaded, output: &Output) -> Outcome {
    if output.json {
        output.value(loaded)?;
    } else {
        output.table(&settings(loaded))?;
        for finding in &loaded.findings {
            output.note(&finding.to_string());
        }
    }
    if loaded.errors().next().is_none() { Ok(()) } else { Err(Failure::Found) }
}

fn settings(loaded: &Loaded) -> Table {
    let mut table = Table::with_header(&["KEY", "VALUE", "ORIGIN"]);
    for row in &loaded.rows {
        let value =
            if row.value.is_empty() { Value::toned(NOTHING, Tone::Faint) } else { row.value.as_str().into() };
        let tone = if row.origin == "default" { Tone::Faint } else { Tone::Plain };
        table.row(vec![row.key.as_str().into(), value, Value::toned(&row.origin, tone)]);
    }
    table
}

fn check(loaded: &Loaded, output: &Output) -> Outcome {
    let findings: Vec<Finding> = loaded.findings.iter().cloned().chain(check_files(loaded)).collect();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if output.json {
        output.value(&json!({ "valid": errors == 0, "findings": findings }))?;
    } else {
        for finding in &findings {
            output.line(&finding.to_string())?;
        }
        output.note(&summary(errors, findings.len() - errors));
    }
    if errors == 0 { Ok(()) } else { Err(Failure::Found) }
}

fn summary(errors: usize, warnings: usize) -> String {
    let verdict =
        if errors == 0 { "the configuration is sound" } else { "nothing starts with this configuration" };
    format!("{verdict}: {}, {}", counted(errors, "error"), counted(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Look, captured};
    use crate::config::{LoadInput, load};

    fn loaded(flags: &[(&str, &str)]) -> Loaded {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(&LoadInput { flags, ..LoadInput::default() })
    }

    #[test]
    fn every_setting_is_shown_with_its_origin() {
        let loaded = loaded(&[("server.listen", "127.0.0.1:9000")]);
        let text = settings(&loaded).render(Look { terminal: false, colour: false });
        assert_eq!(text.lines().count(), 1 + crate::config::all().count());
        let line = text.lines().find(|line| line.starts_with("server.listen")).unwrap();
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["server.listen", "127.0.0.1:9000", "--listen"]
        );
    }

    #[test]
    fn a_mistake_is_exit_code_1_in_both() {
        let (output, results, _) = captured::output();
        let wrong = loaded(&[("database.pool_size", "ten")]);
        assert_eq!(check(&wrong, &output).unwrap_err().exit_code(), 1);
        assert!(results.text().contains("database.pool_size"), "{}", results.text());
        assert_eq!(show(&wrong, &output).unwrap_err().exit_code(), 1);
    }
}
