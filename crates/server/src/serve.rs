//! `keywright serve`.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use keywright_authority::bootstrap::bootstrap;
use keywright_authority::{Fault, entropy};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::advice;
use crate::config::{Config, Loaded, MasterKeys, PublicUrl, check_files};
use crate::http;
use crate::http::edge::{Edge, Workers};
use crate::http::operator::OperatorSocket;
use crate::node::{self, Node, Part};
use crate::telemetry;

/// What is in flight when the server leaves has this long.
const LEAVE: Duration = Duration::from_secs(4);

/// Serves until the process is asked to stop.
///
/// # Errors
/// When it cannot start, with what to do about it.
pub fn run(loaded: &Loaded, dev: bool) -> anyhow::Result<()> {
    let config = loaded.config.as_ref().context("the configuration has mistakes")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("main").build()?;
    let traces = {
        let _within = runtime.enter();
        telemetry::begin(config)?
    };
    let mistakes: Vec<_> = check_files(loaded).into_iter().map(|finding| finding.to_string()).collect();
    for mistake in &mistakes {
        warn!("{mistake}");
    }
    let outcome = runtime.block_on(serve(config, dev));
    if let Some(traces) = traces {
        traces.end();
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(config: &Config, dev: bool) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let lock = node::lock(config).map_err(|error| {
        advice::alone(config, error, "a SQLite database has one server: stop the other first")
    })?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| advice::listening(config.server.listen, "server.listen, or --listen", &error))?;
    let address = listener.local_addr()?;
    let mut config = config.clone();
    if dev {
        make_key(&config)?;
        config.journal.allow_ephemeral = true;
        // Links and tokens name it.
        let tls = config.server.tls_cert.is_some();
        config.server.public_url.get_or_insert_with(|| PublicUrl::direct(address, tls));
        keep_mails(&mut config);
    }
    let keys = node::keys(&config)?;
    let store = node::connect(&config).await?;
    if dev {
        store.migrate(|_| {}).await?;
    }
    node::check_schema(&store).await?;
    let node = Node::open(&config, store, lock, keys, Part::Serves(address.to_string())).await?;
    if let Some(post) = node.app().authority().post().filter(|_| dev) {
        post.tell_in_log();
    }
    let served = Served::start(&config, &node, listener)?;
    info!(%address, engine = node.app().authority().store().engine().as_str(), version = env!("CARGO_PKG_VERSION"), "serving");
    if dev {
        greet(&node, address, config.server.tls_cert.is_some()).await?;
    }
    stop.wait().await;
    info!("leaving: answering what is in flight");
    served.leave().await;
    node.close().await?;
    info!("left");
    Ok(())
}

/// SIGTERM or Ctrl-C.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The doors of a node, open.
pub struct Served {
    leaving: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<Workers>,
    operator: Option<tokio::task::JoinHandle<()>>,
    metrics: Option<(SocketAddr, tokio::task::JoinHandle<()>)>,
}

impl Served {
    /// Opens the doors of a node: the edge, and on SQLite the operator's socket.
    ///
    /// # Errors
    /// When a certificate cannot be read, or a socket or thread not be made.
    pub fn start(config: &Config, node: &Node, listener: TcpListener) -> anyhow::Result<Self> {
        let router = http::router(node.app().clone());
        let (leaving, left) = watch::channel(false);
        let edge = Edge {
            app: node.app().clone(),
            router: router.clone(),
            tls: tls(config)?,
            leaving: left.clone(),
            main: tokio::runtime::Handle::current(),
        };
        let metrics = config.server.metrics_listen.map(|address| metrics(node, address)).transpose()?;
        let count = match config.server.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let workers = Workers::start(&edge, count)?;
        let accepting = tokio::spawn(async move {
            workers.accept(listener, left).await;
            workers
        });
        let operator = operator(config, router)?;
        Ok(Self { leaving, accepting, operator, metrics })
    }

    /// Where metrics are served, if that is a port of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// Closes the doors and waits for what is in flight.
    pub async fn leave(self) {
        let _ = self.leaving.send(true);
        for task in self.operator.into_iter().chain(self.metrics.map(|(_, task)| task)) {
            task.abort();
            let _ = task.await;
        }
        let joined = async {
            if let Ok(workers) = self.accepting.await {
                let _ = tokio::task::spawn_blocking(move || workers.join()).await;
            }
        };
        if tokio::time::timeout(LEAVE, joined).await.is_err() {
            warn!("some requests did not end in time and are cut off");
        }
    }
}

/// Opens the operator's socket of a node, on SQLite; it closes when the task ends.
///
/// # Errors
/// When it cannot be made.
pub fn operator(config: &Config, router: Router) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    let Some(path) = node::socket_path(config) else { return Ok(None) };
    let socket =
        OperatorSocket::bind(&path).with_context(|| format!("the operator's socket {}", path.display()))?;
    Ok(Some(tokio::spawn(async move { socket.serve(router).await })))
}

fn metrics(node: &Node, address: SocketAddr) -> anyhow::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let listener = std::net::TcpListener::bind(address)
        .map_err(|error| advice::listening(address, "server.metrics_listen", &error))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    info!(%address, "serving metrics");
    Ok((address, tokio::spawn(http::metrics::serve(node.app().clone(), listener))))
}

fn tls(config: &Config) -> anyhow::Result<Option<TlsAcceptor>> {
    let (Some(cert), Some(key)) = (&config.server.tls_cert, &config.server.tls_key) else { return Ok(None) };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| advice::pem(cert, "server.tls_cert", "certificate", &error))?;
    if chain.is_empty() {
        return Err(advice::pem(cert, "server.tls_cert", "certificate", &"there is none in it"));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| advice::pem(key, "server.tls_key", "private key", &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("server.tls_cert and server.tls_key cannot be used together")?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

/// `--dev` makes a master key beside the database, unless one is configured or there.
fn make_key(config: &Config) -> anyhow::Result<()> {
    if config.keys.resolve()?.is_some() {
        return Ok(());
    }
    let Some(path) = node::dev_key_path(config) else {
        bail!("--dev makes a master key only beside a SQLite database: set KEYWRIGHT_MASTER_KEY");
    };
    if path.exists() {
        return Ok(());
    }
    let text = MasterKeys::single(entropy::master_key()).to_text();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all().with_context(|| path.display().to_string())
}

/// `--dev` keeps mails beside the database, unless something else is configured.
fn keep_mails(config: &mut Config) {
    if config.mail.folder.is_none() {
        let beside = config.database.url.sqlite_path().and_then(|path| path.parent());
        config.mail.folder = Some(beside.unwrap_or(Path::new("./data")).join("mail"));
    }
}

/// Prints the first token and a line to paste, once.
#[expect(clippy::print_stdout, reason = "the one thing that `serve --dev` says to its user")]
async fn greet(node: &Node, address: SocketAddr, tls: bool) -> anyhow::Result<()> {
    let made = match bootstrap(node.app().authority(), None).await {
        Ok(made) => made,
        Err(Fault::AlreadyBootstrapped) => {
            println!("Keywright is running. Its first token was shown when it was made; make another with:");
            println!("\n  keywright token create --name another --permissions '*'\n");
            return Ok(());
        }
        Err(fault) => return Err(fault.into()),
    };
    let secret = made.secret.context("the first token was made, but its secret cannot be shown")?;
    let scheme = if tls { "https" } else { "http" };
    let token = secret.reveal();
    println!("Keywright is running. This is its first token, with all permissions; it is shown only now:");
    println!("\n  {token}\n");
    println!("Verify it:");
    println!(
        "\n  curl -s -X POST {scheme}://{address}{}/auth/verify -H 'Authorization: Bearer {token}'\n",
        http::BASE
    );
    Ok(())
}
