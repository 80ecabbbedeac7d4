//! Places of addresses: country and network, from a database in MMDB format that is read into memory, and anew
//! when it is replaced. Never on the path of a verification.

pub mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, Metadata};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keywright_core::{Timestamp, address};
use maxminddb::{LookupResult, PathElement, Reader};
use parking_lot::RwLock;
use tracing::{info, warn};

/// The country, and the network, of an address that belongs to nobody in public.
pub const PRIVATE: &str = "private";
/// Between two looks whether the file was replaced.
const WATCH: Duration = Duration::from_secs(5);
/// Bytes of a network's name that are kept.
const MAX_NETWORK_BYTES: usize = 100;

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 alpha-2, or [`PRIVATE`].
    pub country: Option<Box<str>>,
    /// The autonomous system, `AS64496 Example`, or [`PRIVATE`]; where the file tells it.
    pub network: Option<Box<str>>,
}

/// What there is to tell of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacesStatus {
    /// When the database in use was built; none where none could be read.
    pub built_at: Option<Timestamp>,
    /// Why the file as it is now could not be read; the database in use is then the one before it.
    pub fault: Option<String>,
}

/// A file as it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { inode: metadata.ino(), bytes: metadata.len(), changed }
    }
}

#[derive(Default)]
struct Current {
    reader: Option<Arc<Reader<Vec<u8>>>>,
    /// Of the file that was tried last.
    stamp: Option<Stamp>,
    fault: Option<String>,
}

#[derive(Default)]
struct Inner {
    path: Option<PathBuf>,
    current: RwLock<Current>,
}

/// The places of addresses; without a database they are not known. Cheap to clone.
#[derive(Clone, Default)]
pub struct Places(Arc<Inner>);

impl PartialEq for Places {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Places {}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Places").field(&self.0.path).finish()
    }
}

impl Places {
    /// Places by the database in this file. One that cannot be read is told by [`Places::status`], and tried again
    /// when it is replaced.
    pub fn open(path: &Path) -> Self {
        let places = Self(Arc::new(Inner { path: Some(path.to_owned()), ..Inner::default() }));
        places.read_if_replaced();
        places
    }

    /// Whether there is a file to read them from.
    pub fn are_configured(&self) -> bool {
        self.0.path.is_some()
    }

    /// Looks again and again whether the file was replaced.
    pub async fn watch(self) {
        let mut tick = tokio::time::interval(WATCH);
        loop {
            tick.tick().await;
            let own = self.clone();
            // Several megabytes are read.
            let _ = tokio::task::spawn_blocking(move || own.read_if_replaced()).await;
        }
    }

    /// Reads the file if it is another than the one that was tried last.
    pub fn read_if_replaced(&self) {
        let Some(path) = &self.0.path else { return };
        let stamp = fs::metadata(path).map(Stamp::from);
        let known = self.0.current.read().stamp;
        let read = match stamp {
            Ok(stamp) if known == Some(stamp) => return,
            Ok(_) => read(path),
            Err(ref error) => Err(error.to_string()),
        };
        let mut current = self.0.current.write();
        current.stamp = stamp.ok();
        match read {
            Ok(reader) => {
                info!(path = %path.display(), build_epoch = reader.metadata().build_epoch, "places are known by this database");
                (current.reader, current.fault) = (Some(Arc::new(reader)), None);
            }
            Err(fault) => {
                if current.fault.as_ref() != Some(&fault) {
                    warn!(path = %path.display(), fault, kept = current.reader.is_some(), "the database of places cannot be read");
                }
                current.fault = Some(fault);
            }
        }
    }

    /// Where an address is.
    pub fn of(&self, address: IpAddr) -> Place {
        if !self.are_configured() {
            return Place::default();
        }
        if address::is_private(address) {
            return Place { country: Some(PRIVATE.into()), network: Some(PRIVATE.into()) };
        }
        let reader = self.0.current.read().reader.clone();
        let Some(reader) = reader else { return Place::default() };
        let found = reader.lookup(address::canonical(address)).ok();
        found.map(|found| Place { country: country(&found), network: network(&found) }).unwrap_or_default()
    }

    /// What there is to tell of the database; nothing where none is configured.
    pub fn status(&self) -> Option<PlacesStatus> {
        self.0.path.as_ref()?;
        let current = self.0.current.read();
        let built_at = current.reader.as_ref().map(|reader| {
            let seconds = i64::try_from(reader.metadata().build_epoch).unwrap_or(0);
            Timestamp::EPOCH.plus_seconds(seconds)
        });
        Some(PlacesStatus { built_at, fault: current.fault.clone() })
    }
}

/// Reads a database.
///
/// # Errors
/// Why it cannot be read.
fn read(path: &Path) -> Result<Reader<Vec<u8>>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    Reader::from_source(bytes).map_err(|error| error.to_string())
}

type Found<'a> = LookupResult<'a, Vec<u8>>;

fn text<'a>(found: &Found<'a>, path: &[&'a str]) -> Option<&'a str> {
    let path: Vec<_> = path.iter().map(|key| PathElement::Key(key)).collect();
    found.decode_path::<&str>(&path).ok().flatten()
}

/// As the databases of `MaxMind`, DB-IP and `IPinfo`, and those made from public registries, tell it.
fn country(found: &Found<'_>) -> Option<Box<str>> {
    const PATHS: [&[&str]; 4] =
        [&["country", "iso_code"], &["country_code"], &["registered_country", "iso_code"], &["country"]];
    let code = PATHS.iter().find_map(|path| {
        text(found, path)
            .filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
    })?;
    Some(code.to_ascii_uppercase().into())
}

fn network(found: &Found<'_>) -> Option<Box<str>> {
    let number = |key| found.decode_path::<u32>(&[PathElement::Key(key)]).ok().flatten();
    let number = number("autonomous_system_number")
        .or_else(|| number("asn"))
        .or_else(|| text(found, &["asn"])?.trim_start_matches("AS").parse().ok())
        .filter(|number| *number != 0)?;
    let name = text(found, &["autonomous_system_organization"]).or_else(|| text(found, &["as_name"]));
    let mut network = format!("AS{number}");
    for part in name.into_iter().filter(|name| !name.is_empty()) {
        network.push(' ');
        network.extend(part.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }));
    }
    network.truncate(network.floor_char_boundary(MAX_NETWORK_BYTES));
    Some(network.into())
}
