//! What `keywright login` keeps: one login for each server, in a file that nobody else can read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use keywright_api::secret::Secret;
use keywright_core::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::globals::Environment;

/// A login that is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Who.
    pub(crate) email: String,
    /// What calls are made with.
    pub(crate) access_token: Secret,
    /// Until when.
    pub(crate) access_expires_at: Timestamp,
    /// What another one is got with.
    pub(crate) refresh_token: Secret,
}

/// All logins that are kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Credentials {
    /// The server that was logged in to last.
    pub(crate) current: Option<String>,
    logins: BTreeMap<String, Kept>,
    #[serde(skip)]
    path: PathBuf,
}

impl Credentials {
    /// Reads them; none as long as nobody has logged in.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is no place for them, or others can read it.
    pub(crate) fn read(environment: &Environment<'_>) -> Result<Self, Failure> {
        Self::read_from(place(environment)?)
    }

    /// Whether there is a place where they would be.
    pub(crate) fn have_a_place(environment: &Environment<'_>) -> bool {
        place(environment).is_ok()
    }

    fn read_from(path: PathBuf) -> Result<Self, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", path.display()));
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path, ..Self::default() });
            }
            found => found.map_err(|error| wrong(&error))?,
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(wrong(&"others can read it; make it yours alone with chmod 600, and log in again"));
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|error| wrong(&error))?);
        // What is wrong with it is not told: it would quote what stands there.
        let read: Self =
            serde_json::from_str(&text).map_err(|_| wrong(&"is not readable; remove it and log in again"))?;
        Ok(Self { path, ..read })
    }

    /// The login for a server.
    pub(crate) fn of(&self, server: &str) -> Option<&Kept> {
        self.logins.get(server)
    }

    /// Keeps a login.
    pub(crate) fn keep(&mut self, server: String, kept: Kept) -> Result<(), Failure> {
        self.logins.insert(server.clone(), kept);
        self.current = Some(server);
        self.write()
    }

    /// Forgets a login.
    pub(crate) fn forget(&mut self, server: &str) -> Result<(), Failure> {
        self.logins.remove(server);
        if self.current.as_deref() == Some(server) {
            self.current = self.logins.keys().next().cloned();
        }
        self.write()
    }

    /// Whole or not at all: beside it first, then in its place.
    fn write(&self) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| Failure::Failed(format!("{}: {error}", self.path.display()));
        let text = Zeroizing::new(serde_json::to_string(self).map_err(std::io::Error::other)?);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let beside = folder.join(format!(".credentials.{}", std::process::id()));
        let written = write_new(&beside, text.as_bytes()).and_then(|()| std::fs::rename(&beside, &self.path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            wrong(error)
        })
    }
}

/// A file that was not there before, for this user alone: one that another has put there, or a link, is not written to.
fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    // Of an earlier process of this number that died in this very place.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// `KEYWRIGHT_CREDENTIALS`, else in the user's folder of configurations (XDG Base Directory).
fn place(environment: &Environment<'_>) -> Result<PathBuf, Failure> {
    if let Some(path) = environment.first(&["KEYWRIGHT_CREDENTIALS"]) {
        return Ok(path.into());
    }
    let home = || environment.first(&["HOME"]).map(|home| Path::new(&home).join(".config"));
    let folder = environment.first(&["XDG_CONFIG_HOME"]).map(PathBuf::from).or_else(home);
    folder.map(|folder| folder.join("keywright").join("credentials.json")).ok_or_else(|| {
        Failure::Usage("no place to keep a login: set HOME or KEYWRIGHT_CREDENTIALS".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn kept(token: &str) -> Kept {
        Kept {
            email: "ada@example.com".to_owned(),
            access_token: Secret::new(token),
            access_expires_at: Timestamp::from_micros(7),
            refresh_token: Secret::new("rt_x"),
        }
    }

    #[test]
    fn a_login_is_kept_for_its_server_and_for_nobody_else_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep").join("credentials.json");
        let read = || Credentials::read_from(path.clone()).unwrap();
        read().keep("https://a/api/v1".to_owned(), kept("one")).unwrap();
        read().keep("https://b/api/v1".to_owned(), kept("two")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read().current.as_deref(), Some("https://b/api/v1"));
        assert_eq!(read().of("https://a/api/v1").unwrap().access_token.expose(), "one");
        read().forget("https://b/api/v1").unwrap();
        assert_eq!(read().current.as_deref(), Some("https://a/api/v1"));
        assert!(read().of("https://b/api/v1").is_none());
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_lies_beside_it_is_neither_followed_nor_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let (path, elsewhere) =
            (directory.path().join("credentials.json"), directory.path().join("elsewhere"));
        let beside = directory.path().join(format!(".credentials.{}", std::process::id()));
        std::fs::write(&elsewhere, "another's").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &beside).unwrap();
        let keep = || {
            let read = Credentials::read_from(path.clone());
            read.unwrap().keep("https://a".to_owned(), kept("secret-x")).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!std::fs::symlink_metadata(&path).unwrap().is_symlink() && !beside.exists());
        };
        keep();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "another's");
        // What an earlier process has left open to others is not what is filled.
        std::fs::write(&beside, "").unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o666)).unwrap();
        keep();
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.json");
        Credentials::read_from(path.clone()).unwrap().keep("https://a".to_owned(), kept("secret-x")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let failure = Credentials::read_from(path.clone()).err().unwrap();
        assert!(failure.to_string().contains("chmod 600"), "{failure}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{\"logins\": \"secret-x\"}").unwrap();
        let failure = Credentials::read_from(path).err().unwrap();
        assert!(!failure.to_string().contains("secret-x"), "{failure}");
    }
}
