#![no_main]

use keywright_fuzz::name_and_time::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| hold(text));
