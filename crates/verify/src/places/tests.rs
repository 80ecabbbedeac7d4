use std::fs;

use serde_json::{Value, json};

use super::testing::database;
use super::{Place, Places};

fn place(country: &str, network: Option<&str>) -> Place {
    Place { country: Some(country.into()), network: network.map(Into::into) }
}

fn opened(networks: &[(&str, Value)]) -> (tempfile::TempDir, Places) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.mmdb");
    fs::write(&path, database(1_790_000_000, networks)).unwrap();
    let places = Places::open(&path);
    (folder, places)
}

fn of(places: &Places, address: &str) -> Place {
    places.of(address.parse().unwrap())
}

#[test]
fn each_of_the_known_layouts_tells_its_country_and_its_network() {
    let (_folder, places) = opened(&[
        ("192.0.2.0/24", json!({"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "US"}})),
        ("198.51.100.0/25", json!({"country_code": "fr"})),
        ("198.51.100.128/25", json!({"registered_country": {"iso_code": "SE"}})),
        ("203.0.113.0/24", json!({"country_code": "IS", "asn": "AS64496", "as_name": "Example\u{7} Net"})),
        (
            "2001:db8::/32",
            json!({"country": "JP", "autonomous_system_number": 64_497,
            "autonomous_system_organization": "x".repeat(200)}),
        ),
    ]);
    assert_eq!(of(&places, "192.0.2.1"), place("DE", None));
    assert_eq!(of(&places, "::ffff:192.0.2.1"), place("DE", None));
    assert_eq!(of(&places, "198.51.100.1"), place("FR", None));
    assert_eq!(of(&places, "198.51.100.200"), place("SE", None));
    assert_eq!(of(&places, "203.0.113.9"), place("IS", Some("AS64496 Example\u{FFFD} Net")));
    let japan = of(&places, "2001:db8::1");
    assert_eq!((japan.country.as_deref(), japan.network.unwrap().len()), (Some("JP"), 100));
    assert_eq!(of(&places, "8.8.8.8"), Place::default());
    assert_eq!(places.status().unwrap().built_at.unwrap().to_string(), "2026-09-21T14:13:20Z");
}

#[test]
fn private_addresses_are_shown_as_such() {
    let (_folder, places) = opened(&[("10.0.0.0/8", json!({"country_code": "DE"}))]);
    for private in ["10.1.2.3", "127.0.0.1", "fd00::1", "::ffff:192.168.0.1"] {
        assert_eq!(of(&places, private), place("private", Some("private")), "{private}");
    }
}

#[test]
fn a_replaced_file_is_read_and_a_broken_one_keeps_the_one_before_it() {
    let (folder, places) = opened(&[("192.0.2.0/24", json!({"country_code": "DE"}))]);
    let path = folder.path().join("places.mmdb");
    let replace = |bytes: Vec<u8>| {
        let next = folder.path().join("next");
        fs::write(&next, bytes).unwrap();
        fs::rename(&next, &path).unwrap();
        places.read_if_replaced();
    };
    replace(database(1_790_000_001, &[("192.0.2.0/24", json!({"country_code": "FR"}))]));
    assert_eq!(of(&places, "192.0.2.1"), place("FR", None));
    replace(b"no database".to_vec());
    assert_eq!(of(&places, "192.0.2.1"), place("FR", None));
    assert!(places.status().unwrap().fault.is_some());
    fs::remove_file(&path).unwrap();
    places.read_if_replaced();
    assert_eq!(of(&places, "192.0.2.1"), place("FR", None));
    replace(database(1_790_000_002, &[("192.0.2.0/24", json!({"country_code": "SE"}))]));
    assert_eq!((of(&places, "192.0.2.1"), places.status().unwrap().fault), (place("SE", None), None));
}

#[test]
fn without_a_file_nothing_is_known_and_nothing_fails() {
    assert_eq!(of(&Places::default(), "192.0.2.1"), Place::default());
    assert_eq!(of(&Places::default(), "10.0.0.1"), Place::default());
    let missing = Places::open(std::path::Path::new("/nowhere/places.mmdb"));
    assert_eq!(of(&missing, "192.0.2.1"), Place::default());
    let status = missing.status().unwrap();
    assert!(status.built_at.is_none() && status.fault.is_some());
}

proptest::proptest! {
    #[test]
    fn a_damaged_file_is_refused_or_answers_but_never_breaks(
        at in proptest::prelude::any::<proptest::sample::Index>(), byte in proptest::prelude::any::<u8>(),
        cut in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        let mut bytes = database(1, &[("192.0.2.0/24", json!({"country": {"iso_code": "DE"}, "asn": 64_496}))]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("places.mmdb");
        for length in [bytes.len(), cut.index(bytes.len())] {
            fs::write(&path, &bytes[..length]).unwrap();
            let place = of(&Places::open(&path), "192.0.2.1");
            proptest::prop_assert!(place.country.is_none_or(|country| country.len() == 2));
        }
    }
}
