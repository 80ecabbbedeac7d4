//! The journal's directory: one process at a time, on a disk that outlives it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keywright_core::id::JournalId;
use tracing::warn;

use super::JournalError;
use super::codec::{FRAME_BYTES, MAX_PAYLOAD_BYTES};
use super::segment::{EXTENSION, Segment};

/// What must fit again before a journal that could not take a record says that it can.
pub(super) const PROBE_BYTES: usize = FRAME_BYTES + MAX_PAYLOAD_BYTES;

/// Holds the directory's id.
pub(super) const IDENTITY: &str = "journal.id";
/// How the name of a damaged file ends that is kept for somebody to look at.
pub(super) const DAMAGED: &str = "damaged";

fn naming(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes the directory where it is missing, so that it is still there after a power failure.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let missing: Vec<&Path> = dir
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .take_while(|path| !path.exists())
        .collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(naming(dir))?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(here);
        sync(parent).map_err(naming(parent))?;
    }
    Ok(())
}

/// Makes what was created or removed in it last.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Keeps other processes out for as long as the file is open.
pub(super) fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(naming(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(naming(&path)(error).into()),
    }
}

/// The directory's own id: made at its first start, and kept for as long as it exists.
pub(super) fn identity(dir: &Path, make: impl FnOnce() -> JournalId) -> io::Result<JournalId> {
    let path = dir.join(IDENTITY);
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().parse::<JournalId>().is_ok() => {
            return text.trim().parse().map_err(io::Error::other);
        }
        Ok(_) => warn!(path = %path.display(), "not an id of a journal; it gets a new one"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(naming(&path)(error)),
    }
    let (id, new) = (make(), dir.join("journal.id.new"));
    // A half-written one must not be found after a power failure.
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
    let mut file = file.map_err(naming(&new))?;
    file.write_all(format!("{id}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(naming(&new))?;
    fs::rename(&new, &path).and_then(|()| sync(dir)).map_err(naming(&path))?;
    Ok(id)
}

/// The directory's id, if it has one.
pub(super) fn known_identity(dir: &Path) -> Option<JournalId> {
    fs::read_to_string(dir.join(IDENTITY)).ok()?.trim().parse().ok()
}

/// Whether a node has had its journal there.
pub(super) fn is_journal(dir: &Path) -> bool {
    let segments = || -> io::Result<bool> {
        let mut entries = fs::read_dir(dir)?;
        Ok(entries.any(|entry| entry.is_ok_and(|e| e.path().extension().is_some_and(|e| e == EXTENSION))))
    };
    dir.join(IDENTITY).is_file() || segments().unwrap_or(false)
}

/// What the file of a damaged segment is called once its records are stored.
pub(super) fn damaged_name(path: &Path) -> PathBuf {
    path.with_extension(format!("{EXTENSION}.{DAMAGED}"))
}

/// The segments that earlier processes left, oldest first.
pub(super) fn left_behind(dir: &Path) -> io::Result<Vec<Arc<Segment>>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(naming(dir))? {
        let entry = entry?;
        let path = entry.path();
        let named = path.extension().is_some_and(|extension| extension == EXTENSION);
        if named
            && entry.file_type()?.is_file()
            && let Some(segment) = Segment::recover(&path).map_err(naming(&path))?
        {
            segments.push(Arc::new(segment));
        }
    }
    segments.sort_by_key(|segment| segment.id());
    Ok(segments)
}

/// Whether a record could be written here now.
pub(super) fn takes_records(dir: &Path) -> bool {
    let path = dir.join("probe");
    let written = fs::write(&path, vec![0; PROBE_BYTES]);
    fs::remove_file(&path).and(written).is_ok()
}

/// The kind of file system, if it is one that a reboot empties.
///
/// # Errors
/// When the directory cannot be looked at.
#[cfg(target_os = "linux")]
pub fn ephemeral(dir: &Path) -> io::Result<Option<&'static str>> {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    const OVERLAY: i64 = 0x794c_7630;
    #[allow(clippy::useless_conversion, reason = "the field's type differs from one target to the next")]
    let kind = i64::try_from(rustix::fs::statfs(dir)?.f_type).unwrap_or_default();
    Ok(match kind {
        TMPFS => Some("tmpfs"),
        RAMFS => Some("ramfs"),
        OVERLAY => Some("overlayfs"),
        _ => None,
    })
}

/// Elsewhere nothing is known of that.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn ephemeral(_dir: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}
