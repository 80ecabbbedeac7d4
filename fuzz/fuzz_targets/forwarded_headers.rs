#![no_main]

use keywright_fuzz::forwarded_headers::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|values: Vec<Vec<u8>>| hold(&values));
