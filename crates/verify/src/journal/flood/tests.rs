use proptest::prelude::*;

use super::super::record::EventKind;
use super::*;

proptest! {
    #[test]
    fn every_count_fits_its_place_and_lies_in_one_page(
        address in any::<Option<IpAddr>>(), others: bool, micros in 0i64..253_402_300_799_999_999,
        request_id in ".{0,100}", code in 0..RecordCode::ALL.len(), occurrences: u32,
    ) {
        let network = if others { Network::Others } else { Network::of(address) };
        let mut end = HEADER_BYTES as u64;
        for _ in 0..40 {
            let slot = Slot::next(end, network, Timestamp::from_micros(micros));
            let latest = RecordRef {
                ip_address: address, user_agent: Some(&request_id), method: Some("GET"),
                endpoint: Some(&request_id), cloudflare_ray_id: Some(&request_id), latency_micros: u32::MAX,
                stale: true,
                ..RecordRef::bare(
                    Timestamp::from_micros(micros), EventKind::Gate, RecordCode::ALL[code], &request_id,
                )
            };
            let mut out = Vec::new();
            slot.encode(&latest, occurrences, &mut out);
            prop_assert_eq!(out.len(), slot.bytes);
            let record = codec::decode(SegmentId::generate(Timestamp::EPOCH, [0; 10]), end,
                codec::frame(&out).unwrap().payload).unwrap();
            prop_assert_eq!((record.occurrences, record.ip_address), (occurrences, network.address()));
            let last = end + slot.bytes as u64 - 1;
            prop_assert_eq!(end / 4096, last / 4096);
            prop_assert!(end == HEADER_BYTES as u64 || end / 512 == last / 512);
            end = last + 1;
        }
    }
}

#[test]
fn addresses_of_one_network_are_counted_together() {
    let network = |address: &str| Network::of(Some(address.parse().unwrap())).name();
    assert_eq!(network("192.0.2.77"), "192.0.2.0/24");
    assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0/24");
    assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert_eq!(Network::of(None).name(), "unknown");
}
