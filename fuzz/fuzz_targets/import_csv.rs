#![no_main]

use keywright_fuzz::import_csv::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| hold(file));
