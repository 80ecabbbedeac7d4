//! A line to PostgreSQL that can be cut, or lose the word about a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use keywright_store::testing::TestStore;
use keywright_store::{Store, StoreOptions};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what goes over the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Line {
    /// It gets through.
    Open,
    /// The next COMMIT arrives; its answer does not.
    LosesTheAnswer,
    /// The next COMMIT does not arrive.
    LosesTheCommit,
    /// Nothing gets through, and nobody gets a connection.
    Cut,
}

pub(crate) struct Proxy {
    state: Arc<AtomicU8>,
    cuts: watch::Sender<u64>,
    options: StoreOptions,
}

impl Proxy {
    pub(crate) async fn to(store: &TestStore) -> Self {
        let direct: PgConnectOptions = store.options().url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = (direct.get_host().to_owned(), direct.get_port());
        let url = direct.host("127.0.0.1").port(port).to_url_lossy().to_string();
        let state = Arc::new(AtomicU8::new(Line::Open as u8));
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(accept(listener, server, Arc::clone(&state), cut));
        Self { state, cuts, options: StoreOptions { url, ..store.options().clone() } }
    }

    /// The same database over this line.
    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.options).await.unwrap()
    }

    pub(crate) fn set(&self, line: Line) {
        self.state.store(line as u8, Ordering::SeqCst);
        if line == Line::Cut {
            self.cuts.send_modify(|count| *count += 1);
        }
    }
}

async fn accept(
    listener: TcpListener,
    server: (String, u16),
    state: Arc<AtomicU8>,
    cut: watch::Receiver<u64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if state.load(Ordering::SeqCst) == Line::Cut as u8 {
            continue;
        }
        let (server, state, mut cut) = (server.clone(), Arc::clone(&state), cut.clone());
        cut.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = cut.changed() => {}
                _ = carry(client, server, &state) => {}
            }
        });
    }
}

/// Carries bytes both ways until either end, or the line, is closed.
async fn carry(mut client: TcpStream, mut server: TcpStream, state: &AtomicU8) -> std::io::Result<()> {
    let (mut asked, mut told) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let sent = &asked[..count?];
                let is_commit = sent.windows(7).any(|bytes| bytes == b"COMMIT\0");
                let lost = |line: Line| {
                    let (line, open) = (line as u8, Line::Open as u8);
                    is_commit && state.compare_exchange(line, open, Ordering::SeqCst, Ordering::SeqCst).is_ok()
                };
                if sent.is_empty() || lost(Line::LosesTheCommit) {
                    return Ok(());
                }
                let answer_is_lost = lost(Line::LosesTheAnswer);
                server.write_all(sent).await?;
                if answer_is_lost {
                    return server.read(&mut told).await.map(drop);
                }
            }
            count = server.read(&mut told) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                client.write_all(&told[..count]).await?;
            }
        }
    }
}
