//! The operator's socket: whoever runs as the server's own user may speak for the operator.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::gate::LocalOperator;

/// A bound socket; its file goes when it is dropped.
#[derive(Debug)]
pub struct OperatorSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl OperatorSocket {
    /// Binds the socket. The caller holds the store's lock: a file that is there was left behind.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Bound under a name of its own first: never reachable for others, not even for a moment.
        let staging = path.with_extension("sock.new");
        let _ = fs::remove_file(&staging);
        let listener = UnixListener::bind(&staging)?;
        fs::set_permissions(&staging, Permissions::from_mode(0o600))?;
        fs::rename(&staging, path)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves for as long as it is polled.
    pub async fn serve(&self, router: Router) {
        let router = router.layer(Extension(LocalOperator));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            if !is_operator(&stream) {
                warn!("a process of another user tried the operator's socket");
                continue;
            }
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The peer runs as the same user as this process, or as root.
fn is_operator(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
