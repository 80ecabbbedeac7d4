//! What reads as a cursor is one that we gave.
#![no_main]

use keywright_server::http::cursor::Cursor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode().trim_end_matches('='), text.trim_end_matches('='));
    }
});
