//! Every query of a list is read or refused, and what is read is written as what reads the same.

use keywright_api::event_query::EventQuery;
use keywright_api::member::MemberQuery;
use keywright_api::personal_token_request::PersonalTokenQuery;
use keywright_api::publisher_request::PublisherQuery;
use keywright_api::request::FromFields;
use keywright_api::role::RoleQuery;
use keywright_api::service_account_request::ServiceAccountQuery;
use keywright_api::service_token_request::{AccountTokenQuery, ServiceTokenQuery};
use keywright_api::user::UserQuery;
use keywright_core::Timestamp;
use keywright_server::http::input::Rules;
use serde::Serialize;
use serde_json::Value;

/// Holds it against any input.
pub fn hold(pairs: &[(String, String)]) {
    round_trip::<EventQuery>(pairs);
    round_trip::<MemberQuery>(pairs);
    round_trip::<PersonalTokenQuery>(pairs);
    round_trip::<PublisherQuery>(pairs);
    round_trip::<RoleQuery>(pairs);
    round_trip::<ServiceAccountQuery>(pairs);
    round_trip::<AccountTokenQuery>(pairs);
    round_trip::<ServiceTokenQuery>(pairs);
    round_trip::<UserQuery>(pairs);
}

fn round_trip<T: FromFields + Serialize + PartialEq + std::fmt::Debug>(pairs: &[(String, String)]) {
    let rules = Rules { now: Timestamp::from_micros(1_800_000_000_000_000) };
    let Ok(query) = T::from_query(pairs.iter().cloned(), &rules) else { return };
    let Ok(Value::Object(written)) = serde_json::to_value(&query) else { panic!("a query is an object") };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let again = written.into_iter().map(|(name, value)| (name, text(value)));
    assert_eq!(T::from_query(again, &rules).expect("it was read before"), query);
}
