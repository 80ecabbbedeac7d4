//! Where a channel or a subscription leads: sealed in the store, shown without what is secret.

use std::fmt;

use keywright_core::{ChannelKind, EmailAddress, PlainToken};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::signature;
use crate::authority::Authority;
use crate::fault::Fault;

/// What a sealed destination is sealed for; its salt is the id of the channel or subscription.
pub(super) const PURPOSE: &str = "keywright notification destination v1";
/// Most recipients of a channel.
const MAX_RECIPIENTS: usize = 10;

/// A text that is printed nowhere.
#[derive(Clone)]
pub(super) struct Hidden(Zeroizing<String>);

impl Hidden {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(redacted)")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Where a channel is to lead, as it is asked for.
#[derive(Clone, Default)]
pub struct Address {
    /// For what is called.
    pub url: Option<Zeroizing<String>>,
    /// For mail.
    pub recipients: Option<Vec<EmailAddress>>,
}

impl Address {
    /// Whether nothing is asked for.
    pub const fn is_empty(&self) -> bool {
        self.url.is_none() && self.recipients.is_none()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(redacted)")
    }
}

/// Where a channel or a subscription leads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub(super) enum Destination {
    /// Into the log.
    Log,
    /// To people.
    Mail {
        /// Whom.
        recipients: Vec<EmailAddress>,
    },
    /// To an address that is called.
    Call {
        /// Which one.
        url: Hidden,
        /// What its messages are signed with, where they are.
        secret: Option<Hidden>,
    },
}

impl Destination {
    /// A destination for this kind of channel. `secret` is that of a webhook.
    ///
    /// # Errors
    /// [`Fault::Invalid`] naming what is missing, or too much, or must not be called;
    /// [`Fault::MailNotConfigured`].
    pub(super) fn of(
        authority: &Authority,
        kind: ChannelKind,
        address: Address,
        secret: Option<&str>,
    ) -> Result<Self, Fault> {
        let Address { url, recipients } = address;
        if url.is_some() && !kind.is_called() {
            return Err(Fault::field("url", format!("a channel of kind {} has none", kind.as_str())));
        }
        if recipients.is_some() && kind != ChannelKind::Email {
            return Err(Fault::field("recipients", format!("a channel of kind {} has none", kind.as_str())));
        }
        match kind {
            ChannelKind::Log => Ok(Self::Log),
            ChannelKind::Email => {
                let recipients = recipients.ok_or_else(|| Fault::field("recipients", "is needed"))?;
                if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
                    return Err(Fault::field("recipients", "must have 1 to 10 items"));
                }
                if authority.post().is_none() {
                    return Err(Fault::MailNotConfigured);
                }
                Ok(Self::Mail { recipients })
            }
            ChannelKind::Webhook | ChannelKind::Slack | ChannelKind::Teams | ChannelKind::Discord => {
                let url = url.ok_or_else(|| Fault::field("url", "is needed"))?;
                let target = authority.connector().target(&url);
                let target = target.map_err(|error| Fault::field("url", error.to_string()))?;
                let secret = secret.map(|secret| Hidden(Zeroizing::new(secret.to_owned())));
                Ok(Self::Call { url: Hidden(Zeroizing::new(target.reveal().to_owned())), secret })
            }
        }
    }

    /// Where the channel or subscription with this id leads from now on, as it is shown and sealed. What it was
    /// `sealed` as gives its secret, which stays.
    ///
    /// # Errors
    /// As [`Destination::of`].
    pub(super) fn moved(
        authority: &Authority,
        id: Uuid,
        kind: ChannelKind,
        sealed: Option<&[u8]>,
        address: Address,
    ) -> Result<(String, Vec<u8>), Fault> {
        let old = sealed.and_then(|sealed| Self::open(authority, id, sealed));
        let new = Self::of(authority, kind, address, old.as_ref().and_then(Self::secret))?;
        Ok((new.hint(authority), new.seal(authority, id)?))
    }

    /// How it is shown.
    pub(super) fn hint(&self, authority: &Authority) -> String {
        match self {
            Self::Log => "the server's log".to_owned(),
            Self::Mail { recipients } => {
                let first = recipients.first().map(masked).unwrap_or_default();
                match recipients.len() {
                    0 | 1 => first,
                    count => format!("{first} and {} more", count - 1),
                }
            }
            Self::Call { url, .. } => {
                authority.connector().target(url.reveal()).map(|target| target.hint()).unwrap_or_default()
            }
        }
    }

    /// What its messages are signed with.
    pub(super) fn secret(&self) -> Option<&str> {
        match self {
            Self::Call { secret, .. } => secret.as_ref().map(Hidden::reveal),
            Self::Log | Self::Mail { .. } => None,
        }
    }

    /// Seals it for the channel or subscription with this id.
    pub(super) fn seal(&self, authority: &Authority, id: Uuid) -> Result<Vec<u8>, Fault> {
        let text = serde_json::to_vec(self).map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(authority.keys().seal(PURPOSE, id.as_bytes(), &Zeroizing::new(text)))
    }

    /// Opens it; `None` when none of the master keys does.
    pub(super) fn open(authority: &Authority, id: Uuid, sealed: &[u8]) -> Option<Self> {
        let plain = authority.keys().open(PURPOSE, id.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// A new secret for what is signed.
pub(super) fn secret_of(kind: ChannelKind) -> Option<PlainToken> {
    (kind == ChannelKind::Webhook).then(signature::new_secret)
}

/// An address of which one letter and the domain are told.
fn masked(address: &EmailAddress) -> String {
    let first: String = address.local().chars().take(1).collect();
    format!("{first}…@{}", address.domain())
}
