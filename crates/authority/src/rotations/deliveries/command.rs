//! To a program: the secret on its standard input, nothing of it in its arguments or its environment.
//!
//! Which programs there are is said in the configuration, with all of their arguments; a policy names one.

use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use zeroize::Zeroizing;

use super::{Outcome, Parcel};
use crate::rotations::RotationSettings;

pub(super) async fn deliver(settings: &RotationSettings, name: &str, parcel: &Parcel<'_>) -> Outcome {
    let Some([program, arguments @ ..]) = settings.commands.get(name).map(Vec::as_slice) else {
        return Outcome::NotSent("is not among rotation.commands of this server".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in [
        ("KEYWRIGHT_ROTATION_ID", parcel.rotation.id.to_string()),
        ("KEYWRIGHT_ATTEMPT", parcel.attempt.to_string()),
        ("KEYWRIGHT_TOKEN_NAME", parcel.rotation.token_name.as_str().to_owned()),
        ("KEYWRIGHT_LINEAGE_ID", parcel.rotation.lineage_id.to_string()),
        ("KEYWRIGHT_CREDENTIAL_ID", parcel.new.id.to_string()),
    ] {
        command.env(name, value);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Outcome::NotSent(format!("the program does not start: {}", error.kind())),
    };
    let leash = Leash::on(&child);
    let secret = Zeroizing::new(parcel.secret.reveal().to_owned());
    let waiting = tokio::task::spawn_blocking(move || {
        let fed = feed(&mut child, &secret);
        (fed, child.wait())
    });
    let ended = tokio::time::timeout(settings.command_timeout, waiting).await;
    drop(leash);
    match ended {
        Ok(Ok((fed, status))) => judge(fed, status),
        Ok(Err(error)) => Outcome::Unknown(error.to_string()),
        Err(_) => Outcome::Unknown("the program took too long and was ended".to_owned()),
    }
}

/// Ends a program and all that it started when it is let go before they have ended: also when this server leaves.
struct Leash(Option<(Pid, OwnedFd)>);

impl Leash {
    /// On a program that was just started: while it is not waited for, its number is nobody else's.
    fn on(child: &Child) -> Self {
        let pid = Pid::from_raw(child.id().cast_signed());
        Self(pid.and_then(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?))))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some((pid, handle)) = &self.0
            && pidfd_send_signal(handle, Signal::KILL).is_ok()
        {
            let _ = kill_process_group(*pid, Signal::KILL);
        }
    }
}

fn feed(child: &mut Child, secret: &str) -> io::Result<()> {
    let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    input.write_all(secret.as_bytes())
}

fn judge(fed: io::Result<()>, status: io::Result<ExitStatus>) -> Outcome {
    match (fed, status) {
        (Ok(()), Ok(status)) if status.success() => Outcome::Delivered("the program ended with 0".to_owned()),
        (Err(_), Ok(status)) if status.success() => {
            Outcome::Unknown("the program ended with 0 and did not read the secret".to_owned())
        }
        (_, Ok(status)) => Outcome::Unknown(match (status.code(), status.signal()) {
            (Some(code), _) => format!("the program ended with {code}"),
            (None, signal) => format!("the program was ended by signal {}", signal.unwrap_or(0)),
        }),
        (_, Err(error)) => Outcome::Unknown(format!("the program cannot be waited for: {}", error.kind())),
    }
}
