//! The files and directories that a configuration names: what `config check` and the start look at
//! besides the values themselves.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::finding::{Finding, HIDDEN, Severity, printable};
use super::load::Loaded;

/// Looks whether what the configuration names can be read or written by this process. Nothing is
/// created. Without a sound configuration there is nothing to look at.
pub fn check_files(loaded: &Loaded) -> Vec<Finding> {
    let Some(config) = &loaded.config else { return Vec::new() };
    let mut found = Found { loaded, findings: Vec::new() };
    found.readable("server.tls_cert", config.server.tls_cert.as_ref());
    found.readable("server.tls_key", config.server.tls_key.as_ref());
    found.private("server.tls_key", config.server.tls_key.as_ref());
    if let Some(path) = config.database.url.sqlite_path() {
        if path.is_dir() {
            found.push(
                "database.url",
                Severity::Error,
                "names a directory".to_owned(),
                "give a file within it",
            );
        } else {
            found.writable("database.url", path.parent().unwrap_or(Path::new("")));
        }
    }
    found.writable("journal.dir", &config.journal.dir);
    found.readable("geoip.database", config.geoip.database.as_ref());
    if let Some(folder) = &config.mail.folder {
        found.writable("mail.folder", folder);
    }
    found.readable("keys.master_key_file", config.keys.master_key_file.as_ref());
    found.private("keys.master_key_file", config.keys.master_key_file.as_ref());
    found.private_configuration();
    found.findings
}

struct Found<'a> {
    loaded: &'a Loaded,
    findings: Vec<Finding>,
}

impl Found<'_> {
    fn push(&mut self, key: &str, severity: Severity, message: String, fix: &str) {
        let row = self.loaded.rows.iter().find(|row| row.key == key);
        self.findings.push(Finding {
            severity,
            key: key.to_owned(),
            origin: row.map(|row| row.origin.clone()).unwrap_or_default(),
            value: row.map(|row| row.value.clone()),
            message,
            fix: fix.to_owned(),
        });
    }

    fn readable(&mut self, key: &str, path: Option<&PathBuf>) {
        let Some(path) = path else { return };
        let readable = File::open(path).and_then(|file| file.metadata());
        match readable {
            Ok(metadata) if metadata.is_dir() => {
                self.push(key, Severity::Error, "names a directory".to_owned(), "give a file");
            }
            Ok(_) => {}
            Err(error) => {
                self.push(
                    key,
                    Severity::Error,
                    format!("cannot be read: {error}"),
                    "give a file that the server may read",
                );
            }
        }
    }

    fn private(&mut self, key: &str, path: Option<&PathBuf>) {
        if path.is_some_and(|path| is_open_to_all(path)) {
            self.push(
                key,
                Severity::Warning,
                "can be read by every user of the machine".to_owned(),
                "take the right away: chmod o-rwx",
            );
        }
    }

    fn private_configuration(&mut self) {
        let Some(path) = &self.loaded.file else { return };
        let from_file = |origin: &str| origin.starts_with(&printable(&path.to_string_lossy()));
        let secret = self.loaded.rows.iter().find(|row| row.value.contains(HIDDEN) && from_file(&row.origin));
        if let Some(key) = secret.filter(|_| is_open_to_all(path)).map(|row| row.key.clone()) {
            self.push(
                &key,
                Severity::Warning,
                "is a secret in a file that every user of the machine can read".to_owned(),
                "take the right away: chmod o-rwx",
            );
        }
    }

    /// The directory, or the one in which it would be made.
    fn writable(&mut self, key: &str, directory: &Path) {
        let present = |path: &&Path| !path.as_os_str().is_empty() && path.symlink_metadata().is_ok();
        let nearest = directory.ancestors().find(present).unwrap_or(Path::new("."));
        let fix = "give a place where the server may write";
        if !nearest.is_dir() {
            self.push(
                key,
                Severity::Error,
                format!("lies below {}, which is no directory", nearest.display()),
                fix,
            );
        } else if access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            self.push(
                key,
                Severity::Error,
                format!("lies in {}, which cannot be written", nearest.display()),
                fix,
            );
        }
    }
}

fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}
