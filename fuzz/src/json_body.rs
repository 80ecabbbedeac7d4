//! Every request reader takes any bytes without panicking, and the shortcut of the hot path never takes
//! what the strict reader refuses.

use keywright_api::account::{AcceptInvitation, AskForLink, ChangeEmail, ChangePassword, PatchMe};
use keywright_api::cicd::RecordCicdEvent;
use keywright_api::emergency::{AllowExternal, EmergencyRevoke};
use keywright_api::member::{AddMember, PatchMember};
use keywright_api::personal_token_request::{CreatePersonalToken, PatchPersonalToken, ReplacePersonalToken};
use keywright_api::publisher_request::{ChangePublisherSettings, CreatePublisher, PatchPublisher};
use keywright_api::request::FromFields;
use keywright_api::role::{CreateRole, PatchRole};
use keywright_api::service_account_request::{
    CreateServiceAccount, PatchServiceAccount, PutAllowlist, PutServiceAccount,
};
use keywright_api::service_token_request::{
    CleanupRequest, CreateAccountToken, CreateServiceToken, PatchServiceToken, RotateAllTokens,
    RotateServiceToken,
};
use keywright_api::session::{LogIn, Refresh};
use keywright_api::user::{InviteUser, PatchUser};
use keywright_api::verify_request::{BorrowedVerify, VerifyBatchRequest, VerifyRequest};
use keywright_core::Timestamp;
use keywright_server::http::input::Rules;

/// Reads the body as each of these.
macro_rules! read {
    ($body:expr, $rules:expr; $($request:ty),+ $(,)?) => {
        $( let _ = <$request>::from_body($body, $rules); )+
    };
}

/// Holds it against any input.
pub fn hold(body: &[u8]) {
    let rules = Rules { now: Timestamp::from_micros(1_800_000_000_000_000) };
    read!(
        body, &rules;
        CreateServiceToken, PatchServiceToken, RotateServiceToken, CreateAccountToken, RotateAllTokens,
        CreateServiceAccount, PatchServiceAccount, PutServiceAccount, PutAllowlist,
        CreatePersonalToken, PatchPersonalToken, ReplacePersonalToken,
        CreatePublisher, PatchPublisher, ChangePublisherSettings, AddMember, PatchMember, CreateRole, PatchRole,
        InviteUser, PatchUser, PatchMe, AcceptInvitation, AskForLink, ChangeEmail, ChangePassword, LogIn, Refresh,
        EmergencyRevoke, AllowExternal, RecordCicdEvent,
    );
    let _ = CleanupRequest::from_body_or_empty(body, &rules);
    let strict = VerifyRequest::from_body(body, &rules);
    if BorrowedVerify::read(body, &rules).is_some() {
        assert!(strict.is_ok());
    }
    // What one verification is, is one of several; and the other way round.
    let item = |body: &[u8]| [br#"{"items":["#, body, b"]}"].concat();
    let several = VerifyBatchRequest::from_body(&item(body), &rules);
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok()
        && body.len() < 60_000
    {
        assert_eq!(strict.is_ok(), several.is_ok());
    }
}
