//! Which way a command takes to the API: a server elsewhere, the server of this machine, or the
//! authority in this process.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::credentials::Credentials;
use super::failure::Failure;
use super::globals::{Caller, Environment, Globals, process_environment};
use super::login;
use super::output::Output;
use super::settings;
use super::transport::{Api, InProcess, OpenError, Remote, Wire};

/// How often socket and lock are tried while a server starts or leaves, and the pause between.
#[derive(Clone, Copy)]
struct Patience {
    attempts: u32,
    pause: Duration,
}

const PATIENCE: Patience = Patience { attempts: 50, pause: Duration::from_millis(100) };

/// Opens the way to the API.
pub(crate) async fn connect(globals: &Globals, caller: Caller, output: &Output) -> Result<Api, Failure> {
    if let Some(remote) = logged_in(globals, &caller, output).await? {
        return Ok(Api::Wire(Wire::remote(&remote)?));
    }
    if let Some(remote) = globals.remote(&Environment(&process_environment), caller)? {
        return Ok(Api::Wire(Wire::remote(&remote)?));
    }
    let loaded = settings::load(globals, &[], false)?;
    let socket = crate::local::socket_path(settings::require(&loaded)?);
    local(socket.as_deref(), PATIENCE, || crate::local::open(&loaded)).await
}

/// The server with the access token of a login that is kept for it, where a token is needed and none is given.
async fn logged_in(globals: &Globals, caller: &Caller, output: &Output) -> Result<Option<Remote>, Failure> {
    let environment = Environment(&process_environment);
    let named = globals.server(&environment)?;
    let wanted = match caller {
        Caller::Person => true,
        Caller::Token => named.is_some(),
        Caller::Itself(_) | Caller::Nobody => false,
    };
    if !wanted || globals.token(&environment)?.is_some() {
        return Ok(None);
    }
    // Who gives a token as a rule needs no home for logins.
    if matches!(caller, Caller::Token) && !Credentials::have_a_place(&environment) {
        return Ok(None);
    }
    let mut credentials = Credentials::read(&environment)?;
    let Some(base) = login::server(globals, &credentials)? else { return Ok(None) };
    let token = login::token(&base, &mut credentials, output).await?;
    Ok(token.map(|token| Remote { base, token: Some(token) }))
}

/// The authority of this machine: through its server's socket while one runs, else in this process.
/// A server that is just starting or leaving holds the lock without answering: both are tried again.
async fn local<F>(socket: Option<&Path>, patience: Patience, open: impl Fn() -> F) -> Result<Api, Failure>
where
    F: Future<Output = Result<InProcess, OpenError>>,
{
    let mut attempt = 1;
    loop {
        if let Some(path) = socket
            && somebody_listens(path)?
        {
            return Ok(Api::Wire(Wire::socket(path)?));
        }
        match open().await {
            Ok(authority) => return Ok(Api::InProcess(authority)),
            Err(OpenError::InUse(_)) if attempt < patience.attempts => {}
            Err(OpenError::InUse(why)) => {
                return Err(Failure::Failed(format!(
                    "{why}; no server answers on the operator's socket: is one starting, or another command running?"
                )));
            }
            Err(OpenError::Failed(error)) => return Err(Failure::from_chain(&error)),
        }
        attempt += 1;
        tokio::time::sleep(patience.pause).await;
    }
}

fn somebody_listens(socket: &Path) -> Result<bool, Failure> {
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        // The last: a path too long for a socket, where no server can listen either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::Failed(format!(
            "the server on {} runs as another user: run this as that user, or set KEYWRIGHT_URL and KEYWRIGHT_TOKEN",
            socket.display()
        ))),
        Err(error) => {
            Err(Failure::Failed(format!("cannot reach the server on {}: {error}", socket.display())))
        }
    }
}

/// Ends the use of the API. What was done is done: a failure to leave tidily is told, not returned.
pub(crate) async fn disconnect(api: Api, output: &Output) {
    if let Err(error) = api.close().await {
        output.tell(&format!("warning: {error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::net::UnixListener;

    const BRIEF: Patience = Patience { attempts: 4, pause: Duration::ZERO };

    fn authority() -> InProcess {
        InProcess::new(axum::Router::new(), async { Ok(()) })
    }

    #[tokio::test]
    async fn a_running_server_is_asked_through_its_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kw.db.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let opened =
            local(Some(&path), BRIEF, || async { panic!("the store must not be opened beside a server") });
        assert!(matches!(opened.await, Ok(Api::Wire(_))));
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let left_behind = directory.path().join("kw.db.sock");
        drop(UnixListener::bind(&left_behind).unwrap());
        for socket in [Some(left_behind.as_path()), Some(Path::new("/nonexistent/kw.sock")), None] {
            let opened = local(socket, BRIEF, || async { Ok(authority()) }).await;
            assert!(matches!(opened, Ok(Api::InProcess(_))), "{socket:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_still_starting_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kw.db.sock");
        let (attempts, listener) = (Cell::new(0), Cell::new(None));
        let opened = local(Some(&path), BRIEF, || {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 3 {
                listener.set(Some(UnixListener::bind(&path).unwrap()));
            }
            async { Err(OpenError::InUse("locked by process 7".to_owned())) }
        });
        assert!(matches!(opened.await, Ok(Api::Wire(_))));
        assert_eq!(attempts.get(), 3);
    }

    #[tokio::test]
    async fn a_lock_that_stays_held_is_told_with_its_holder() {
        let opened =
            local(None, BRIEF, || async { Err(OpenError::InUse("locked by process 7".to_owned())) }).await;
        let Err(failure) = opened else { panic!("a held lock must not be passed over") };
        assert!(failure.to_string().starts_with("locked by process 7"), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}
