//! What all handlers share.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_api::system::JournalMode;
use keywright_authority::{Authority, entropy};
use keywright_core::Timestamp;
use keywright_store::Store;
use keywright_verify::clock::{boot_micros, wall_clock};
use keywright_verify::journal::Writer;
use keywright_verify::{Journal, Limiter, Tokens};

use super::auth::streams::Streams;
use super::{auth, openapi};
use crate::config::{Networks, PublicUrl};
use crate::github_keys::GithubKeys;
use crate::metrics::Requests;

/// What the front door needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Networks,
    /// Longest time from a request's last header to its answer.
    pub request_timeout: Duration,
    /// Longest time for the headers of a request to arrive.
    pub header_timeout: Duration,
    /// The address under which clients reach this server.
    pub public_url: Option<PublicUrl>,
    /// How long grants answer while the store is away, in seconds.
    pub stale_grace_seconds: u32,
    /// What the journal survives.
    pub journal_mode: JournalMode,
    /// Whether metrics are served on a port of their own, and nowhere else.
    pub metrics_apart: bool,
}

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    authority: Authority,
    tokens: Tokens<Store>,
    limiter: Limiter,
    journal: Journal,
    writer: Writer,
    github_keys: Option<GithubKeys>,
    settings: DoorSettings,
    request_prefix: String,
    request_number: AtomicU64,
    requests: Requests,
    streams: Streams,
    started_boot: i64,
    started_at: Timestamp,
}

impl App {
    /// The front door of an authority, with the journal of its node.
    pub fn new(
        authority: Authority,
        tokens: Tokens<Store>,
        limiter: Limiter,
        journal: Journal,
        settings: DoorSettings,
        github_keys: Option<GithubKeys>,
    ) -> Self {
        let mut request_prefix = hex::encode(&entropy::id()[..6]);
        request_prefix.push('-');
        Self {
            inner: Arc::new(Inner {
                writer: journal.writer(),
                authority,
                tokens,
                limiter,
                journal,
                github_keys,
                settings,
                request_prefix,
                request_number: AtomicU64::new(0),
                requests: Requests::new(openapi::paths(), auth::verify::PATH),
                streams: Streams::default(),
                started_boot: boot_micros(),
                started_at: wall_clock(),
            }),
        }
    }

    /// The authority.
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// The reader of presented JWTs.
    pub fn tokens(&self) -> &Tokens<Store> {
        &self.inner.tokens
    }

    /// By which uses of credentials are counted.
    pub fn limiter(&self) -> &Limiter {
        &self.inner.limiter
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// The journal's writer that the main runtime shares.
    pub fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    /// The keys of GitHub's secret scanning, where it is listened to.
    pub fn github_keys(&self) -> Option<&GithubKeys> {
        self.inner.github_keys.as_ref()
    }

    /// The settings.
    pub fn settings(&self) -> &DoorSettings {
        &self.inner.settings
    }

    /// Since the start, in microseconds.
    pub fn uptime_micros(&self) -> i64 {
        boot_micros() - self.inner.started_boot
    }

    /// When it started, by this machine's clock.
    pub fn started_at(&self) -> Timestamp {
        self.inner.started_at
    }

    /// The requests so far.
    pub fn requests(&self) -> &Requests {
        &self.inner.requests
    }

    /// The streams of changes that are open.
    pub fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// An id for a request that brought none: unique, no secret.
    pub fn new_request_id(&self) -> String {
        let number = self.inner.request_number.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(32);
        id.push_str(&self.inner.request_prefix);
        let _ = write!(id, "{number:x}");
        id
    }
}
