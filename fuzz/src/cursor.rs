//! What reads as a cursor is one that we gave, and each one that we give is read back.

use keywright_core::Timestamp;
use keywright_server::http::cursor::Cursor;
use uuid::Uuid;

/// Holds it against any input.
pub fn hold(text: &str, micros: i64, id: u128) {
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
    }
    let given = Cursor { at: Timestamp::from_micros(micros), id: Uuid::from_u128(id) };
    assert_eq!(Cursor::decode(&given.encode()).expect("it is one of ours"), given);
}
