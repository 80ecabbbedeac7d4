#![no_main]

use keywright_fuzz::oauth_form::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hold(bytes));
