//! What nodes tell each other.

use keywright_core::id::ChangeId;
use keywright_core::{CredentialId, Epochs, NodeId};
use uuid::Uuid;

/// What nodes tell each other: ids only, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// These were changed.
    Invalidate {
        /// To be confirmed.
        change: Option<ChangeId>,
        /// What was changed.
        ids: Vec<Uuid>,
    },
    /// Numbers of the platform were raised.
    Raised {
        /// To be confirmed.
        change: Option<ChangeId>,
        /// The numbers in force; 0 for those that were not raised.
        epochs: Epochs,
        /// The credential that was spared.
        spared: Option<CredentialId>,
    },
    /// Anything may have been changed.
    Flush {
        /// To be confirmed.
        change: Option<ChangeId>,
    },
    /// A heartbeat.
    Beat {
        /// Of this node.
        node: NodeId,
        /// Sent at this moment of its boot-time clock.
        sent_at: i64,
    },
    /// A change is in force on this node.
    Confirm {
        /// The node.
        node: NodeId,
        /// The change.
        change: ChangeId,
    },
}

impl Message {
    /// As it goes through the channel.
    pub fn to_payload(&self) -> String {
        let change = |change: &Option<ChangeId>| change.map_or("-".to_owned(), |change| change.to_string());
        match self {
            Self::Invalidate { change: c, ids } => {
                let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
                format!("i {} {}", change(c), ids.join(","))
            }
            Self::Raised { change: c, epochs, spared } => {
                let Epochs { service, session, personal, counter, keys } = epochs;
                let spared = spared.map_or("-".to_owned(), |id| id.to_string());
                format!("e {} {service} {session} {personal} {counter} {keys} {spared}", change(c))
            }
            Self::Flush { change: c } => format!("f {}", change(c)),
            Self::Beat { node, sent_at } => format!("h {node} {sent_at}"),
            Self::Confirm { node, change } => format!("c {node} {change}"),
        }
    }

    /// Reads a payload. What cannot be read may mean anything: it flushes everything.
    pub fn from_payload(payload: &str) -> Self {
        Self::parse(payload)
            .filter(|message| message.to_payload() == payload)
            .unwrap_or(Self::Flush { change: None })
    }

    fn parse(payload: &str) -> Option<Self> {
        let mut words = payload.split(' ');
        let message = match words.next()? {
            "i" => Self::Invalidate {
                change: optional(words.next()?).ok()?,
                ids: words.next()?.split(',').map(|id| id.parse().ok()).collect::<Option<_>>()?,
            },
            "e" => Self::Raised {
                change: optional(words.next()?).ok()?,
                epochs: Epochs {
                    service: words.next()?.parse().ok()?,
                    session: words.next()?.parse().ok()?,
                    personal: words.next()?.parse().ok()?,
                    counter: words.next()?.parse().ok()?,
                    keys: words.next()?.parse().ok()?,
                },
                spared: optional(words.next()?).ok()?,
            },
            "f" => Self::Flush { change: optional(words.next()?).ok()? },
            "h" => Self::Beat { node: words.next()?.parse().ok()?, sent_at: words.next()?.parse().ok()? },
            "c" => Self::Confirm { node: words.next()?.parse().ok()?, change: words.next()?.parse().ok()? },
            _ => return None,
        };
        words.next().is_none().then_some(message)
    }
}

fn optional<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text == "-" { Ok(None) } else { text.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::TOLD_AT_ONCE;
    use keywright_store::notify;
    use proptest::prelude::*;

    #[test]
    fn what_is_told_is_heard() {
        let node = NodeId(Uuid::from_u128(3));
        let change = Some(ChangeId(Uuid::from_u128(4)));
        let spared = Some(CredentialId(Uuid::from_u128(5)));
        for message in [
            Message::Invalidate { change, ids: vec![Uuid::from_u128(1), Uuid::from_u128(2)] },
            Message::Invalidate { change: None, ids: vec![Uuid::from_u128(1)] },
            Message::Raised {
                change,
                epochs: Epochs { service: 7, session: 0, personal: 8, counter: 9, keys: 2 },
                spared,
            },
            Message::Raised { change: None, epochs: Epochs::default(), spared: None },
            Message::Flush { change },
            Message::Beat { node, sent_at: 12 },
            Message::Confirm { node, change: ChangeId(Uuid::from_u128(9)) },
        ] {
            assert_eq!(Message::from_payload(&message.to_payload()), message);
        }
        let many = Message::Invalidate { change, ids: vec![Uuid::from_u128(1); TOLD_AT_ONCE] };
        assert!(many.to_payload().len() <= notify::MAX_PAYLOAD);
    }

    proptest! {
        #[test]
        fn what_is_not_understood_flushes_everything(payload in "[ifehc]? ?.{0,40}") {
            let heard = Message::from_payload(&payload);
            let flush = Message::Flush { change: None };
            prop_assert!(heard == flush || heard.to_payload() == payload, "{payload:?} was heard as {heard:?}");
        }
    }
}
