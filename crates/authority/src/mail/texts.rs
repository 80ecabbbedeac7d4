//! The words of letters, in each language. They are plain text: whoever puts them into a page escapes them.

use keywright_core::Severity;

use super::letter::{AlertLine, Content, Locale};

/// A letter in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) greeting: String,
    pub(super) paragraphs: Vec<String>,
    /// What the link is called, where there is one.
    pub(super) action: &'static str,
    pub(super) closing: &'static str,
}

/// What the platform is called where a publisher would be named.
const PLATFORM: &str = "Keywright";

pub(super) fn words(locale: Locale, name: Option<&str>, content: &Content) -> Words {
    match locale {
        Locale::English => english(name, content),
        Locale::German => german(name, content),
    }
}

fn english(name: Option<&str>, content: &Content) -> Words {
    let (subject, paragraphs, action) = match content {
        Content::Invitation { publisher, .. } => {
            let to = publisher.as_deref().unwrap_or(PLATFORM);
            let what =
                format!("You have been invited to {to}. Choose a password, and your account is ready.");
            let until = "The link works for 7 days, and once.".to_owned();
            (format!("Your invitation to {to}"), vec![what, until], "Accept the invitation")
        }
        Content::Added { publisher } => {
            let what = format!("You now belong to {publisher} too, with the account that you have.");
            (format!("You now belong to {publisher}"), vec![what], "")
        }
        Content::PasswordReset { .. } => {
            let what = "Somebody, we hope you, wants to set a new password for your account.".to_owned();
            let until = "The link works for one hour, and once. If it was not you, do nothing: your password stays as it is.";
            ("Set a new password".to_owned(), vec![what, until.to_owned()], "Set a new password")
        }
        Content::PasswordChanged => {
            let what = "The password of your account was changed.".to_owned();
            let alarm = "If it was not you, set a new one at once and tell your administrator.".to_owned();
            ("Your password was changed".to_owned(), vec![what, alarm], "")
        }
        Content::EmailVerification { .. } => {
            let what = "Please confirm that this address is yours.".to_owned();
            let until = "The link works for 3 days, and once.".to_owned();
            ("Confirm your address".to_owned(), vec![what, until], "Confirm the address")
        }
        Content::EmailChange { .. } => {
            let what = "This address is to become the one of your account.".to_owned();
            let until =
                "The link works for one day, and once. If you have no such account, do nothing.".to_owned();
            ("Confirm your new address".to_owned(), vec![what, until], "Confirm the new address")
        }
        Content::EmailChangeNotice { new_email } => {
            let what = format!("The address of your account is to be changed to {new_email}.");
            let alarm =
                "If it was not you, change your password at once and tell your administrator.".to_owned();
            ("Your address is to be changed".to_owned(), vec![what, alarm], "")
        }
        Content::Alerts { alerts, more } => english_alerts(alerts, *more),
    };
    let greeting = name.map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"));
    let closing = "This message was sent by Keywright. Nobody will ever ask you for your password.";
    Words { subject, greeting, paragraphs, action, closing }
}

/// An alert on each line.
fn lines(alerts: &[AlertLine], severity: impl Fn(Severity) -> &'static str) -> impl Iterator<Item = String> {
    alerts.iter().map(move |alert| format!("{}: {}", severity(alert.severity), alert.summary))
}

fn german(name: Option<&str>, content: &Content) -> Words {
    let (subject, paragraphs, action) = match content {
        Content::Invitation { publisher, .. } => {
            let to = publisher.as_deref().unwrap_or(PLATFORM);
            let what =
                format!("Sie sind zu {to} eingeladen. Wählen Sie ein Passwort, und Ihr Konto ist bereit.");
            let until = "Der Link gilt 7 Tage lang und ein Mal.".to_owned();
            (format!("Ihre Einladung zu {to}"), vec![what, until], "Einladung annehmen")
        }
        Content::Added { publisher } => {
            let what = format!("Sie gehören nun auch zu {publisher}, mit Ihrem bisherigen Konto.");
            (format!("Sie gehören nun zu {publisher}"), vec![what], "")
        }
        Content::PasswordReset { .. } => {
            let what = "Jemand, hoffentlich Sie, möchte ein neues Passwort für Ihr Konto setzen.".to_owned();
            let until = "Der Link gilt eine Stunde lang und ein Mal. Waren Sie es nicht, so tun Sie nichts: Ihr Passwort bleibt, wie es ist.";
            ("Neues Passwort setzen".to_owned(), vec![what, until.to_owned()], "Neues Passwort setzen")
        }
        Content::PasswordChanged => {
            let what = "Das Passwort Ihres Kontos wurde geändert.".to_owned();
            let alarm =
                "Waren Sie es nicht, so setzen Sie sofort ein neues und benachrichtigen Ihre Verwaltung."
                    .to_owned();
            ("Ihr Passwort wurde geändert".to_owned(), vec![what, alarm], "")
        }
        Content::EmailVerification { .. } => {
            let what = "Bitte bestätigen Sie, dass diese Adresse Ihnen gehört.".to_owned();
            let until = "Der Link gilt 3 Tage lang und ein Mal.".to_owned();
            ("Adresse bestätigen".to_owned(), vec![what, until], "Adresse bestätigen")
        }
        Content::EmailChange { .. } => {
            let what = "Diese Adresse soll die Ihres Kontos werden.".to_owned();
            let until =
                "Der Link gilt einen Tag lang und ein Mal. Haben Sie kein solches Konto, so tun Sie nichts."
                    .to_owned();
            ("Neue Adresse bestätigen".to_owned(), vec![what, until], "Neue Adresse bestätigen")
        }
        Content::EmailChangeNotice { new_email } => {
            let what = format!("Die Adresse Ihres Kontos soll in {new_email} geändert werden.");
            let alarm =
                "Waren Sie es nicht, so ändern Sie sofort Ihr Passwort und benachrichtigen Ihre Verwaltung."
                    .to_owned();
            ("Ihre Adresse soll geändert werden".to_owned(), vec![what, alarm], "")
        }
        Content::Alerts { alerts, more } => german_alerts(alerts, *more),
    };
    let greeting = name.map_or_else(|| "Guten Tag,".to_owned(), |name| format!("Guten Tag {name},"));
    let closing = "Diese Nachricht hat Keywright gesendet. Niemand wird Sie je nach Ihrem Passwort fragen.";
    Words { subject, greeting, paragraphs, action, closing }
}

/// Subject, paragraphs, and no link.
type Told = (String, Vec<String>, &'static str);

fn english_alerts(alerts: &[AlertLine], more: u64) -> Told {
    let subject = match alerts.len() as u64 + more {
        1 => "An alert about what is yours".to_owned(),
        count => format!("{count} alerts about what is yours"),
    };
    let rest = match more {
        0 => None,
        1 => Some("And one more.".to_owned()),
        more => Some(format!("And {more} more.")),
    };
    let severity = |severity| match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    };
    let how = "What was seen, and what it is about: keywright alert list --state open.".to_owned();
    (subject, lines(alerts, severity).chain(rest).chain([how]).collect(), "")
}

fn german_alerts(alerts: &[AlertLine], more: u64) -> Told {
    let subject = match alerts.len() as u64 + more {
        1 => "Eine Meldung zu dem, was Ihnen gehört".to_owned(),
        count => format!("{count} Meldungen zu dem, was Ihnen gehört"),
    };
    let rest = match more {
        0 => None,
        1 => Some("Und eine weitere.".to_owned()),
        more => Some(format!("Und {more} weitere.")),
    };
    let severity = |severity| match severity {
        Severity::Low => "Niedrig",
        Severity::Medium => "Mittel",
        Severity::High => "Hoch",
        Severity::Critical => "Kritisch",
    };
    let how = "Was gesehen wurde und worum es geht: keywright alert list --state open.".to_owned();
    (subject, lines(alerts, severity).chain(rest).chain([how]).collect(), "")
}
