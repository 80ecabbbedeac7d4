//! The kinds of value a setting may have: how each is read, shown, and described.

mod choice;
mod database_url;
mod lists;
mod master_keys;
mod networks;
mod ratio;
mod scalar;
mod size;
mod url;

use figment::value::{Num, Value};

pub use choice::{JwtAlgorithm, LogFormat, LogLevel, RateLimitBackend, SuccessEvents};
pub use database_url::DatabaseUrl;
pub use lists::{Algorithms, Directories, Domains, Programs, PublisherIds, Words};
pub use master_keys::{MasterKeyError, MasterKeys};
pub use networks::Networks;
pub use ratio::Ratio;
pub use scalar::Argv;
pub use size::ByteSize;
pub use url::{PublicUrl, SecretUrl};

use super::setting::Setting;

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `true`
    Flag,
    /// `5`
    Number,
    /// `0.5`
    Fraction,
    /// `"1GiB"`, or a number
    Size,
    /// `"text"`
    Text,
    /// `[1, 7]`, or `"1,7"`
    Numbers,
    /// `["a", "b"]`, or `"a,b"`
    Texts,
}

/// A value as it was written, before it has a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// One text; also a number or a flag, and anything from the environment.
    Text(String),
    /// The elements of an array in the file.
    Items(Vec<String>),
}

/// Why a value cannot be read. It never repeats a value that may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong, after the name of the key: "is not a whole number".
    pub(crate) message: String,
    /// What would be right, when more can be said than the setting's expectation.
    pub(crate) fix: Option<String>,
    /// Whether the value turned out to be a secret, where none was expected.
    pub(crate) secret: bool,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fix: None, secret: false }
    }

    pub(crate) fn secret(message: impl Into<String>) -> Self {
        Self { message: message.into(), fix: None, secret: true }
    }

    pub(crate) fn with_fix(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: Some(fix.into()), secret: false }
    }
}

/// A type that a setting may have.
pub(crate) trait Settable: Sized {
    /// How it is written in the file.
    const SHAPE: Shape;

    /// Reads it. Empty text arrives only where nothing is not a value.
    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault>;

    /// The value as an operator would write it, secrets masked.
    fn show(&self) -> String;

    /// What a right value looks like: "a whole number from 1 to 10".
    fn expects(setting: &Setting) -> String;

    /// Whether it carries a secret that must not stand on a command line.
    fn holds_secret(&self) -> bool {
        false
    }
}

impl Raw {
    /// The value as it was written, if its kind can stand for the shape at all.
    pub(crate) fn of(value: &Value, shape: Shape) -> Result<Self, Fault> {
        let element = |value: &Value, shape| match (value, shape) {
            (Value::String(_, text), _) => Some(text.trim().to_owned()),
            (Value::Bool(_, flag), Shape::Flag) => Some(flag.to_string()),
            (
                Value::Num(_, Num::I64(number)),
                Shape::Number | Shape::Size | Shape::Numbers | Shape::Fraction,
            ) => Some(number.to_string()),
            (Value::Num(_, Num::F64(number)), Shape::Fraction) => Some(number.to_string()),
            _ => None,
        };
        let read = match (value, shape) {
            (Value::Array(_, items), Shape::Texts | Shape::Numbers) => {
                items.iter().map(|item| element(item, shape)).collect::<Option<_>>().map(Self::Items)
            }
            _ => element(value, shape).map(Self::Text),
        };
        read.ok_or_else(|| Fault::new(format!("cannot be {}", kind_of(value))))
    }

    /// The one text; an array is refused.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Items(_) => Err(Fault::new("cannot be an array")),
        }
    }

    /// The elements: of an array, or of a text between the separators.
    pub(crate) fn items(&self, separator: impl Fn(char) -> bool) -> Vec<&str> {
        match self {
            Self::Text(text) if text.is_empty() => Vec::new(),
            Self::Text(text) => text.split(separator).map(str::trim).collect(),
            Self::Items(items) => items.iter().map(String::as_str).collect(),
        }
    }
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(_, Num::F32(_) | Num::F64(_)) => "a fraction",
        Value::Num(..) => "a number",
        Value::Empty(..) => "a date",
        Value::Dict(..) => "a table",
        Value::Array(..) => "this array",
    }
}

impl<T: Settable> Settable for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        match raw {
            Raw::Text(text) if text.is_empty() => Ok(None),
            _ => T::parse(raw, setting).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, T::show)
    }

    fn expects(setting: &Setting) -> String {
        T::expects(setting)
    }

    fn holds_secret(&self) -> bool {
        self.as_ref().is_some_and(T::holds_secret)
    }
}
