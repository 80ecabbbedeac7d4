//! Lists of networks.

use std::net::IpAddr;

use ipnet::IpNet;
use keywright_core::Network;
use keywright_core::allowlist::NetworkError;

use super::{Fault, Raw, Settable, Shape};
use crate::config::finding::printable;
use crate::config::setting::Setting;

/// Networks of either family without host bits, never the whole of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The networks.
    pub fn as_slice(&self) -> &[Network] {
        &self.0
    }

    /// Whether the address lies in one of them. An IPv4-mapped IPv6 address equals its IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Settable for Networks {
    const SHAPE: Shape = Shape::Texts;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        let mut networks = Vec::new();
        for (at, item) in raw.items(|c| c == ',').into_iter().enumerate() {
            let entry = at + 1;
            match item.parse() {
                Ok(network) => networks.push(network),
                Err(NetworkError::Grammar) => {
                    return Err(Fault::new(format!("has no network as entry {entry}: {}", printable(item))));
                }
                Err(NetworkError::HostBits(network)) => {
                    let fault = format!("has host bits in entry {entry}: {}", printable(item));
                    return Err(Fault::with_fix(fault, format!("give {network}")));
                }
            }
        }
        let all: Vec<IpNet> = networks.iter().copied().map(IpNet::from).collect();
        if IpNet::aggregate(&all).iter().any(|network| network.prefix_len() == 0) {
            return Err(Fault::with_fix(
                "covers every address of a family, and so would make no difference between any two",
                "give the networks that you mean, and no others",
            ));
        }
        Ok(Self(networks))
    }

    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn expects(_: &Setting) -> String {
        "CIDRs such as `10.0.0.0/8`, separated by commas".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    fn parse(text: &str) -> Result<Networks, Fault> {
        Networks::parse(&Raw::Text(text.to_owned()), find("server.trusted_proxies").unwrap())
    }

    #[test]
    fn every_address_of_a_family_is_never_trusted_however_it_is_written() {
        for whole in [
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/8,0.0.0.0/0",
            "0.0.0.0/1,128.0.0.0/1",
            "::ffff:0.0.0.0/96",
            "::/1,8000::/1",
        ] {
            assert!(parse(whole).unwrap_err().message.starts_with("covers every address"), "{whole}");
        }
    }

    #[test]
    fn host_bits_are_refused_and_the_network_is_named() {
        assert_eq!(parse("10.0.0.1/8").unwrap_err().fix.as_deref(), Some("give 10.0.0.0/8"));
        assert_eq!(parse("fd00::1/8").unwrap_err().fix.as_deref(), Some("give fd00::/8"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in
            ["10.0.0.0/33", "::/129", "10.0.0.0/8,", "proxy.example.com", "10.0.0.0/-1", "010.0.0.0/8", ","]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mapped_networks_and_addresses_equal_their_ipv4() {
        let networks = parse("::ffff:10.0.0.0/104, 192.0.2.7").unwrap();
        assert_eq!(networks.show(), "10.0.0.0/8, 192.0.2.7/32");
        assert!(networks.contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!networks.contains("192.0.2.8".parse().unwrap()));
    }
}
