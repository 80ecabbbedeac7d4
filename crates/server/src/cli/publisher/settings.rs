//! `keywright publisher settings`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// Show what a publisher sets for itself, or change it.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// Only addresses of these domains may log in, separated by commas
    #[arg(long, value_name = "DOMAIN,…", value_delimiter = ',')]
    allowed_login_domains: Vec<String>,

    /// Addresses of any domain may log in
    #[arg(long, conflicts_with = "allowed_login_domains")]
    any_login_domain: bool,

    /// The longest life of an access token, in minutes, or none
    #[arg(long, value_name = "N|none")]
    access_token_max_minutes: Option<Ceiling>,

    /// The longest life of a session, in days, or none
    #[arg(long, value_name = "N|none")]
    session_max_days: Option<Ceiling>,

    /// Most uses in any minute of credentials without limits of their own, or none
    #[arg(long, value_name = "N|none")]
    per_minute: Option<Ceiling>,

    /// Most uses in any hour of credentials without limits of their own, or none
    #[arg(long, value_name = "N|none")]
    per_hour: Option<Ceiling>,

    /// Most uses in any minute of all its credentials together, or none
    #[arg(long, value_name = "N|none")]
    all_per_minute: Option<Ceiling>,

    /// Most uses in any hour of all its credentials together, or none
    #[arg(long, value_name = "N|none")]
    all_per_hour: Option<Ceiling>,

    /// Whether personal tokens may be used within it
    #[arg(long, value_name = "true|false")]
    personal_tokens_allowed: Option<bool>,

    /// The longest life of a personal token, in days, or none
    #[arg(long, value_name = "N|none")]
    personal_token_max_days: Option<Ceiling>,

    /// Whether somebody who manages users approves each personal token before its use
    #[arg(long, value_name = "true|false")]
    personal_token_approval: Option<bool>,

    /// How little it takes for the use of a credential to be odd: low, normal or high
    #[arg(long, value_name = "low|normal|high")]
    anomaly_sensitivity: Option<String>,

    /// Kinds of anomalies that are not looked for, separated by commas, or none
    #[arg(long, value_name = "KIND,…|none", value_delimiter = ',')]
    anomalies_off: Option<Vec<String>>,

    /// Days of history before the use of a credential is compared with it
    #[arg(long, value_name = "N")]
    anomaly_history_days: Option<u32>,
}

/// A number, or `none`.
#[derive(Clone, Copy, Debug)]
struct Ceiling(Option<u32>);

impl std::str::FromStr for Ceiling {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            number => number.parse().map(|number| Self(Some(number))).map_err(|_| "is no number, nor none"),
        }
    }
}

impl Settings {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let id = resolve::publisher(session, &self.identifier).await?;
        let path = format!("/publishers/{id}/settings");
        let change = self.change();
        let request =
            if change.is_empty() { Request::get(path) } else { Request::patch(path, Value::Object(change)) };
        session.show(&session.ask(&request).await?)
    }

    /// The change by RFC 7396: what is not named stays.
    fn change(&self) -> Map<String, Value> {
        let mut change = Map::new();
        if self.any_login_domain || !self.allowed_login_domains.is_empty() {
            change.insert("allowed_login_domains".to_owned(), json!(self.allowed_login_domains));
        }
        for (name, per_minute, per_hour) in [
            ("default_rate_limits", self.per_minute, self.per_hour),
            ("rate_limits", self.all_per_minute, self.all_per_hour),
        ] {
            let mut limits = Map::new();
            put(&mut limits, "per_minute", per_minute);
            put(&mut limits, "per_hour", per_hour);
            if !limits.is_empty() {
                change.insert(name.to_owned(), Value::Object(limits));
            }
        }
        let mut policy = Map::new();
        put(&mut policy, "max_days", self.personal_token_max_days);
        for (name, flag) in
            [("allowed", self.personal_tokens_allowed), ("require_approval", self.personal_token_approval)]
        {
            if let Some(flag) = flag {
                policy.insert(name.to_owned(), json!(flag));
            }
        }
        if !policy.is_empty() {
            change.insert("personal_tokens".to_owned(), Value::Object(policy));
        }
        let anomalies = self.anomalies();
        if !anomalies.is_empty() {
            change.insert("anomalies".to_owned(), Value::Object(anomalies));
        }
        put(&mut change, "access_token_max_minutes", self.access_token_max_minutes);
        put(&mut change, "session_max_days", self.session_max_days);
        change
    }
}

impl Settings {
    fn anomalies(&self) -> Map<String, Value> {
        let mut change = Map::new();
        if let Some(sensitivity) = &self.anomaly_sensitivity {
            change.insert("sensitivity".to_owned(), json!(sensitivity));
        }
        if let Some(kinds) = &self.anomalies_off {
            let kinds: Vec<_> = kinds.iter().filter(|kind| *kind != "none").collect();
            change.insert("off".to_owned(), json!(kinds));
        }
        if let Some(days) = self.anomaly_history_days {
            change.insert("history_days".to_owned(), json!(days));
        }
        change
    }
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Ceiling>) {
    if let Some(Ceiling(value)) = value {
        object.insert(name.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::publisher_request::ChangePublisherSettings;
    use keywright_api::request::{Format, FromFields};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn change(arguments: &str) -> Map<String, Value> {
        let line = format!("settings --identifier p {arguments}");
        Line::try_parse_from(line.trim().split(' ')).unwrap().settings.change()
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let body = change(
            "--allowed-login-domains a.example,b.example --session-max-days none --per-hour 5 --per-minute none",
        );
        let expected = json!({"allowed_login_domains": ["a.example", "b.example"], "session_max_days": null,
            "default_rate_limits": {"per_hour": 5, "per_minute": null}});
        assert_eq!(Value::Object(body.clone()), expected);
        let anything = |_: Format, _: &str| Ok(());
        let bytes = Value::Object(body).to_string();
        assert!(ChangePublisherSettings::from_body(bytes.as_bytes(), &anything).is_ok());
        let policy = "--personal-tokens-allowed false --personal-token-max-days 30 --all-per-minute 9";
        let expected =
            json!({"rate_limits": {"per_minute": 9}, "personal_tokens": {"allowed": false, "max_days": 30}});
        assert_eq!(Value::Object(change(policy)), expected);
        let odd = "--anomaly-sensitivity high --anomalies-off unusual_hour,volume --anomaly-history-days 21";
        let expected = json!({"anomalies": {"sensitivity": "high", "off": ["unusual_hour", "volume"],
            "history_days": 21}});
        assert_eq!(Value::Object(change(odd)), expected);
        assert_eq!(Value::Object(change("--anomalies-off none")), json!({"anomalies": {"off": []}}));
        assert_eq!(Value::Object(change("--any-login-domain")), json!({"allowed_login_domains": []}));
        assert!(change("").is_empty());
    }
}
