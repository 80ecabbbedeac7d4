//! An address that users configure, as it may be called.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::guard::Rules;

/// Longest address.
const MAX_LENGTH: usize = 2_048;

/// Where to. Its path may be a secret, and is told by nothing but [`Target::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

/// Why a text is no address that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("must be a URL of at most 2,048 characters")]
    Grammar,
    /// It is neither HTTPS nor on this machine.
    #[error("must begin with https://")]
    Scheme,
    /// User and password would be sent, and shown in places where nobody expects them.
    #[error("must not hold a user or a password")]
    UserInfo,
    /// Its host is an address that must not be called.
    #[error("leads to an address that may not be called; see notifications.allowed_networks")]
    Address,
}

impl Target {
    pub(super) fn parse(text: &str, rules: &Rules) -> Result<Self, TargetError> {
        if text.len() > MAX_LENGTH {
            return Err(TargetError::Grammar);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Grammar)?;
        let address = match url.host().ok_or(TargetError::Grammar)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here(&url, rules) => {}
            // Allowed or not, what is said in the clear beyond this machine is heard by others.
            _ => return Err(TargetError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if address.is_some_and(|address| !rules.admit(address)) {
            return Err(TargetError::Address);
        }
        Ok(Self(url))
    }

    /// The whole of it.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// Host and port, and nothing that could be a secret.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// How it is shown: where it leads to, and its last four characters where something secret precedes them.
    pub fn hint(&self) -> String {
        let secret = &self.0[url::Position::BeforePath..];
        let last: String = match secret.char_indices().rev().nth(3) {
            Some((at, _)) if secret.len() >= 16 => secret[at..].to_owned(),
            _ => String::new(),
        };
        format!("{}://{}/…{last}", self.0.scheme(), self.host())
    }
}

/// Whether it leads to this machine, and the operator has allowed that.
fn is_here(url: &Url, rules: &Rules) -> bool {
    let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() && rules.is_allowed(address.into()),
        Some(Host::Ipv6(address)) => address.is_loopback() && rules.is_allowed(address.into()),
        Some(Host::Domain("localhost")) => loopback.into_iter().any(|address| rules.is_allowed(address)),
        _ => false,
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.host()).finish()
    }
}
