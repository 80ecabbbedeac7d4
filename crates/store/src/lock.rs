//! Locks on files beside a SQLite database: it has one server at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The exclusive right to work on a SQLite database, held by a server or by a local command. The
/// kernel frees it when the process ends, however it ends; the file stays.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock beside a database, at once or not at all.
    ///
    /// # Errors
    /// [`StoreError::InUse`] with the holder's process id.
    pub fn acquire(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, ".lock");
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::InUse { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(fault(&path, &error)),
        }
        let noted = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        noted.map_err(|error| fault(&path, &error))?;
        Ok(Self { _file: file })
    }
}

/// The path of a file beside the database.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Takes a lock, waiting until it is free.
pub(crate) fn wait_for(path: &Path) -> Result<File, StoreError> {
    let file = open(path)?;
    file.lock().map_err(|error| fault(path, &error))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| fault(path, &error))
}

fn fault(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_one_holder_who_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("keywright.db");
        let held = StoreLock::acquire(&database).unwrap();
        let refused = StoreLock::acquire(&database).unwrap_err();
        let holder = Some(std::process::id());
        assert_eq!(refused, StoreError::InUse { path: folder.path().join("keywright.db.lock"), holder });
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        StoreLock::acquire(&database).unwrap();
    }
}
