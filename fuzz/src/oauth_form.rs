//! A form of OAuth is read as it was written, with each parameter once or not at all; and whatever a header says, a client
//! is read as it was written there.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use keywright_server::http::oauth::form::Parameters;
use keywright_server::http::oauth::said::Said;
use url::form_urlencoded::byte_serialize;

const ID: &str = "0198c0de-0000-7000-8000-000000000000";

/// Holds it against a form, a header and a secret, each on a line.
pub fn hold(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let [form, authorization, secret] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let written = written(form);
    let names: BTreeSet<_> = written.iter().map(|(name, _)| name).collect();
    let read = Parameters::read(form);
    assert_eq!(read.is_ok(), names.len() == written.len());
    if let Ok(read) = &read {
        for (name, value) in &written {
            assert_eq!(read.get(name), Some(value.as_str()).filter(|value| !value.is_empty()));
        }
        header(authorization, read);
    }
    client(&String::from_utf8_lossy(secret));
}

/// The pairs of a form, by the rules of the URL Standard (application/x-www-form-urlencoded parsing).
fn written(form: &[u8]) -> Vec<(String, String)> {
    let parts = form.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    let pair = |part: &[u8]| {
        let at = part.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
        (decoded(name), decoded(value))
    };
    parts.map(pair).collect()
}

fn decoded(mut text: &[u8]) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        text = rest;
        let escaped = match (first, rest) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match (first, escaped) {
            (_, Some(byte)) => {
                out.push(byte);
                text = &rest[2..];
            }
            (b'+', None) => out.push(b' '),
            (other, None) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Who is a client by the header is none by the form, and has no other id there.
fn header(authorization: &[u8], form: &Parameters) {
    let Ok(value) = HeaderValue::from_bytes(authorization) else { return };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let posted = form.get("client_secret");
    match Said::read(&headers, form) {
        Said::Client(client) => match posted {
            Some(secret) => assert_eq!(*client.secret, secret),
            None => assert!(form.get("client_id").is_none_or(|id| id.parse().ok() == client.id)),
        },
        Said::Nothing | Said::Bearer(_) => assert!(posted.is_none()),
        Said::Twice => {}
    }
}

/// Whatever its secret is, a client is read as it was written: in the form, in the header encoded as RFC 6749 §2.3.1
/// wants it, and in the header as most clients write it where that is the same.
fn client(secret: &str) {
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let mut ways = vec![
        (Some(format!("{ID}:{encoded}")), String::new()),
        (Some(format!("{}:{encoded}", ID.replace('-', "%2D"))), format!("client_id={ID}")),
    ];
    if !secret.contains(['%', '+']) {
        ways.push((Some(format!("{ID}:{secret}")), String::new()));
    }
    if !secret.is_empty() {
        ways.push((None, format!("client_id={ID}&client_secret={encoded}")));
    }
    for (basic, form) in ways {
        let mut headers = HeaderMap::new();
        if let Some(pair) = basic {
            let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).expect("it is base64"));
        }
        let parameters = Parameters::read(form.as_bytes()).expect("each stands there once");
        let Said::Client(client) = Said::read(&headers, &parameters) else { panic!("no client: {form}") };
        assert_eq!((client.id, client.secret.as_str()), (ID.parse().ok(), secret));
    }
}
