//! The original request, as a proxy forwards it.
//!
//! A rule of a proxy chooses by a path what a request needs, and the service behind it does what the path means to
//! that service. Where the two may read one path differently, whoever sends it chooses the rule. So a path passes in
//! its one plain spelling only: what could be written plainly is, no segment is empty or leads upwards, and nothing
//! is hidden behind an escape that one reader takes for a separator and another does not.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method, uri::Authority};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use percent_encoding::percent_decode_str;

use crate::http::shown::shown;

static METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
static URI: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];
static HOST: [HeaderName; 1] = [HeaderName::from_static("x-forwarded-host")];
/// Where the address of the client stands.
pub(super) static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest method; none that is registered (RFC 9110 §18.2) is half as long.
const MAX_METHOD: usize = 32;

/// A request that somebody made to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path, in the one spelling that it has.
    pub path: &'a str,
}

/// What is wrong with what was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Neither of these headers is there.
    Missing([&'static str; 2]),
    /// A header that stands for one thing is there twice.
    Repeated(&'static str),
    /// Two headers for the same say different things.
    Contradicting([&'static str; 2]),
    /// No method (RFC 9110 §9.1).
    Method,
    /// No host with or without a port.
    Host,
    /// It does not begin with a slash: absolute, of another form, or none.
    Form,
    /// Control characters, spaces, a fragment, or what is not ASCII.
    Characters,
    /// A percent sign without two hexadecimal digits.
    Escape,
    /// An escape that stands for what could be written plainly, for a separator, or for a control character.
    Escaped,
    /// What is escaped is no UTF-8.
    Encoding,
    /// A backslash.
    Backslash,
    /// A segment that is empty, though it is not the last.
    EmptySegment,
    /// A segment that leads to the same place or upwards.
    DotSegment,
}

impl Flaw {
    /// The same in words. Nothing of what was sent is repeated.
    pub fn problem(self) -> Problem {
        let detail: Cow<'static, str> = match self {
            Self::Missing([one, other]) => format!("The proxy forwards neither {one} nor {other}.").into(),
            Self::Repeated(name) => format!("The header {name} is there more than once.").into(),
            Self::Contradicting([one, other]) => format!("The headers {one} and {other} differ.").into(),
            Self::Method => "The forwarded method is none.".into(),
            Self::Host => "The forwarded host is none.".into(),
            Self::Form => "The forwarded address must be a path, with or without a query.".into(),
            Self::Characters => "The forwarded address has characters that no address has.".into(),
            Self::Escape => "The path has a percent sign that escapes nothing.".into(),
            Self::Escaped => "The path escapes what must be written plainly, or must not be there.".into(),
            Self::Encoding => "The path escapes what is not UTF-8.".into(),
            Self::Backslash => "The path has a backslash.".into(),
            Self::EmptySegment => "The path has an empty segment.".into(),
            Self::DotSegment => "The path has a segment that leads elsewhere.".into(),
        };
        Problem::new(Refusal::InvalidOriginalRequest, detail)
    }
}

impl<'a> Original<'a> {
    /// Reads it from the headers of a proxy that is trusted.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, Flaw> {
        let method = needed(headers, &METHOD)?;
        if method.len() > MAX_METHOD || Method::from_bytes(method).is_err() {
            return Err(Flaw::Method);
        }
        let host = one(headers, &HOST)?;
        if host.is_some_and(|host| host.contains(&b'@') || Authority::try_from(host).is_err()) {
            return Err(Flaw::Host);
        }
        let uri = text(needed(headers, &URI)?)?;
        let path = uri.split_once('?').map_or(uri, |(path, _)| path);
        is_plain(path)?;
        Ok(Self { method: text(method)?, path })
    }
}

/// The path that was asked for, whether or not it is one that passes; no further than where a secret stands in it.
pub(super) fn attempted(headers: &HeaderMap) -> Option<&str> {
    let uri = URI.iter().find_map(|name| headers.get(name))?.to_str().ok()?;
    Some(shown(uri.split(['?', '#']).next().unwrap_or_default()))
}

fn needed<'a>(headers: &'a HeaderMap, names: &'static [HeaderName; 2]) -> Result<&'a [u8], Flaw> {
    one(headers, names)?.ok_or(Flaw::Missing([names[0].as_str(), names[1].as_str()]))
}

/// What the headers of these names, of which each may be there once, say together.
fn one<'a>(headers: &'a HeaderMap, names: &'static [HeaderName]) -> Result<Option<&'a [u8]>, Flaw> {
    let mut found: Option<(&'static str, &[u8])> = None;
    for name in names {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(Flaw::Repeated(name.as_str()));
        }
        match found {
            Some((other, said)) if said != value.as_bytes() => {
                return Err(Flaw::Contradicting([other, name.as_str()]));
            }
            _ => found = Some((name.as_str(), value.as_bytes())),
        }
    }
    Ok(found.map(|(_, said)| said))
}

/// Of the characters of an address (RFC 3986 §2), and those that clients send as they are; no fragment, which is the
/// client's own affair.
fn text(bytes: &[u8]) -> Result<&str, Flaw> {
    let fits = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    let text = std::str::from_utf8(bytes).map_err(|_| Flaw::Characters)?;
    if bytes.iter().all(fits) { Ok(text) } else { Err(Flaw::Characters) }
}

/// That nobody can read the path as another one.
fn is_plain(path: &str) -> Result<(), Flaw> {
    let Some(segments) = path.strip_prefix('/') else { return Err(Flaw::Form) };
    if path.contains('\\') {
        return Err(Flaw::Backslash);
    }
    are_needed(path.as_bytes())?;
    if percent_decode_str(path).decode_utf8().is_err() {
        return Err(Flaw::Encoding);
    }
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match name(segment) {
            "." | ".." => return Err(Flaw::DotSegment),
            "" if !(is_last && segment.is_empty()) => return Err(Flaw::EmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// A segment without its parameters, which some servers take off before they look where it leads.
fn name(segment: &str) -> &str {
    let end = segment.find(';').into_iter().chain(escaped(segment, "%3b")).min();
    end.map_or(segment, |end| &segment[..end])
}

fn escaped(text: &str, escape: &str) -> Option<usize> {
    text.as_bytes().windows(escape.len()).position(|part| part.eq_ignore_ascii_case(escape.as_bytes()))
}

/// That each escape stands for what must be escaped, and for nothing that is decoded again.
fn are_needed(path: &[u8]) -> Result<(), Flaw> {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let byte = hexadecimal(&rest[at + 1..]).ok_or(Flaw::Escape)?;
        rest = &rest[at + 3..];
        // Who decodes twice comes to what stands behind an escaped percent sign.
        let again = (byte == b'%').then(|| hexadecimal(rest)).flatten();
        if is_dangerous(byte) || again.is_some_and(|byte| matches!(byte, b'%' | b';') || is_dangerous(byte)) {
            return Err(Flaw::Escaped);
        }
    }
    Ok(())
}

/// The byte that the two digits at the beginning stand for.
fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4) | digit(*low)?)
}

/// Whether an escaped byte means different things to different readers: control characters, separators, and what
/// RFC 3986 §2.3 calls unreserved, but for the tilde, which older clients escape.
fn is_dangerous(byte: u8) -> bool {
    byte.is_ascii_control()
        || byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b'\\' | b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn of(uri: &str) -> Result<String, Flaw> {
        let headers = headers(&[("x-forwarded-method", "GET"), ("x-forwarded-uri", uri)]);
        Original::read(&headers).map(|original| original.path.to_owned())
    }

    #[test]
    fn a_plain_path_passes_as_it_is_and_its_query_is_left_away() {
        for (uri, path) in [
            ("/", "/"),
            ("/works/17", "/works/17"),
            ("/works/", "/works/"),
            ("/works/17?q=a\\b//..%2f%00&x=%zz", "/works/17"),
            ("/?", "/"),
            ("/a.b/..c/...", "/a.b/..c/..."),
            ("/w%C3%A4rme%20pumpe/50%25", "/w%C3%A4rme%20pumpe/50%25"),
            ("/%7Eada/~bob/a:b@c,d+e=f!$&'()*", "/%7Eada/~bob/a:b@c,d+e=f!$&'()*"),
            ("/v1;v=2/a%3Bb", "/v1;v=2/a%3Bb"),
            ("/a%2520b", "/a%2520b"),
        ] {
            assert_eq!(of(uri).as_deref(), Ok(path), "{uri}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_does_not() {
        for (uri, flaw) in [
            ("", Flaw::Form),
            ("*", Flaw::Form),
            ("works", Flaw::Form),
            ("http://internal/works", Flaw::Form),
            ("?x=/works", Flaw::Form),
            ("//works", Flaw::EmptySegment),
            ("/works//17", Flaw::EmptySegment),
            ("/works/;/17", Flaw::EmptySegment),
            ("/works/;a", Flaw::EmptySegment),
            ("/works/../admin", Flaw::DotSegment),
            ("/works/..", Flaw::DotSegment),
            ("/./works", Flaw::DotSegment),
            ("/works/..;a=b/admin", Flaw::DotSegment),
            ("/works/..%3b/admin", Flaw::DotSegment),
            ("/works/%2e%2e/admin", Flaw::Escaped),
            ("/works/%2E./admin", Flaw::Escaped),
            ("/works/.%2e", Flaw::Escaped),
            ("/works/%252e%252e/admin", Flaw::Escaped),
            ("/works/%25252e", Flaw::Escaped),
            ("/works/%2fadmin", Flaw::Escaped),
            ("/works%2F..%2Fadmin", Flaw::Escaped),
            ("/works/%252Fadmin", Flaw::Escaped),
            ("/works/%5c..", Flaw::Escaped),
            ("/%61dmin", Flaw::Escaped),
            ("/works/%00", Flaw::Escaped),
            ("/works/%0d%0ax", Flaw::Escaped),
            ("/works/%7f", Flaw::Escaped),
            ("/works\\..\\admin", Flaw::Backslash),
            ("/works/%c0%ae%c0%ae/admin", Flaw::Encoding),
            ("/works/%ff", Flaw::Encoding),
            ("/works/%", Flaw::Escape),
            ("/works/%2", Flaw::Escape),
            ("/works/%zz", Flaw::Escape),
            ("/works/%u002e", Flaw::Escape),
            ("/works/%+1", Flaw::Escape),
            ("/works 17", Flaw::Characters),
            ("/works\t17", Flaw::Characters),
            ("/works#17", Flaw::Characters),
            ("/wörks", Flaw::Characters),
            ("/works?q=ö", Flaw::Characters),
            ("/works?q=a b", Flaw::Characters),
        ] {
            assert_eq!(of(uri), Err(flaw), "{uri}");
        }
    }

    #[test]
    fn headers_say_one_thing_once() {
        type Pairs = [(&'static str, &'static str)];
        let method = ("x-forwarded-method", "PUT");
        let uri = ("x-forwarded-uri", "/works");
        let (names, uris) =
            (["x-forwarded-method", "x-original-method"], ["x-forwarded-uri", "x-original-uri"]);
        let passes = Ok(Original { method: "PUT", path: "/works" });
        let cases: [(&Pairs, Result<Original<'_>, Flaw>); 18] = [
            (&[method, uri], passes),
            (&[("x-original-method", "PUT"), ("x-original-uri", "/works")], passes),
            (&[method, ("x-original-uri", "/works")], passes),
            (&[method, uri, ("x-original-uri", "/works"), ("x-original-method", "PUT")], passes),
            (&[method, uri, ("x-forwarded-host", "api.example.com:8443")], passes),
            (&[method, uri, ("x-forwarded-host", "[2001:db8::1]:8443")], passes),
            (&[], Err(Flaw::Missing(names))),
            (&[method], Err(Flaw::Missing(uris))),
            (&[method, uri, ("x-original-uri", "/public")], Err(Flaw::Contradicting(uris))),
            (&[method, uri, ("x-original-method", "GET")], Err(Flaw::Contradicting(names))),
            (&[method, uri, uri], Err(Flaw::Repeated("x-forwarded-uri"))),
            (&[method, method, uri], Err(Flaw::Repeated("x-forwarded-method"))),
            (&[("x-forwarded-method", "GET, PUT"), uri], Err(Flaw::Method)),
            (&[("x-forwarded-method", ""), uri], Err(Flaw::Method)),
            (&[("x-forwarded-method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), uri], Err(Flaw::Method)),
            (&[method, uri, ("x-forwarded-host", "a, b")], Err(Flaw::Host)),
            (&[method, uri, ("x-forwarded-host", "user@internal")], Err(Flaw::Host)),
            (
                &[method, uri, ("x-forwarded-host", "a"), ("x-forwarded-host", "a")],
                Err(Flaw::Repeated("x-forwarded-host")),
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(Original::read(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn each_flaw_has_its_words_and_repeats_nothing() {
        for flaw in [of("/%61"), of("//"), of("/.."), of("\\"), of("/\\"), of("/%"), of("/%ff"), of("/ä")] {
            let problem = flaw.unwrap_err().problem();
            assert_eq!((problem.status, problem.code.as_ref()), (400, "invalid_original_request"));
            assert!(problem.detail.starts_with("The "), "{problem:?}");
        }
    }

    /// As the laxest of servers reads a path: decoded until nothing changes, backslashes as slashes, parameters
    /// taken off, what leads elsewhere followed.
    fn lax(path: &str) -> Vec<String> {
        let mut text = path.to_owned();
        loop {
            let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
            if decoded == text {
                break;
            }
            text = decoded;
        }
        let mut stack = Vec::new();
        for segment in text.replace('\\', "/").split('/') {
            match segment.split(';').next().unwrap() {
                "" | "." => {}
                ".." => drop(stack.pop()),
                other => stack.push(other.to_owned()),
            }
        }
        stack
    }

    /// As the strictest reads it: cut at the slashes that it has, with nothing decoded but what must be escaped.
    fn strict(path: &str) -> Vec<String> {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        segments.map(|segment| lax(segment).join("/")).collect()
    }

    proptest! {
        #[test]
        fn whatever_passes_is_read_alike_by_the_laxest_and_the_strictest(
            uri in "/([a-c./%;\\\\]|%2[0-9a-fA-F]|%5[cC]|%25|%3[bB]|%C3%A4|\\.\\.|[!-~]){0,12}(\\?[ -~]{0,9})?",
        ) {
            if let Ok(path) = of(&uri) {
                prop_assert_eq!(lax(&path), strict(&path), "{}", path);
                prop_assert!(uri.starts_with(&path));
                prop_assert!(path.starts_with('/') && !path.contains(['?', '#', '\\', ' ']));
            }
        }

        #[test]
        fn no_header_panics(values in proptest::collection::vec((0usize..5, "[ -~\u{80}-\u{ff}]{0,40}"), 0..6)) {
            let names = ["x-forwarded-method", "x-original-method", "x-forwarded-uri", "x-original-uri", "x-forwarded-host"];
            let pairs: Vec<_> = values.iter().map(|(at, value)| (names[*at], value.as_str())).collect();
            let map = headers(&pairs);
            let _ = attempted(&map);
            if let Ok(original) = Original::read(&map) {
                prop_assert!(Method::from_bytes(original.method.as_bytes()).is_ok());
                let said = |name: &str| pairs.iter().filter(|(own, _)| *own == name).count() <= 1;
                prop_assert!(names.iter().all(|name| said(name)));
            }
        }

        #[test]
        fn every_plain_path_passes(path in "(/([a-z0-9_~-]{1,5}|%20|%C3%A4|[a-z]\\.[a-z]{1,3})){1,5}/?") {
            prop_assert_eq!(of(&path), Ok(path));
        }
    }
}
