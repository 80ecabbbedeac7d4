//! Into a file: whole or not at all, for this user alone.
//!
//! It acts on the node itself, so the operator says in the configuration where files may be written at all, and
//! only the platform's policies may ask for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use zeroize::Zeroizing;

use super::{Outcome, Parcel};
use crate::rotations::RotationSettings;

/// Whether files may be written there.
pub(super) fn admits(settings: &RotationSettings, path: &str) -> Result<(), String> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || path.file_name().is_none() || path.as_os_str().len() > 1_000 {
        return Err("must be an absolute path without \"..\"".to_owned());
    }
    let within = |directory: &PathBuf| path.starts_with(directory) && path != directory;
    if settings.file_directories.iter().any(within) {
        return Ok(());
    }
    Err("is in none of rotation.file_directories of this server".to_owned())
}

pub(super) async fn deliver(settings: &RotationSettings, path: &str, parcel: &Parcel<'_>) -> Outcome {
    if let Err(detail) = admits(settings, path) {
        return Outcome::NotSent(format!("the path {detail}"));
    }
    let target = PathBuf::from(path);
    let directories = settings.file_directories.clone();
    let secret = Zeroizing::new(parcel.secret.reveal().to_owned());
    let part = format!(".{}.{}.part", parcel.rotation.id, parcel.attempt);
    let written = tokio::task::spawn_blocking(move || write(&directories, &target, &part, secret.as_bytes()));
    written.await.unwrap_or_else(|error| Outcome::Unknown(error.to_string()))
}

/// Writes beside the target and renames: a reader sees the old secret or the new one.
fn write(directories: &[PathBuf], target: &Path, part: &str, secret: &[u8]) -> Outcome {
    let not_sent = |what: &str, error: &io::Error| Outcome::NotSent(format!("{what}: {}", error.kind()));
    let Some(parent) = target.parent() else {
        return Outcome::NotSent("the path has no directory".to_owned());
    };
    let real = match fs::canonicalize(parent) {
        Ok(real) => real,
        Err(error) => return not_sent("the directory", &error),
    };
    // A link within an allowed directory leads nowhere else.
    let allowed = directories.iter().filter_map(|allowed| fs::canonicalize(allowed).ok());
    if !allowed.into_iter().any(|allowed| real.starts_with(allowed)) {
        return Outcome::NotSent("the directory leads out of rotation.file_directories".to_owned());
    }
    let Some(name) = target.file_name() else { return Outcome::NotSent("the path has no name".to_owned()) };
    let (part, target) = (real.join(part), real.join(name));
    if let Err(error) = write_part(&part, secret) {
        let _ = fs::remove_file(&part);
        return not_sent("the file", &error);
    }
    if let Err(error) = fs::rename(&part, &target) {
        let _ = fs::remove_file(&part);
        return not_sent("the file cannot take its place", &error);
    }
    match File::open(&real).and_then(|directory| directory.sync_all()) {
        Ok(()) => Outcome::Delivered("written".to_owned()),
        Err(error) => Outcome::Unknown(format!("the directory was not synced: {}", error.kind())),
    }
}

fn write_part(path: &Path, secret: &[u8]) -> io::Result<()> {
    // Of an earlier process that died in this very try.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn settings(directory: &Path) -> RotationSettings {
        RotationSettings { file_directories: vec![directory.to_owned()], ..RotationSettings::default() }
    }

    #[test]
    fn files_are_written_in_allowed_directories_alone() {
        let settings = settings(Path::new("/run/secrets"));
        for good in ["/run/secrets/api", "/run/secrets/a/b.token"] {
            assert_eq!(admits(&settings, good), Ok(()), "{good}");
        }
        for bad in [
            "/run/secrets",
            "/run/secrets/",
            "/run/secrets/../shadow",
            "/run/secretsandmore/api",
            "/etc/passwd",
            "run/secrets/api",
            "",
            "/",
        ] {
            assert!(admits(&settings, bad).is_err(), "{bad}");
        }
        assert!(admits(&RotationSettings::default(), "/run/secrets/api").is_err());
    }

    #[test]
    fn a_file_takes_the_place_of_the_one_before_and_is_readable_by_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("api");
        fs::write(&target, "old").unwrap();
        let allowed = [folder.path().to_owned()];
        assert_eq!(write(&allowed, &target, ".1.part", b"new"), Outcome::Delivered("written".to_owned()));
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        // What a process that died has left is in nobody's way.
        fs::write(folder.path().join(".1.part"), "torn").unwrap();
        assert!(matches!(write(&allowed, &target, ".1.part", b"newer"), Outcome::Delivered(_)));
        assert_eq!(fs::read(&target).unwrap(), b"newer");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_has_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = [folder.path().to_owned()];
        let nowhere = folder.path().join("missing/api");
        assert!(matches!(write(&allowed, &nowhere, ".p", b"s"), Outcome::NotSent(_)));
        let taken = folder.path().join("directory");
        fs::create_dir_all(taken.join("full")).unwrap();
        assert!(matches!(write(&allowed, &taken, ".p", b"s"), Outcome::NotSent(_)));
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        let through = folder.path().join("link/api");
        assert!(matches!(write(&allowed, &through, ".p", b"s"), Outcome::NotSent(_)));
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        assert!(!folder.path().join(".p").exists());
    }
}
