//! The environment.

use super::file::unknown_name;
use super::finding::{Finding, Severity};
use super::issuers::RawIssuers;
use super::layer::Layer;
use super::nearest::nearest;
use super::setting::Setting;
use super::table;

const PREFIX: &str = "KEYWRIGHT_";

/// Names of ours that are no settings: what the client commands and the start itself read.
const OTHER_NAMES: [&str; 7] = [
    "KEYWRIGHT_CONFIG",
    "KEYWRIGHT_CREDENTIAL",
    "KEYWRIGHT_CREDENTIALS",
    "KEYWRIGHT_IMPORT_FROM",
    "KEYWRIGHT_TOKEN",
    "KEYWRIGHT_TOKEN_FILE",
    "KEYWRIGHT_URL",
];
/// Families of names that the tests and measurements read.
const OTHER_PREFIXES: [&str; 2] = ["KEYWRIGHT_TEST_", "KEYWRIGHT_BENCH_"];

/// The process's environment. A value that is not Unicode arrives with replacement characters, and
/// is refused by name if it belongs to a setting.
pub(crate) fn of_process() -> Vec<(String, String)> {
    let readable = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (readable(name), readable(value))).collect()
}

/// Reads the variables into their layer. Names that are none of ours are not looked at.
pub(crate) fn read(
    variables: &[(String, String)],
    issuers: &mut RawIssuers,
    findings: &mut Vec<Finding>,
) -> Layer {
    let mut layer = Layer::new("environment");
    for setting in table::all() {
        let own = value_of(variables, &setting.environment_name());
        let plain = setting.alias.and_then(|alias| value_of(variables, alias));
        let Some((name, value)) = own.or(plain) else { continue };
        let origin = format!("environment {name}");
        if value.contains(char::REPLACEMENT_CHARACTER) {
            findings.push(refused(setting, origin, "is not UTF-8".to_owned(), setting.expectation()));
            continue;
        }
        if let (Some((own, value)), Some((plain, other))) = (own, plain)
            && value.trim() != other.trim()
        {
            let message = format!("differs from {plain}, which sets the same key");
            findings.push(refused(
                setting,
                origin.clone(),
                message,
                format!("set only one of {own} and {plain}"),
            ));
        }
        layer.set(setting, value, origin);
    }
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        if !is_known(name) && !issuers.take(name, value) && !is_service_link(name, value) {
            let meant = nearest(name, known_names());
            findings.push(unknown_name("variable", name, "environment".to_owned(), meant));
        }
    }
    layer
}

fn refused(setting: &Setting, origin: String, message: String, fix: String) -> Finding {
    Finding { severity: Severity::Error, key: setting.key.to_owned(), origin, value: None, message, fix }
}

/// The last one counts, as in a shell.
fn value_of<'a>(variables: &'a [(String, String)], name: &str) -> Option<(&'a str, &'a str)> {
    variables
        .iter()
        .rev()
        .find(|(known, _)| known == name)
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

fn known_names() -> impl Iterator<Item = String> {
    table::all()
        .flat_map(|setting| [Some(setting.environment_name()), setting.alias.map(str::to_owned)])
        .flatten()
        .chain(OTHER_NAMES.map(str::to_owned))
        .filter(|name| name.starts_with(PREFIX))
}

fn is_known(name: &str) -> bool {
    OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || known_names().any(|known| known == name)
}

/// Kubernetes puts such variables into every pod beside a service whose name begins with
/// `keywright` (`KEYWRIGHT_SERVICE_HOST`, `KEYWRIGHT_PORT_8080_TCP_ADDR`, …). They are not the
/// operator's, and no setting has such a name.
fn is_service_link(name: &str, value: &str) -> bool {
    let port_of_link = || {
        name.split_once("_PORT_").is_some_and(|(_, rest)| {
            let mut parts = rest.split('_');
            parts
                .next()
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
                && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
        })
    };
    !name.contains("__")
        && (name.ends_with("_SERVICE_HOST")
            || name.ends_with("_SERVICE_PORT")
            || name.contains("_SERVICE_PORT_")
            || (name.ends_with("_PORT") && value.contains("://"))
            || port_of_link())
}
