//! A receiver of webhooks that does as it is told, and keeps what it was sent.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What it does with a request once it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers with this status.
    Answers(u16),
    /// Answers 429 and asks for so many seconds.
    AsksToWait(u32),
    /// Sends elsewhere.
    Redirects,
    /// Closes without an answer.
    Closes,
    /// Keeps the connection and says nothing.
    Hangs,
}

/// A request that it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and path, as in `PUT /a`.
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// The receiver.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    manner: Mutex<Manner>,
    received: Mutex<Vec<Received>>,
    arrived: Notify,
}

impl Receiver {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/verysecretpath", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            manner: Mutex::new(manner),
            received: Mutex::default(),
            arrived: Notify::new(),
        });
        let own = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own)));
            }
        });
        Self { url, inner }
    }

    pub(crate) fn now(&self, manner: Manner) {
        *self.inner.manner.lock() = manner;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.received.lock().len()
    }

    /// Waits until it was sent so many requests.
    pub(crate) async fn has(&self, count: usize) {
        loop {
            let arrived = self.inner.arrived.notified();
            if self.count() >= count {
                return;
            }
            arrived.await;
        }
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) {
    let Some(request) = read(&mut stream).await else { return };
    inner.received.lock().push(request);
    let manner = *inner.manner.lock();
    inner.arrived.notify_waiters();
    let answer = match manner {
        Manner::Answers(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\nhello"),
        Manner::AsksToWait(seconds) => {
            format!("HTTP/1.1 429 X\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
        }
        Manner::Redirects => "HTTP/1.1 307 X\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".to_owned(),
        Manner::Closes => return,
        Manner::Hangs => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 16]).await;
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Reads a request.
pub(crate) async fn read(stream: &mut TcpStream) -> Option<Received> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    let head = loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let line = text.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: HashMap<String, String> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Received { line, headers, bytes: body })
}
