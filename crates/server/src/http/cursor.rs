//! Cursors: opaque to callers, and stable while rows are added.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_core::Timestamp;
use uuid::Uuid;

const VERSION: u8 = 1;

/// A place in a list that is ordered by time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the last row given.
    pub at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

impl Cursor {
    /// As callers get it.
    pub fn encode(self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.at.as_micros().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where a query says that its page begins; none at the first one.
    ///
    /// # Errors
    /// As [`Cursor::decode`].
    pub fn after(page: &PageQuery) -> Result<Option<Self>, Problem> {
        page.cursor.as_deref().map(Self::decode).transpose()
    }

    /// Reads one back.
    ///
    /// # Errors
    /// 422 for a text that no list of ours gave.
    pub fn decode(text: &str) -> Result<Self, Problem> {
        Self::parse(text).ok_or_else(|| {
            let detail = "is not a cursor that a list gave; begin again without one";
            Problem::of_fields(vec![FieldError::new("cursor", FieldCode::InvalidFormat, detail)])
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if body.len() != 25 || body[0] != VERSION || crc32(body) != *crc {
            return None;
        }
        let at = i64::from_be_bytes(body[1..9].try_into().ok()?);
        Some(Self { at: Timestamp::from_micros(at), id: Uuid::from_slice(&body[9..]).ok()? })
    }
}

/// The page of rows of which one more than `limit` was asked for.
pub fn page<R, T>(
    mut rows: Vec<R>,
    limit: u32,
    place: impl Fn(&R) -> (Timestamp, Uuid),
    view: impl Fn(&R) -> T,
) -> Page<T> {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more).map(&place);
    Page {
        next_cursor: last.map(|(at, id)| Cursor { at, id }.encode()),
        items: rows.iter().map(view).collect(),
    }
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back(micros in 0i64..1 << 52, id: u128) {
            let cursor = Cursor { at: Timestamp::from_micros(micros), id: Uuid::from_u128(id) };
            prop_assert_eq!(Cursor::parse(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn anything_else_is_refused(text in "[ -~]{0,60}") {
            prop_assert!(Cursor::decode(&text).is_err());
        }
    }
}
