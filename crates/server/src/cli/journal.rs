//! `keywright journal …`: what a directory of decisions holds, and bringing it into the store.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keywright_core::Timestamp;
use keywright_core::id::SegmentId;
use keywright_verify::journal::{Inspected, InspectedSegment, inspect};
use serde_json::{Value as Json, json};

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::table::{NOTHING, Table, Tone, Value};
use super::output::text::counted;
use super::output::{Output, moment, progress};
use super::settings;
use crate::config::Loaded;
use crate::journal::Replayed;

/// Verbs on journals.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show what lies in a journal's directory; it changes nothing, and a server may be running
    Inspect(Inspect),
    /// Bring what a lost node's journal holds into the store, and close it
    Replay(Replay),
}

/// Show what lies in a journal's directory.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The directory; without it `journal.dir`
    dir: Option<PathBuf>,
}

/// Bring in what a journal holds.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The directory, on a disk that this machine can write
    dir: PathBuf,
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        let loaded = settings::load(globals, &[], false)?;
        match self {
            Self::Inspect(inspect) => inspect.run(&loaded, output).await,
            Self::Replay(replay) => replay.run(&loaded, output).await,
        }
    }
}

impl Inspect {
    async fn run(&self, loaded: &Loaded, output: &Output) -> Outcome {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => settings::require(loaded)?.journal.dir.clone(),
        };
        let found = inspect(&dir).map_err(|error| Failure::Failed(format!("{}: {error}", dir.display())))?;
        let ids: Vec<SegmentId> = found.segments.iter().map(|segment| segment.id).collect();
        let positions = if ids.is_empty() {
            HashMap::new()
        } else {
            crate::journal::positions(loaded, &ids).await.unwrap_or_else(|error| {
                output.note(&format!("how much is moved cannot be told: {error:#}"));
                HashMap::new()
            })
        };
        if output.json {
            return output.value(&described(&dir, &found, &positions));
        }
        if found.segments.is_empty() {
            output.note(&format!("no records lie in {}", dir.display()));
        } else {
            output.table(&segments(&found, &positions, output.now))?;
            output.line("")?;
            output.table(&codes(&found))?;
        }
        for path in &found.unreadable {
            output.tell(&format!(
                "{} is no segment of this version of Keywright; it is left alone",
                path.display()
            ));
        }
        Ok(())
    }
}

/// How much of a segment is in the store; none when that is not known.
fn moved(segment: &InspectedSegment, positions: &HashMap<SegmentId, u64>) -> Option<u64> {
    let position = if segment.is_kept { Some(segment.end) } else { positions.get(&segment.id).copied() };
    position.map(|position| position.min(segment.end))
}

fn totals(found: &Inspected) -> BTreeMap<&'static str, u64> {
    let mut totals = BTreeMap::new();
    for (code, decisions) in found.segments.iter().flat_map(|segment| &segment.codes) {
        *totals.entry(*code).or_default() += decisions;
    }
    totals
}

fn described(dir: &Path, found: &Inspected, positions: &HashMap<SegmentId, u64>) -> Json {
    let segment = |segment: &InspectedSegment| {
        json!({
            "segment_id": segment.id,
            "node_id": segment.node,
            "file": segment.path,
            "made_at": segment.made_at,
            "bytes": segment.bytes,
            "moved_bytes": moved(segment, positions),
            "records": segment.records,
            "decisions": segment.decisions,
            "first_at": segment.first_at,
            "last_at": segment.last_at,
            "codes": segment.codes,
            "unknown_records": segment.unknown_records,
            "damaged_bytes": segment.damaged_bytes,
            "torn_bytes": segment.torn_bytes,
            "is_kept": segment.is_kept,
        })
    };
    json!({
        "dir": dir,
        "journal_id": found.id,
        "bytes": found.segments.iter().map(|segment| segment.bytes).sum::<u64>(),
        "records": found.segments.iter().map(|segment| segment.records).sum::<u64>(),
        "codes": totals(found),
        "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
        "unreadable": found.unreadable,
    })
}

fn segments(found: &Inspected, positions: &HashMap<SegmentId, u64>, now: Timestamp) -> Table {
    let mut table = Table::with_header(&["SEGMENT", "BYTES", "RECORDS", "FIRST", "LAST", "MOVED", "STATE"]);
    for segment in &found.segments {
        let time =
            |time: Option<Timestamp>| time.map_or_else(|| NOTHING.to_owned(), |t| moment::relative(t, now));
        table.row(vec![
            segment.id.to_string().into(),
            segment.bytes.to_string().into(),
            segment.records.to_string().into(),
            time(segment.first_at).into(),
            time(segment.last_at).into(),
            moved(segment, positions).map_or_else(|| NOTHING.to_owned(), |bytes| bytes.to_string()).into(),
            state(segment),
        ]);
    }
    table
}

fn state(segment: &InspectedSegment) -> Value {
    let mut told = Vec::new();
    if segment.damaged_bytes > 0 {
        told.push(format!("{} bytes damaged", segment.damaged_bytes));
    }
    if segment.unknown_records > 0 {
        told.push(format!("{} of an unknown version", segment.unknown_records));
    }
    let wrong = !told.is_empty();
    if segment.torn_bytes > 0 {
        told.push(format!("{} bytes torn off at the end", segment.torn_bytes));
    }
    if segment.is_kept {
        told.push("moved, kept".to_owned());
    }
    match told.join(", ") {
        text if text.is_empty() => Value::toned("whole", Tone::Good),
        text => Value::toned(&text, if wrong { Tone::Bad } else { Tone::Warning }),
    }
}

fn codes(found: &Inspected) -> Table {
    let mut table = Table::with_header(&["CODE", "DECISIONS"]);
    for (code, decisions) in totals(found) {
        table.row(vec![code.into(), decisions.to_string().into()]);
    }
    table
}

impl Replay {
    async fn run(&self, loaded: &Loaded, output: &Output) -> Outcome {
        settings::require(loaded)?;
        let bar = progress::bar(output);
        let mut report = |done: u64, total: u64| {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message("bytes");
        };
        let replayed = crate::journal::replay(loaded, &self.dir, &mut report).await;
        bar.finish_and_clear();
        let replayed = replayed.map_err(|error| Failure::from_chain(&error))?;
        if output.json {
            output.value(&replayed)?;
        } else {
            output.line(&told(&replayed))?;
        }
        if replayed.left_bytes > 0 { Err(Failure::Found) } else { Ok(()) }
    }
}

fn told(replayed: &Replayed) -> String {
    let dir = replayed.dir.display();
    let records = counted(usize::try_from(replayed.records).unwrap_or(usize::MAX), "record");
    let mut told = match replayed.left_bytes {
        0 => format!("brought in {records}; nothing is left in {dir}"),
        bytes => format!(
            "brought in {records}; {bytes} bytes in {dir} are of a version that this one cannot read: replay it with the one that wrote it"
        ),
    };
    if replayed.rejected > 0 {
        let _ = write!(told, "\nthe store refused {}: look into journal_rejects", replayed.rejected);
    }
    for path in &replayed.damaged {
        let _ = write!(told, "\ndamaged between its records, and kept: {}", path.display());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_tells_what_is_wrong_with_it() {
        let segment = InspectedSegment {
            path: "a.kwj".into(),
            id: SegmentId::generate(Timestamp::EPOCH, [1; 10]),
            node: keywright_core::NodeId::generate(Timestamp::EPOCH, [2; 10]),
            made_at: Timestamp::EPOCH,
            bytes: 1_000,
            end: 900,
            records: 3,
            decisions: 5,
            first_at: None,
            last_at: None,
            codes: [("valid", 5)].into(),
            unknown_records: 2,
            damaged_bytes: 7,
            torn_bytes: 100,
            is_kept: false,
        };
        assert_eq!(
            state(&segment),
            Value::toned(
                "7 bytes damaged, 2 of an unknown version, 100 bytes torn off at the end",
                Tone::Bad
            )
        );
        let whole =
            InspectedSegment { unknown_records: 0, damaged_bytes: 0, torn_bytes: 0, ..segment.clone() };
        assert_eq!(state(&whole), Value::toned("whole", Tone::Good));
        // A position beyond the end: a power failure took what had been moved.
        assert_eq!(moved(&segment, &[(segment.id, 5_000)].into()), Some(900));
        assert_eq!(moved(&segment, &HashMap::new()), None);
    }
}
