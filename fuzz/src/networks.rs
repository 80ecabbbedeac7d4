//! A network has one form, and an allowlist that is within another lets nobody in whom that one does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keywright_core::{Allowlist, Network, NetworkError};

/// Holds it against any input.
pub fn hold(one: &str, other: &str, number: u128) {
    let (one, other) = (networks(one), networks(other));
    let [.., a, b, c, d] = number.to_be_bytes();
    let v4 = Ipv4Addr::new(a, b, c, d);
    let addresses: [IpAddr; 3] = [v4.into(), v4.to_ipv6_mapped().into(), Ipv6Addr::from(number).into()];
    for network in one.iter().chain(&other) {
        assert_eq!(network.to_string().parse(), Ok(*network));
        assert_eq!(network.contains(addresses[0]), network.contains(addresses[1]), "{network}");
    }
    for (a, b) in one.iter().zip(&other) {
        for address in addresses {
            assert!(!(a.covers(b) && b.contains(address)) || a.contains(address), "{a} {b} {address}");
        }
    }
    let (Some(one), Some(other)) = (Allowlist::new(one), Allowlist::new(other)) else { return };
    assert!(one.is_within(&one));
    if one.is_within(&other) {
        for address in addresses.map(Some).into_iter().chain([None]) {
            assert!(!one.admits(address) || other.admits(address), "{one:?} {other:?} {address:?}");
        }
    }
}

/// Those that are networks; of those with host bits what was meant.
fn networks(text: &str) -> Vec<Network> {
    let network = |text: &str| match text.parse::<Network>() {
        Ok(network) | Err(NetworkError::HostBits(network)) => Some(network),
        Err(NetworkError::Grammar) => None,
    };
    text.split(' ').filter_map(network).collect()
}
