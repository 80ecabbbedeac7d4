//! Places of the addresses of a batch: each is looked up once, however many events it has.

use std::collections::HashMap;
use std::net::IpAddr;

use keywright_verify::{DecisionRecord, Place, Places};

/// Where the addresses of some events are.
#[derive(Debug, Default)]
pub(crate) struct FoundPlaces(HashMap<IpAddr, Place>);

impl FoundPlaces {
    /// Looks all of them up.
    pub(crate) fn look_up<'a>(places: &Places, events: impl Iterator<Item = &'a DecisionRecord>) -> Self {
        let mut found = HashMap::new();
        if places.are_configured() {
            for address in events.filter_map(|event| event.ip_address) {
                found.entry(address).or_insert_with(|| places.of(address));
            }
        }
        Self(found)
    }

    /// Where an address is.
    pub(crate) fn of(&self, address: Option<IpAddr>) -> Option<&Place> {
        self.0.get(&address?)
    }
}
