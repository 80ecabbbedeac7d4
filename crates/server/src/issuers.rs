//! Other issuers: what the configuration says of them, and the fetching of their keys.
//!
//! Only addresses of the configuration, and of the discovery document that it points to, are ever asked; nothing
//! that a token names is.

use std::time::Duration;

use keywright_verify::jwt::{Algorithm, json};
use keywright_verify::tokens::{FetchKeys, Fetched, Issuer, MappingRules, PrincipalRule};
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::config::{Algorithms, Config, Domains, IssuerConfig, PublisherIds, RuleConfig};

/// Longest answer of an issuer: a hundred keys of RSA are smaller.
const MOST_BYTES: usize = 256 * 1024;
/// Longest time for a connection, and for an answer as a whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// What Cloudflare Access signs with.
const CLOUDFLARE_ALGORITHM: Algorithm = Algorithm::Rs256;

/// Whether the URL leads to this machine and nowhere else.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The issuers that are configured.
pub fn configured(config: &Config) -> Vec<Issuer> {
    cloudflare(config).into_iter().chain(config.issuers.iter().map(issuer)).collect()
}

fn cloudflare(config: &Config) -> Option<Issuer> {
    let settings = &config.cloudflare;
    let (team, audience) = (settings.team_domain.as_deref()?, settings.audience.as_deref()?);
    let team = team.strip_suffix(".cloudflareaccess.com").unwrap_or(team);
    let issuer = format!("https://{}.cloudflareaccess.com", team.to_ascii_lowercase());
    settings.enabled.then(|| Issuer {
        name: "cloudflare".into(),
        audiences: [audience.into()].into(),
        algorithms: [CLOUDFLARE_ALGORITHM].into(),
        jwks_url: Some(format!("{issuer}/cdn-cgi/access/certs").into()),
        issuer: issuer.into(),
        rules: rules(&settings.email_domains, &settings.publishers, &config.cloudflare_rules),
    })
}

fn issuer(config: &IssuerConfig) -> Issuer {
    let Algorithms(algorithms) = config.algorithms.clone();
    Issuer {
        name: config.name.as_str().into(),
        issuer: config.issuer.as_str().into(),
        audiences: config.audiences.0.iter().map(|word| word.0.as_str().into()).collect(),
        algorithms: algorithms.into(),
        jwks_url: config.jwks_url.as_deref().map(Into::into),
        rules: rules(&config.email_domains, &config.publishers, &config.rules),
    }
}

fn rules(
    Domains(domains): &Domains,
    PublisherIds(publishers): &PublisherIds,
    rules: &[RuleConfig],
) -> MappingRules {
    let rule = |rule: &RuleConfig| PrincipalRule {
        claim: rule.claim.as_str().into(),
        value: rule.value.as_str().into(),
        name: rule.principal.as_str().into(),
        scopes: rule.scopes.clone(),
        publisher: rule.publisher,
    };
    MappingRules {
        email_domains: domains.iter().map(|domain| domain.0.as_str().into()).collect(),
        publishers: (!publishers.is_empty()).then(|| publishers.as_slice().into()),
        principals: rules.iter().map(rule).collect(),
    }
}

/// Fetches key sets over HTTPS; from this machine over HTTP too.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    /// Past whatever proxy there is.
    local: reqwest::Client,
}

impl Fetcher {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> reqwest::Result<Self> {
        let client = || {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ANSWER_TIMEOUT)
                .user_agent(concat!("keywright/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self { client: client().build()?, local: client().no_proxy().build()? })
    }

    async fn keys(&self, issuer: &Issuer) -> Result<Vec<u8>, String> {
        if let Some(url) = &issuer.jwks_url {
            return self.get(url, false).await;
        }
        let base = issuer.issuer.trim_end_matches('/');
        let discovery = format!("{base}/.well-known/openid-configuration");
        let document = json::object(&self.get(&discovery, false).await?)
            .map_err(|_| "the discovery document is no JSON object".to_owned())?;
        let text = |name: &str| document.get(name).and_then(|value| value.as_str());
        if text("issuer") != Some(&issuer.issuer) {
            return Err("the discovery document is of another issuer".to_owned());
        }
        let url = text("jwks_uri").ok_or("the discovery document names no jwks_uri")?;
        let is_local = Url::parse(base).is_ok_and(|base| is_loopback(&base));
        self.get(url, !is_local).await
    }

    /// `outside`: the address was told by another machine, and must not lead to this one.
    pub(crate) async fn get(&self, url: &str, outside: bool) -> Result<Vec<u8>, String> {
        let url = Url::parse(url).map_err(|_| "an address that is no URL".to_owned())?;
        let local = is_loopback(&url);
        if (local && outside) || (url.scheme() != "https" && !(local && url.scheme() == "http")) {
            return Err("an address that is not asked".to_owned());
        }
        let client = if local { &self.local } else { &self.client };
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = client.get(url).send().await.map_err(told)?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("answered {}", answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err("the answer is larger than 256 KiB".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

impl FetchKeys for Fetcher {
    fn fetch<'a>(&'a self, issuer: &'a Issuer) -> Fetched<'a> {
        Box::pin(self.keys(issuer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadInput, load};

    fn config(pairs: &[(&str, &str)]) -> Config {
        let flags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(&LoadInput { flags, ..LoadInput::default() }).config.unwrap()
    }

    #[test]
    fn cloudflare_is_the_issuer_of_its_team() {
        for team in ["Your-Team", "your-team.cloudflareaccess.com"] {
            let pairs = [
                ("cloudflare.enabled", "true"),
                ("cloudflare.team_domain", team),
                ("cloudflare.audience", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"),
                ("cloudflare.email_domains", "example.com"),
            ];
            let issuers = configured(&config(&pairs));
            let [cloudflare] = &issuers[..] else { panic!("{issuers:?}") };
            assert_eq!(&*cloudflare.issuer, "https://your-team.cloudflareaccess.com");
            let certs = "https://your-team.cloudflareaccess.com/cdn-cgi/access/certs";
            assert_eq!(cloudflare.jwks_url.as_deref(), Some(certs));
            assert_eq!(cloudflare.algorithms[..], [Algorithm::Rs256]);
        }
        assert!(
            configured(&config(&[("cloudflare.team_domain", "t"), ("cloudflare.audience", "a")])).is_empty()
        );
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (url, local) in [
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://localhost.evil.test/", false),
            ("http://127.0.0.1.evil.test/", false),
            ("http://10.0.0.1/", false),
            ("http://2130706433/", true),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), local, "{url}");
        }
    }
}
