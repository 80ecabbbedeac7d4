//! What a node hears is either what could have been said, or a flush of everything.
#![no_main]

use keywright_authority::nodes::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &str| {
    let heard = Message::from_payload(payload);
    assert_eq!(Message::from_payload(&heard.to_payload()), heard);
});
