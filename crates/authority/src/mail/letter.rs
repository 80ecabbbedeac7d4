//! What is told to whom, before it has words.

use std::fmt;

use keywright_core::{EmailAddress, Metadata, Name, PlainToken, Severity};
use keywright_store::users::UserRow;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A language that letters are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Locale {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag (BCP 47).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a tag, whatever its region; `None` of what is not spoken here.
    pub fn parse(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|locale| locale.as_str().eq_ignore_ascii_case(language))
    }

    /// The one that somebody prefers.
    pub fn preferred(preferences: &Metadata) -> Self {
        preferences
            .as_map()
            .get("locale")
            .and_then(|value| value.as_str())
            .and_then(Self::parse)
            .unwrap_or_default()
    }
}

/// The secret in a link. It is printed nowhere but in the letter, and sealed until then.
pub struct LinkToken(Zeroizing<String>);

impl LinkToken {
    /// Takes over a token for a link.
    pub fn of(token: &PlainToken) -> Self {
        Self(Zeroizing::new(token.reveal().to_owned()))
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(redacted)")
    }
}

impl Serialize for LinkToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LinkToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// An alert in a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertLine {
    /// How soon somebody should look.
    pub severity: Severity,
    /// What it says.
    pub summary: String,
}

/// What a letter tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Content {
    /// An account is ready to be taken.
    Invitation {
        /// For which publisher; none for the platform.
        publisher: Option<String>,
        /// Who takes it.
        token: LinkToken,
    },
    /// An account that exists belongs to one more publisher.
    Added {
        /// Which one.
        publisher: String,
    },
    /// A new password may be set.
    PasswordReset {
        /// Who sets it.
        token: LinkToken,
    },
    /// A password was set.
    PasswordChanged,
    /// An address is to be proved.
    EmailVerification {
        /// The proof.
        token: LinkToken,
    },
    /// An address is to become the account's.
    EmailChange {
        /// The proof.
        token: LinkToken,
    },
    /// To the address that an account had: another one takes its place.
    EmailChangeNotice {
        /// Which one.
        new_email: EmailAddress,
    },
    /// Something needs a look.
    Alerts {
        /// Some of the alerts, the most severe first.
        alerts: Vec<AlertLine>,
        /// How many more there are.
        more: u64,
    },
}

impl Content {
    /// Its name in the outbox.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::Added { .. } => "added",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::EmailVerification { .. } => "email_verification",
            Self::EmailChange { .. } => "email_change",
            Self::EmailChangeNotice { .. } => "email_change_notice",
            Self::Alerts { .. } => "alerts",
        }
    }

    /// Where its link leads, and the secret in it.
    pub const fn link(&self) -> Option<(&'static str, &LinkToken)> {
        match self {
            Self::Invitation { token, .. } => Some(("/account/invitation", token)),
            Self::PasswordReset { token } => Some(("/account/password-reset", token)),
            Self::EmailVerification { token } => Some(("/account/email-verification", token)),
            Self::EmailChange { token } => Some(("/account/email-change", token)),
            Self::Added { .. }
            | Self::PasswordChanged
            | Self::EmailChangeNotice { .. }
            | Self::Alerts { .. } => None,
        }
    }
}

/// A letter.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    /// To which address.
    pub to: EmailAddress,
    /// What its owner is called.
    pub name: Option<Name>,
    /// In which language.
    pub locale: Locale,
    /// What it tells.
    pub content: Content,
}

impl Letter {
    /// To a user, at the address of their account.
    pub fn to(user: &UserRow, content: Content) -> Self {
        Self {
            to: user.email.clone(),
            name: user.display_name.clone(),
            locale: Locale::preferred(&user.preferences),
            content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_the_first_part_of_its_tag() {
        for (tag, locale) in [
            ("de", Some(Locale::German)),
            ("DE-at", Some(Locale::German)),
            ("en_US", Some(Locale::English)),
            ("fr", None),
            ("", None),
            ("deutsch", None),
        ] {
            assert_eq!(Locale::parse(tag), locale, "{tag}");
        }
        assert_eq!(Locale::preferred(&Metadata::default()), Locale::English);
    }
}
