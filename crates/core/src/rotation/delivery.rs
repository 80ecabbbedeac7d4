//! How a new secret reaches whoever uses it: where to, without any secret.

use serde::{Deserialize, Serialize};

/// What stands in a path for the first credential of the line of rotations: it is the same for each that follows.
pub const LINEAGE: &str = "{lineage_id}";

/// Where a new secret is delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Delivery {
    /// Nowhere: nothing is minted, the owner is reminded.
    None,
    /// Into a file on the node that delivers.
    File {
        /// Its absolute path; [`LINEAGE`] in it tells tokens apart.
        path: String,
    },
    /// To the standard input of a program on the node that delivers.
    Command {
        /// Its name in the configuration.
        command: String,
    },
}

/// A kind of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// See [`Delivery::None`].
    None,
    /// See [`Delivery::File`].
    File,
    /// See [`Delivery::Command`].
    Command,
}

impl DeliveryKind {
    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::File => "file",
            Self::Command => "command",
        }
    }

    /// Whether it acts on the node itself. Only the platform may ask for that: a file or a program of the node
    /// belongs to no publisher.
    pub const fn is_of_the_node(self) -> bool {
        matches!(self, Self::File | Self::Command)
    }
}

impl Delivery {
    /// Its kind.
    pub const fn kind(&self) -> DeliveryKind {
        match self {
            Self::None => DeliveryKind::None,
            Self::File { .. } => DeliveryKind::File,
            Self::Command { .. } => DeliveryKind::Command,
        }
    }

    /// Whether what lets one of the two in may be shown to the other: it goes to the same place.
    pub fn same_receiver(&self, other: &Self) -> bool {
        self == other
    }

    /// Whether it ends in one place whatever is delivered: two tokens would overwrite each other there, and one of
    /// their consumers be left without its secret.
    pub fn is_one_place(&self) -> bool {
        match self {
            Self::None | Self::Command { .. } => false,
            Self::File { path } => !path.contains(LINEAGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_tokens_would_share_are_known() {
        let file = |path: &str| Delivery::File { path: path.to_owned() };
        assert!(file("/run/secrets/api").is_one_place());
        assert!(!file("/run/secrets/{lineage_id}/token").is_one_place());
        assert!(!Delivery::None.is_one_place());
        for delivery in [Delivery::None, file("/a"), Delivery::Command { command: "a".to_owned() }] {
            let json = serde_json::to_value(&delivery).unwrap();
            assert_eq!(json["type"], delivery.kind().as_str());
        }
    }
}
