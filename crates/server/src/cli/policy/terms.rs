//! What a policy says, as flags.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::duration::Seconds;
use super::super::failure::Failure;
use super::super::globals::read_secret_file;
use super::super::resolve;
use super::super::session::Session;
use super::super::verify::read_secret;

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

    #[command(flatten)]
    delivery: DeliveryTerms,
}

/// Where new secrets go to.
#[derive(Args, Debug)]
struct DeliveryTerms {
    /// Where new secrets go to: `none`, `file:PATH`, `command:NAME`, `webhook:URL`,
    /// `github_actions_secret:OWNER/NAME`, `kubernetes_secret:URL`, `vault_kv:URL`
    #[arg(long, value_name = "KIND[:WHERE]")]
    delivery: Option<String>,

    /// What lets the delivery in: the token of GitHub, Kubernetes or Vault, or what a webhook is signed with. `-` is
    /// standard input. Without it, what is there stays, and a webhook is given a new one
    #[arg(long, value_name = "FILE", requires = "delivery")]
    delivery_secret_file: Option<PathBuf>,

    /// Of a webhook: the receiver's X25519 key in base64, to which secrets are sealed
    #[arg(long, value_name = "KEY", requires = "delivery")]
    delivery_public_key: Option<String>,

    /// Of GitHub: its API, when it is another than the public one
    #[arg(long, value_name = "URL", requires = "delivery")]
    delivery_url: Option<String>,

    /// Of GitHub: the environment of the repository
    #[arg(long, value_name = "NAME", requires = "delivery")]
    delivery_environment: Option<String>,

    /// Of Kubernetes: the namespace
    #[arg(long, value_name = "NAME", requires = "delivery")]
    delivery_namespace: Option<String>,

    /// Of GitHub and Kubernetes: the name of the secret
    #[arg(long, value_name = "NAME", requires = "delivery")]
    delivery_secret_name: Option<String>,

    /// Of Vault: where its key-value store is mounted
    #[arg(long, value_name = "PATH", requires = "delivery")]
    delivery_mount: Option<String>,

    /// Of Vault: the path of the secret
    #[arg(long, value_name = "PATH", requires = "delivery")]
    delivery_path: Option<String>,

    /// Of Kubernetes and Vault: the key within the secret
    #[arg(long, value_name = "KEY", requires = "delivery")]
    delivery_key: Option<String>,
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
        put("delivery", self.delivery.body()?);
        Ok(body)
    }
}

impl DeliveryTerms {
    fn body(&self) -> Result<Option<Value>, Failure> {
        let Some(text) = &self.delivery else { return Ok(None) };
        let mut delivery = delivery(text)?;
        for (name, value) in [
            ("public_key", &self.delivery_public_key),
            ("url", &self.delivery_url),
            ("environment", &self.delivery_environment),
            ("namespace", &self.delivery_namespace),
            ("secret_name", &self.delivery_secret_name),
            ("mount", &self.delivery_mount),
            ("path", &self.delivery_path),
            ("key", &self.delivery_key),
        ] {
            let Some(value) = value else { continue };
            if delivery.insert(name.to_owned(), json!(value)).is_some() {
                return Err(Failure::Usage(format!("the {name} is in --delivery already")));
            }
        }
        if let Some(file) = &self.delivery_secret_file {
            let secret = if file.as_os_str() == "-" {
                read_secret("delivery secret", "keywright policy … --delivery-secret-file - < secret.txt")?
            } else {
                read_secret_file("--delivery-secret-file", file)?
            };
            delivery.insert("secret".to_owned(), json!(secret.as_str()));
        }
        Ok(Some(Value::Object(delivery)))
    }
}

fn delivery(text: &str) -> Result<Map<String, Value>, Failure> {
    let (kind, place) = text.split_once(':').map_or((text, None), |(kind, place)| (kind, Some(place)));
    let field = match kind {
        "none" => None,
        "file" => Some("path"),
        "command" => Some("command"),
        "github_actions_secret" => Some("repository"),
        "webhook" | "kubernetes_secret" | "vault_kv" => Some("url"),
        _ => return Err(unknown()),
    };
    let mut delivery = Map::from_iter([("type".to_owned(), json!(kind))]);
    match (field, place) {
        (None, None) => {}
        (Some(field), Some(place)) => drop(delivery.insert(field.to_owned(), json!(place))),
        _ => return Err(unknown()),
    }
    Ok(delivery)
}

fn unknown() -> Failure {
    let kinds = "none, file:PATH, command:NAME, webhook:URL, github_actions_secret:OWNER/NAME, kubernetes_secret:URL or \
                 vault_kv:URL";
    Failure::Usage(format!("a delivery is {kinds}"))
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

    fn asked(line: &str) -> Result<Map<String, Value>, Failure> {
        Line::try_parse_from(line.split_whitespace()).unwrap().terms.plain()
    }

    fn read(body: Map<String, Value>) -> PatchRotationPolicy {
        let anything = |_: Format, _: &str| Ok(());
        let body = Value::Object(body).to_string();
        PatchRotationPolicy::from_body(body.as_bytes(), &anything).unwrap()
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let line = "create --enabled true --max-age-days 60 --grace 2h --quiet-hours 6 \
                    --delivery file:/run/secrets/{lineage_id}";
        let policy = read(asked(line).unwrap());
        assert_eq!((policy.enabled, policy.max_age_days), (Patch::Value(true), Patch::Value(60)));
        assert_eq!((policy.grace_seconds, policy.confirm_within_hours), (Patch::Value(7_200), Patch::Absent));
        let delivery = policy.delivery.value().unwrap();
        assert_eq!(delivery.path.as_deref(), Some("/run/secrets/{lineage_id}"));
        for bad in ["file", "none:x", "webhook", "carrier-pigeon:x", ""] {
            assert!(super::delivery(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_kind_of_delivery_is_said_with_the_fields_of_its_receiver() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hvs.token\n").unwrap();
        let vault = format!(
            "create --delivery vault_kv:https://vault.example:8200 --delivery-mount secret --delivery-path a/b \
             --delivery-key token --delivery-secret-file {}",
            file.display()
        );
        let delivery = read(asked(&vault).unwrap()).delivery.value().unwrap();
        assert_eq!(delivery.url.as_deref(), Some("https://vault.example:8200"));
        let place = (delivery.mount.as_deref(), delivery.path.as_deref(), delivery.key.as_deref());
        assert_eq!(place, (Some("secret"), Some("a/b"), Some("token")));
        assert_eq!(delivery.secret.unwrap().expose(), "hvs.token");
        let line = "create --delivery github_actions_secret:acme/api --delivery-environment live \
                    --delivery-secret-name TOKEN --delivery-url https://github.example/api/v3";
        let delivery = read(asked(line).unwrap()).delivery.value().unwrap();
        assert_eq!(
            (delivery.repository.as_deref(), delivery.environment.as_deref()),
            (Some("acme/api"), Some("live"))
        );
        assert_eq!(delivery.url.as_deref(), Some("https://github.example/api/v3"));
        let line = "create --delivery kubernetes_secret:https://k8s.example --delivery-namespace live \
                    --delivery-secret-name api --delivery-key token";
        let delivery = read(asked(line).unwrap()).delivery.value().unwrap();
        assert_eq!(
            (delivery.namespace.as_deref(), delivery.secret_name.as_deref()),
            (Some("live"), Some("api"))
        );
        let line = "create --delivery webhook:https://hooks.example/in --delivery-public-key AAAA";
        let delivery = read(asked(line).unwrap()).delivery.value().unwrap();
        assert_eq!(
            (delivery.url.as_deref(), delivery.public_key.as_deref()),
            (Some("https://hooks.example/in"), Some("AAAA"))
        );
        assert!(
            asked("create --delivery webhook:https://a.example --delivery-url https://b.example").is_err()
        );
        let without = Line::try_parse_from(["create", "--delivery-key", "token"]);
        assert!(without.is_err(), "of no delivery");
    }
}
