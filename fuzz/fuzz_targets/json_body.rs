//! Every request reader takes any bytes without panicking, and the shortcut of the hot path never takes
//! what the strict reader refuses.
#![no_main]

use keywright_api::emergency::EmergencyRevoke;
use keywright_api::request::FromFields;
use keywright_api::service_token_request::{
    CleanupRequest, CreateServiceToken, PatchServiceToken, RotateServiceToken,
};
use keywright_api::verify_request::{BorrowedVerify, VerifyRequest};
use keywright_core::Timestamp;
use keywright_server::http::input::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let rules = Rules { now: Timestamp::from_micros(1_800_000_000_000_000) };
    let _ = CreateServiceToken::from_body(body, &rules);
    let _ = PatchServiceToken::from_body(body, &rules);
    let _ = RotateServiceToken::from_body(body, &rules);
    let _ = CleanupRequest::from_body_or_empty(body, &rules);
    let _ = EmergencyRevoke::from_body(body, &rules);
    let strict = VerifyRequest::from_body(body, &rules);
    if BorrowedVerify::read(body, &rules).is_some() {
        assert!(strict.is_ok());
    }
});
