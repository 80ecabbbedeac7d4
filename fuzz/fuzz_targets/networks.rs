#![no_main]

use keywright_fuzz::networks::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, u128)| hold(input.0, input.1, input.2));
