//! What to do about what stands in the way of a start, where the fault itself cannot know: which setting it comes from.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::anyhow;
use keywright_store::StoreError;
use keywright_verify::JournalError;

use crate::config::Config;

/// An address that nobody can listen at, which this setting names.
pub(crate) fn listening(address: SocketAddr, setting: &str, error: &Error) -> anyhow::Error {
    let what = match error.kind() {
        ErrorKind::AddrInUse => "another process listens there: stop it, or name another address in",
        ErrorKind::AddrNotAvailable => "this machine has no such address: name one of its own in",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: give it, or name a higher one in"
        }
        _ => "name another address in",
    };
    anyhow!("cannot listen on {address}: {error}; {what} {setting}")
}

/// A store that cannot be opened.
pub(crate) fn store(config: &Config, error: StoreError) -> anyhow::Error {
    let what = match (&error, config.database.url.sqlite_path()) {
        (StoreError::Unavailable(_), Some(path)) => format!(
            "the user that runs this must be able to write {} and the directory that it lies in, and the disk needs \
             room; database.url names it",
            path.display()
        ),
        (StoreError::Corrupt(_), Some(path)) => {
            format!("if {} is no database of SQLite, name another file in database.url", path.display())
        }
        (StoreError::Unavailable(_) | StoreError::Timeout(_), None) => {
            "is PostgreSQL running, and does database.url (DATABASE_URL) say where and as whom?".to_owned()
        }
        _ => return anyhow!(error).context("the store cannot be opened"),
    };
    anyhow!("the store cannot be opened: {error}; {what}")
}

/// A store that this process cannot have for itself; who has it must do this first.
pub(crate) fn alone(config: &Config, error: StoreError, first: &'static str) -> anyhow::Error {
    match error {
        StoreError::InUse { .. } => anyhow!(error).context(first),
        other => store(config, other),
    }
}

/// A journal that cannot be opened.
pub(crate) fn journal(error: JournalError) -> anyhow::Error {
    match error {
        JournalError::Io(_) => anyhow!(
            "{error}; journal.dir must name a directory that the server may write, on a disk that outlives it"
        ),
        other => other.into(),
    }
}

/// A file in PEM that this setting names and that does not hold what it should.
pub(crate) fn pem(path: &Path, setting: &str, what: &str, error: &impl std::fmt::Display) -> anyhow::Error {
    anyhow!(
        "{} gives no {what}: {error}; {setting} must name a file in PEM that the server may read",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_or_forbidden_says_which_setting_to_change() {
        let address = "127.0.0.1:80".parse().unwrap();
        for (kind, what) in [
            (ErrorKind::AddrInUse, "stop it"),
            (ErrorKind::AddrNotAvailable, "no such address"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ErrorKind::Other, "another address"),
        ] {
            let told = listening(address, "server.listen", &kind.into()).to_string();
            assert!(told.contains(what) && told.ends_with("server.listen"), "{told}");
        }
    }
}
