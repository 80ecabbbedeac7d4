//! The chain checked over an export, far from the store and from the master key: with the audit key.
//!
//! An export carries with each event the MAC of the one before it, so that every event can be checked
//! by itself, in whatever order and however many there are. What is missing shows as a hole between
//! two places.

use std::collections::BTreeMap;

use keywright_core::{EventId, Timestamp};
use keywright_store::security_events::SecurityEventRow;

use super::chain::{HEAD, LINK, SignedHead, canonical};
use super::export::Linked;
use crate::keys::AuditKeys;

/// Findings told one by one; more are only counted.
const MOST_FINDINGS: usize = 100;

/// What is wrong with a line of an export, or between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// The event, its place or its MAC is not what was sealed.
    Altered,
    /// There is no event at this place.
    Missing,
    /// The line does not stand where an export puts it.
    OutOfPlace,
    /// Another line has this place.
    Twice,
    /// It was sealed with a key that was not given.
    UnknownKey,
    /// It does not go through the head that was given.
    CutOff,
}

impl Tampering {
    /// As it is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Missing => "missing",
            Self::OutOfPlace => "out_of_place",
            Self::Twice => "twice",
            Self::UnknownKey => "unknown_key",
            Self::CutOff => "cut_off",
        }
    }
}

/// Where an export is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1; of what is missing the line after which it should stand.
    pub line: u64,
    /// The place in the chain; of many that are missing the first.
    pub seq: u64,
    /// How many events it is about.
    pub events: u64,
    /// What is wrong.
    pub tampering: Tampering,
}

/// What a check of an export found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sealed events that were checked.
    pub checked: u64,
    /// Events that had no place in the chain yet: nothing is known of them.
    pub unsealed: u64,
    /// The first and the last place.
    pub span: Option<(u64, u64)>,
    /// What is wrong, the first hundred.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub found: u64,
    /// Whether it goes through the head that was given.
    pub through_head: bool,
}

/// A piece of the chain without a hole.
struct Run {
    end: u64,
    /// What its first event says of the one before it.
    before: Vec<u8>,
    /// What seals its last event.
    last: Vec<u8>,
    first_line: u64,
    last_line: u64,
}

/// A check of an export, line by line, in constant memory as long as events come in either order.
pub struct FileCheck<'a> {
    keys: &'a AuditKeys,
    head: Option<&'a SignedHead>,
    runs: BTreeMap<u64, Run>,
    last: Option<(Timestamp, EventId)>,
    /// Whether times go up; told by the first two lines.
    ascending: Option<bool>,
    checked: Checked,
}

impl<'a> FileCheck<'a> {
    /// A check with these keys, of an export that goes through `head`, if one was kept.
    pub fn new(keys: &'a AuditKeys, head: Option<&'a SignedHead>) -> Self {
        let runs = BTreeMap::new();
        Self { keys, head, runs, last: None, ascending: None, checked: Checked::default() }
    }

    fn found(&mut self, line: u64, seq: u64, events: u64, tampering: Tampering) {
        self.checked.found += 1;
        if self.checked.findings.len() < MOST_FINDINGS {
            self.checked.findings.push(Finding { line, seq, events, tampering });
        }
    }

    /// Takes the event of the next line.
    pub fn next(&mut self, line: u64, Linked { row, previous_mac }: &Linked) {
        let seq = row.seq.unwrap_or(0);
        if self.is_out_of_place(row) {
            self.found(line, seq, 1, Tampering::OutOfPlace);
        }
        let (Some(seq), Some(key_id), Some(mac)) = (row.seq.filter(|seq| *seq > 0), &row.key_id, &row.mac)
        else {
            if row.seq.is_some() || row.mac.is_some() {
                return self.found(line, seq, 1, Tampering::Altered);
            }
            self.checked.unsealed += 1;
            return;
        };
        let before = previous_mac.clone().unwrap_or_default();
        let parts: [&[u8]; 4] = [LINK, &seq.to_be_bytes(), &before, &canonical(&row.event)];
        match self.keys.holds(key_id, &parts, mac) {
            None => self.found(line, seq, 1, Tampering::UnknownKey),
            // Only the first event of all has none before it.
            Some(holds) if !holds || (seq == 1) != before.is_empty() => {
                self.found(line, seq, 1, Tampering::Altered);
            }
            Some(_) => {}
        }
        self.checked.checked += 1;
        if let Some(head) = self.head.filter(|head| head.seq == seq) {
            if self.keys.holds(key_id, &[HEAD, &seq.to_be_bytes(), mac], &head.mac) == Some(true) {
                self.checked.through_head = true;
            } else {
                self.found(line, seq, 1, Tampering::CutOff);
            }
        }
        self.link(line, seq, before, mac);
    }

    /// An export is in the order of time and id, forwards or backwards.
    fn is_out_of_place(&mut self, row: &SecurityEventRow) -> bool {
        let place = (row.event.occurred_at, row.event.id);
        let Some(last) = self.last.replace(place) else { return false };
        let ascending = *self.ascending.get_or_insert(place > last);
        if place == last || (place > last) != ascending {
            // The lines that follow are held against those before, not against this one.
            self.last = Some(last);
            return true;
        }
        false
    }

    /// Puts the event where it belongs, between its neighbours.
    fn link(&mut self, line: u64, seq: u64, before: Vec<u8>, mac: &[u8]) {
        let below = self.runs.range(..=seq).next_back().map(|(start, run)| (*start, run.end));
        if below.is_some_and(|(_, end)| end >= seq) {
            return self.found(line, seq, 1, Tampering::Twice);
        }
        let mut run = Run { end: seq, before, last: mac.to_vec(), first_line: line, last_line: line };
        let mut start = seq;
        let mut broken = false;
        if let Some((first, end)) = below
            && end + 1 == seq
            && let Some(earlier) = self.runs.remove(&first)
        {
            broken |= earlier.last != run.before;
            (start, run.before, run.first_line) = (first, earlier.before, earlier.first_line);
        }
        if let Some(later) = self.runs.remove(&(seq + 1)) {
            broken |= later.before != mac;
            (run.end, run.last, run.last_line) = (later.end, later.last, later.last_line);
        }
        self.runs.insert(start, run);
        if broken {
            self.found(line, seq, 1, Tampering::Altered);
        }
    }

    /// What was found. With `filtered`, holes are no fault.
    pub fn end(mut self, filtered: bool) -> Checked {
        let holes: Vec<_> = self
            .runs
            .iter()
            .zip(self.runs.iter().skip(1))
            .map(|((_, run), (next, later))| {
                (run.last_line.min(later.first_line), run.end + 1, next - run.end - 1)
            })
            .collect();
        if !filtered {
            for (line, seq, events) in holes {
                self.found(line, seq, events, Tampering::Missing);
            }
        }
        let first = self.runs.first_key_value().map(|(start, _)| *start);
        let last = self.runs.last_key_value().map(|(_, run)| run.end);
        self.checked.span = first.zip(last);
        if let Some(head) = self.head
            && !self.checked.through_head
            && !self.checked.findings.iter().any(|finding| finding.tampering == Tampering::CutOff)
        {
            let line = self.runs.last_key_value().map_or(0, |(_, run)| run.last_line);
            self.found(line, head.seq, 1, Tampering::CutOff);
        }
        self.checked
    }
}
