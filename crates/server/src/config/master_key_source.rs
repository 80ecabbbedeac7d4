//! Fetching the master keys from where the configuration says they are.

use std::io::Read as _;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::kinds::{Argv, MasterKeyError, MasterKeys};
use super::table::Keys;

/// More than any number of keys somebody rotates through.
const MOST_BYTES: usize = 64 << 10;

/// Why there are no master keys. Nothing in it repeats what was read.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeySourceError {
    /// The file cannot be read.
    #[error("keys.master_key_file cannot be read: {0}; name a file that the server may read")]
    File(std::io::Error),
    /// The command cannot be run.
    #[error("keys.master_key_command cannot be run: {0}; name a program by its whole path")]
    Command(std::io::Error),
    /// The command failed.
    #[error("keys.master_key_command failed: {0}; run it by hand, as the user that runs this, to see why")]
    Failed(std::process::ExitStatus),
    /// What came is no text.
    #[error("what {0} gave is not text")]
    NotText(&'static str),
    /// What came holds no keys.
    #[error("{0} gives no master key: {1}; it must give 32 random bytes in base64 (openssl rand -base64 32)")]
    Keys(&'static str, MasterKeyError),
}

impl Keys {
    /// The master keys, from the value, the file or the command; `None` when none of them is set.
    /// The command's standard error goes to ours. This blocks until the command has ended.
    pub fn resolve(&self) -> Result<Option<MasterKeys>, MasterKeySourceError> {
        let (source, bytes) = match (&self.master_key, &self.master_key_file, &self.master_key_command) {
            (Some(keys), ..) => return Ok(Some(keys.clone())),
            (None, Some(path), _) => {
                let bytes =
                    std::fs::File::open(path).and_then(limited).map_err(MasterKeySourceError::File)?;
                ("keys.master_key_file", bytes)
            }
            (None, None, Some(argv)) => ("keys.master_key_command", run(argv)?),
            (None, None, None) => return Ok(None),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| MasterKeySourceError::NotText(source))?;
        MasterKeys::from_text(text).map(Some).map_err(|error| MasterKeySourceError::Keys(source, error))
    }
}

fn limited(source: impl std::io::Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // As large as it may become, so that no copy of it is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 64));
    source.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Err(std::io::Error::other("it is larger than 64 KiB"));
    }
    Ok(bytes)
}

fn run(argv: &Argv) -> Result<Zeroizing<Vec<u8>>, MasterKeySourceError> {
    let mut child = Command::new(argv.program())
        .args(argv.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(MasterKeySourceError::Command)?;
    let bytes = match child.stdout.take() {
        Some(output) => limited(output).map_err(MasterKeySourceError::Command)?,
        None => Zeroizing::default(),
    };
    let status = child.wait().map_err(MasterKeySourceError::Command)?;
    if status.success() { Ok(bytes) } else { Err(MasterKeySourceError::Failed(status)) }
}
