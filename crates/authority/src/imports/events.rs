//! Authentication events of another system, in the order of their moments: pages are written while the next one is
//! read, and each is in the store before the one after it.
//!
//! What may have been taken before is looked for by its id, which follows from what it is there. Beyond the last
//! event that any import has taken nothing can be, and nobody asks.

use std::collections::VecDeque;
use std::sync::Arc;

use keywright_core::{NodeId, Timestamp};
use keywright_store::auth2::{Auth2, SourceEvent};
use keywright_store::imports::{self, EventsToTake, Memory, Progress, SourcePlace, Turn, Turns};
use keywright_store::{Store, StoreError, service_tokens};
use keywright_verify::DecisionRecord;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::auth2::{event, token_name};
use super::candidate::fingerprint;
use super::names::Names;
use super::plan::{Bounds, Plan, plan};
use super::told::{EventCounts, ImportError, Listener, Reason, Stage};
use super::{Auth2Options, Import, MOST_EVENTS, WhichEvents};
use crate::authority::Authority;
use crate::fault::Fault;

/// What is later than this from now on is no record of anything.
const AHEAD_SECONDS: i64 = 3_600;
/// Tries of a page for which the store had no time.
const TRIES: u32 = 5;
/// Pages that are written at once: of one the events, of the one before it what they add up to.
const AT_ONCE: usize = 2;
/// Tries to make the tables of the months before.
const PARTITION_TRIES: u32 = 20;

/// The days of which only this run stores anything: after the last one of which any import has, and before the first
/// on which a token that was taken over was used here.
async fn memory(store: &Store, plan: &Plan, now: Timestamp) -> Result<Memory, StoreError> {
    let day_after = |(at, _)| Timestamp::from_micros(at).start_of_day().plus_days(1);
    let from = plan.mark.map_or(Timestamp::EPOCH, day_after);
    let used = imports::first_use(store.read().await?.conn(), from).await?;
    Ok(Memory::of_days(from, used.unwrap_or(now).min(now).start_of_day()))
}

/// A page, ready to be written.
struct Page {
    events: Vec<DecisionRecord>,
    /// So many at its begin may have been taken before.
    unsure: usize,
    last: SourcePlace,
    read: u64,
    refused: u64,
    unattributed: u64,
}

/// Takes the events over; false when it was stopped before the end.
///
/// # Errors
/// What was taken until then stays.
pub(super) async fn take(
    import: &Import<'_>,
    source: &mut Auth2,
    options: &Auth2Options,
    counts: &mut EventCounts,
    listener: &mut dyn Listener,
) -> Result<bool, ImportError> {
    let authority = import.authority;
    let now = authority.now();
    let bounds = Bounds::of(authority, now);
    let known = imports::all(authority.store().read().await?.conn()).await?;
    let since = match options.events {
        WhichEvents::Since(moment) => Some(moment.as_micros()),
        WhichEvents::All | WhichEvents::None => None,
    };
    let until = now.plus_seconds(AHEAD_SECONDS).as_micros();
    let plan = plan(&known, import.source, bounds.failures.as_micros(), since, until);
    let totals = source.totals(Some(plan.span)).await.map_err(ImportError::Source)?;
    counts.refuse(Reason::InTheFuture, totals.events_after);
    if plan.span.from.0 <= bounds.failures.as_micros() {
        counts.refuse(Reason::BeyondRetention, totals.events_before);
    }
    counts.seen = counts.refused.values().sum();
    listener.begin(Stage::Events, totals.events);
    if !import.dry_run && totals.events > 0 {
        make_months(authority, Timestamp::from_micros(plan.span.from.0).max(bounds.failures), now).await?;
    }
    let memory = Arc::new(memory(authority.store(), &plan, now).await?);
    Run { import, source, plan, bounds, names: Names::default(), memory }
        .take(options.events_at_once.clamp(1, MOST_EVENTS), counts, listener)
        .await
}

/// Events of months that have no table of their own would make the default one large, and the making of others slow.
async fn make_months(authority: &Authority, since: Timestamp, until: Timestamp) -> Result<(), ImportError> {
    let mut tries = 1;
    loop {
        match authority.store().make_partitions_between(since, until).await {
            // Somebody has events locked.
            Err(StoreError::Contention(_)) if tries < PARTITION_TRIES => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

struct Run<'a> {
    import: &'a Import<'a>,
    source: &'a mut Auth2,
    plan: Plan,
    bounds: Bounds,
    names: Names,
    memory: Arc<Memory>,
}

impl Run<'_> {
    async fn take(
        mut self,
        at_once: u32,
        counts: &mut EventCounts,
        listener: &mut dyn Listener,
    ) -> Result<bool, ImportError> {
        let (mut turns, mut writing) = (Turns::default(), VecDeque::new());
        let mut last = None;
        let outcome = loop {
            let page = match self.read(last, at_once).await {
                Ok(Some(page)) => page,
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            };
            last = Some(page.last);
            writing.push_back(Writing::begin(
                self.writer(turns.hand_out()),
                self.progress_at(page.last),
                page,
            ));
            if writing.len() >= AT_ONCE
                && let Some(first) = writing.pop_front()
                && let Err(error) = first.end(counts, listener).await
            {
                break Err(error);
            }
            if listener.is_stopped() {
                break Ok(false);
            }
        };
        let mut ended = Ok(());
        for page in writing {
            // After one that failed none is stored, and why is told by that one.
            let end = page.end(counts, listener).await;
            ended = ended.and(end);
        }
        let complete = outcome?;
        ended?;
        if complete {
            self.finish().await?;
        }
        Ok(complete)
    }

    fn writer(&self, turn: Turn) -> Writer {
        let Import { authority, source, dry_run } = *self.import;
        Writer {
            authority: authority.clone(),
            node: stands_for(source),
            dry_run,
            memory: Arc::clone(&self.memory),
            turn,
        }
    }

    /// How far it is once everything up to `last` is written.
    fn progress_at(&mut self, last: SourcePlace) -> Progress {
        self.plan.progress.run_at = Some(last.0);
        self.plan.progress.last = self.plan.progress.last.max(Some(last));
        self.plan.progress.clone()
    }

    /// The next page; none when there is none.
    async fn read(&mut self, after: Option<SourcePlace>, limit: u32) -> Result<Option<Page>, ImportError> {
        let rows =
            self.source.events_after(self.plan.span, after, limit).await.map_err(ImportError::Source)?;
        let Some(last) = rows.last().map(SourceEvent::place) else { return Ok(None) };
        self.look_up(&rows).await?;
        let mut page = Page {
            events: Vec::with_capacity(rows.len()),
            unsure: 0,
            last,
            read: rows.len() as u64,
            refused: 0,
            unattributed: 0,
        };
        for row in &rows {
            let name = token_name(row);
            let credential = name.and_then(|name| self.names.credential(name));
            let event = event(row, credential);
            if !self.bounds.admits(&event) {
                page.refused += 1;
                continue;
            }
            page.unattributed += u64::from(name.is_some() && credential.is_none());
            page.unsure += usize::from(self.plan.mark.is_some_and(|mark| row.place() <= mark));
            page.events.push(event);
        }
        Ok(Some(page))
    }

    /// Which of our credentials the names in these rows belong to.
    async fn look_up(&mut self, rows: &[SourceEvent]) -> Result<(), ImportError> {
        let unknown = self.names.unknown(rows.iter().filter_map(token_name));
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
        let ids = self.source.ids_of(&names).await.map_err(ImportError::Source)?;
        let source_ids: Vec<Uuid> = ids.values().copied().collect();
        let mut reader = self.import.authority.store().read().await?;
        let taken = service_tokens::taken_before(reader.conn(), &source_ids).await?;
        for name in names {
            let credential = ids.get(&name).and_then(|id| taken.get(id)).map(|taken| taken.credential_id);
            self.names.learn(name, credential);
        }
        Ok(())
    }

    /// That the run came to its end.
    async fn finish(self) -> Result<(), ImportError> {
        if self.import.dry_run {
            return Ok(());
        }
        let authority = self.import.authority;
        let mut progress = self.plan.progress;
        progress.run_at = None;
        progress.events_from = [progress.events_from, progress.run_from.take()].into_iter().flatten().min();
        let mut tx = authority.store().begin().await?;
        imports::keep(tx.conn(), &progress, authority.now()).await?;
        tx.commit().await.map_err(Fault::from)?;
        Ok(())
    }
}

/// What stands for the node that decided: the same for all events of a source.
fn stands_for(source: &str) -> NodeId {
    NodeId::generate(Timestamp::EPOCH, fingerprint("import", source.as_bytes()))
}

/// A page that is being written.
struct Writing {
    task: JoinHandle<Result<u64, ImportError>>,
    events: u64,
    read: u64,
    refused: u64,
    unattributed: u64,
}

impl Writing {
    fn begin(writer: Writer, progress: Progress, page: Page) -> Self {
        let Page { read, refused, unattributed, .. } = page;
        let events = page.events.len() as u64;
        let task = tokio::spawn(writer.write(progress, page));
        Self { task, events, read, refused, unattributed }
    }

    /// Waits until it is written, and counts it.
    async fn end(self, counts: &mut EventCounts, listener: &mut dyn Listener) -> Result<(), ImportError> {
        let new = self.task.await.map_err(|error| Fault::Internal(error.to_string()))??;
        counts.seen += self.read;
        counts.refuse(Reason::BeyondRetention, self.refused);
        counts.unattributed += self.unattributed;
        counts.taken += new;
        counts.already_there += self.events - new;
        listener.advance(self.read);
        Ok(())
    }
}

/// Writes a page in a task of its own.
struct Writer {
    authority: Authority,
    node: NodeId,
    dry_run: bool,
    memory: Arc<Memory>,
    turn: Turn,
}

impl Writer {
    /// Gives how many of its events were new.
    async fn write(self, progress: Progress, page: Page) -> Result<u64, ImportError> {
        let Self { authority, node, dry_run, memory, mut turn } = self;
        let Page { events, unsure, .. } = page;
        let store = authority.store();
        if dry_run {
            let mut reader = store.read().await?;
            let taken = imports::count_taken(reader.conn(), &events[..unsure]).await?;
            return Ok(events.len() as u64 - taken);
        }
        let mut wanted = EventsToTake::new(node, events, unsure, progress);
        let mut tries = 1;
        loop {
            match store.take_events(&wanted, &mut turn, &memory, authority.now()).await.map_err(Fault::from) {
                Err(Fault::Unavailable(_)) if tries < TRIES => {
                    tries += 1;
                    // It may have been stored all the same.
                    wanted.doubt();
                }
                Err(fault) => return Err(fault.into()),
                Ok(new) => {
                    turn.pass();
                    return Ok(new);
                }
            }
        }
    }
}
