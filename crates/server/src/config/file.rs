//! The configuration file.

use std::io::Read as _;
use std::path::Path;

use figment::value::{Dict, Empty, Num, Tag, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Severity, printable};
use super::issuers::{RawIssuers, SECTION};
use super::layer::Layer;
use super::nearest::nearest;
use super::table::{self, SECTIONS};

/// A configuration file is small; something else was named by mistake.
const MOST_BYTES: u64 = 1 << 20;
/// After this many, the mistakes of a file that is not TOML are noise.
const MOST_SYNTAX_ERRORS: usize = 20;

/// Reads the file into its layer.
pub(crate) fn read(path: &Path, issuers: &mut RawIssuers, findings: &mut Vec<Finding>) -> Layer {
    let name =
        if path.as_os_str().is_empty() { "--config".to_owned() } else { printable(&path.to_string_lossy()) };
    let mut layer = Layer::new("file");
    match content(path) {
        Ok(text) => parse(&text, &name, (&mut layer, issuers), findings),
        Err(message) => findings.push(Finding {
            severity: Severity::Error,
            key: String::new(),
            origin: name,
            value: None,
            message,
            fix: "give the path of a readable file in TOML".to_owned(),
        }),
    }
    layer
}

fn content(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// Reads the text. A file with a syntax error gives no values: what was recovered from it may not be
/// what was meant, and names in it may be parts of a secret.
fn parse(
    text: &str,
    name: &str,
    (layer, issuers): (&mut Layer, &mut RawIssuers),
    findings: &mut Vec<Finding>,
) {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        findings.extend(errors.iter().take(MOST_SYNTAX_ERRORS).map(|error| not_toml(text, name, error)));
        return;
    }
    for (key, value) in document.get_ref() {
        let origin = |at: usize| format!("{name}:{}", line(text, at));
        let section = key.get_ref().as_ref();
        match value.get_ref() {
            DeValue::Table(named) if section == SECTION => {
                read_issuers(named, &origin, issuers, findings);
            }
            DeValue::Table(values) if SECTIONS.iter().any(|known| known.name == section) => {
                for (key, value) in values {
                    let full = format!("{section}.{}", key.get_ref());
                    if full == "cloudflare.rules" {
                        issuers.set_cloudflare_rules(convert(value), origin(key.span().start));
                        continue;
                    }
                    match table::find(&full) {
                        Some(setting) => layer.set(setting, convert(value), origin(key.span().start)),
                        None => findings.push(unknown(&full, origin(key.span().start))),
                    }
                }
            }
            _ if SECTIONS.iter().any(|known| known.name == section) => findings.push(Finding {
                severity: Severity::Error,
                key: section.to_owned(),
                origin: origin(key.span().start),
                value: None,
                message: "is a section, not a value".to_owned(),
                fix: format!("write `[{section}]` and its keys below"),
            }),
            DeValue::Table(_) => findings.push(unknown_section(section, origin(key.span().start))),
            _ => findings.push(unknown(section, origin(key.span().start))),
        }
    }
}

fn not_toml(text: &str, name: &str, error: &toml::de::Error) -> Finding {
    let at = error.span().map(|span| line(text, span.start));
    Finding {
        severity: Severity::Error,
        key: String::new(),
        origin: at.map_or_else(|| name.to_owned(), |at| format!("{name}:{at}")),
        value: None,
        // The message alone: the library's display repeats the line, with a secret on it.
        message: format!("is not TOML: {}", first_line(error.message())),
        fix: "write `key = \"value\"` under `[section]`".to_owned(),
    }
}

/// `[issuers.NAME]`, each with its keys.
fn read_issuers(
    named: &DeTable<'_>,
    origin: &impl Fn(usize) -> String,
    issuers: &mut RawIssuers,
    findings: &mut Vec<Finding>,
) {
    for (name, value) in named {
        let DeValue::Table(values) = value.get_ref() else {
            let full = format!("{SECTION}.{}", name.get_ref());
            findings.push(unknown(&full, origin(name.span().start)));
            continue;
        };
        issuers.named(name.get_ref());
        for (key, value) in values {
            issuers.set(name.get_ref(), key.get_ref(), convert(value), origin(key.span().start));
        }
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// A name in the file, or of a flag, that no setting has.
pub(crate) fn unknown(key: &str, origin: String) -> Finding {
    let meant = nearest(key, table::all().map(|setting| setting.key.to_owned()));
    unknown_name("key", key, origin, meant)
}

fn unknown_section(section: &str, origin: String) -> Finding {
    let meant = nearest(section, SECTIONS.iter().map(|section| section.name.to_owned()));
    unknown_name("section", section, origin, meant)
}

/// A name that nothing has, with the one that may have been meant.
pub(crate) fn unknown_name(noun: &str, name: &str, origin: String, meant: Option<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        key: printable(name),
        origin,
        value: None,
        message: format!("is an unknown {noun}"),
        fix: meant.map_or_else(
            || "remove it, or see docs/configuration.md for the names".to_owned(),
            |meant| format!("did you mean {meant}?"),
        ),
    }
}

fn convert(value: &Spanned<DeValue<'_>>) -> Value {
    let tag = Tag::Default;
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Num(tag, Num::I64(number)),
            Err(_) => Value::from(digits.as_str()),
        },
        DeValue::Float(digits) => Value::Num(tag, Num::F64(digits.as_str().parse().unwrap_or(f64::NAN))),
        DeValue::Datetime(_) => Value::Empty(tag, Empty::Unit),
        DeValue::Array(items) => Value::Array(tag, items.iter().map(convert).collect()),
        DeValue::Table(entries) => Value::Dict(
            tag,
            entries.iter().map(|(key, value)| (key.get_ref().to_string(), convert(value))).collect::<Dict>(),
        ),
    }
}
