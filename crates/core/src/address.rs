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

/// Addresses that are nobody's in public, or lead to machines behind the network that one sits in (IANA's registries
/// of special-purpose addresses, RFC 6890). The last one answers on every machine in Azure.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
    ([168, 63, 129, 16], 32),
];

/// Whether an address is one machine's on the public Internet: none of this machine, of a link, of a private or
/// shared network, of documentation, of a group, and none that hides an IPv4 address. Of IPv6 only global unicast
/// (`2000::/3`) is, without Teredo, 6to4 and the rest of `2001::/23`.
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            !SPECIAL_V4
                .iter()
                .any(|(base, prefix)| (bits ^ u32::from_be_bytes(*base)).checked_shr(32 - prefix) == Some(0))
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            let is_special =
                a == 0x2002 || (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || (a == 0x3fff && b < 0x1000);
            a & 0xe000 == 0x2000 && !is_special
        }
    }
}

/// The IPv4 address that a packet to an IPv6 address may come out at: compatible (`::/96`), translated
/// (`64:ff9b::/96`, RFC 6052), 6to4 (`2002::/16`, RFC 3056) or Teredo (`2001::/32`, RFC 4380).
pub fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = canonical(address) else { return None };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        [0x2001, 0, .., high, low] => (!high, !low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
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
    fn only_machines_on_the_internet_are_public() {
        for special in [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:0808:0808::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn hidden_ipv4_addresses_are_found() {
        for (address, hidden) in [
            ("::7f00:1", Some("127.0.0.1")),
            ("64:ff9b::a9fe:a9fe", Some("169.254.169.254")),
            ("2002:7f00:1::", Some("127.0.0.1")),
            ("2001:0:1::80ff:fffe", Some("127.0.0.1")),
            ("::1", None),
            ("127.0.0.1", None),
            ("::ffff:127.0.0.1", None),
            ("2606:4700::1", None),
        ] {
            assert_eq!(embedded(address.parse().unwrap()), hidden.map(|ip| ip.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn only_plain_addresses_are_read() {
        for bad in ["", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "10.0.0.1/8", " 10.0.0.1", "010.0.0.1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
