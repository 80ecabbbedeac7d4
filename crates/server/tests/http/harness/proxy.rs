//! A proxy before PostgreSQL, which can refuse, drop or stall what goes through it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// What becomes of what goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It goes through.
    Pass,
    /// Connections are dropped and new ones refused, as by a server that was stopped.
    Refuse,
    /// Nothing comes through and nobody is told, as by a server that was paused, or a cut cable.
    Stall,
}

/// A proxy before the server of a database URL.
pub(crate) struct Proxy {
    mode: watch::Sender<Mode>,
    url: String,
}

impl Proxy {
    pub(crate) async fn before(url: &str) -> Self {
        let mut url: Url = url.parse().unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(address.port())).unwrap();
        let (mode, modes) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), modes.clone()));
            }
        });
        Self { mode, url: url.to_string() }
    }

    /// The database's URL through this proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(client: TcpStream, server: String, mut modes: watch::Receiver<Mode>) {
    if modes.wait_for(|mode| *mode != Mode::Stall).await.is_err() || *modes.borrow() == Mode::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(pump(from_client, to_server, modes.clone()), pump(from_server, to_client, modes));
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Refuse => return,
            Mode::Stall => {
                if modes.changed().await.is_err() {
                    return;
                }
            }
            Mode::Pass => tokio::select! {
                read = from.read(&mut buffer) => {
                    let count = read.unwrap_or(0);
                    if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                changed = modes.changed() => if changed.is_err() { return },
            },
        }
    }
}
