//! Mail: whether the mail server takes letters from here, and the folder can be written.

use std::path::Path;

use keywright_authority::mail::Trouble;
use rustix::fs::{Access, access};
use url::Url;

use super::finding::Finding;
use super::places::nearest;
use crate::config::Config;
use crate::node::{self, Part};

const CHECK: &str = "mail";

/// Looks at each way by which mail leaves. No mail is sent.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    if config.mail.smtp_url.is_none() && config.mail.folder.is_none() {
        let what = "none is sent: people are invited, and get new passwords, by the local operator alone";
        return vec![Finding::ok(CHECK, what)];
    }
    let mut findings = Vec::new();
    findings.extend(config.mail.folder.as_deref().map(folder));
    findings.extend(server(config).await);
    findings
}

fn folder(folder: &Path) -> Finding {
    let shown = folder.display();
    if access(nearest(folder), Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let what = format!("mail.folder, {shown}, cannot be written: no mail leaves");
        return Finding::error(CHECK, what, "give a folder that the server may write");
    }
    Finding::ok(CHECK, format!("mail.folder, {shown}, can be written"))
}

async fn server(config: &Config) -> Option<Finding> {
    let url = Url::parse(config.mail.smtp_url.as_ref()?.reveal()).ok()?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let tried = match node::post(config, &Part::Operator) {
        Ok(post) => post?.try_server().await?,
        Err(error) => {
            return Some(Finding::error(CHECK, format!("{error:#}"), "correct mail.smtp_url and mail.from"));
        }
    };
    Some(match tried {
        Ok(()) => Finding::ok(CHECK, format!("{host} takes mail from here")),
        Err(trouble) => Finding::error(CHECK, format!("{host}: {trouble}"), advice(&trouble)),
    })
}

fn advice(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Answered(code) if ["530", "534", "535", "538"].contains(&code.as_str()) => {
            "see that user and password in mail.smtp_url are right, with %40 for @ and the like, and that they may \
             be used for SMTP"
        }
        Trouble::Answered(_) => "its log says what it has against this machine",
        Trouble::Lacks(_) => {
            "smtp:// needs STARTTLS, a user and password need the login PLAIN or LOGIN: take smtps://, or another \
             mail server"
        }
        Trouble::Tls(_) => {
            "name the host as its certificate does, with smtps:// for TLS from the first byte (often port 465) and \
             smtp:// for STARTTLS (often 587); a certificate authority of your own belongs into the system's store, \
             or into the file that SSL_CERT_FILE names to the server"
        }
        Trouble::Silent | Trouble::Unreachable(_) => {
            "see that the host and port of mail.smtp_url are right, and that this machine may connect there"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::config::{LoadInput, load};

    fn config(settings: &[(&str, &str)]) -> Config {
        let name = |key: &str| format!("KEYWRIGHT_{}", key.replace('.', "__").to_ascii_uppercase());
        let environment = settings.iter().map(|(key, value)| (name(key), (*value).to_owned())).collect();
        load(&LoadInput { environment, dev: true, ..LoadInput::default() }).config.unwrap()
    }

    #[tokio::test]
    async fn where_no_mail_is_configured_it_is_said_and_is_in_order() {
        let found = look(&config(&[])).await;
        assert_eq!((found.len(), found[0].severity), (1, Severity::Ok));
    }

    #[tokio::test]
    async fn a_mail_server_that_is_not_there_is_told_without_the_password() {
        let settings = [
            ("server.public_url", "https://auth.example.com"),
            // Nobody listens on port 9.
            ("mail.smtp_url", "smtp://user:canary@127.0.0.1:9"),
            ("mail.from", "keywright@example.com"),
            // Not even root writes below a file.
            ("mail.folder", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/mails")),
        ];
        let found = look(&config(&settings)).await;
        assert_eq!(found.len(), 2);
        for finding in found {
            assert_eq!(finding.severity, Severity::Error, "{finding:?}");
            assert!(finding.advice.is_some() && !format!("{finding:?}").contains("canary"), "{finding:?}");
        }
    }
}
