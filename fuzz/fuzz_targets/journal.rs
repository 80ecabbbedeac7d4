//! Reading a journal never panics and never reads beyond what is there.
#![no_main]

use keywright_core::Timestamp;
use keywright_core::id::SegmentId;
use keywright_verify::journal::codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let segment = SegmentId::generate(Timestamp::EPOCH, [7; 10]);
    let _ = codec::Header::decode(bytes);
    let _ = codec::decode(segment, 0, bytes);
    let mut at = 0;
    while let Some(frame) = codec::frame(&bytes[at..]) {
        assert!(frame.bytes <= bytes.len() - at);
        let _ = codec::decode(segment, at as u64, frame.payload);
        at += frame.bytes;
    }
});
