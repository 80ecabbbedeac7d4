#![no_main]

use keywright_fuzz::cursor::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, i64, u128)| hold(input.0, input.1, input.2));
