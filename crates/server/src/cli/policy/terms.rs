//! What a policy says, as flags.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::duration::Seconds;
use super::super::failure::Failure;
use super::super::resolve;
use super::super::session::Session;

/// What a policy says; what is not said is left to the next one.
#[derive(Args, Debug)]
pub(super) struct Terms {
    /// Whether tokens are rotated without being asked
    #[arg(long, value_name = "true|false")]
    enabled: Option<bool>,

    /// The age at which a token is replaced, in days
    #[arg(long, value_name = "DAYS")]
    max_age_days: Option<u32>,

    /// How long before its end a token is replaced, in days
    #[arg(long, value_name = "DAYS")]
    rotate_before_expiry_days: Option<u32>,

    /// Uses within 30 days from which on a token counts as used much
    #[arg(long, value_name = "N")]
    high_usage_threshold: Option<u32>,

    /// The age at which a token that is used much is replaced, in days
    #[arg(long, value_name = "DAYS")]
    high_usage_max_age_days: Option<u32>,

    /// How long the old secret lives on after the first use of the new one, such as 24h
    #[arg(long, value_name = "DURATION")]
    grace: Option<Seconds>,

    /// How long the old secret must not have been used before it is retired, in hours
    #[arg(long, value_name = "HOURS")]
    quiet_hours: Option<u32>,

    /// How long the first use of the new secret is waited for, in hours
    #[arg(long, value_name = "HOURS")]
    confirm_within_hours: Option<u32>,

    /// The maintenance window in which rotations begin, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    window: Option<String>,

    /// Where new secrets go to: `none`, `file:PATH`, `command:NAME`
    #[arg(long, value_name = "KIND[:WHERE]")]
    delivery: Option<String>,
}

impl Terms {
    pub(super) async fn body(&self, session: &Session<'_>) -> Result<Map<String, Value>, Failure> {
        let mut body = self.plain()?;
        if let Some(window) = &self.window {
            let id = resolve::window(session, window).await?;
            body.insert("maintenance_window_id".to_owned(), json!(id));
        }
        Ok(body)
    }

    /// All that need not be looked up.
    fn plain(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        put("enabled", self.enabled.map(|on| json!(on)));
        put("grace_seconds", self.grace.map(|grace| json!(grace.0)));
        for (name, number) in [
            ("max_age_days", self.max_age_days),
            ("rotate_before_expiry_days", self.rotate_before_expiry_days),
            ("high_usage_threshold", self.high_usage_threshold),
            ("high_usage_max_age_days", self.high_usage_max_age_days),
            ("quiet_hours", self.quiet_hours),
            ("confirm_within_hours", self.confirm_within_hours),
        ] {
            put(name, number.map(|number| json!(number)));
        }
        put("delivery", self.delivery.as_deref().map(delivery).transpose()?);
        Ok(body)
    }
}

fn delivery(text: &str) -> Result<Value, Failure> {
    match text.split_once(':') {
        None if text == "none" => Ok(json!({ "type": "none" })),
        Some(("file", path)) => Ok(json!({ "type": "file", "path": path })),
        Some(("command", command)) => Ok(json!({ "type": "command", "command": command })),
        _ => Err(Failure::Usage("a delivery is none, file:PATH or command:NAME".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::patch::Patch;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::rotation_request::PatchRotationPolicy;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        terms: Terms,
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let line = "create --enabled true --max-age-days 60 --grace 2h --quiet-hours 6 \
                    --delivery file:/run/secrets/{lineage_id}";
        let body = Line::try_parse_from(line.split_whitespace()).unwrap().terms.plain().unwrap();
        let anything = |_: Format, _: &str| Ok(());
        let body = Value::Object(body).to_string();
        let policy = PatchRotationPolicy::from_body(body.as_bytes(), &anything).unwrap();
        assert_eq!((policy.enabled, policy.max_age_days), (Patch::Value(true), Patch::Value(60)));
        assert_eq!((policy.grace_seconds, policy.confirm_within_hours), (Patch::Value(7_200), Patch::Absent));
        let Patch::Value(delivery) = policy.delivery else { panic!("no delivery: {body}") };
        assert_eq!(delivery.path.as_deref(), Some("/run/secrets/{lineage_id}"));
        for bad in ["file", "none:x", "carrier-pigeon:x", ""] {
            assert!(super::delivery(bad).is_err(), "{bad}");
        }
    }
}
