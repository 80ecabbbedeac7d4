//! Typed identifiers. All are `UUIDv7` (RFC 9562 §5.7): ordered by the moment of their making.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// Entropy for one identifier: 10 bytes of the system's generator.
pub type IdEntropy = [u8; 10];

fn v7(now: Timestamp, entropy: IdEntropy) -> Uuid {
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, made at `now` from `entropy`.
            pub fn generate(now: Timestamp, entropy: IdEntropy) -> Self {
                Self(v7(now, entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_hyphenated(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A credential: a service token, a personal token, or a session with the access tokens made from it.
    CredentialId;
    /// A person.
    UserId;
    /// A tenant.
    PublisherId;
    /// The identity of an external system.
    ServiceAccountId;
    /// A role of a publisher.
    RoleId;
    /// One login of a user.
    SessionId;
    /// A key that signs access tokens; its id is the `kid`.
    SigningKeyId;
    /// A security event or an authentication event.
    EventId;
    /// One boot of one process that serves.
    NodeId;
    /// One segment file of a journal.
    SegmentId;
    /// A directory of journal segments, whoever has it.
    JournalId;
    /// Something that somebody should look at.
    AlertId;
    /// A way by which alerts leave.
    ChannelId;
    /// Who is told of which events.
    SubscriptionId;
    /// Something that is told to somebody.
    DeliveryId;
    /// A change that nodes are asked to confirm.
    ChangeId;
    /// A policy of automated rotation.
    RotationPolicyId;
    /// A window in which rotations begin.
    MaintenanceWindowId;
    /// One automated rotation of a credential.
    RotationId;
}

/// Only the 36-character form is an id on the wire; the other spellings that the UUID crate reads
/// (braces, URN, without hyphens) would give one object several URLs.
fn parse_hyphenated(text: &str) -> Result<Uuid, uuid::Error> {
    let id = Uuid::try_parse(text)?;
    if text.len() == 36 { Ok(id) } else { Err(Uuid::try_parse("").expect_err("an empty text is no UUID")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_moment_of_their_making() {
        let early = CredentialId::generate(Timestamp::from_micros(1_000_000), [255; 10]);
        let late = CredentialId::generate(Timestamp::from_micros(1_001_000), [0; 10]);
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 7);
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = CredentialId::generate(Timestamp::from_micros(5), [7; 10]);
        assert_eq!(id.to_string().parse::<CredentialId>().ok(), Some(id));
        for other in [id.0.simple().to_string(), id.0.braced().to_string(), id.0.urn().to_string()] {
            assert!(other.parse::<CredentialId>().is_err(), "{other}");
        }
    }
}
