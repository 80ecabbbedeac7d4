//! Lists of things that have a form of their own: domains, publishers, words, algorithms.

use std::path::{Component, Path, PathBuf};

use keywright_core::{EmailAddress, PublisherId};
use keywright_verify::jwt::Algorithm;

use super::{Fault, Raw, Settable, Shape};
use crate::config::setting::Setting;

/// Most entries of a list.
const MAX_ENTRIES: usize = 100;

/// A list of values, each of which is read by itself; in the environment separated by commas.
trait Entry: Sized + PartialEq {
    const EXPECTS: &'static str;

    fn read(text: &str) -> Option<Self>;

    fn show(&self) -> String;
}

fn entries<E: Entry>(raw: &Raw) -> Result<Vec<E>, Fault> {
    let mut read = Vec::new();
    for (at, text) in raw.items(|c| c == ',').into_iter().enumerate() {
        let entry =
            E::read(text).ok_or_else(|| Fault::new(format!("has no such value as entry {}", at + 1)))?;
        if read.contains(&entry) {
            return Err(Fault::new(format!("names entry {} twice", at + 1)));
        }
        read.push(entry);
    }
    if read.len() > MAX_ENTRIES { Err(Fault::new("has more than 100 entries")) } else { Ok(read) }
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident($Entry:ty): $expects:literal, $read:expr, $show:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub Vec<$Entry>);

        impl Entry for $Entry {
            const EXPECTS: &'static str = $expects;

            fn read(text: &str) -> Option<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                read(text)
            }

            fn show(&self) -> String {
                let show: fn(&Self) -> String = $show;
                show(self)
            }
        }

        impl Settable for $name {
            const SHAPE: Shape = Shape::Texts;

            fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
                entries(raw).map(Self)
            }

            fn show(&self) -> String {
                self.0.iter().map(Entry::show).collect::<Vec<_>>().join(",")
            }

            fn expects(_: &Setting) -> String {
                <$Entry as Entry>::EXPECTS.to_owned()
            }
        }
    )+};
}

/// A domain of e-mail addresses, in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(pub String);

/// A word without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

/// A directory, by its absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(pub PathBuf);

impl Directory {
    fn read(text: &str) -> Option<Self> {
        let path = Path::new(text);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let within = path.is_absolute() && plain && path.parent().is_some() && !text.contains('\0');
        within.then(|| Self(path.components().collect()))
    }
}

/// A program with all of its arguments, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is called.
    pub name: String,
    /// Its path and its arguments.
    pub argv: Vec<String>,
}

impl Program {
    fn read(text: &str) -> Option<Self> {
        let (name, line) = text.split_once('=')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let named = (1..=64).contains(&name.len()) && name.bytes().all(plain);
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let absolute = argv.first().is_some_and(|program| program.starts_with('/'));
        (named && absolute && !text.contains('\0')).then(|| Self { name: name.to_owned(), argv })
    }
}

lists! {
    /// Directories.
    Directories(Directory): "absolute paths of directories, separated by commas",
        Directory::read,
        |directory| directory.0.display().to_string();
    /// Programs.
    Programs(Program): "programs as `NAME=/PATH ARGUMENT …`, separated by commas",
        Program::read,
        |program| format!("{}={}", program.name, program.argv.join(" "));
    /// Domains of e-mail addresses.
    Domains(Domain): "domains such as `example.com`, separated by commas",
        |text| EmailAddress::parse(&format!("x@{text}")).ok().map(|address| Domain(address.domain().to_owned())),
        |domain| domain.0.clone();
    /// Ids of publishers.
    PublisherIds(PublisherId): "ids of publishers, separated by commas",
        |text| text.parse().ok(),
        ToString::to_string;
    /// Words without spaces.
    Words(Word): "words without spaces, separated by commas",
        |text| (!text.is_empty() && text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic()))
            .then(|| Word(text.to_owned())),
        |word| word.0.clone();
    /// Signature algorithms.
    Algorithms(Algorithm): "some of `EdDSA`, `ES256`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`",
        Algorithm::parse,
        |algorithm| algorithm.as_str().to_owned();
}
