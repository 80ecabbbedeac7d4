//! A client that keeps a ledger: what it sent, and what was answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};
use parking_lot::Mutex;

use crate::http::Client;
use crate::keywright::VERIFY;

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Sent; the connection broke before an answer.
    InFlight,
    /// Answered with a decision.
    Decided,
    /// Answered 503: there was no decision.
    Unavailable,
}

/// What was sent, by its request id.
#[derive(Debug, Default)]
pub(crate) struct Ledger(HashMap<String, Fate>);

impl Ledger {
    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.0.values().filter(|found| **found == fate).count()
    }

    pub(crate) fn fate(&self, request_id: &str) -> Option<Fate> {
        self.0.get(request_id).copied()
    }

    /// The requests that met this fate.
    pub(crate) fn ids(&self, fate: Fate) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, found)| **found == fate).map(|(id, _)| id.as_str())
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Clients that verify tokens, each one request after the other, until they are told to stop.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    /// Answers with an unexpected status or content: a defect, whatever else is so.
    odd: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<Ledger>>,
}

impl Clients {
    /// Starts `count` clients; their request ids begin with `prefix`.
    pub(crate) fn start(address: SocketAddr, tokens: &[String], count: usize, prefix: &str) -> Self {
        let (stop, odd) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let threads = (0..count)
            .map(|number| {
                let (stop, odd) = (Arc::clone(&stop), Arc::clone(&odd));
                let (tokens, prefix) = (tokens.to_vec(), format!("{prefix}-{number}"));
                std::thread::spawn(move || one(address, &tokens, number, &prefix, &stop, &odd))
            })
            .collect();
        Self { stop, odd, threads }
    }

    /// Ends them.
    pub(crate) fn finish(self) -> Result<Ledger> {
        self.stop.store(true, Ordering::SeqCst);
        let mut ledger = Ledger::default();
        for thread in self.threads {
            ledger.add(thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?);
        }
        let odd = self.odd.lock();
        ensure!(odd.is_empty(), "{} odd answers, the first: {}", odd.len(), odd[0]);
        Ok(ledger)
    }
}

fn one(
    address: SocketAddr,
    tokens: &[String],
    number: usize,
    prefix: &str,
    stop: &AtomicBool,
    odd: &Mutex<Vec<String>>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut connection: Option<Client> = None;
    let mut sequence = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        let Some(client) = &mut connection else {
            connection = Client::connect(address).ok();
            if connection.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        sequence += 1;
        let id = format!("{prefix}-{sequence}");
        let token = &tokens[(number + usize::try_from(sequence).unwrap_or(0)) % tokens.len()];
        let request = format!(
            "POST {VERIFY} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {token}\r\nX-Request-Id: {id}\r\n\
             User-Agent: soak/{number}\r\nContent-Length: 0\r\n\r\n"
        );
        let fate = match client.send(request.as_bytes()) {
            Err(_) => {
                connection = None;
                Fate::InFlight
            }
            Ok(answer) => match (answer.status, memchr::memmem::find(&answer.body, b"\"valid\":true")) {
                (200, Some(_)) => Fate::Decided,
                (503, _) => Fate::Unavailable,
                (status, _) => {
                    odd.lock().push(format!("{status} {}", String::from_utf8_lossy(&answer.body)));
                    Fate::Decided
                }
            },
        };
        ledger.0.insert(id, fate);
        if fate == Fate::Unavailable {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    ledger
}
