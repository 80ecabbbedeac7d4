//! Only the exact form is a token, and sorting never panics.
#![no_main]

use keywright_core::Bearer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|presented: &[u8]| {
    let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let form = presented.len() == 67 && presented.starts_with(b"sk_") && presented[3..].iter().all(hex);
    assert_eq!(matches!(Bearer::sort(presented), Bearer::Service(_)), form);
    let form = presented.len() == 76 && presented.starts_with(b"pat_") && presented[4..].iter().all(hex);
    assert!(form || !matches!(Bearer::sort(presented), Bearer::Personal(_)));
});
