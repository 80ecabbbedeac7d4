//! The words of the pages, in each language.

use keywright_authority::FieldFault;
use keywright_authority::mail::Locale;
use keywright_core::password::PasswordError;
use keywright_store::mailed_tokens::Purpose;

use super::Shown;

/// The words of the page of one purpose.
#[derive(Clone, Copy)]
pub(super) struct Words {
    purpose: Purpose,
    locale: Locale,
}

impl Words {
    pub(super) const fn of(purpose: Purpose, locale: Locale) -> Self {
        Self { purpose, locale }
    }

    const fn pick(self, english: &'static str, german: &'static str) -> &'static str {
        match self.locale {
            Locale::English => english,
            Locale::German => german,
        }
    }

    const fn title(self) -> &'static str {
        match self.purpose {
            Purpose::Invitation => self.pick("Accept your invitation", "Einladung annehmen"),
            Purpose::PasswordReset => self.pick("Set a new password", "Neues Passwort setzen"),
            Purpose::EmailVerification => self.pick("Confirm your address", "Adresse bestätigen"),
            Purpose::EmailChange => self.pick("Confirm your new address", "Neue Adresse bestätigen"),
        }
    }

    fn page(self, text: &str) -> Shown {
        Shown {
            language: self.locale.as_str(),
            title: self.title(),
            paragraphs: vec![text.to_owned()],
            problem: None,
            form: None,
        }
    }

    pub(super) const fn asks_password(self) -> bool {
        matches!(self.purpose, Purpose::Invitation | Purpose::PasswordReset)
    }

    /// What the form is for.
    pub(super) fn question(self) -> Shown {
        self.page(match self.purpose {
            Purpose::Invitation => self.pick(
                "Choose a password, and your account is ready.",
                "Wählen Sie ein Passwort, und Ihr Konto ist bereit.",
            ),
            Purpose::PasswordReset => self.pick(
                "All your sessions end when the new password is set.",
                "Alle Ihre Sitzungen enden, wenn das neue Passwort gesetzt ist.",
            ),
            Purpose::EmailVerification => self.pick(
                "One click more, and the address is known to be yours.",
                "Noch ein Klick, und die Adresse ist als Ihre bekannt.",
            ),
            Purpose::EmailChange => self.pick(
                "One click more, and this is the address of your account. All your sessions end.",
                "Noch ein Klick, und dies ist die Adresse Ihres Kontos. Alle Ihre Sitzungen enden.",
            ),
        })
    }

    /// What was done.
    pub(super) fn done(self) -> Shown {
        self.page(match self.purpose {
            Purpose::Invitation => self.pick(
                "Your account is ready. You can log in.",
                "Ihr Konto ist bereit. Sie können sich anmelden.",
            ),
            Purpose::PasswordReset => self.pick(
                "The new password is set. Log in with it.",
                "Das neue Passwort ist gesetzt. Melden Sie sich damit an.",
            ),
            Purpose::EmailVerification => {
                self.pick("The address is confirmed.", "Die Adresse ist bestätigt.")
            }
            Purpose::EmailChange => self.pick(
                "The new address is the one of your account. Log in with it.",
                "Die neue Adresse ist die Ihres Kontos. Melden Sie sich damit an.",
            ),
        })
    }

    /// That there is nothing to be done with the link.
    pub(super) fn not_usable(self) -> Shown {
        self.page(self.pick(
            "This link was used already, was replaced by a newer one, or has ended. Ask for another.",
            "Dieser Link wurde schon benutzt, durch einen neueren ersetzt oder ist abgelaufen. Fordern Sie einen neuen an.",
        ))
    }

    /// That somebody else has the address by now.
    pub(super) fn taken(self) -> Shown {
        self.page(self.pick(
            "Another account has this address by now. Nothing was changed.",
            "Ein anderes Konto hat diese Adresse inzwischen. Nichts wurde geändert.",
        ))
    }

    /// That something on our side did not work.
    pub(super) fn failed(self) -> Shown {
        self.page(self.pick(
            "This does not work at the moment. Nothing is lost: open the link again in a minute.",
            "Das geht im Augenblick nicht. Nichts ist verloren: Öffnen Sie den Link in einer Minute noch einmal.",
        ))
    }

    /// What is wrong with what was filled in; `rule` is the one that the password breaks, if it breaks one.
    pub(super) fn problem(self, faults: &[FieldFault], rule: Option<PasswordError>) -> String {
        let about_name = faults.iter().any(|fault| fault.field == "display_name");
        let said = match (about_name, rule) {
            (true, _) => self.pick(
                "This name cannot be used: it has characters that a name cannot have, or is too long.",
                "Dieser Name geht nicht: Er enthält Zeichen, die ein Name nicht haben kann, oder ist zu lang.",
            ),
            (_, Some(PasswordError::TooShort)) => self.pick(
                "The password is too short: it needs at least 15 characters.",
                "Das Passwort ist zu kurz: Es braucht mindestens 15 Zeichen.",
            ),
            (_, Some(PasswordError::TooLong)) => self.pick(
                "The password is too long: it may have 256 characters.",
                "Das Passwort ist zu lang: Es darf 256 Zeichen haben.",
            ),
            (_, Some(PasswordError::Control)) => self.pick(
                "The password has characters that nobody can be sure to type twice.",
                "Das Passwort enthält Zeichen, die sich nicht verlässlich tippen lassen.",
            ),
            (_, None) => self.pick(
                "This password is guessed too soon: it is a common one, a simple sequence, or mostly your name, your \
                 address, or the name of what you log in to.",
                "Dieses Passwort wird zu schnell erraten: Es ist verbreitet, eine einfache Folge, oder besteht \
                 vor allem aus Ihrem Namen, Ihrer Adresse oder dem Namen dessen, wo Sie sich anmelden.",
            ),
        };
        said.to_owned()
    }

    pub(super) const fn email_label(self) -> &'static str {
        self.pick("Your address", "Ihre Adresse")
    }

    pub(super) const fn name_label(self) -> &'static str {
        self.pick("Your name", "Ihr Name")
    }

    pub(super) const fn password_label(self) -> &'static str {
        self.pick("New password", "Neues Passwort")
    }

    pub(super) const fn password_rule(self) -> &'static str {
        self.pick(
            "At least 15 characters of any kind. Four or more words that do not belong together are easy to keep and hard to guess.",
            "Mindestens 15 Zeichen beliebiger Art. Vier oder mehr Wörter, die nicht zusammengehören, sind leicht zu merken und schwer zu erraten.",
        )
    }

    pub(super) const fn button(self) -> &'static str {
        match self.purpose {
            Purpose::Invitation => self.pick("Accept", "Annehmen"),
            Purpose::PasswordReset => self.pick("Set the password", "Passwort setzen"),
            Purpose::EmailVerification | Purpose::EmailChange => self.pick("Confirm", "Bestätigen"),
        }
    }
}
