//! How usage is rolled up: by endpoint groups and latency classes, so that what is kept stays bounded
//! whatever a client asks for.

use std::borrow::Cow;

/// Upper bounds of the latency classes, in microseconds; what is slower falls into one more class.
pub const LATENCY_BOUNDS_MICROS: [u32; 7] = [20, 50, 100, 250, 1_000, 5_000, 50_000];
/// Latency classes, with the one beyond the last bound.
pub const LATENCY_CLASSES: usize = LATENCY_BOUNDS_MICROS.len() + 1;
/// Endpoint groups of one credential; what goes beyond is counted under [`OTHER`].
pub const MAX_ENDPOINT_GROUPS: usize = 200;
/// Where things are counted that are too many to be told apart.
pub const OTHER: &str = "other";
/// What stands for an id in an endpoint group.
pub const ID: &str = "{id}";

/// Characters of an endpoint group.
const MAX_GROUP_BYTES: usize = 120;
/// Segments of a path that are told apart.
const MAX_SEGMENTS: usize = 8;
/// A segment of letters and digits that is as long is no word.
const LONG: usize = 20;

/// The latency class of a decision that took so long.
pub fn latency_class(micros: u32) -> usize {
    LATENCY_BOUNDS_MICROS.iter().position(|bound| micros <= *bound).unwrap_or(LATENCY_BOUNDS_MICROS.len())
}

/// The latency below which a share of decisions lies, in microseconds, from how many fell into each
/// class: within a class it is taken to be spread evenly. `None` without any. What lies beyond the last
/// bound is told as that bound.
pub fn latency_quantile(classes: &[u64; LATENCY_CLASSES], share: f64) -> Option<f64> {
    let total: u64 = classes.iter().sum();
    if total == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let float = |count: u64| count as f64;
    let wanted = float(total) * share.clamp(0.0, 1.0);
    let (mut below, mut lower) = (0, 0.0);
    for (count, bound) in classes.iter().zip(LATENCY_BOUNDS_MICROS) {
        let upper = f64::from(bound);
        if *count > 0 && float(below + count) >= wanted {
            return Some(lower + (upper - lower) * ((wanted - float(below)) / float(*count)).clamp(0.0, 1.0));
        }
        below += count;
        lower = upper;
    }
    Some(lower)
}

/// The group of an endpoint: its path, in which ids have become [`ID`]. `/works/17/files?x=1` is
/// `/works/{id}/files`. An absent endpoint is the empty group.
pub fn endpoint_group(endpoint: &str) -> Cow<'_, str> {
    let path = path_of(endpoint);
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    let mut group = String::with_capacity(path.len());
    for (number, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        if number == MAX_SEGMENTS {
            group.push_str("/…");
            break;
        }
        group.push('/');
        if is_id(segment) {
            group.push_str(ID);
        } else {
            group.extend(segment.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }));
        }
    }
    if group.is_empty() && !path.is_empty() {
        group.push('/');
    }
    group.truncate(group.floor_char_boundary(MAX_GROUP_BYTES));
    Cow::Owned(group)
}

/// Without scheme and host, query and fragment.
fn path_of(endpoint: &str) -> &str {
    let end = endpoint.find(['?', '#']).unwrap_or(endpoint.len());
    let path = &endpoint[..end];
    match path.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => path,
    }
}

/// Whether a path is its own group: short, and of words only.
fn is_plain(path: &str) -> bool {
    path.len() <= MAX_GROUP_BYTES
        && (path.is_empty() || path == "/" || (path.starts_with('/') && !path.ends_with('/')))
        && !path.contains("//")
        && path.bytes().filter(|byte| *byte == b'/').count() <= MAX_SEGMENTS
        && path.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'_' | b'-'))
        && path.split('/').all(|segment| segment.len() < LONG)
}

/// Numbers, UUIDs, hashes, random texts, addresses of people: all that would make a group for each thing.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let version = segment.strip_prefix(['v', 'V']).is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if version {
        return false;
    }
    let hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    segment.contains(['@', '%', ':', '=', ',', ';'])
        || !segment.is_ascii()
        || (digits > 0 && (hex || 2 * digits >= segment.len() || segment.len() >= 12))
        || segment.len() >= LONG && !segment.contains(['-', '_', '.'])
        || segment.len() > 3 * LONG
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_in_paths_become_one_group() {
        for (endpoint, group) in [
            ("", ""),
            ("/", "/"),
            ("/works", "/works"),
            ("/works/", "/works"),
            ("//works///17", "/works/{id}"),
            ("/works/17/files?x=1#top", "/works/{id}/files"),
            ("https://api.example.com/v1/works/17", "/v1/works/{id}"),
            ("https://api.example.com", "/"),
            ("/v1.1/works", "/v1.1/works"),
            ("/works/018f4e1e-7b1c-7000-8000-3f5a3c1d2e4f", "/works/{id}"),
            ("/works/deadbeef01", "/works/{id}"),
            ("/works/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/works/{id}"),
            ("/users/ada@example.com/works", "/users/{id}/works"),
            ("/users/ada%40example.com", "/users/{id}"),
            ("/files/report-2026-11-22.pdf", "/files/{id}"),
            ("/service-accounts/rotate-all", "/service-accounts/rotate-all"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/…"),
            ("works", "/works"),
            ("/a\nb", "/a\u{FFFD}b"),
        ] {
            assert_eq!(endpoint_group(endpoint), group, "{endpoint:?}");
        }
    }

    #[test]
    fn a_latency_falls_into_the_first_class_that_holds_it() {
        assert_eq!([0, 20, 21, 50_000, 50_001, u32::MAX].map(latency_class), [0, 0, 1, 6, 7, 7]);
    }

    #[test]
    fn quantiles_lie_where_the_decisions_lie() {
        let mut classes = [0; LATENCY_CLASSES];
        assert_eq!(latency_quantile(&classes, 0.5), None);
        classes[1] = 100;
        assert_eq!(latency_quantile(&classes, 0.5), Some(35.0));
        classes[7] = 900;
        assert_eq!(latency_quantile(&classes, 0.99), Some(50_000.0));
        assert_eq!(latency_quantile(&classes, 0.1), Some(50.0));
    }

    proptest! {
        #[test]
        fn a_group_is_short_and_its_own_group(endpoint in "\\PC{0,40}|(/[a-z0-9@.%-]{0,30}){0,12}|[\u{0}-\u{ff}]{0,300}") {
            let group = endpoint_group(&endpoint).into_owned();
            prop_assert!(group.len() <= MAX_GROUP_BYTES);
            prop_assert!(!group.chars().any(char::is_control));
            prop_assert!(group.is_empty() || group.starts_with('/'));
        }

        #[test]
        fn quantiles_grow_with_their_share(counts in any::<[u16; LATENCY_CLASSES]>(), a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let classes = counts.map(u64::from);
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(latency_quantile(&classes, low) <= latency_quantile(&classes, high));
        }
    }
}
