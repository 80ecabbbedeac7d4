//! A name is stable once parsed; a moment is written as it is read.
#![no_main]

use keywright_core::{CredentialName, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = CredentialName::parse(text) {
        assert_eq!(CredentialName::parse(name.as_str()), Ok(name));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
});
