//! The directories: journal and database, their rights and their room.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use crate::config::Config;

/// Less room than this and the next hour is at risk.
const SCARCE_BYTES: u64 = 1 << 30;
/// Less than this and writes are about to fail.
const NO_BYTES: u64 = 64 << 20;
/// The longest path of a socket on Linux, without its end mark.
const LONGEST_SOCKET_PATH: usize = 107;

/// Looks at them all. Nothing is created.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let journal = &config.journal;
    let mut findings = vec![journal_directory(&journal.dir, journal.allow_ephemeral)];
    findings.extend(room("room for the journal", &journal.dir, journal.max_bytes.bytes().max(SCARCE_BYTES)));
    if let Some(path) = config.database.url.sqlite_path() {
        findings.extend(database_rights(path));
        findings.extend(room("room for the database", path.parent().unwrap_or(Path::new(".")), SCARCE_BYTES));
    }
    if let Some(socket) = crate::local::socket_path(config) {
        findings.extend(socket_path(&socket));
    }
    findings
}

fn journal_directory(directory: &Path, allow_ephemeral: bool) -> Finding {
    const CHECK: &str = "journal";
    let shown = directory.display();
    let place = nearest(directory);
    if access(place, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::error(
            CHECK,
            format!("{shown} cannot be written: nothing would be verified"),
            "give journal.dir a place that the server may write",
        );
    }
    match keywright_verify::journal::ephemeral(place) {
        Err(error) => {
            Finding::error(CHECK, format!("{shown} cannot be looked at: {error}"), "repair the directory")
        }
        Ok(None) => Finding::ok(CHECK, format!("{shown} can be written and outlives the machine")),
        Ok(Some(kind)) if allow_ephemeral => Finding::warning(
            CHECK,
            format!(
                "{shown} lies on {kind}: records not yet in the store are lost when the machine restarts"
            ),
            "mount a disk there, and take journal.allow_ephemeral back",
        ),
        Ok(Some(kind)) => Finding::error(
            CHECK,
            format!("{shown} lies on {kind}, which does not outlive the machine: the server will not start"),
            "mount a disk there (in a container, a volume), or accept the loss with journal.allow_ephemeral = true",
        ),
    }
}

fn database_rights(database: &Path) -> Vec<Finding> {
    const CHECK: &str = "rights of the database";
    let mode = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.permissions().mode());
    let directory =
        database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = Vec::new();
    if mode(directory).is_some_and(|mode| mode & 0o022 != 0 && mode & 0o1000 == 0) {
        findings.push(Finding::error(
            CHECK,
            format!("other users can write to {}: they can replace the database", directory.display()),
            format!("chmod go-w {}", directory.display()),
        ));
    }
    if mode(database).is_some_and(|mode| mode & 0o077 != 0) {
        findings.push(Finding::warning(
            CHECK,
            format!("{} is open to other users", database.display()),
            format!("chmod 600 {}", database.display()),
        ));
    }
    let owner = fs::metadata(database).ok().map(|metadata| metadata.uid());
    let ours = rustix::process::geteuid().as_raw();
    if owner.is_some_and(|owner| owner != ours) {
        findings.push(Finding::warning(
            CHECK,
            format!("{} belongs to another user than the one who asks (uid {ours})", database.display()),
            "run this, and the server, as the user that owns the database",
        ));
    }
    if findings.is_empty() && owner.is_some() {
        findings.push(Finding::ok(CHECK, format!("{} is its owner's alone", database.display())));
    }
    findings
}

fn room(check: &'static str, directory: &Path, wanted: u64) -> Option<Finding> {
    let place = nearest(directory);
    let disk = statvfs(place).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let told = format!("{} free at {}", mebibytes(free), place.display());
    Some(if free < NO_BYTES {
        Finding::error(check, told, "make room: writes are about to fail")
    } else if free < wanted {
        Finding::warning(check, told, format!("make room: it may need {}", mebibytes(wanted)))
    } else {
        Finding::ok(check, told)
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn socket_path(socket: &Path) -> Option<Finding> {
    (socket.as_os_str().len() > LONGEST_SOCKET_PATH).then(|| {
        Finding::error(
            "operator's socket",
            format!(
                "{} is longer than a socket's path may be ({LONGEST_SOCKET_PATH} bytes)",
                socket.display()
            ),
            "put the database where its path is shorter",
        )
    })
}

/// The place itself, or the one in which it would be made.
pub(super) fn nearest(path: &Path) -> &Path {
    let mut place = path;
    while !place.exists() {
        match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => place = parent,
            _ => return Path::new("."),
        }
    }
    if place.as_os_str().is_empty() { Path::new(".") } else { place }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn severities(database: &Path) -> Vec<Severity> {
        database_rights(database).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_database_that_others_can_replace_or_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("keywright.db");
        set_mode(directory.path(), 0o700);
        assert_eq!(severities(&database), []);
        fs::write(&database, "").unwrap();
        set_mode(&database, 0o600);
        assert_eq!(severities(&database), [Severity::Ok]);
        set_mode(&database, 0o644);
        assert_eq!(severities(&database), [Severity::Warning]);
        set_mode(directory.path(), 0o777);
        assert_eq!(severities(&database), [Severity::Error, Severity::Warning]);
        set_mode(directory.path(), 0o1777);
        assert_eq!(severities(&database), [Severity::Warning]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_journal_that_a_restart_would_empty_is_an_error_until_it_is_allowed() {
        let journal = Path::new("/dev/shm").join("keywright-journal-that-is-not-there");
        assert_eq!(journal_directory(&journal, false).severity, Severity::Error);
        assert_eq!(journal_directory(&journal, true).severity, Severity::Warning);
        assert!(!journal.exists());
    }

    #[test]
    fn room_is_measured_where_the_directory_will_be() {
        let directory = tempfile::tempdir().unwrap();
        let later = directory.path().join("a/b/c");
        assert_eq!(room("room", &later, 0).unwrap().severity, Severity::Ok);
        assert_eq!(room("room", &later, u64::MAX).unwrap().severity, Severity::Warning);
        assert_eq!(nearest(Path::new("data/journal-that-is-not-there")), Path::new("."));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_told_before_the_server_fails() {
        assert!(socket_path(Path::new("/var/lib/keywright/keywright.db.sock")).is_none());
        assert!(socket_path(Path::new(&format!("/{}", "x".repeat(107)))).is_some());
    }
}
