//! A connection on which anything can be sent, well-formed or not.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::proxies::connect_from;
use super::{Answer, PATIENCE};

/// A TCP connection to a node.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// From an address of this machine.
    pub(crate) async fn connect_from(from: &str, address: SocketAddr) -> Self {
        Self { stream: connect_from(from, address).await.unwrap(), read: Vec::new() }
    }

    /// Sends; a server that has closed already is not this side's fault.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends nothing more, but goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next answer; `None` when the server closes instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET").await
    }

    /// The next answer, to a request of this method: those to HEAD have no body.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await {
                assert!(self.read.is_empty(), "cut off: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(|line| line.split_once(':').unwrap()) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        if status == 100 {
            return Some(Answer { status, headers, body: Bytes::new() });
        }
        let length = headers.get("content-length").map_or("0", |length| length.to_str().unwrap());
        let length: usize = if method == "HEAD" { 0 } else { length.parse().unwrap() };
        while self.read.len() < length {
            assert!(self.more().await, "the body is cut off");
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        Some(Answer { status, headers, body: body.into() })
    }

    /// The next so many bytes, whatever they are.
    pub(crate) async fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "cut off");
        }
        self.read.drain(..count).collect()
    }

    /// That the server closes, after whatever it still says.
    pub(crate) async fn closed(&mut self) {
        while self.more().await {}
    }

    /// Reads on; false when the server has closed.
    async fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let reading = tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await;
        let count = reading.expect("the server answers or closes").unwrap_or(0);
        self.read.extend_from_slice(&chunk[..count]);
        count > 0
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}
