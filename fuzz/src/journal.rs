//! Reading a journal never panics and never reads beyond what is there.

use keywright_core::Timestamp;
use keywright_core::id::SegmentId;
use keywright_verify::journal::{self, codec};

/// Holds it against any input.
pub fn hold(bytes: &[u8]) {
    let segment = SegmentId::generate(Timestamp::EPOCH, [7; 10]);
    let _ = codec::Header::decode(bytes);
    let _ = codec::decode(segment, 0, bytes);
    let mut at = 0;
    while let Some(frame) = codec::frame(&bytes[at..]) {
        assert!(frame.bytes <= bytes.len() - at);
        let _ = codec::decode(segment, at as u64, frame.payload);
        at += frame.bytes;
    }
    assert_eq!(codec::frames(bytes).map(|frame| frame.bytes).sum::<usize>(), at);
    if let Some(found) = codec::find_frame(bytes) {
        assert!(codec::frame(&bytes[found..]).is_some());
    }
    whole_file(bytes);
}

/// Whatever lies in a file, its records and what is damaged between them follow each other to the end.
fn whole_file(bytes: &[u8]) {
    let read_at = |part: &mut [u8], at: u64| {
        let at = usize::try_from(at).map_err(std::io::Error::other)?;
        part.copy_from_slice(&bytes[at..at + part.len()]);
        Ok(())
    };
    let mut next = codec::HEADER_BYTES as u64;
    let mut skipped = Vec::new();
    let scan = journal::scan(read_at, bytes.len() as u64, |at, payload| {
        if at > next {
            skipped.push((next, at));
        }
        next = at + (codec::FRAME_BYTES + payload.len()) as u64;
    });
    let scan = scan.expect("it is all in memory");
    assert_eq!(scan.end, next);
    assert_eq!(scan.holes.iter().map(|hole| (hole.from, hole.to)).collect::<Vec<_>>(), skipped);
}
