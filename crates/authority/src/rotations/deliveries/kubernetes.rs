//! Into a secret of Kubernetes: one of its keys is patched, the others stay.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;

use super::remote::{Call, bearer, below, bring, content};
use super::{Outcome, Parcel};
use crate::authority::Authority;

/// Where the secret is kept.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) namespace: &'a str,
    pub(super) secret_name: &'a str,
    pub(super) key: &'a str,
}

pub(super) async fn deliver(authority: &Authority, place: &Place<'_>, parcel: &Parcel<'_>) -> Outcome {
    let Place { url, namespace, secret_name, key } = *place;
    let segments = ["api", "v1", "namespaces", namespace, "secrets", secret_name];
    let target = match below(authority, url, &segments) {
        Ok(target) => target,
        Err(stop) => return stop,
    };
    let body = json!({ "data": { key: STANDARD.encode(parcel.text()) } });
    let headers = vec![bearer(parcel.key), content("application/strategic-merge-patch+json")];
    bring(authority, Call::carrying(Method::PATCH, &target, headers, &body)).await
}
