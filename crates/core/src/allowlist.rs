//! Allowlists: the networks that a credential may be used from (verification.md, Client address).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most networks in an [`Allowlist`].
pub const MAX_NETWORKS: usize = 100;

/// A network of either family in its one form: without host bits, and never an IPv4-mapped IPv6 one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither a CIDR nor an address.
    #[error("is neither a network such as 192.0.2.0/24 nor an address")]
    Grammar,
    /// Bits beyond the prefix are set.
    #[error("has host bits; give {0}")]
    HostBits(Network),
}

impl Network {
    /// Whether the address lies in it. An IPv4-mapped IPv6 address equals its IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl From<Network> for IpNet {
    fn from(network: Network) -> Self {
        network.0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// A CIDR, or a bare address for itself alone. The address is read by the standard library: `ipnet` takes
    /// leading zeros, which others read as octal.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let network = match text.split_once('/') {
            None => text.parse::<IpAddr>().ok().map(IpNet::from),
            Some((_, prefix)) if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) => None,
            Some((address, prefix)) => {
                address.parse().ok().zip(prefix.parse().ok()).and_then(|(a, p)| IpNet::new(a, p).ok())
            }
        };
        let network = network.map(unmapped).ok_or(NetworkError::Grammar)?;
        if network.trunc() == network {
            Ok(Self(network))
        } else {
            Err(NetworkError::HostBits(Self(network.trunc())))
        }
    }
}

/// An IPv4-mapped network is its IPv4.
fn unmapped(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The networks that something may be used from, sorted, without repetition; none of them: from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Allowlist(Box<[Network]>);

impl Allowlist {
    /// These networks.
    ///
    /// # Errors
    /// `None` for more than [`MAX_NETWORKS`] different ones.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Option<Self> {
        let sorted: std::collections::BTreeSet<_> = networks.into_iter().collect();
        (sorted.len() <= MAX_NETWORKS).then(|| Self(sorted.into_iter().collect()))
    }

    /// Whether it lets every address in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }

    /// Whether the address may use what this list is of. An address that is not known is let in by the empty
    /// list alone: never a guess.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.0.is_empty() || address.is_some_and(|ip| self.0.iter().any(|network| network.contains(ip)))
    }

    /// Whether it lets nobody in whom `bound` does not. Judged network by network: two halves in `bound` do not
    /// make a whole, which asks for more care and gives nothing away.
    pub fn is_within(&self, bound: &Self) -> bool {
        let covered = |own: &Network| bound.0.iter().any(|network| network.covers(own));
        bound.0.is_empty() || (!self.0.is_empty() && self.0.iter().all(covered))
    }
}

impl<'de> Deserialize<'de> for Allowlist {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<Network>::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("has more than 100 networks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn list(texts: &[&str]) -> Allowlist {
        Allowlist::new(texts.iter().map(|text| network(text))).unwrap()
    }

    #[test]
    fn a_network_has_one_form() {
        for (text, form) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text).to_string(), form, "{text}");
        }
        for bad in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "010.0.0.0/8",
            "10.0.0/8",
            "fe80::1%eth0",
            "localhost",
            " 10.0.0.0/8",
            "10.0.0.0/08a",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError::Grammar), "{bad:?}");
        }
        for (bad, fix) in [("10.0.0.1/8", "10.0.0.0/8"), ("2001:db8::1/32", "2001:db8::/32")] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError::HostBits(network(fix))), "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_is_not_known_is_let_in_by_the_empty_list_alone() {
        let own = list(&["10.0.0.0/8", "2001:db8::/32"]);
        let at = |text: &str| text.parse().ok();
        assert!(own.admits(at("10.1.2.3")) && own.admits(at("2001:db8::9")));
        assert!(own.admits(at("::ffff:10.0.0.1")));
        assert!(!own.admits(at("11.0.0.1")) && !own.admits(at("2001:db9::1")) && !own.admits(None));
        assert!(Allowlist::default().admits(None));
    }

    #[test]
    fn a_list_within_another_lets_nobody_else_in() {
        let bound = list(&["10.0.0.0/8"]);
        assert!(list(&["10.1.0.0/16"]).is_within(&bound));
        assert!(list(&["10.0.0.0/8"]).is_within(&bound));
        assert!(!list(&["0.0.0.0/0"]).is_within(&bound));
        assert!(!list(&["10.1.0.0/16", "::/0"]).is_within(&bound));
        assert!(!Allowlist::default().is_within(&bound));
        assert!(Allowlist::default().is_within(&Allowlist::default()));
    }

    fn any_list() -> impl Strategy<Value = Allowlist> {
        let network = (any::<IpAddr>(), 0u8..=32).prop_map(|(address, bits)| {
            Network(unmapped(IpNet::new(address, bits).unwrap().trunc()).trunc())
        });
        proptest::collection::vec(network, 0..4).prop_map(|networks| Allowlist::new(networks).unwrap())
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[0-9a-f.:/% ]{0,50}") {
            let _ = text.parse::<Network>();
        }

        #[test]
        fn what_is_within_admits_no_more(a in any_list(), b in any_list(), address: Option<IpAddr>) {
            if a.is_within(&b) && a.admits(address) {
                prop_assert!(b.admits(address));
            }
        }

        #[test]
        fn what_is_written_is_read_again(list in any_list()) {
            let text = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(serde_json::from_str::<Allowlist>(&text).unwrap(), list);
        }
    }
}
