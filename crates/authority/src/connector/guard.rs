//! Who may be called: every address is judged before it is connected to.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use keywright_core::{Network, address};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses being looked up.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// What tells the addresses of names.
pub trait Names: Send + Sync {
    /// The addresses of a name.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a>;
}

/// The names as this machine looks them up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a> {
        Box::pin(
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) },
        )
    }
}

/// An address that must not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leads to an address that may not be called; see notifications.allowed_networks")]
pub(super) struct Refusal;

/// Which addresses may be called.
#[derive(Clone)]
pub(super) struct Rules {
    allowed: Arc<[Network]>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.allowed.iter()).finish()
    }
}

impl Rules {
    pub(super) fn new(allowed: &[Network]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether an address may be called: it is public or allowed, and so is the one that it hides.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let may = |address: IpAddr| address::is_public(address) || self.is_allowed(address);
        may(address) && address::embedded(address).is_none_or(|hidden| may(hidden.into()))
    }

    /// Whether the operator has allowed it by name of its network.
    pub(super) fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(address))
    }
}

/// Resolves names for the HTTP client, and gives it nothing that may not be called.
pub(super) struct Guard {
    rules: Rules,
    names: Arc<dyn Names>,
}

impl Guard {
    pub(super) fn new(rules: Rules, names: Arc<dyn Names>) -> Self {
        Self { rules, names }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, names) = (self.rules.clone(), Arc::clone(&self.names));
        Box::pin(async move {
            let addresses = names.resolve(name.as_str()).await?;
            // One that must not be called is reason enough: which of them is tried first is chance.
            if !addresses.iter().all(|address| rules.admit(*address)) {
                return Err(Refusal.into());
            }
            if addresses.is_empty() {
                return Err(io::Error::other("the name has no address").into());
            }
            // Port 0 stands for the one in the URL.
            let addresses: Addrs =
                Box::new(addresses.into_iter().map(|address| SocketAddr::new(address.to_canonical(), 0)));
            Ok(addresses)
        })
    }
}
