//! Without trusted proxies no header changes the client's address; with them it is one that a header names, and a
//! proxy's own only where nothing else is named.

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use keywright_api::presented::presented;
use keywright_core::address;
use keywright_server::config::{LoadInput, Networks, load};
use keywright_server::http::client::{client_address, request_id};

static TRUSTED: LazyLock<Networks> = LazyLock::new(|| {
    let flags = vec![("server.trusted_proxies".to_owned(), "192.0.2.0/24, 10.0.0.0/8".to_owned())];
    let input = LoadInput { flags, dev: true, ..LoadInput::default() };
    load(&input).config.map(|config| config.server.trusted_proxies).unwrap_or_default()
});

/// Holds it against any input.
pub fn hold(values: &[Vec<u8>]) {
    let mut headers = HeaderMap::new();
    let names = ["x-forwarded-for", "authorization", "x-api-key", "x-request-id"];
    for (value, name) in values.iter().zip(names.iter().cycle()) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(*name, value);
        }
    }
    let peer: IpAddr = [192, 0, 2, 1].into();
    assert_eq!(client_address(Some(peer), &headers, &Networks::default()), Some(peer));
    if let Some(found) = client_address(Some(peer), &headers, &TRUSTED) {
        let hops = hops(&headers);
        let is_named = hops.contains(&Some(found)) || (hops.is_empty() && found == peer);
        assert!(is_named, "{found}");
        let proxies_alone = hops.iter().all(|hop| hop.is_some_and(|hop| TRUSTED.contains(hop)));
        assert_eq!(TRUSTED.contains(found), proxies_alone);
    }
    let _ = (presented(&headers), request_id(&headers));
}

/// All that is forwarded; `None` where it is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter();
    let hops = values.flat_map(|value| match value.to_str() {
        Ok(text) => text.split(',').map(|hop| address::parse(hop.trim())).collect(),
        Err(_) => vec![None],
    });
    hops.collect()
}
