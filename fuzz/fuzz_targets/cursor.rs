//! What reads as a cursor is one that we gave, and each one that we give is read back.
#![no_main]

use keywright_core::Timestamp;
use keywright_server::http::cursor::Cursor;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|input: (&str, i64, u128)| {
    let (text, micros, id) = input;
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
    }
    let given = Cursor { at: Timestamp::from_micros(micros), id: Uuid::from_u128(id) };
    assert_eq!(Cursor::decode(&given.encode()).expect("it is one of ours"), given);
});
