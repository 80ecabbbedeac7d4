//! Addresses of other services, and our own.

use std::fmt;
use std::net::SocketAddr;

use url::Url;
use zeroize::Zeroizing;

use super::{Fault, Raw, Settable, Shape};
use crate::config::finding::HIDDEN;
use crate::config::setting::Setting;

/// Reads a URL of one of the setting's schemes, with a host. An `@`, `?` or `#` that a password
/// brought with it would move what follows to a place where it is shown: it is refused.
fn parse(text: &str, setting: &Setting) -> Result<Url, Fault> {
    let url = Url::parse(text).map_err(|_| Fault::new("is not a URL"))?;
    if !setting.schemes.contains(&url.scheme()) {
        return Err(Fault::new("has another scheme"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::new("names no host"));
    }
    if url.path().contains('@') || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::with_fix(
            "has more than scheme, user, host, port and path",
            "leave the rest out; in a user name or password write `/`, `?`, `#` and `@` as `%2F`, `%3F`, `%23` and `%40`",
        ));
    }
    Ok(url)
}

fn expects(setting: &Setting) -> String {
    let schemes: Vec<String> = setting.schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
    format!("a URL with {}", schemes.join(" or "))
}

/// The address under which clients reach this server, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicUrl {
    /// The address of a server that is reached directly, as `serve --dev` is.
    pub fn direct(address: SocketAddr, tls: bool) -> Self {
        Self(format!("{}://{address}", if tls { "https" } else { "http" }))
    }
}

impl Settable for PublicUrl {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        let url = parse(raw.text()?, setting)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::new("carries a user name or password"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn expects(setting: &Setting) -> String {
        expects(setting)
    }
}

/// The address of another service with its password, which is never shown.
#[derive(Clone)]
pub struct SecretUrl {
    url: Zeroizing<String>,
    shown: String,
}

impl SecretUrl {
    /// The address with its password. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({})", self.shown)
    }
}

impl Settable for SecretUrl {
    const SHAPE: Shape = Shape::Text;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        let text = raw.text()?;
        let url = parse(text, setting)?;
        Ok(Self { url: Zeroizing::new(text.to_owned()), shown: masked(&url) })
    }

    fn show(&self) -> String {
        self.shown.clone()
    }

    fn expects(setting: &Setting) -> String {
        expects(setting)
    }

    fn holds_secret(&self) -> bool {
        self.shown.contains(HIDDEN)
    }
}

/// Scheme, user, host, port and path; the password hidden, and a lone user name too: there are
/// services that take it for the password.
fn masked(url: &Url) -> String {
    let user = match (url.username(), url.password()) {
        ("", None) => String::new(),
        (_, None) => format!("{HIDDEN}@"),
        (user, Some(_)) => format!("{user}:{HIDDEN}@"),
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{user}{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    fn secret(text: &str) -> Result<SecretUrl, Fault> {
        SecretUrl::parse(&Raw::Text(text.to_owned()), find("rate_limit.redis_url").unwrap())
    }

    fn public(text: &str) -> Result<PublicUrl, Fault> {
        PublicUrl::parse(&Raw::Text(text.to_owned()), find("server.public_url").unwrap())
    }

    #[test]
    fn a_password_is_kept_and_never_shown() {
        let url = secret("redis://ops:canary@cache:6379/2").unwrap();
        assert_eq!(url.reveal(), "redis://ops:canary@cache:6379/2");
        assert_eq!(url.show(), "redis://ops:***@cache:6379/2");
        assert_eq!(secret("redis://:canary@cache").unwrap().show(), "redis://:***@cache");
        assert_eq!(secret("redis://canary@cache").unwrap().show(), "redis://***@cache");
    }

    #[test]
    fn a_password_that_breaks_the_url_apart_is_refused() {
        for broken in ["redis://ops:12/34@cache", "redis://ops:12?34@cache", "redis://ops:12#34@cache"] {
            assert!(secret(broken).unwrap_err().fix.unwrap().contains("%23"), "{broken}");
        }
    }

    #[test]
    fn our_own_address_is_http_and_plain() {
        assert_eq!(public("https://auth.example.com/").unwrap().as_str(), "https://auth.example.com");
        assert_eq!(public("http://[::1]:8080/kw").unwrap().as_str(), "http://[::1]:8080/kw");
        for bad in
            ["auth.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x#y", ""]
        {
            assert!(public(bad).is_err(), "{bad}");
        }
    }
}
