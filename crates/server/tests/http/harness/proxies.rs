//! What stands on both sides of a proxy: a service that tells what reached it, and a way to Keywright that can be
//! blocked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// A request that reached the service.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    /// How long its body was.
    pub(crate) body: usize,
}

/// A service that answers `served` to everything, and speaks back on sockets.
pub(crate) struct Api {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reached it since it was asked last.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn serve(State(seen): State<Arc<Mutex<Vec<Seen>>>>, mut request: Request) -> Response {
    let upgrades = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_or(0, |body| body.to_bytes().len());
    seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body,
    });
    let Some(upgrade) = upgrades else { return Response::new(Body::from("served")) };
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    answer.header("connection", "Upgrade").header("upgrade", "websocket").body(Body::empty()).unwrap()
}

/// How a proxy comes to Keywright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it wants to.
    Open,
    /// From another address of this machine.
    From(&'static str),
    /// Not at all.
    Refused,
    /// It is listened to, and never answered.
    Silent,
    /// It is answered this instead, whatever it asks.
    Answered(String),
}

/// The door of a Keywright, before which proxies stand.
pub(crate) struct Door {
    way: watch::Sender<Way>,
    address: SocketAddr,
}

impl Door {
    pub(crate) async fn before(keywright: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, ways) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((proxy, _)) = listener.accept().await {
                let mut ways = ways.clone();
                let way = ways.borrow_and_update().clone();
                tokio::spawn(async move {
                    // Once it is another way, nobody is left on the old one.
                    tokio::select! {
                        () = go(proxy, keywright, way) => {}
                        _ = ways.changed() => {}
                    }
                });
            }
        });
        Self { way, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn go(mut proxy: TcpStream, keywright: SocketAddr, way: Way) {
    let from = match way {
        Way::Open => "127.0.0.1",
        Way::From(address) => address,
        Way::Refused => return,
        Way::Silent => return std::future::pending().await,
        Way::Answered(answer) => {
            let mut head = Vec::new();
            let mut chunk = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match proxy.read(&mut chunk).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&chunk[..count]),
                    _ => return,
                }
            }
            let _ = proxy.write_all(answer.as_bytes()).await;
            return;
        }
    };
    let Ok(mut door) = connect_from(from, keywright).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut proxy, &mut door).await;
}

/// A connection from an address of this machine.
pub(crate) async fn connect_from(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse().map_err(std::io::Error::other)?, 0))?;
    socket.connect(to).await
}
