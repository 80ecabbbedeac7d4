//! Which form of an answer a client would rather have (RFC 9110 §12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// Of the forms that a request accepts the one that it prefers; nothing where it accepts none, or says nothing.
/// `known` tells what a media type, in small letters, stands for here.
pub(in crate::http) fn preferred<T>(headers: &HeaderMap, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut best: Option<(u32, T)> = None;
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let Some(form) = known(&media) else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        // Of two that are as good the first one counts.
        let quality = weight.map_or(1_000, thousandths);
        if quality > best.as_ref().map_or(0, |(quality, _)| *quality) {
            best = Some((quality, form));
        }
    }
    best.map(|(_, form)| form)
}

/// `0.75` as 750; what is no weight counts as none.
fn thousandths(weight: &str) -> u32 {
    let (whole, rest) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    (number(whole).min(1) * 1_000 + number(&digits)).min(1_000)
}
