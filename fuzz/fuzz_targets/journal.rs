#![no_main]

use keywright_fuzz::journal::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hold(bytes));
