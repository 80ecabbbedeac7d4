#![no_main]

use keywright_fuzz::node_message::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &str| hold(payload));
