//! The store at will, and a node in front of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use keywright_core::decision::code_of;
use keywright_core::{
    CredentialId, CredentialKind, Epochs, Grant, GrantKey, PrincipalKind, Requirements, ScopeSet, Timestamp,
    TokenHash, Wanted,
};
use keywright_verify::source::LoadedTokens;
use keywright_verify::{
    Clock, Freshness, GrantSource, Loaded, Lookup, SourceError, Verifier, VerifierOptions,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

type Answer = LoadedTokens;

/// How the store behaves.
#[derive(Clone)]
pub(crate) enum Mode {
    Answer,
    Fail(SourceError),
    /// Never answers.
    Silent,
    /// Dies of the question.
    Panic,
    /// Answers when the test says so.
    Hold(mpsc::UnboundedSender<Held>),
}

/// A question that has been asked and read its answer, which is still under way.
pub(crate) struct Held {
    answer: Answer,
    reply: oneshot::Sender<Answer>,
}

impl Held {
    /// Lets the answer through: what the store held when it was asked.
    pub(crate) fn release(self) {
        let _ = self.reply.send(self.answer);
    }

    /// Loses the question.
    pub(crate) fn fail(self) {
        let _ = self.reply.send(Err(away()));
    }
}

/// The questions that are handed to the test.
pub(crate) struct Questions(mpsc::UnboundedReceiver<Held>);

impl Questions {
    /// The next one. Where nobody asks, the time that stands still passes at once.
    pub(crate) async fn next(&mut self) -> Held {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.recv()).await;
        next.ok().flatten().expect("the store is asked")
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) fn away() -> SourceError {
    SourceError::Unavailable("connection refused".to_owned())
}

pub(crate) fn faulty() -> SourceError {
    SourceError::Failed("syntax error".to_owned())
}

pub(crate) struct State {
    pub(crate) rows: Mutex<HashMap<GrantKey, Grant>>,
    pub(crate) epoch: AtomicU64,
    queries: AtomicUsize,
    at_once: usize,
    mode: Mutex<Mode>,
}

#[derive(Clone)]
pub(crate) struct Store(Arc<State>);

impl State {
    fn read(&self, wanted: &Wanted) -> Option<Loaded> {
        let epochs = Epochs { service: self.epoch.load(Ordering::SeqCst), ..Epochs::default() };
        self.rows.lock().get(&wanted.key()).map(|grant| Loaded { grant: grant.clone(), epochs })
    }

    /// One question, which has read its answer.
    async fn question(&self, answer: Answer) -> Answer {
        self.queries.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.lock().clone();
        match mode {
            Mode::Answer => answer,
            Mode::Fail(error) => Err(error),
            Mode::Silent => std::future::pending().await,
            Mode::Panic => panic!("the driver has a bug"),
            Mode::Hold(questions) => {
                let (reply, released) = oneshot::channel();
                questions.send(Held { answer, reply }).expect("the test hears of each question");
                released.await.expect("the test answers each question")
            }
        }
    }
}

impl GrantSource for Store {
    fn tokens_at_once(&self) -> usize {
        self.0.at_once
    }

    async fn load_tokens(&self, hashes: &[TokenHash]) -> LoadedTokens {
        assert!(hashes.len() <= self.0.at_once);
        self.0.question(Ok(hashes.iter().map(|hash| self.0.read(&Wanted::token(*hash))).collect())).await
    }

    async fn load(&self, wanted: &Wanted) -> Result<Option<Loaded>, SourceError> {
        let answer = self.0.question(Ok(vec![self.0.read(wanted)])).await?;
        Ok(answer.into_iter().next().flatten())
    }
}

/// A node with 20 credentials, numbered from 0, in its store.
pub(crate) struct Node {
    pub(crate) store: Arc<State>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) verifier: Verifier<Store>,
}

pub(crate) const GRACE_MICROS: i64 = 60_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

pub(crate) fn options() -> VerifierOptions {
    VerifierOptions {
        cache_capacity: 1_000,
        unknown_capacity: 1_000,
        max_loads: 100,
        max_waiting: 100,
        stale_grace_micros: GRACE_MICROS,
    }
}

pub(crate) fn wanted(n: u32) -> Wanted {
    Wanted::token(TokenHash::of(&n.to_le_bytes()))
}

pub(crate) fn key(n: u32) -> GrantKey {
    wanted(n).key()
}

pub(crate) fn id(n: u32) -> CredentialId {
    let mut entropy = [0; 10];
    entropy[6..].copy_from_slice(&n.to_le_bytes());
    CredentialId::generate(Timestamp::EPOCH, entropy)
}

pub(crate) fn grant(n: u32, epoch: u64) -> Grant {
    Grant {
        credential_id: id(n),
        kind: CredentialKind::Service,
        name: format!("token-{n}").into(),
        principal: PrincipalKind::ServiceToken,
        scopes: ScopeSet::default(),
        metadata: None,
        expires_at: None,
        is_active: true,
        revoked: false,
        superseded: false,
        grace_expires_at: None,
        epoch,
        bonds: None,
        bounds: None,
    }
}

impl Node {
    pub(crate) fn alone() -> Self {
        Self::with(Freshness::alone(), &options())
    }

    pub(crate) fn among_nodes() -> Self {
        Self::with(Freshness::among_nodes(), &options())
    }

    pub(crate) fn with(freshness: Freshness, options: &VerifierOptions) -> Self {
        Self::over(1, freshness, options)
    }

    /// Over a store that is asked about so many credentials at once.
    pub(crate) fn over(at_once: usize, freshness: Freshness, options: &VerifierOptions) -> Self {
        let store = Arc::new(State {
            rows: Mutex::new((0..20).map(|n| (key(n), grant(n, 1))).collect()),
            epoch: AtomicU64::new(1),
            queries: AtomicUsize::new(0),
            at_once,
            mode: Mutex::new(Mode::Answer),
        });
        let clock = Arc::new(Clock::manual(Timestamp::EPOCH.plus_days(1)));
        let verifier = Verifier::new(Store(Arc::clone(&store)), Arc::clone(&clock), freshness, options);
        Self { store, clock, verifier }
    }

    pub(crate) fn behave(&self, mode: Mode) {
        *self.store.mode.lock() = mode;
    }

    /// From now on each question is handed to the test.
    pub(crate) fn hold(&self) -> Questions {
        let (sender, questions) = mpsc::unbounded_channel();
        self.behave(Mode::Hold(sender));
        Questions(questions)
    }

    pub(crate) fn queries(&self) -> usize {
        self.store.queries.load(Ordering::SeqCst)
    }

    /// A revocation that has been committed and not yet told.
    pub(crate) fn revoke_row(&self, n: u32) {
        self.store.rows.lock().entry(key(n)).and_modify(|grant| grant.revoked = true);
    }

    /// A revocation whose call has returned.
    pub(crate) fn revoke(&self, n: u32) {
        self.revoke_row(n);
        self.verifier.invalidate([id(n).0]);
    }

    /// What a caller is told: a code, `unavailable`, or `stale` and a code.
    pub(crate) async fn ask(&self, n: u32) -> String {
        self.ask_from(n, None).await
    }

    pub(crate) async fn ask_from(&self, n: u32, network: impl Into<Option<IpAddr>>) -> String {
        verify(&self.verifier, n, network.into()).await
    }

    /// What the cache alone tells.
    pub(crate) fn cached(&self, n: u32) -> Option<String> {
        self.verifier.peek(&key(n)).map(|lookup| told(&self.verifier, &lookup))
    }

    /// Asks in a task of its own, which has got as far as it can when this returns.
    pub(crate) async fn asking(&self, n: u32) -> JoinHandle<String> {
        self.asking_from(n, None).await
    }

    pub(crate) async fn asking_from(&self, n: u32, network: impl Into<Option<IpAddr>>) -> JoinHandle<String> {
        let network = network.into();
        let verifier = self.verifier.clone();
        let task = tokio::spawn(async move { verify(&verifier, n, network).await });
        settle().await;
        task
    }
}

/// Lets all that can go on go on, without any time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn network(n: u8) -> IpAddr {
    IpAddr::from([10, 0, n, 0])
}

async fn verify(verifier: &Verifier<Store>, n: u32, network: Option<IpAddr>) -> String {
    let lookup = match verifier.peek(&key(n)) {
        Some(lookup) => lookup,
        None => verifier.resolve(&wanted(n), network).await,
    };
    told(verifier, &lookup)
}

fn told(verifier: &Verifier<Store>, lookup: &Lookup) -> String {
    match lookup {
        Lookup::Known(known) => {
            let code = code_of(&verifier.decide(known, &Requirements::none()));
            if known.stale { format!("stale {code}") } else { code.to_owned() }
        }
        Lookup::Unknown => "not_found".to_owned(),
        Lookup::Unavailable => "unavailable".to_owned(),
    }
}
