//! Client addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address in its one canonical form: an IPv4-mapped IPv6 address equals its IPv4.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Reads an address as a caller wrote it; no port, no zone, no brackets.
pub fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(canonical)
}

/// Whether an address belongs to nobody in public: of this machine, of a link, or of a private network (RFC 1918,
/// 4193, 6598).
pub fn is_private(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified()
        }
    }
}

/// The network that fairness and throttling count by: /24 of IPv4, /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_their_ipv4() {
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_eq!(network(parse("::ffff:10.0.0.1").unwrap()), network(parse("10.0.0.200").unwrap()));
        assert_eq!(network(parse("2001:db8::1").unwrap()), network(parse("2001:db8::ffff:1").unwrap()));
    }

    #[test]
    fn what_belongs_to_nobody_in_public_is_private() {
        for private in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["172.32.0.1", "100.128.0.1", "8.8.8.8", "2001:4860::1", "::ffff:8.8.8.8"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn only_plain_addresses_are_read() {
        for bad in ["", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "10.0.0.1/8", " 10.0.0.1", "010.0.0.1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
