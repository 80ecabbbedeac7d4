#![no_main]

use keywright_fuzz::export_lines::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: Vec<String>| hold(&texts));
