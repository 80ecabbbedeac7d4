#![no_main]

use keywright_fuzz::bearer::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|presented: &[u8]| hold(presented));
