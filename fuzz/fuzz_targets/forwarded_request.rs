#![no_main]

use keywright_fuzz::forwarded_request::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u8, Vec<u8>)>, Vec<(String, String)>)| hold(&input.0, &input.1));
