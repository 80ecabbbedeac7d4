//! The ways by which letters leave: a mail server, a folder, the log.

use std::error::Error as _;
use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keywright_core::EmailAddress;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tracing::info;
use url::{Host, Url};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::letter::Letter;
use super::render::{Rendered, message, note, render, render_note};

/// Longest time for each step of a delivery.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time for a delivery.
pub(super) const TIMEOUT: Duration = Duration::from_mins(1);

/// How mail is sent.
#[derive(Clone)]
pub struct MailSettings {
    /// The address under which people reach this server, without a slash at its end: links lead there.
    pub base_url: String,
    /// The sender: `keywright@example.com`, or `Keywright <keywright@example.com>`.
    pub from: String,
    /// `smtp://`, with STARTTLS unless it is this very machine, or `smtps://`.
    pub smtp_url: Option<Zeroizing<String>>,
    /// Receives each letter as a file.
    pub folder: Option<PathBuf>,
    /// Whether a job delivers; if not, whoever opened the store does when the command is done.
    pub background: bool,
}

/// Why mail cannot be sent like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostError(String);

/// Why a mail server takes no letters, without an address or anything else that is personal: its own words may
/// repeat one, its number tells enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It refused, with this number (RFC 5321 §4.2).
    #[error("the mail server answered {0}")]
    Answered(String),
    /// It does not offer what is needed.
    #[error("the mail server lacks what is needed: {0}")]
    Lacks(String),
    /// No TLS came about, or with somebody else.
    #[error("TLS with the mail server failed: {0}")]
    Tls(String),
    /// It did not answer in time.
    #[error("the mail server did not answer in time")]
    Silent,
    /// There is no connection to it.
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
}

/// Why a letter did not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Without the address and anything else that is personal.
    pub(super) reason: String,
    /// It never will.
    pub(super) for_good: bool,
}

/// The ways by which letters leave. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    inner: Arc<Inner>,
}

struct Inner {
    base_url: String,
    from: Mailbox,
    smtp: Option<AsyncSmtpTransport<Tokio1Executor>>,
    folder: Option<PathBuf>,
    background: bool,
    told_in_log: AtomicBool,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("from", &self.inner.from).finish_non_exhaustive()
    }
}

impl Post {
    /// Prepares the ways; connects nowhere.
    ///
    /// # Errors
    /// In words, for the operator.
    pub fn new(settings: &MailSettings) -> Result<Self, PostError> {
        let from = settings.from.parse().map_err(|error| PostError(format!("the sender: {error}")))?;
        let smtp = settings.smtp_url.as_deref().map(|url| smtp(url)).transpose()?;
        Ok(Self {
            inner: Arc::new(Inner {
                base_url: settings.base_url.clone(),
                from,
                smtp,
                folder: settings.folder.clone(),
                background: settings.background,
                told_in_log: AtomicBool::new(false),
            }),
        })
    }

    /// The address that links lead to.
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// Tells letters in the log too, with the links in them: for `--dev` alone.
    pub fn tell_in_log(&self) {
        self.inner.told_in_log.store(true, Ordering::Relaxed);
    }

    /// Whether the mail server would take letters: connects, agrees on TLS, says hello and logs in as for a letter,
    /// and sends none. `None` where there is no mail server.
    pub async fn try_server(&self) -> Option<Result<(), Trouble>> {
        let smtp = self.inner.smtp.as_ref()?;
        Some(match tokio::time::timeout(TIMEOUT, smtp.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) | Err(_) => Err(Trouble::Silent),
            Ok(Err(error)) => Err(Trouble::of(&error)),
        })
    }

    pub(super) fn works_in_background(&self) -> bool {
        self.inner.background
    }

    /// Delivers a letter by every way that there is. The file comes first: to write it again changes nothing.
    pub(super) async fn deliver(&self, letter: &Letter, id: Uuid, first: bool) -> Result<(), Failed> {
        let broken = |reason: String| Failed { reason, for_good: true };
        let words = render(letter, self.base_url()).map_err(|error| broken(error.to_string()))?;
        let message = message(letter, &words, &self.inner.from, id)
            .map_err(|_| broken("the message cannot be written".to_owned()))?;
        self.write_into_folder(&message, id).await?;
        if first && self.inner.told_in_log.load(Ordering::Relaxed) {
            tell(letter, &words);
        }
        self.by_smtp(message).await
    }

    /// Delivers a note to several people at once by every way that there is.
    ///
    /// # Errors
    /// In words without an address.
    pub(crate) async fn deliver_note(
        &self,
        to: &[EmailAddress],
        subject: &str,
        paragraphs: &[String],
        id: Uuid,
    ) -> Result<(), String> {
        let words = render_note(subject, paragraphs).map_err(|error| error.to_string())?;
        let message =
            note(to, &words, &self.inner.from, id).map_err(|_| "the message cannot be written".to_owned())?;
        let reason = |failed: Failed| failed.reason;
        self.write_into_folder(&message, id).await.map_err(reason)?;
        self.by_smtp(message).await.map_err(reason)
    }

    async fn write_into_folder(&self, message: &Message, id: Uuid) -> Result<(), Failed> {
        let Some(folder) = self.inner.folder.clone() else { return Ok(()) };
        let bytes = message.formatted();
        let written = tokio::task::spawn_blocking(move || write(&folder, id, &bytes)).await;
        written
            .map_err(|error| error.to_string())
            .and_then(|written| written.map_err(|error| error.to_string()))
            .map_err(|reason| Failed { reason: format!("mail.folder: {reason}"), for_good: false })
    }

    async fn by_smtp(&self, message: Message) -> Result<(), Failed> {
        match &self.inner.smtp {
            Some(smtp) => by_smtp(smtp, message).await,
            None => Ok(()),
        }
    }
}

fn tell(letter: &Letter, words: &Rendered) {
    let (to, subject) = (letter.to.as_str(), words.subject.as_str());
    let link = words.link.as_deref().unwrap_or_default();
    info!(to, subject, link, "mail");
}

/// A way to a mail server. To another machine nothing goes in the clear.
fn smtp(text: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, PostError> {
    let wrong = |what: &str| PostError(format!("mail.smtp_url {what}"));
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    // Their hosts are opaque to the standard of URLs: an address is told by its text.
    let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let parameters = || {
        TlsParameters::new(host.to_owned()).map_err(|_| wrong("names a host that no certificate can name"))
    };
    let (tls, port) = match url.scheme() {
        "smtps" => (Tls::Wrapper(parameters()?), 465),
        "smtp" if is_here(host) => (Tls::None, 25),
        "smtp" => (Tls::Required(parameters()?), 587),
        _ => return Err(wrong("is neither smtp:// nor smtps://")),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(STEP_TIMEOUT));
    if let Some(password) = url.password() {
        builder = builder.credentials(Credentials::new(decoded(url.username())?, decoded(password)?));
    }
    Ok(builder.build())
}

fn is_here(host: &str) -> bool {
    match Host::parse(host) {
        _ if host.eq_ignore_ascii_case("localhost") => true,
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        _ => host.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn decoded(text: &str) -> Result<String, PostError> {
    let bytes = url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned());
    bytes.ok_or_else(|| PostError("mail.smtp_url has a user or password that cannot be read".to_owned()))
}

impl Trouble {
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        if let Some(code) = error.status() {
            return Self::Answered(code.to_string());
        }
        let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
        let source = causes().last().map(ToString::to_string).unwrap_or_default();
        let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        // So does rustls tell what it has against a certificate, or that it is no TLS at all.
        let is_tls = error.is_tls() || io == Some(io::ErrorKind::InvalidData);
        if error.is_timeout() {
            Self::Silent
        } else if error.is_client() {
            Self::Lacks(source)
        } else if is_tls {
            Self::Tls(source)
        } else {
            Self::Unreachable(source)
        }
    }
}

async fn by_smtp(smtp: &AsyncSmtpTransport<Tokio1Executor>, message: Message) -> Result<(), Failed> {
    let trouble = match tokio::time::timeout(TIMEOUT, smtp.send(message)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => Trouble::of(&error),
        Err(_) => Trouble::Silent,
    };
    // RFC 5321 §4.2.3: about the mailbox, and so for good. Others, such as a wrong password of ours, can be mended.
    let of_mailbox = |code: &String| ["550", "551", "553", "556"].contains(&code.as_str());
    let for_good = matches!(&trouble, Trouble::Answered(code) if of_mailbox(code));
    Err(Failed { reason: trouble.to_string(), for_good })
}

/// Writes a letter to a file of its own, whole or not at all, readable by this user alone.
fn write(folder: &Path, id: Uuid, bytes: &[u8]) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (part, whole) = (folder.join(format!(".{id}.part")), folder.join(format!("{id}.eml")));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, &whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(smtp_url: &str) -> MailSettings {
        MailSettings {
            base_url: "https://auth.example.com".to_owned(),
            from: "Keywright <keywright@example.com>".to_owned(),
            smtp_url: Some(Zeroizing::new(smtp_url.to_owned())),
            folder: None,
            background: true,
        }
    }

    #[tokio::test]
    async fn a_way_to_a_mail_server_is_prepared_without_showing_its_password() {
        for good in [
            "smtp://mail.example.com",
            "smtps://user:p%40ss+w%2Ford@mail.example.com:4650",
            "smtp://127.0.0.1:2525",
            "smtp://[::1]:2525",
        ] {
            let post = Post::new(&settings(good)).unwrap();
            assert!(!format!("{post:?}").contains("ss+w"), "{post:?}");
        }
        for bad in ["mail.example.com", "http://mail.example.com", "smtp://"] {
            assert!(Post::new(&settings(bad)).is_err(), "{bad}");
        }
        assert!(
            Post::new(&MailSettings { from: "nobody".to_owned(), ..settings("smtp://localhost") }).is_err()
        );
        assert_eq!(decoded("p%40ss+w%2Ford").unwrap(), "p@ss+w/ord");
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for here in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_here(here), "{here}");
        }
        for there in ["localhost.example.com", "10.0.0.1", "::2", "mail"] {
            assert!(!is_here(there), "{there}");
        }
    }
}
