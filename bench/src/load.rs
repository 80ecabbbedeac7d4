//! The load: closed loop, one request in flight on each connection, HTTP/1.1 kept alive.
//!
//! One thread turns all its connections over one epoll, with one read and one write for each request
//! and one look at the clock, so that it costs little beside the server on the same two cores.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::answer::{self, Expected};
use crate::histogram::Histogram;
use crate::script::Script;

/// Longest wait for answers after the time is over.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Bytes of an answer that are looked for first, and at most.
const USUAL_ANSWER: usize = 16 * 1024;
const MAX_ANSWER: usize = 1024 * 1024;

/// How hard, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Threads that they are shared among.
    pub(crate) threads: usize,
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    /// While it is counted.
    pub(crate) time: Duration,
    /// Ends after so many requests, however little time has passed; 0: by time only.
    pub(crate) requests: u64,
}

impl Load {
    /// From one thread: on two cores a second one would only take from the server.
    pub(crate) fn with(connections: usize, time: Duration) -> Self {
        Self { connections, threads: 1, warm_up: time / 5, time, requests: 0 }
    }

    /// Without a warm-up: every answer counts.
    pub(crate) fn cold_start(self) -> Self {
        Self { warm_up: Duration::ZERO, ..self }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Answers that were what they must be.
    pub(crate) good: u64,
    /// All others, by what was wrong.
    pub(crate) bad: BTreeMap<String, u64>,
    /// The time in which the good ones were counted.
    pub(crate) elapsed: Duration,
    /// Latencies of the good ones.
    pub(crate) latency: Histogram,
    /// Requests sent in all, those that were not counted included.
    pub(crate) sent: u64,
    /// CPU time that the load itself used for them.
    pub(crate) cpu: Duration,
    /// When the last request was sent that got a good answer.
    pub(crate) last_good: Option<Instant>,
}

impl Outcome {
    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let good = self.good as f64;
        good / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// How many were bad.
    pub(crate) fn errors(&self) -> u64 {
        self.bad.values().sum()
    }

    fn merge(&mut self, other: Self) {
        self.good += other.good;
        self.sent += other.sent;
        self.cpu += other.cpu;
        for (what, count) in other.bad {
            *self.bad.entry(what).or_default() += count;
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.last_good = self.last_good.max(other.last_good);
        self.latency.merge(&other.latency);
    }
}

/// Loads the server at `address` with the script, in threads of its own.
pub(crate) fn run(address: SocketAddr, script: &Arc<Script>, load: Load) -> Result<Outcome> {
    let threads = load.threads.clamp(1, load.connections);
    let left = Arc::new(AtomicU64::new(if load.requests == 0 { u64::MAX } else { load.requests }));
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|n| {
            let (script, left) = (Arc::clone(script), Arc::clone(&left));
            let connections = load.connections / threads + usize::from(n < load.connections % threads);
            std::thread::spawn(move || {
                let mut outcome = Worker::connect(address, script, connections, left)?.turn(start, load)?;
                outcome.cpu = thread_cpu();
                Ok::<_, anyhow::Error>(outcome)
            })
        })
        .collect();
    let mut total = Outcome::default();
    for worker in workers {
        total.merge(worker.join().map_err(|_| anyhow::anyhow!("a thread of the load died"))??);
    }
    Ok(total)
}

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
    filled: usize,
    began: Instant,
    idle: bool,
}

struct Worker {
    poll: Poll,
    connections: Vec<Connection>,
    script: Arc<Script>,
    left: Arc<AtomicU64>,
    outcome: Outcome,
    counted_from: Instant,
    open: usize,
    over: bool,
}

impl Worker {
    fn connect(address: SocketAddr, script: Arc<Script>, count: usize, left: Arc<AtomicU64>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for n in 0..count {
            let stream = std::net::TcpStream::connect(address)
                .with_context(|| format!("the server at {address} cannot be reached"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(n), Interest::READABLE)?;
            let request = script.template();
            let began = Instant::now();
            connections.push(Connection {
                stream,
                request,
                buffer: vec![0; USUAL_ANSWER],
                filled: 0,
                began,
                idle: false,
            });
        }
        let outcome = Outcome::default();
        Ok(Self {
            poll,
            connections,
            script,
            left,
            outcome,
            counted_from: Instant::now(),
            open: count,
            over: false,
        })
    }

    fn turn(mut self, start: Instant, load: Load) -> Result<Outcome> {
        self.counted_from = start + load.warm_up;
        let end = self.counted_from + load.time;
        for n in 0..self.connections.len() {
            self.send(n, Instant::now());
        }
        let mut events = Events::with_capacity(1024);
        let mut now = Instant::now();
        while now < end && self.open > 0 {
            match self.poll.poll(&mut events, Some(end - now)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            for event in &events {
                self.receive(event.token().0);
            }
            now = Instant::now();
        }
        self.outcome.elapsed = now.min(end).saturating_duration_since(self.counted_from);
        self.until_answered(&mut events, now + LAST_ANSWERS)?;
        Ok(self.outcome)
    }

    /// Takes the answers that are still to come, without counting them and without asking more: what
    /// was sent was answered then, and a ledger of it is exact.
    fn until_answered(&mut self, events: &mut Events, end: Instant) -> Result<()> {
        self.left.store(0, Ordering::Relaxed);
        self.over = true;
        while self.open > 0 {
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{} requests got no answer", self.open);
            match self.poll.poll(events, Some(left)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            for event in &*events {
                self.receive(event.token().0);
            }
        }
        Ok(())
    }

    fn send(&mut self, n: usize, now: Instant) {
        let connection = &mut self.connections[n];
        let more = |left: u64| (left == u64::MAX).then_some(left).or_else(|| left.checked_sub(1));
        if self.left.load(Ordering::Relaxed) != u64::MAX
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err()
        {
            connection.idle = true;
            self.open -= 1;
            return;
        }
        self.script.fill(&mut connection.request);
        connection.began = now;
        self.outcome.sent += 1;
        // A request is far smaller than an empty socket buffer: it goes whole or the connection is broken.
        match connection.stream.write(&connection.request) {
            Ok(written) if written == connection.request.len() => {}
            Ok(_) => self.broken(n, "request cut short".to_owned()),
            Err(error) => self.broken(n, format!("write: {}", error.kind())),
        }
    }

    fn receive(&mut self, n: usize) {
        loop {
            let connection = &mut self.connections[n];
            if connection.idle {
                return;
            }
            let filled = connection.filled;
            match connection.stream.read(&mut connection.buffer[filled..]) {
                Ok(0) => return self.broken(n, "connection closed".to_owned()),
                Ok(read) => connection.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.broken(n, format!("read: {}", error.kind())),
            }
            match answer::read(&connection.buffer[..connection.filled]) {
                Ok(None) if connection.filled < connection.buffer.len() => {}
                Ok(None) if connection.filled < MAX_ANSWER => connection.buffer.resize(MAX_ANSWER, 0),
                Ok(Some(answer)) if answer.bytes == connection.filled => {
                    let expected = self.script.expected();
                    let fault = (!expected.is_met_by(&answer)).then(|| fault(&answer, &expected));
                    return self.finish(n, fault);
                }
                _ => return self.broken(n, "an answer that cannot be read".to_owned()),
            }
        }
    }

    fn finish(&mut self, n: usize, fault: Option<String>) {
        let now = Instant::now();
        let connection = &mut self.connections[n];
        connection.filled = 0;
        let latency = now - connection.began;
        if let Some(fault) = fault {
            *self.outcome.bad.entry(fault).or_default() += 1;
        } else {
            self.outcome.last_good = self.outcome.last_good.max(Some(connection.began));
            if now >= self.counted_from && !self.over {
                self.outcome.good += 1;
                self.outcome.latency.add(latency);
            }
        }
        self.send(n, now);
    }

    fn broken(&mut self, n: usize, fault: String) {
        *self.outcome.bad.entry(fault).or_default() += 1;
        self.connections[n].idle = true;
        self.open -= 1;
    }
}

fn fault(answer: &answer::Answer<'_>, expected: &Expected) -> String {
    let body = String::from_utf8_lossy(answer.body);
    let code = body
        .split_once("\"code\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(code, _)| code);
    if answer.status == expected.status {
        format!("without {}: {code}", expected.holds)
    } else {
        format!("{} {code}", answer.status)
    }
}
