//! The reading of each setting out of the merged layers: its type, its origin, its row, its findings.

use std::collections::HashSet;

use figment::value::{Tag, Value};
use figment::{Figment, Profile};

use super::finding::{Finding, HIDDEN, Severity, ShowRow, printable};
use super::kinds::{Raw, Settable};
use super::layer::{DEFAULTS, FLAGS};
use super::setting::Setting;
use super::table;

/// Reads settings one by one, so that one mistake hides no other.
pub(crate) struct Reader<'a> {
    layers: &'a Figment,
    rows: Vec<ShowRow>,
    findings: Vec<Finding>,
    faulty: HashSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layers: &'a Figment) -> Self {
        Self { layers, rows: Vec::new(), findings: Vec::new(), faulty: HashSet::new() }
    }

    pub(crate) fn finish(self) -> (Vec<ShowRow>, Vec<Finding>) {
        (self.rows, self.findings)
    }

    /// The value of a key. A faulty one becomes a finding, and its default takes its place so that the
    /// rest can be checked; the configuration as a whole is then not used.
    pub(crate) fn read<T: Settable>(&mut self, key: &str) -> T {
        let setting = table::find(key).expect("the table reads the keys it lists");
        let value = self.layers.find_value(key).unwrap_or_else(|_| Value::from(setting.default));
        let (layer, origin) = self.origin(setting, &value);
        let raw = Raw::of(&value, T::SHAPE);
        match raw.clone().and_then(|raw| T::parse(&raw, setting)) {
            Ok(typed) => {
                if layer == FLAGS && typed.holds_secret() {
                    self.refuse_on_command_line(setting, &origin);
                }
                self.rows.push(ShowRow { key: setting.key.to_owned(), value: typed.show(), origin });
                typed
            }
            Err(fault) => {
                let shown = raw.ok().map(|raw| masked(setting.secret || fault.secret, &raw));
                let fix = fault.fix.unwrap_or_else(|| format!("give {}", setting.expectation()));
                self.push(setting.key, Severity::Error, &origin, shown.clone(), fault.message, fix);
                self.faulty.insert(setting.key);
                self.rows.push(ShowRow {
                    key: setting.key.to_owned(),
                    value: shown.unwrap_or_default(),
                    origin,
                });
                default_of(setting)
            }
        }
    }

    /// A rule about several keys; silent while one of them is faulty by itself.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        keys: &[&'static str],
        severity: Severity,
        message: &str,
        fix: &str,
    ) {
        if holds || keys.iter().any(|key| self.faulty.contains(key)) {
            return;
        }
        let row = self.rows.iter().find(|row| row.key == keys[0]);
        let (value, origin) = row.map(|row| (row.value.clone(), row.origin.clone())).unwrap_or_default();
        let value = Some(value).filter(|value| !value.is_empty());
        self.push(keys[0], severity, &origin, value, message.to_owned(), fix.to_owned());
    }

    fn origin(&self, setting: &Setting, value: &Value) -> (String, String) {
        let tag: Tag = value.tag();
        match self.layers.get_metadata(tag) {
            Some(metadata) => {
                let path: Vec<&str> = setting.key.split('.').collect();
                (metadata.name.clone().into_owned(), metadata.interpolate(&Profile::Default, &path))
            }
            None => (DEFAULTS.to_owned(), DEFAULTS.to_owned()),
        }
    }

    fn refuse_on_command_line(&mut self, setting: &'static Setting, origin: &str) {
        let name = setting.alias.map_or_else(|| setting.environment_name(), str::to_owned);
        self.push(
            setting.key,
            Severity::Error,
            origin,
            None,
            "is a secret on the command line, which every process of the machine can read".to_owned(),
            format!("set {name} in the environment"),
        );
    }

    fn push(
        &mut self,
        key: &str,
        severity: Severity,
        origin: &str,
        value: Option<String>,
        message: String,
        fix: String,
    ) {
        let (key, origin) = (key.to_owned(), origin.to_owned());
        self.findings.push(Finding { severity, key, origin, value, message, fix });
    }
}

fn default_of<T: Settable>(setting: &Setting) -> T {
    T::parse(&Raw::Text(setting.default.to_owned()), setting).unwrap_or_else(|fault| {
        unreachable!("a test reads every default; that of {} {}", setting.key, fault.message)
    })
}

/// The value as it was written, or nothing of it if it is meant to be a secret.
fn masked(secret: bool, raw: &Raw) -> String {
    match raw {
        _ if secret => HIDDEN.to_owned(),
        Raw::Text(text) => printable(&format!("`{text}`")),
        Raw::Items(items) => printable(&format!("[{}]", items.join(", "))),
    }
}
