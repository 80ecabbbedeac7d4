#![no_main]

use keywright_fuzz::scope::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| hold(text));
