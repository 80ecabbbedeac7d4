//! An import from its begin to its end.

use std::io::Read;
use std::time::Duration;

use keywright_core::{ActorRef, Timestamp};
use keywright_store::auth2::Auth2;
use keywright_store::imports::ImportLock;
use serde_json::json;
use uuid::Uuid;

use super::candidate::Candidate;
use super::csv::CsvTokens;
use super::told::{EventCounts, ImportError, Listener, Stage, Summary, TokenCounts, Told};
use super::{Import, MOST_EVENTS, MOST_TOKENS, Permissions, auth2 as mapping, events, tokens};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::fault::Fault;

/// How often, and how long, another import is waited for.
const LOCK_TRIES: u32 = 50;
const LOCK_REST: Duration = Duration::from_millis(200);

/// Which events are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichEvents {
    /// All that are kept here.
    All,
    /// From this moment on.
    Since(Timestamp),
    /// None.
    None,
}

/// How an AUTH-2 database is taken over.
#[derive(Clone, Debug)]
pub struct Auth2Options {
    /// Which events.
    pub events: WhichEvents,
    /// What its permissions are here.
    pub permissions: Permissions,
    /// Tokens in one transaction; at most [`MOST_TOKENS`].
    pub tokens_at_once: u32,
    /// Events in one transaction; at most [`MOST_EVENTS`].
    pub events_at_once: u32,
    /// Nothing is changed, only told.
    pub dry_run: bool,
}

/// How a file is taken over.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// What permissions are here.
    pub permissions: Permissions,
    /// Tokens in one transaction; at most [`MOST_TOKENS`].
    pub tokens_at_once: u32,
    /// Nothing is changed, only told.
    pub dry_run: bool,
}

/// Takes over the tokens of an AUTH-2 database, and then its events, as the local operator. What was taken before
/// is brought up to date. When the listener says so it leaves after a page, and the summary is not complete.
///
/// # Errors
/// [`ImportError`]; what was taken until then stays, and the same call goes on from there.
pub async fn auth2(
    authority: &Authority,
    source: &mut Auth2,
    options: &Auth2Options,
    listener: &mut dyn Listener,
) -> Result<Summary, ImportError> {
    let name = source.source().to_owned();
    let _lock = take_lock(authority).await?;
    let import = Import { authority, source: &name, dry_run: options.dry_run };
    let mut summary = begin(&import);
    let mut outcome = take_tokens(&import, source, options, &mut summary.tokens, listener).await;
    if let Ok(true) = outcome
        && options.events != WhichEvents::None
    {
        let counts = summary.events.insert(EventCounts::default());
        outcome = events::take(&import, source, options, counts, listener).await;
    }
    end(&import, summary, outcome).await
}

/// Takes over the tokens of a file, as [`auth2`] does.
///
/// # Errors
/// As [`auth2`].
pub async fn csv<R: Read + Send>(
    authority: &Authority,
    file: &mut CsvTokens<R>,
    options: &CsvOptions,
    listener: &mut dyn Listener,
) -> Result<Summary, ImportError> {
    let _lock = take_lock(authority).await?;
    let import = Import { authority, source: "csv", dry_run: options.dry_run };
    let mut summary = begin(&import);
    listener.begin(Stage::Tokens, 0);
    let outcome = take_lines(&import, file, options, &mut summary.tokens, listener).await;
    end(&import, summary, outcome).await
}

/// One import at a time, so that nobody meets what another one just takes. Rows alone see to it that nothing is taken
/// twice. Of one that was killed the database hears soon.
async fn take_lock(authority: &Authority) -> Result<ImportLock, ImportError> {
    for _ in 0..LOCK_TRIES {
        if let Some(lock) = authority.store().lock_imports().await? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_REST).await;
    }
    Err(ImportError::Running)
}

fn begin(import: &Import<'_>) -> Summary {
    Summary {
        source: import.source.to_owned(),
        dry_run: import.dry_run,
        complete: false,
        began_at: import.authority.now(),
        tokens: TokenCounts::default(),
        events: None,
    }
}

/// Tells the audit trail what was done, also of a run that did not come to its end.
async fn end(
    import: &Import<'_>,
    mut summary: Summary,
    outcome: Result<bool, ImportError>,
) -> Result<Summary, ImportError> {
    summary.complete = matches!(outcome, Ok(true));
    let told = if import.dry_run { Ok(()) } else { tell(import.authority, &summary).await };
    outcome?;
    told?;
    Ok(summary)
}

async fn tell(authority: &Authority, summary: &Summary) -> Result<(), Fault> {
    let mut tx = authority.store().begin().await?;
    let event = Event::new("import.ended", ActorRef::operator(), None, Subject::platform());
    event.details(json!(summary)).write(authority, tx.conn()).await?;
    tx.commit().await?;
    authority.seal_wanted().notify_one();
    Ok(())
}

async fn take_tokens(
    import: &Import<'_>,
    source: &mut Auth2,
    options: &Auth2Options,
    counts: &mut TokenCounts,
    listener: &mut dyn Listener,
) -> Result<bool, ImportError> {
    let totals = source.totals(None).await.map_err(ImportError::Source)?;
    listener.begin(Stage::Tokens, totals.tokens);
    // A page is written while the next one is read.
    let mut next = read_tokens(import, source, options, None).await?;
    while let Some((mapped, last)) = next {
        let reading = read_tokens(import, source, options, Some(last));
        let (written, read) = tokio::join!(take_page(import, mapped, counts, listener), reading);
        if !written? {
            return Ok(false);
        }
        next = read?;
    }
    Ok(true)
}

/// A token that may be taken over, or why not.
type Mapped = Result<Candidate, Box<Told>>;

/// The page after a token, and its last one; none when there is none.
async fn read_tokens(
    import: &Import<'_>,
    source: &mut Auth2,
    options: &Auth2Options,
    after: Option<Uuid>,
) -> Result<Option<(Vec<Mapped>, Uuid)>, ImportError> {
    let limit = options.tokens_at_once.clamp(1, MOST_TOKENS);
    let rows = source.tokens_after(after, limit).await.map_err(ImportError::Source)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let now = import.authority.now();
    let mapped = rows.iter().map(|row| mapping::token(row, &options.permissions, now)).collect();
    Ok(Some((mapped, last.id)))
}

async fn take_lines<R: Read + Send>(
    import: &Import<'_>,
    file: &mut CsvTokens<R>,
    options: &CsvOptions,
    counts: &mut TokenCounts,
    listener: &mut dyn Listener,
) -> Result<bool, ImportError> {
    let limit = options.tokens_at_once.clamp(1, MOST_TOKENS);
    loop {
        let now = import.authority.now();
        let mapped = file.page(limit, &options.permissions, now)?;
        if mapped.is_empty() {
            return Ok(true);
        }
        if !take_page(import, mapped, counts, listener).await? {
            return Ok(false);
        }
    }
}

/// A page: those that may be taken are, and all are told in their order. False when it is to be the last one.
async fn take_page(
    import: &Import<'_>,
    mapped: Vec<Mapped>,
    counts: &mut TokenCounts,
    listener: &mut dyn Listener,
) -> Result<bool, ImportError> {
    let read = mapped.len() as u64;
    let mut candidates = Vec::with_capacity(mapped.len());
    let mut refused = Vec::new();
    for (place, row) in mapped.into_iter().enumerate() {
        match row {
            Ok(candidate) => candidates.push(candidate),
            Err(told) => refused.push((place, *told)),
        }
    }
    let mut told = tokens::take(import, &candidates).await?;
    for (place, refusal) in refused {
        told.insert(place.min(told.len()), refusal);
    }
    for told in &told {
        counts.count(told);
        listener.told(told).map_err(ImportError::Report)?;
    }
    listener.advance(read);
    Ok(!listener.is_stopped())
}

impl Default for Auth2Options {
    fn default() -> Self {
        Self {
            events: WhichEvents::All,
            permissions: Permissions::default(),
            tokens_at_once: MOST_TOKENS,
            events_at_once: MOST_EVENTS,
            dry_run: false,
        }
    }
}
