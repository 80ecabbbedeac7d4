//! Without trusted proxies no header changes the client's address.
#![no_main]

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use std::sync::LazyLock;

use keywright_server::config::{LoadInput, Networks, load};
use keywright_server::http::client::{client_address, presented, request_id};
use libfuzzer_sys::fuzz_target;

static TRUSTED: LazyLock<Networks> = LazyLock::new(|| {
    let flags = vec![("server.trusted_proxies".to_owned(), "192.0.2.0/24, 10.0.0.0/8".to_owned())];
    let input = LoadInput { flags, file: None, default_file: None, environment: Vec::new(), dev: true };
    load(&input).config.map(|config| config.server.trusted_proxies).unwrap_or_default()
});

fuzz_target!(|values: Vec<Vec<u8>>| {
    let mut headers = HeaderMap::new();
    for (value, name) in values.iter().zip(["x-forwarded-for", "authorization", "x-api-key", "x-request-id"].iter().cycle()) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(*name, value);
        }
    }
    let peer: IpAddr = [192, 0, 2, 1].into();
    assert_eq!(client_address(Some(peer), &headers, &Networks::default()), Some(peer));
    let _ = client_address(Some(peer), &headers, &TRUSTED);
    let _ = (presented(&headers), request_id(&headers));
});
