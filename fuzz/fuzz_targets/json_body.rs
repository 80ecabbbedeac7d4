#![no_main]

use keywright_fuzz::json_body::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| hold(body));
