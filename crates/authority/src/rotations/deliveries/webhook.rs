//! To a webhook: signed like any other (Standard Webhooks), and sealed to the receiver's public key where it has one.

use http::HeaderName;
use reqwest::Method;
use serde_json::json;

use super::remote::{Call, bring, content, not_sent, target};
use super::{Outcome, Parcel};
use crate::authority::Authority;
use crate::notifications::sign;

pub(super) async fn deliver(authority: &Authority, url: &str, sealed: bool, parcel: &Parcel<'_>) -> Outcome {
    let target = match target(authority, url) {
        Ok(target) => target,
        Err(stop) => return stop,
    };
    let (rotation, now) = (parcel.rotation, authority.now());
    let mut data = json!({
        "rotation_id": rotation.id,
        "replaces_id": rotation.credential_id,
        "credential_id": parcel.new.id,
        "lineage_id": rotation.lineage_id,
        "token_name": rotation.token_name,
    });
    data[if sealed { "sealed_token" } else { "token" }] = json!(parcel.text());
    // The same in every try: whoever has it already takes it for the same.
    let id = rotation.id.to_string();
    let body = json!({ "type": "token.delivered", "timestamp": now, "data": data });
    let mut call = Call::carrying(Method::POST, &target, vec![content("application/json")], &body);
    let Some(signature) = sign(parcel.key, &id, now, &call.body) else {
        return not_sent("the signing secret is none");
    };
    call.headers.extend([
        (HeaderName::from_static("webhook-id"), id),
        (HeaderName::from_static("webhook-timestamp"), now.as_seconds().to_string()),
        (HeaderName::from_static("webhook-signature"), signature),
    ]);
    bring(authority, call).await
}
