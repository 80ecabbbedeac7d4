//! Tokens in a file of comma-separated values (RFC 4180), read line by line in constant memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use keywright_core::{Timestamp, TokenHash};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::candidate::{Candidate, Permissions, hash, metadata, name};
use super::told::{Outcome, Reason, Refusal, Told};

/// The columns that a file may have; the first four it must have.
pub const COLUMNS: [&str; 7] =
    ["name", "hash", "scopes", "expires_at", "metadata", "service_account", "created_at"];
const NEEDED: usize = 4;
/// Most bytes of one row: names, a hundred permissions, and metadata fit in with room to spare.
const MOST_BYTES: u64 = 64 * 1024;
/// What is read ahead of the row that is asked for.
const READ_AHEAD: u64 = 16 * 1024;
/// What stands for no end, beside nothing.
const NEVER: &str = "never";

/// Why a file cannot be read on. Its rows before that have been.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It has no header, or one that says nothing.
    #[error("the first line must name the columns, {0}")]
    Header(String),
    /// A row is longer than any sound one.
    #[error("the row after line {0} is longer than {MOST_BYTES} bytes: is a quote missing?")]
    TooLong(u64),
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
}

/// What the reading of a file has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Bytes since the last row that was asked for.
    read: AtomicU64,
    /// Whether lines end in CR LF; 0 as long as none has ended.
    ending: AtomicU8,
}

const LF: u8 = 1;
const CR_LF: u8 = 2;

impl Seen {
    fn look(&self, bytes: &[u8]) {
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if self.ending.load(Ordering::Relaxed) == 0
            && let Some(at) = bytes.iter().position(|byte| *byte == b'\n')
        {
            let ending = if bytes[..at].ends_with(b"\r") { CR_LF } else { LF };
            self.ending.store(ending, Ordering::Relaxed);
        }
    }
}

/// Looks at what is read, and ends where a row does not end.
struct Bounded<R> {
    inner: R,
    seen: Arc<Seen>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.seen.read.load(Ordering::Relaxed) > MOST_BYTES + READ_AHEAD {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a row does not end"));
        }
        let count = self.inner.read(buffer)?;
        self.seen.look(&buffer[..count]);
        Ok(count)
    }
}

/// The tokens of a file.
pub struct CsvTokens<R> {
    rows: csv::Reader<Bounded<R>>,
    seen: Arc<Seen>,
    /// Where each of [`COLUMNS`] stands.
    places: [Option<usize>; COLUMNS.len()],
    width: usize,
}

impl<R: Read> CsvTokens<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`CsvError::Header`] when it lacks a column, has one twice, or one that is not known.
    pub fn open(inner: R) -> Result<Self, CsvError> {
        let seen = Arc::new(Seen::default());
        let bounded = Bounded { inner, seen: Arc::clone(&seen) };
        let mut rows = csv::ReaderBuilder::new().flexible(true).has_headers(true).from_reader(bounded);
        let header = rows.byte_headers().map_err(|error| fault(error, 0))?.clone();
        let mut places = [None; COLUMNS.len()];
        for (place, field) in header.iter().enumerate() {
            let text = String::from_utf8_lossy(field);
            let text = text.trim_start_matches('\u{feff}').trim().to_lowercase();
            let Some(column) = COLUMNS.iter().position(|column| *column == text) else {
                let shown: String = text.chars().take(40).collect();
                return Err(CsvError::Header(format!("and {shown:?} is none of {}", COLUMNS.join(", "))));
            };
            if places[column].replace(place).is_some() {
                return Err(CsvError::Header(format!("and {text} stands there twice")));
            }
        }
        if let Some(missing) = COLUMNS.iter().zip(places).take(NEEDED).find(|(_, place)| place.is_none()) {
            return Err(CsvError::Header(format!("and {} is missing", missing.0)));
        }
        Ok(Self { rows, seen, places, width: header.len() })
    }

    /// What there is to tell of the rows that are left before anybody asks the store: whether each could be taken over.
    ///
    /// # Errors
    /// As [`CsvError`].
    pub fn told(mut self, permissions: &Permissions, now: Timestamp) -> Result<Vec<Told>, CsvError> {
        let page = self.page(u32::MAX, permissions, now)?;
        let told = page.into_iter().map(|row| row.map_or_else(|told| *told, |row| row.told(Outcome::Taken)));
        Ok(told.collect())
    }

    /// The next rows, at most so many; none at the end.
    ///
    /// # Errors
    /// As [`CsvError`].
    pub(super) fn page(
        &mut self,
        limit: u32,
        permissions: &Permissions,
        now: Timestamp,
    ) -> Result<Vec<Result<Candidate, Box<Told>>>, CsvError> {
        let mut page = Vec::new();
        let mut record = csv::ByteRecord::new();
        while page.len() < limit as usize {
            self.seen.read.store(0, Ordering::Relaxed);
            let line = self.line(self.rows.position());
            if !self.rows.read_byte_record(&mut record).map_err(|error| fault(error, line))? {
                break;
            }
            let line = record.position().map_or(line, |position| self.line(position));
            page.push(self.token(&record, permissions, now, line));
        }
        Ok(page)
    }

    /// The line of a row: the reader leaves the LF of a CR LF to the next one.
    fn line(&self, position: &csv::Position) -> u64 {
        position.line() + u64::from(self.seen.ending.load(Ordering::Relaxed) == CR_LF)
    }

    fn token(
        &self,
        record: &csv::ByteRecord,
        permissions: &Permissions,
        now: Timestamp,
        line: u64,
    ) -> Result<Candidate, Box<Told>> {
        self.candidate(record, permissions, now, line).map_err(|refusal| {
            Box::new(Told {
                outcome: Outcome::Refused,
                line: Some(line),
                source_id: None,
                name: self.field(record, 0).unwrap_or_default().chars().take(255).collect(),
                credential_id: None,
                reason: Some(refusal.reason),
                detail: Some(refusal.detail),
                notes: Vec::new(),
            })
        })
    }

    /// A field; nothing where there is no such column, or it is not text.
    fn field<'r>(&self, record: &'r csv::ByteRecord, column: usize) -> Option<&'r str> {
        let bytes = record.get(self.places[column]?)?;
        std::str::from_utf8(bytes).ok().map(str::trim)
    }

    fn candidate(
        &self,
        record: &csv::ByteRecord,
        permissions: &Permissions,
        now: Timestamp,
        line: u64,
    ) -> Result<Candidate, Refusal> {
        if record.len() != self.width {
            let (found, wanted) = (record.len(), self.width);
            let detail = format!("it has {found} fields, and the header {wanted}");
            return Err(Refusal::new(Reason::Row, detail));
        }
        if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
            return Err(Refusal::new(Reason::Row, "it is not UTF-8"));
        }
        let text = |column: usize| self.field(record, column).unwrap_or_default();
        let mut notes = Vec::new();
        let name = name(text(0), &mut notes)?;
        let hash = hash(text(1))?;
        let scopes = text(2).split([' ', ',', ';']).filter(|scope| !scope.is_empty());
        let scopes = permissions.scopes(scopes, &mut notes)?;
        if scopes.is_empty() {
            notes.push("it carries no permission".to_owned());
        }
        let expires_at = match text(3) {
            "" | NEVER => None,
            end => Some(moment("expires_at", end)?),
        };
        let created_at = match text(6) {
            "" => now,
            made => moment("created_at", made)?.min(now),
        };
        Ok(Candidate {
            line: Some(line),
            source_id: source_id(&hash),
            name,
            hash,
            permissions: scopes,
            metadata: metadata(object(text(4))?)?,
            is_active: true,
            expires_at,
            usage_count: 0,
            last_used_at: None,
            created_at,
            account: Some(text(5)).filter(|account| !account.is_empty()).map(str::to_owned),
            notes,
        })
    }
}

/// What stands for the id that a row does not have: a token is the same whatever file it comes from.
fn source_id(hash: &TokenHash) -> Uuid {
    let again = TokenHash::of(&[b"csv\0".as_slice(), hash.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&again.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn moment(column: &str, text: &str) -> Result<Timestamp, Refusal> {
    text.parse().map_err(|error| Refusal::new(Reason::Moment, format!("{column} is {error}")))
}

fn object(text: &str) -> Result<Map<String, Value>, Refusal> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Refusal::new(Reason::Metadata, "the metadata is no JSON object")),
    }
}

fn fault(error: csv::Error, line: u64) -> CsvError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => CsvError::TooLong(line),
        csv::ErrorKind::Io(error) => CsvError::Read(error),
        other => CsvError::Read(io::Error::other(format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use keywright_core::ScopeSet;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn read(text: &[u8]) -> Result<Vec<Result<Candidate, Box<Told>>>, CsvError> {
        CsvTokens::open(text)?.page(1_000, &Permissions::default(), NOW)
    }

    #[test]
    fn a_file_is_read_however_it_is_written() {
        let digest = "ab".repeat(32);
        let text = format!(
            "\u{feff}Name,hash,\"scopes\",expires_at,metadata\r\n\
             ci,{digest},\"works:read, api_read\",2030-01-01T00:00:00Z,\"{{\"\"team\"\": \"\"a,b\"\"}}\"\r\n\
             \"two\nlines\",{digest},a,,\r\n\
             =cmd|calc,sha256:{digest},a b;c,never,{{}}"
        );
        let rows = read(text.as_bytes()).unwrap();
        let first = rows[0].as_ref().unwrap();
        assert_eq!((first.name.as_str(), first.line), ("ci", Some(2)));
        assert_eq!(first.permissions, ScopeSet::parse(["works:read", "api_read"]).unwrap());
        assert_eq!(first.metadata.to_json(), r#"{"team":"a,b"}"#);
        assert_eq!(first.expires_at.unwrap().to_string(), "2030-01-01T00:00:00Z");
        let told = rows[1].as_ref().unwrap_err();
        assert_eq!((told.reason, told.line), (Some(Reason::Name), Some(3)));
        let last = rows[2].as_ref().unwrap();
        assert_eq!((last.name.as_str(), last.line, last.expires_at), ("=cmd|calc", Some(5), None));
        assert_eq!((last.source_id, last.permissions.len()), (first.source_id, 3));
    }

    #[test]
    fn a_bad_row_is_told_and_the_others_are_read() {
        let digest = "ab".repeat(32);
        let mut text =
            format!("name,hash,scopes,expires_at\na,{digest},x\nb,{digest},x,tomorrow\n").into_bytes();
        text.extend_from_slice(b"\xff,0,x,\n");
        text.extend_from_slice(format!("d,$2b$12$x,x,\ne,{digest},A,\nf,{digest},x,\n").as_bytes());
        let rows = read(&text).unwrap();
        let told: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
        let reasons: Vec<_> = told.iter().map(|told| (told.line.unwrap(), told.reason.unwrap())).collect();
        let expected = [
            (2, Reason::Row),
            (3, Reason::Moment),
            (4, Reason::Row),
            (5, Reason::HashKind),
            (6, Reason::Permission),
        ];
        assert_eq!(reasons, expected);
        assert_eq!(rows[5].as_ref().unwrap().name.as_str(), "f");
    }

    #[test]
    fn a_header_that_says_too_little_or_too_much_is_refused() {
        for header in
            ["", "name,hash,scopes", "name,hash,scopes,expires_at,secret", "name,name,hash,scopes,expires_at"]
        {
            assert!(matches!(CsvTokens::open(header.as_bytes()), Err(CsvError::Header(_))), "{header}");
        }
    }

    #[test]
    fn a_row_that_does_not_end_is_not_read_to_its_end() {
        let text = b"name,hash,scopes,expires_at\n\"".to_vec();
        let endless = text.as_slice().chain(io::repeat(b'a'));
        let mut tokens = CsvTokens::open(endless).unwrap();
        let refused = tokens.page(10, &Permissions::default(), NOW);
        assert!(matches!(refused, Err(CsvError::TooLong(_))), "{:?}", refused.err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let mut after_a_header = b"name,hash,scopes,expires_at,metadata,service_account,created_at\n".to_vec();
            after_a_header.extend(&bytes);
            let _ = read(&after_a_header);
        }
    }
}
