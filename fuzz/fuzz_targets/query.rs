#![no_main]

use keywright_fuzz::query::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pairs: Vec<(String, String)>| hold(&pairs));
