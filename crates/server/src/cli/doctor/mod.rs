//! `keywright doctor`: looks at a deployment the way a newcomer would want, and says what to do.

mod configuration;
mod finding;
mod issuers;
mod limits;
mod mail;
mod places;
mod server;
mod store;
mod telemetry;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::Output;
use super::output::table::{Table, Value};
use super::output::text::{counted, escape};
use super::settings;
use crate::config::{Config, Loaded};
use finding::{Finding, Severity};

/// Looks at everything, and fails when something is out of order.
pub(crate) async fn run(globals: &Globals, output: &Output) -> Outcome {
    let loaded = settings::load(globals, &[], false)?;
    let findings = look(&loaded).await;
    if output.json {
        output.value(&findings)?;
    } else {
        for finding in findings.iter().filter(|finding| !output.quiet || finding.severity != Severity::Ok) {
            output.table(&line(finding))?;
            if let Some(advice) = &finding.advice {
                output.line(&format!("           {}", escape(advice)))?;
            }
        }
        output.note(&summary(&findings));
    }
    let bad = findings.iter().any(|finding| finding.severity == Severity::Error);
    if bad { Err(Failure::Found) } else { Ok(()) }
}

/// Every check. Without a sound configuration there is nothing further to look at.
async fn look(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = configuration::look(loaded);
    if let Some(config) = &loaded.config {
        findings.push(configuration::look_at_keys(config));
        findings.extend(places::look(config));
        findings.extend(look_at_the_store(config).await);
        findings.extend(telemetry::look(config).await);
        findings.extend(issuers::look(config).await);
        findings.extend(mail::look(config).await);
        findings.extend(limits::look(config).await);
    }
    findings
}

/// SQLite has one server: while it runs it is asked, and the file left alone.
async fn look_at_the_store(config: &Config) -> Vec<Finding> {
    match crate::local::socket_path(config) {
        None => store::look(config).await,
        Some(socket) => match server::look(&socket).await {
            Some(findings) => findings,
            None => store::look(config).await,
        },
    }
}

fn line(finding: &Finding) -> Table {
    let mut table = Table::default();
    let severity = format!("{:<7}", finding.severity.as_str());
    table.row(vec![
        Value::toned(&severity, finding.severity.tone()),
        format!("{}: {}", finding.check, finding.what).into(),
    ]);
    table
}

fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    format!(
        "{} in order, {}, {}",
        count(Severity::Ok),
        counted(count(Severity::Warning), "warning"),
        counted(count(Severity::Error), "error")
    )
}
