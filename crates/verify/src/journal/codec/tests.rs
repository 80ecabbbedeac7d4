use super::*;
use proptest::prelude::*;

fn segment() -> SegmentId {
    SegmentId::generate(Timestamp::EPOCH, [0xff; 10])
}

fn bare(request_id: &str) -> RecordRef<'_> {
    RecordRef::bare(Timestamp::EPOCH, EventKind::Verify, RecordCode::NotFound, request_id)
}

#[test]
fn no_text_looks_like_a_frame() {
    let mut inner = Vec::new();
    encode(&bare("forged"), &mut inner);
    let forged: String = inner.iter().map(|byte| char::from(*byte & 0x7f)).collect();
    let mut out = Vec::new();
    encode(&RecordRef { endpoint: Some(&forged), ..bare("r") }, &mut out);
    let back = decode(segment(), 0, frame(&out).unwrap().payload).unwrap();
    assert_eq!(back.endpoint.as_deref(), Some(&*forged.replace('\0', "\u{FFFD}")));
}

#[test]
fn what_a_record_is_filled_up_with_is_not_read() {
    let mut out = Vec::new();
    encode_filled(&bare("r"), 300, &mut out);
    let found = frame(&out).unwrap();
    assert_eq!((found.bytes, out.len()), (300, 300));
    assert_eq!(&*decode(segment(), 0, found.payload).unwrap().request_id, "r");
}

#[test]
fn a_header_is_read_back_and_a_damaged_one_is_not() {
    let header = Header {
        node: NodeId::generate(Timestamp::EPOCH, [1; 10]),
        segment: segment(),
        made_at: Timestamp::from_micros(77),
    };
    let bytes = header.encode();
    assert_eq!(Header::decode(&bytes), Some(header));
    for at in 0..HEADER_BYTES {
        let mut damaged = bytes;
        damaged[at] ^= 1;
        assert_eq!(Header::decode(&damaged), None, "byte {at}");
    }
}

#[test]
fn each_kind_and_each_principal_is_read_back() {
    let principals = [None].into_iter().chain(PrincipalKind::ALL.iter().copied().map(Some));
    for (kind, principal_kind) in
        EventKind::ALL.into_iter().flat_map(|kind| principals.clone().map(move |p| (kind, p)))
    {
        let mut out = Vec::new();
        encode(&RecordRef { kind, principal_kind, ..bare("r") }, &mut out);
        let back = decode(segment(), 0, frame(&out).unwrap().payload).unwrap();
        assert_eq!((back.kind, back.principal_kind), (kind, principal_kind));
    }
}

/// All facts that a record can have, in their longest form, fit where they are put together.
#[test]
fn a_record_with_all_facts_is_read_back() {
    let id = Uuid::from_u128(7);
    let (address, credential) = ("2001:db8::1".parse().ok(), Some(CredentialId(id)));
    let full = RecordRef {
        credential_id: credential,
        principal_id: Some(id),
        asked_by: credential,
        publisher_id: Some(id),
        ip_address: address,
        ..bare("r")
    };
    let mut out = Vec::new();
    encode(&full, &mut out);
    let back = decode(segment(), 0, frame(&out).unwrap().payload).unwrap();
    assert_eq!((back.credential_id, back.principal_id, back.asked_by), (credential, Some(id), credential));
    assert_eq!((back.publisher_id, back.ip_address), (Some(id), address));
}

fn text(max: usize) -> impl Strategy<Value = Option<String>> {
    let character = any::<char>().prop_filter("replaced", |c| *c != '\0');
    proptest::option::of(proptest::collection::vec(character, 0..max).prop_map(String::from_iter))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in text(50), agent in text(600), endpoint in text(20), details in text(20), micros in 0i64..1 << 50,
        id in any::<Option<u128>>(), ip in any::<Option<IpAddr>>(), code in 0..RecordCode::ALL.len(), stale: bool,
    ) {
        let record = RecordRef {
            occurred_at: Timestamp::from_micros(micros), kind: EventKind::Verify, code: RecordCode::ALL[code],
            credential_id: id.map(|id| CredentialId(Uuid::from_u128(id))), token_name: name.as_deref(),
            principal_kind: id.map(|_| PrincipalKind::ServiceToken), principal_id: id.map(Uuid::from_u128), asked_by: None,
            ip_address: ip, user_agent: agent.as_deref(), method: Some("GET"), endpoint: endpoint.as_deref(),
            cloudflare_ray_id: None, request_id: "r", latency_micros: 9, stale, error_details: details.as_deref(),
            publisher_id: id.map(Uuid::from_u128), user_email: name.as_deref(), occurrences: u32::try_from(code).unwrap(),
        };
        let mut out = vec![1, 2, 3];
        encode(&record, &mut out);
        let found = frame(&out[3..]).unwrap();
        prop_assert_eq!(found.bytes, out.len() - 3);
        let back = decode(segment(), 3, found.payload).unwrap();
        prop_assert_eq!(back.code, record.code);
        prop_assert_eq!((back.publisher_id, back.user_email.as_deref(), back.occurrences),
            (record.publisher_id, record.user_email, record.occurrences));
        prop_assert_eq!(back.token_name.as_deref(), record.token_name);
        prop_assert_eq!(back.user_agent.as_deref(), record.user_agent.map(|t| cut(t, MAX_USER_AGENT)));
        prop_assert_eq!(find_frame(&out[4..]), None, "no field is taken for a frame");
        prop_assert_eq!(back.endpoint.as_deref(), record.endpoint);
        prop_assert_eq!(back.error_details.as_deref(), record.error_details);
        prop_assert_eq!((back.ip_address, back.credential_id, back.stale, back.occurred_at),
            (ip, record.credential_id, stale, record.occurred_at));
    }

    #[test]
    fn reading_never_panics_and_never_invents(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(found) = frame(&bytes) {
            prop_assert!(found.bytes <= bytes.len());
        }
        let _ = decode(segment(), 0, &bytes);
        let _ = Header::decode(&bytes);
        if let Some(at) = find_frame(&bytes) {
            prop_assert!(frame(&bytes[at..]).is_some());
            prop_assert!((0..at).all(|before| frame(&bytes[before..]).is_none()));
        }
        prop_assert!(frames(&bytes).map(|frame| frame.bytes).sum::<usize>() <= bytes.len());
    }

    #[test]
    fn a_frame_is_found_behind_whatever_is_damaged(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = garbage.clone();
        encode_filled(&bare("r"), 200, &mut bytes);
        prop_assert_eq!(find_frame(&bytes), Some(garbage.len()));
    }

    #[test]
    fn events_of_a_segment_have_distinct_ids(a in 0u64..1 << 40, b in 0u64..1 << 40) {
        let at = Timestamp::from_micros(1);
        prop_assert_eq!(a == b, event_id(segment(), a, at) == event_id(segment(), b, at));
    }
}
