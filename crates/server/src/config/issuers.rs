//! `[issuers.NAME]`: a section for each issuer whose tokens count. The names are the operator's; the keys are
//! settings like any other, read, shown and checked alike.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use keywright_core::{Name, PublisherId, ScopeSet};

use super::file::unknown_name;
use super::finding::{Finding, Severity, ShowRow, printable};
use super::kinds::{Algorithms, Domains, PublisherIds, Raw, Settable, Words};
use super::nearest::nearest;
use super::setting::Setting;
use super::table::Config;

/// The section that holds the others.
pub(crate) const SECTION: &str = "issuers";
const PREFIX: &str = "KEYWRIGHT_ISSUERS__";
const RULES: &str = "rules";
const RULE_KEYS: [&str; 5] = ["claim", "value", "principal", "scopes", "publisher"];
/// Most issuers: each is a label of the metrics, and is asked for its keys.
const MAX_ISSUERS: usize = 32;

/// The settings of each issuer, as the reference page shows them.
pub static ISSUER_SETTINGS: &[Setting] = &[
    Setting::new::<String>("issuers.NAME.issuer", "`iss` of its tokens, exactly.\n", "")
        .rule(is_issuer, "an `https://` URL without query (`http://` on this machine only)")
        .example("https://login.example.com"),
    Setting::new::<Words>("issuers.NAME.audiences", "One of these must be in `aud`.\n", "")
        .example("keywright"),
    Setting::new::<Algorithms>("issuers.NAME.algorithms", "How it may sign.\n", "RS256,ES256,EdDSA"),
    Setting::new::<Option<String>>(
        "issuers.NAME.jwks_url",
        "Where its keys are. Default: where `ISSUER/.well-known/openid-configuration` says.\n",
        "",
    )
    .rule(is_issuer, "an `https://` URL without query (`http://` on this machine only)")
    .example("https://login.example.com/keys"),
    Setting::new::<Domains>(
        "issuers.NAME.email_domains",
        "Domains of the users that it may speak for, by their e-mail address. Default: of none.\n",
        "",
    )
    .example("example.com"),
    Setting::new::<PublisherIds>(
        "issuers.NAME.publishers",
        "Publishers that these users may act for. Default: all of theirs.\n",
        "",
    )
    .example("01890a5d-ac96-774b-bcce-b302099a8057"),
];

/// An issuer as configured.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// Its name.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// Of `aud`.
    pub audiences: Words,
    /// How it may sign.
    pub algorithms: Algorithms,
    /// Where its keys are.
    pub jwks_url: Option<String>,
    /// The domains of its users.
    pub email_domains: Domains,
    /// The publishers that they may act for.
    pub publishers: PublisherIds,
    /// Who has a claim of some value.
    pub rules: Vec<RuleConfig>,
}

/// `[[issuers.NAME.rules]]`: whoever has this claim is this principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// The claim.
    pub claim: String,
    /// Its value.
    pub value: String,
    /// The name of the principal.
    pub principal: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The publisher that it acts for.
    pub publisher: Option<PublisherId>,
}

/// What file and environment say, before it has types: by issuer and key, each with its origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawIssuers {
    issuers: BTreeMap<String, BTreeMap<String, (Value, String)>>,
    cloudflare_rules: Option<(Value, String)>,
}

impl RawIssuers {
    /// A key of an issuer; the later source wins.
    pub(crate) fn set(&mut self, name: &str, key: &str, value: Value, origin: String) {
        self.issuers.entry(name.to_owned()).or_default().insert(key.to_owned(), (value, origin));
    }

    /// An issuer of which nothing is said yet.
    pub(crate) fn named(&mut self, name: &str) {
        self.issuers.entry(name.to_owned()).or_default();
    }

    /// `[[cloudflare.rules]]`.
    pub(crate) fn set_cloudflare_rules(&mut self, value: Value, origin: String) {
        self.cloudflare_rules = Some((value, origin));
    }

    /// Takes `KEYWRIGHT_ISSUERS__NAME__KEY`; false of any other variable.
    pub(crate) fn take(&mut self, variable: &str, value: &str) -> bool {
        let Some((name, key)) = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
            return false;
        };
        let (name, key) = (name.to_ascii_lowercase(), key.to_ascii_lowercase());
        let known = ISSUER_SETTINGS.iter().any(|setting| short(setting) == key);
        if known {
            self.set(&name, &key, Value::from(value), format!("environment {variable}"));
        }
        known
    }
}

fn short(setting: &Setting) -> &'static str {
    setting.key.rsplit('.').next().unwrap_or(setting.key)
}

/// An absolute URL that is fetched over TLS, or from this machine.
fn is_issuer(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let safe = url.scheme() == "https" || (url.scheme() == "http" && crate::issuers::is_loopback(&url));
        plain && url.password().is_none() && safe && url.host_str().is_some_and(|host| !host.is_empty())
    })
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

struct Reading<'a> {
    rows: &'a mut Vec<ShowRow>,
    findings: &'a mut Vec<Finding>,
}

/// Reads all issuers into the configuration.
pub(crate) fn read(
    raw: RawIssuers,
    config: &mut Config,
    rows: &mut Vec<ShowRow>,
    findings: &mut Vec<Finding>,
) {
    let mut reading = Reading { rows, findings };
    if let Some((value, origin)) = raw.cloudflare_rules {
        config.cloudflare_rules = reading.rules("cloudflare.rules", &value, &origin);
    }
    if raw.issuers.len() > MAX_ISSUERS {
        reading.error(SECTION, "default", "has more than 32 issuers", "take some away");
    }
    for (name, values) in raw.issuers {
        let place = || format!("[{SECTION}.{}]", printable(&name));
        let origin = values.values().next().map_or_else(place, |(_, origin)| origin.clone());
        if !is_name(&name) || name == "cloudflare" {
            let fix =
                "name it by lower-case letters, digits, `-` and `_`; Cloudflare has the section [cloudflare]";
            reading.error(&format!("{SECTION}.{name}"), &origin, "is no name for an issuer", fix);
            continue;
        }
        let issuer = reading.issuer(name, &values, &origin);
        config.issuers.push(issuer);
    }
    let mut seen: Vec<&str> = config.server.public_url.iter().map(super::kinds::PublicUrl::as_str).collect();
    for issuer in &config.issuers {
        if seen.contains(&issuer.issuer.as_str()) && !issuer.issuer.is_empty() {
            let key = format!("{SECTION}.{}.issuer", issuer.name);
            reading.error(
                &key,
                "",
                "is the issuer of another section, or this server",
                "give each issuer once",
            );
        }
        seen.push(&issuer.issuer);
    }
}

impl Reading<'_> {
    fn issuer(
        &mut self,
        name: String,
        values: &BTreeMap<String, (Value, String)>,
        origin: &str,
    ) -> IssuerConfig {
        let known = || ISSUER_SETTINGS.iter().map(short).chain([RULES]);
        for (key, (_, origin)) in values.iter().filter(|(key, _)| !known().any(|known| known == *key)) {
            let meant = nearest(key, known().map(str::to_owned));
            let full = format!("{SECTION}.{name}.{key}");
            self.findings.push(unknown_name("key", &full, origin.clone(), meant));
        }
        let rules = values
            .get(RULES)
            .map(|(value, origin)| self.rules(&format!("{SECTION}.{name}.{RULES}"), value, origin));
        let read = IssuerConfig {
            issuer: self.value(&name, "issuer", values),
            audiences: self.value(&name, "audiences", values),
            algorithms: self.value(&name, "algorithms", values),
            jwks_url: self.value(&name, "jwks_url", values),
            email_domains: self.value(&name, "email_domains", values),
            publishers: self.value(&name, "publishers", values),
            rules: rules.unwrap_or_default(),
            name,
        };
        let key = |key: &str| format!("{SECTION}.{}.{key}", read.name);
        for (missing, name) in [
            (!values.contains_key("issuer"), "issuer"),
            (!values.contains_key("audiences") || read.audiences.0.is_empty(), "audiences"),
            (read.algorithms.0.is_empty(), "algorithms"),
        ] {
            if missing {
                self.error(&key(name), origin, "is not set", "give it: nothing is accepted without");
            }
        }
        if read.email_domains.0.is_empty() && read.rules.is_empty() {
            let message = "speaks for nobody: neither users of some e-mail domains nor principals by rules";
            self.push(
                Severity::Warning,
                &key("email_domains"),
                origin,
                None,
                message.to_owned(),
                "give email_domains, or rules",
            );
        }
        read
    }

    fn value<T: Settable + Default>(
        &mut self,
        name: &str,
        key: &str,
        values: &BTreeMap<String, (Value, String)>,
    ) -> T {
        let setting = ISSUER_SETTINGS.iter().find(|setting| short(setting) == key);
        let Some(setting) = setting else { return T::default() };
        let full = format!("{SECTION}.{name}.{key}");
        let default = (Value::from(setting.default), super::layer::DEFAULTS.to_owned());
        let given = values.get(key);
        let (value, origin) = given.unwrap_or(&default);
        if given.is_none() && setting.default.is_empty() {
            self.rows.push(ShowRow { key: full, value: String::new(), origin: origin.clone() });
            return T::default();
        }
        match Raw::of(value, T::SHAPE).and_then(|raw| T::parse(&raw, setting)) {
            Ok(read) => {
                self.rows.push(ShowRow { key: full, value: read.show(), origin: origin.clone() });
                read
            }
            Err(fault) => {
                let fix = fault.fix.unwrap_or_else(|| format!("give {}", setting.expectation()));
                self.push(Severity::Error, &full, origin, None, fault.message, &fix);
                T::default()
            }
        }
    }

    fn rules(&mut self, key: &str, value: &Value, origin: &str) -> Vec<RuleConfig> {
        let fix = "write [[…rules]] with claim, value, principal and scopes, and publisher if it is one's";
        let Value::Array(_, items) = value else {
            self.error(key, origin, "is no list of tables", fix);
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item.as_dict().ok_or_else(|| "is no table".to_owned()).and_then(rule) {
                Ok(rule) => rules.push(rule),
                Err(message) => self.push(
                    Severity::Error,
                    key,
                    origin,
                    None,
                    format!("has a mistake in rule {}: {}", at + 1, printable(&message)),
                    fix,
                ),
            }
        }
        let shown: Vec<_> =
            rules.iter().map(|rule| format!("{}={} is {}", rule.claim, rule.value, rule.principal)).collect();
        let value = printable(&shown.join(", "));
        self.rows.push(ShowRow { key: key.to_owned(), value, origin: origin.to_owned() });
        rules
    }

    fn error(&mut self, key: &str, origin: &str, message: &str, fix: &str) {
        self.push(Severity::Error, key, origin, None, message.to_owned(), fix);
    }

    fn push(
        &mut self,
        severity: Severity,
        key: &str,
        origin: &str,
        value: Option<String>,
        message: String,
        fix: &str,
    ) {
        let (key, origin, fix) = (printable(key), origin.to_owned(), fix.to_owned());
        self.findings.push(Finding { severity, key, origin, value, message, fix });
    }
}

fn rule(members: &Dict) -> Result<RuleConfig, String> {
    if let Some(unknown) = members.keys().find(|key| !RULE_KEYS.contains(&key.as_str())) {
        let meant = nearest(unknown, RULE_KEYS.iter().map(|key| (*key).to_owned()));
        let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        return Err(format!("{unknown} is an unknown key{meant}"));
    }
    let text = |key: &str| match members.get(key) {
        Some(value) => {
            let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= 2048);
            text.map(str::to_owned).ok_or_else(|| format!("{key} is no text"))
        }
        None => Err(format!("{key} is not set")),
    };
    let scopes = members.get("scopes").and_then(Value::as_array).ok_or("scopes is no list")?;
    let texts: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
    let scopes = ScopeSet::parse(texts.ok_or("scopes is no list of texts")?)
        .map_err(|(at, error)| format!("entry {} of scopes {error}", at + 1))?;
    let publisher = match members.get("publisher") {
        None => None,
        Some(value) => {
            let id = value.as_str().and_then(|text| text.parse().ok());
            Some(id.ok_or("publisher is no id")?)
        }
    };
    let principal = text("principal")?;
    let principal = Name::parse(&principal).map_err(|error| format!("principal {error}"))?;
    Ok(RuleConfig {
        claim: text("claim")?,
        value: text("value")?,
        principal: principal.as_str().to_owned(),
        scopes,
        publisher,
    })
}
