//! What a cache elsewhere needs in order to decide by itself: what it may keep, the stream of what changes, and the
//! report of what it decided.

use crate::{
    Time,
    kind::{Boolean, Fact, Id, Scopes, choice, integer, text, time},
    request::{Fields, FromFields, Refused},
    verify_request::{CLOUDFLARE_RAY_ID, ENDPOINT, IP_ADDRESS, METHOD, USER_AGENT},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most decisions of one report.
pub const MAX_REPORTED: usize = 1_000;
/// The most characters of a voucher.
pub const MAX_VOUCHER: usize = 2_048;

/// What a cache may keep of a decision, so that it can decide on the credential's next uses by itself. It is there
/// where `cacheable` asked for it and the decision may be kept: the credential is valid, a service or a personal
/// token, and has no rate limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keepable {
    /// The boot of the node that decided: the decision may be kept by those who listen to the stream of this one.
    pub node: Uuid,
    /// How long from the decision on it may be kept at most, in microseconds; it never outlives the credential.
    #[schema(minimum = 0)]
    pub for_microseconds: u64,
    /// When it was made, by the authority's time.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Time,
    /// What the decision depends on, by the node's marks: a change of any of them ends it.
    pub depends_on: Vec<String>,
    /// The networks that the credential may be used from: the address must lie within each list.
    pub ip_allowlists: Vec<Vec<String>>,
    /// What a report of the decisions made by it names the credential by. It opens nothing.
    pub voucher: String,
}

/// The first event of the stream, `hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHello {
    /// The boot of the node that tells.
    pub node: Uuid,
    /// How often it tells how fresh it is, in milliseconds.
    pub beat_milliseconds: u32,
    /// What was not confirmed for so long is to be asked for again, in milliseconds.
    pub unconfirmed_after_milliseconds: u32,
}

/// What the event `beat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamBeat {
    /// Every change up to this moment was told, in microseconds since `hello` was; none while the node does not know.
    pub confirmed_microseconds: Option<i64>,
}

wire_enum! {
    /// How a cache decided. What it cannot decide by itself it asks about.
    pub enum ReportedCode {
        /// The credential was accepted.
        Valid = "valid",
        /// It may not be used from that address.
        IpNotAllowed = "ip_not_allowed",
        /// It lacks a permission that was asked for.
        InsufficientScope = "insufficient_scope",
    }
}

/// Decisions that a cache has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportUsage {
    /// The decisions. Each is taken once, however often it is reported.
    #[schema(min_items = 1, max_items = 1000)]
    pub decisions: Vec<ReportedDecision>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedDecision {
    /// The id of its event: made by the cache, the same in each report of it, and of no other decision.
    pub event_id: Uuid,
    /// The voucher by which it was made.
    #[schema(min_length = 1, max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub voucher: String,
    /// How it ended.
    pub code: ReportedCode,
    /// Whether it took nothing and was for a look, which is no use of the credential; false when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked: Option<bool>,
    /// When, by the authority's time: within the time for which the voucher was given, and a day at most before the
    /// report.
    #[schema(value_type = String, format = DateTime, min_length = 1, max_length = 64)]
    pub occurred_at: Time,
    /// The address that the request came from. One that is malformed counts as unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// Its `User-Agent`; kept up to 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its path; kept up to 1,024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its `CF-Ray`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudflare_ray_id: Option<String>,
    /// Its id; kept up to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How long the decision took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 4_294_967_295u32)]
    pub latency_microseconds: Option<u32>,
    /// With `insufficient_scope`: what the credential lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = missing_scopes_schema)]
    pub missing_scopes: Option<Vec<String>>,
}

fn missing_scopes_schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    Scopes(0).schema(true, "With `insufficient_scope`: what the credential lacks.")
}

impl FromFields for ReportUsage {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let decisions = fields.nested_list("decisions", MAX_REPORTED, ReportedDecision::read);
        fields.finish(|| Some(Self { decisions: decisions? }))
    }
}

impl ReportedDecision {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let event_id = fields.required("event_id", Id);
        let voucher = fields.required("voucher", text(1, MAX_VOUCHER));
        let code = fields.required("code", choice());
        let looked = fields.optional("looked", Boolean);
        let occurred_at = fields.required("occurred_at", time());
        let ip_address = fields.optional("ip_address", IP_ADDRESS);
        let user_agent = fields.optional("user_agent", USER_AGENT);
        let method = fields.optional("method", METHOD);
        let endpoint = fields.optional("endpoint", ENDPOINT);
        let cloudflare_ray_id = fields.optional("cloudflare_ray_id", CLOUDFLARE_RAY_ID);
        let request_id = fields.optional("request_id", Fact(64));
        let latency_microseconds = fields.optional("latency_microseconds", integer(0, u32::MAX));
        let missing_scopes = fields.optional("missing_scopes", Scopes(0));
        Some(Self {
            event_id: event_id?,
            voucher: voucher?,
            code: code?,
            looked,
            occurred_at: occurred_at?,
            ip_address,
            user_agent,
            method,
            endpoint,
            cloudflare_ray_id,
            request_id,
            latency_microseconds,
            missing_scopes,
        })
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageReported {
    /// How many of its decisions are on record now: all of them.
    #[schema(minimum = 0)]
    pub recorded: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Format;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<ReportUsage, Vec<String>> {
        let rules = |_: Format, _: &str| Ok(());
        ReportUsage::from_body(body.to_string().as_bytes(), &rules)
            .map_err(|problem| problem.errors.iter().map(|e| format!("{} {}", e.field, e.code)).collect())
    }

    fn decision(n: u8) -> Value {
        json!({
            "event_id": Uuid::from_u128(n.into()), "voucher": "v", "code": "valid",
            "occurred_at": "2026-01-02T03:04:05Z", "endpoint": "/works",
        })
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let body = json!({"decisions": [decision(1), decision(2)]});
        let report = read(&body).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), body);
    }

    #[test]
    fn every_bad_field_is_named_by_its_place() {
        let (mut odd, again) = (decision(1), decision(2));
        odd["code"] = json!("revoked");
        odd["latency_microseconds"] = json!(-1);
        odd["voucher"] = json!("");
        let mut errors = read(&json!({"decisions": [again, odd]})).unwrap_err();
        errors.sort();
        assert_eq!(
            errors,
            [
                "decisions[1].code invalid_value",
                "decisions[1].latency_microseconds out_of_range",
                "decisions[1].voucher too_short",
            ]
        );
        assert_eq!(read(&json!({"decisions": []})).unwrap_err(), ["decisions too_short"]);
    }
}
