//! Single calls, for everything that is not load.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::answer;
use crate::script::Request;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A kept-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
}

/// Status and body of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// One call.
    pub(crate) fn call(&mut self, request: Request<'_>) -> Result<Answered> {
        self.send(request.to_text(0).as_bytes())
            .with_context(|| format!("{} {}", request.method, request.path))
    }

    /// One request as it stands.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answered> {
        self.stream.write_all(request)?;
        let mut buffer = Vec::new();
        let mut part = [0; 16 * 1024];
        loop {
            if let Some(answer) = answer::read(&buffer).map_err(|_| garbled(&buffer))? {
                return Ok(Answered { status: answer.status, body: answer.body.to_vec() });
            }
            match self.stream.read(&mut part)? {
                0 => bail!("the server hung up"),
                read => buffer.extend_from_slice(&part[..read]),
            }
        }
    }
}

fn garbled(bytes: &[u8]) -> anyhow::Error {
    anyhow::anyhow!("an answer that cannot be read: {}", String::from_utf8_lossy(bytes))
}

/// One call on a connection of its own.
pub(crate) fn call(address: SocketAddr, request: Request<'_>) -> Result<Answered> {
    Client::connect(address)?.call(request)
}

impl Answered {
    /// The body, if the status is the wanted one.
    pub(crate) fn json(&self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("{} instead of {status}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        serde_json::from_slice(&self.body).context("a body that is no JSON")
    }
}
