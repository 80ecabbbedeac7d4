//! Into Vault's key-value store, version 2: by check-and-set, and without reading what else is kept there.

use http::HeaderName;
use keywright_core::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::{Call, Stop, below, bring, content, not_sent, read, send};
use super::{Outcome, Parcel};
use crate::authority::Authority;

/// Where the secret is kept.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) mount: &'a str,
    pub(super) path: &'a str,
    pub(super) key: &'a str,
}

impl Place<'_> {
    fn segments<'b>(&'b self, kind: &'b str) -> Vec<&'b str> {
        let mut segments = vec!["v1"];
        segments.extend(self.mount.split('/').chain([kind]).chain(self.path.split('/')));
        segments
    }
}

/// What is kept there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    /// Its number; 0 when nothing ever was.
    version: u64,
    /// Whether there is something that a patch would change.
    lives: bool,
}

pub(super) async fn deliver(authority: &Authority, place: &Place<'_>, parcel: &Parcel<'_>) -> Outcome {
    put(authority, place, parcel).await.unwrap_or_else(|stop| stop)
}

async fn put(authority: &Authority, place: &Place<'_>, parcel: &Parcel<'_>) -> Result<Outcome, Stop> {
    let Place { url, key, .. } = *place;
    let token = || (HeaderName::from_static("x-vault-token"), parcel.key.to_owned());
    let metadata = below(authority, url, &place.segments("metadata"))?;
    let answer = send(authority, Call::asking(&metadata, vec![token()])).await?;
    let current = match answer.status {
        200 => current(&read(&answer), authority.now()),
        // Of a secret that never was; of a mount that is none Vault says so.
        404 if read(&answer)["errors"].as_array().is_some_and(Vec::is_empty) => {
            Some(Current { version: 0, lives: false })
        }
        other => return Err(not_sent(format!("asked for the version, answered {other}"))),
    };
    let Some(current) = current else { return Err(not_sent("asked for the version, answered with none")) };
    // A patch leaves what else is kept there as it is; where nothing is, there is nothing to patch.
    let (method, kind) = if current.lives {
        (Method::PATCH, "application/merge-patch+json")
    } else {
        (Method::POST, "application/json")
    };
    let body = json!({ "options": { "cas": current.version }, "data": { key: parcel.text() } });
    let target = below(authority, url, &place.segments("data"))?;
    Ok(bring(authority, Call::carrying(method, &target, vec![token(), content(kind)], &body)).await)
}

/// What Vault's metadata say of the newest version.
fn current(answer: &Value, now: Timestamp) -> Option<Current> {
    let data = &answer["data"];
    let version = data["current_version"].as_u64()?;
    let newest = &data["versions"][version.to_string()];
    let deleted = newest["deletion_time"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let destroyed = newest["destroyed"].as_bool().unwrap_or(false);
    let lives = version > 0 && newest.is_object() && !destroyed && !now.has_reached(deleted);
    Some(Current { version, lives })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_deleted_or_destroyed_is_not_patched() {
        let now = "2027-03-01T12:00:00Z".parse().unwrap();
        let of = |version: u64, newest: Value| {
            let versions = json!({ version.to_string(): newest });
            current(&json!({ "data": { "current_version": version, "versions": versions } }), now)
        };
        let kept = |deletion_time: &str, destroyed: bool| json!({ "created_time": "2027-01-01T00:00:00.5Z", "deletion_time": deletion_time, "destroyed": destroyed });
        for (newest, lives) in [
            (kept("", false), true),
            (kept("2027-03-01T12:00:01.123456789Z", false), true),
            (kept("2027-03-01T12:00:00Z", false), false),
            (kept("2027-02-01T00:00:00.123456789Z", false), false),
            (kept("", true), false),
            (Value::Null, false),
        ] {
            assert_eq!(of(3, newest.clone()), Some(Current { version: 3, lives }), "{newest}");
        }
        assert_eq!(of(0, Value::Null), Some(Current { version: 0, lives: false }));
        for none in [json!({}), json!({ "data": { "current_version": "3" } }), Value::Null] {
            assert_eq!(current(&none, now), None, "{none}");
        }
    }
}
