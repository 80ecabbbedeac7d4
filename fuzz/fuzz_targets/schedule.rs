#![no_main]

use keywright_fuzz::schedule::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u32, &str, i64)| hold(input.0, input.1, input.2, input.3));
