//! Only the exact forms are tokens, a personal one with the right checksum, and sorting never panics.

use keywright_core::Bearer;

/// Holds it against any input.
pub fn hold(presented: &[u8]) {
    let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let service = presented.len() == 67 && presented.starts_with(b"sk_") && presented[3..].iter().all(hex);
    assert_eq!(matches!(Bearer::sort(presented), Bearer::Service(_)), service);
    assert_eq!(matches!(Bearer::sort(presented), Bearer::Personal(_)), is_personal(presented, hex));

    // Whatever lies before it, its own checksum makes it whole, and no other does.
    let Some(secret) = presented.first_chunk::<32>() else { return };
    let mut token = b"pat_".to_vec();
    token.extend(secret.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    token.extend(format!("{:08x}", crc32fast::hash(&token)).into_bytes());
    assert!(matches!(Bearer::sort(&token), Bearer::Personal(_)));
    let at = usize::from(presented.get(32).copied().unwrap_or(0)) % token.len();
    token[at] ^= 1;
    assert!(!matches!(Bearer::sort(&token), Bearer::Personal(_)));
}

fn is_personal(presented: &[u8], hex: impl Fn(&u8) -> bool) -> bool {
    presented.len() == 76
        && presented.starts_with(b"pat_")
        && presented[4..].iter().all(hex)
        && presented[68..] == *format!("{:08x}", crc32fast::hash(&presented[..68])).as_bytes()
}
