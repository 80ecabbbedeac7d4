//! Loading: the layers, their merging, the typed configuration.

use std::path::{Path, PathBuf};

use figment::Figment;
use serde::Serialize;

use super::finding::{Finding, Severity, ShowRow};
use super::issuers::RawIssuers;
use super::layer::{FLAGS, Layer, PROGRAM};
use super::read::Reader;
use super::table::Config;
use super::{checks, environment, file, issuers, table};

/// The file that is read, if it is there, when none is named.
pub const DEFAULT_FILE: &str = "keywright.toml";

/// Everything that a configuration is made from.
#[derive(Clone, Default)]
pub struct LoadInput {
    /// Keys with their values from the command line, such as `("server.listen", "127.0.0.1:9000")`.
    pub flags: Vec<(String, String)>,
    /// The file that `--config` names; before `KEYWRIGHT_CONFIG`.
    pub file: Option<PathBuf>,
    /// The file to read, if it is there, when none is named.
    pub default_file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Whether this is `--dev`, which makes a master key beside the database by itself.
    pub dev: bool,
    /// Keys with their values from a program that opens a node in its own process. Nothing stands above them, and secrets
    /// may be among them.
    pub program: Vec<(String, String)>,
}

impl LoadInput {
    /// What this process was started with.
    pub fn of_process(flags: Vec<(String, String)>, file: Option<PathBuf>, dev: bool) -> Self {
        Self {
            flags,
            file,
            default_file: Some(DEFAULT_FILE.into()),
            environment: environment::of_process(),
            dev,
            program: Vec::new(),
        }
    }
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Loaded {
    /// The configuration; none while an error stands.
    #[serde(skip)]
    pub config: Option<Config>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Every mistake and every warning.
    pub findings: Vec<Finding>,
    /// The effective value of every key, in the order of the table.
    pub rows: Vec<ShowRow>,
}

impl Loaded {
    /// The mistakes alone.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// What the operator should know, without the mistakes.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Warning)
    }
}

/// Reads, merges and validates. It never fails: whatever is wrong is a finding, all at once.
pub fn load(input: &LoadInput) -> Loaded {
    let mut findings = Vec::new();
    let mut raw = RawIssuers::default();
    let mut layers = Figment::from(Layer::defaults());
    let path = chosen_file(input);
    if let Some(path) = &path {
        layers = layers.merge(file::read(path, &mut raw, &mut findings));
    }
    layers = layers.merge(environment::read(&input.environment, &mut raw, &mut findings));
    layers = layers.merge(flags(&input.flags, &mut findings));
    layers = layers.merge(program(&input.program, &mut findings));

    let mut reader = Reader::new(&layers);
    let mut config = Config::read(&mut reader);
    let mut told = Vec::new();
    issuers::read(raw, &mut config, &mut told, &mut findings);
    checks::look(&config, input.dev, &mut reader);
    let (mut rows, found) = reader.finish();
    rows.extend(told);
    findings.extend(found);
    let sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    Loaded { config: sound.then_some(config), file: path, findings, rows }
}

/// A named file must be there; the default one may be.
fn chosen_file(input: &LoadInput) -> Option<PathBuf> {
    let named = || {
        let (_, path) = input.environment.iter().rev().find(|(name, _)| name == "KEYWRIGHT_CONFIG")?;
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let present = |path: &PathBuf| Path::new(path).symlink_metadata().is_ok();
    input.file.clone().or_else(named).or_else(|| input.default_file.clone().filter(present))
}

fn flags(flags: &[(String, String)], findings: &mut Vec<Finding>) -> Layer {
    let mut layer = Layer::new(FLAGS);
    for (key, value) in flags {
        match table::find(key) {
            Some(setting) => layer.set(setting, value.as_str(), setting.flag_name()),
            None => findings.push(file::unknown(key, "command line".to_owned())),
        }
    }
    layer
}

fn program(values: &[(String, String)], findings: &mut Vec<Finding>) -> Layer {
    let mut layer = Layer::new(PROGRAM);
    for (key, value) in values {
        match table::find(key) {
            Some(setting) => layer.set(setting, value.as_str(), PROGRAM.to_owned()),
            None => findings.push(file::unknown(key, PROGRAM.to_owned())),
        }
    }
    layer
}
