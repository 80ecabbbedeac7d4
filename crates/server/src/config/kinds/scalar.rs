//! Plain values: flags, whole numbers, texts, paths, addresses, days, commands.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Fault, MasterKeys, Raw, Settable, Shape};
use crate::config::finding::{HIDDEN, printable};
use crate::config::setting::Setting;

/// The longest plain text, in bytes; the limit of a path on Linux.
const TEXT_BYTES: usize = 4096;

impl Settable for bool {
    const SHAPE: Shape = Shape::Flag;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        match raw.text()?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Fault::new("is neither true nor false")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn expects(_: &Setting) -> String {
        "`true` or `false`".to_owned()
    }
}

/// A whole number within the setting's bounds.
pub(super) fn whole(text: &str, setting: &Setting) -> Result<u64, Fault> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::new("is not a whole number"));
    }
    let (least, greatest) = setting.bounds;
    match text.parse::<u64>() {
        Ok(number) if number < least => Err(Fault::new("is too small")),
        Ok(number) if number <= greatest => Ok(number),
        Err(_) if text.starts_with('-') => Err(Fault::new("is too small")),
        _ => Err(Fault::new("is too large")),
    }
}

fn expects_whole(setting: &Setting) -> String {
    format!("a whole number from {} to {}", setting.bounds.0, setting.bounds.1)
}

macro_rules! whole_numbers {
    ($($Number:ty),+) => {$(
        impl Settable for $Number {
            const SHAPE: Shape = Shape::Number;

            fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
                Self::try_from(whole(raw.text()?, setting)?).map_err(|_| Fault::new("is too large"))
            }

            fn show(&self) -> String {
                self.to_string()
            }

            fn expects(setting: &Setting) -> String {
                expects_whole(setting)
            }
        }
    )+};
}
whole_numbers!(u32, u64, usize);

/// Numbers of days, shown in ascending order, each once.
impl Settable for Vec<u32> {
    const SHAPE: Shape = Shape::Numbers;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        let mut numbers = Self::new();
        for (at, item) in raw.items(|c| c == ',').into_iter().enumerate() {
            let number = whole(item, setting).ok().and_then(|number| u32::try_from(number).ok());
            let Some(number) = number else {
                return Err(Fault::new(format!("has no such number as entry {}", at + 1)));
            };
            if numbers.contains(&number) {
                return Err(Fault::new(format!("names {number} twice")));
            }
            numbers.push(number);
        }
        if numbers.is_empty() {
            return Err(Fault::new("is empty"));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn show(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn expects(setting: &Setting) -> String {
        let (least, greatest) = setting.bounds;
        format!("whole numbers from {least} to {greatest}, separated by commas")
    }
}

fn plain(raw: &Raw) -> Result<&str, Fault> {
    let text = raw.text()?;
    if text.is_empty() {
        return Err(Fault::new("is empty"));
    }
    if text.len() > TEXT_BYTES {
        return Err(Fault::new(format!("is longer than {TEXT_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("contains a control character"));
    }
    Ok(text)
}

impl Settable for String {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        let text = plain(raw)?;
        match setting.rule {
            Some((holds, wording)) if !holds(text) => Err(Fault::new(format!("is not {wording}"))),
            _ => Ok(text.to_owned()),
        }
    }

    fn show(&self) -> String {
        printable(self)
    }

    fn expects(setting: &Setting) -> String {
        setting.rule.map_or("text", |(_, wording)| wording).to_owned()
    }
}

impl Settable for PathBuf {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        let text = plain(raw)?;
        if text.contains("://") {
            return Err(Fault::new("is a URL, not a path"));
        }
        // The key itself where the path of its file belongs would be shown as a path is.
        if !text.starts_with(['/', '.']) && MasterKeys::from_text(text).is_ok() {
            return Err(Fault::secret("is a key, not the path of its file"));
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> String {
        printable(&self.to_string_lossy())
    }

    fn expects(_: &Setting) -> String {
        "a path".to_owned()
    }
}

impl Settable for SocketAddr {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        raw.text()?.parse().map_err(|_| Fault::new("is not an address with a port"))
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn expects(_: &Setting) -> String {
        "an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`".to_owned()
    }
}

/// A program and its arguments, which may carry a secret: nothing of it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Argv(Vec<String>);

impl Argv {
    /// The program.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl std::fmt::Debug for Argv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Argv({})", self.show())
    }
}

impl Settable for Argv {
    const SHAPE: Shape = Shape::Texts;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        let mut words: Vec<String> = raw.items(char::is_whitespace).into_iter().map(str::to_owned).collect();
        if matches!(raw, Raw::Text(_)) {
            words.retain(|word| !word.is_empty());
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(Fault::new("contains a NUL"));
        }
        match words.first() {
            Some(program) if !program.is_empty() => Ok(Self(words)),
            _ => Err(Fault::new("names no program")),
        }
    }

    fn show(&self) -> String {
        HIDDEN.to_owned()
    }

    fn expects(_: &Setting) -> String {
        "a program and its arguments".to_owned()
    }

    fn holds_secret(&self) -> bool {
        true
    }
}
