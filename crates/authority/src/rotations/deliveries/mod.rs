//! The ways by which a new secret reaches whoever uses it. Each says of a try whether the receiver has it, whether
//! it is certain that nothing has left, or neither.

mod command;
mod file;

use keywright_core::PlainToken;
use keywright_core::rotation::Delivery;
use keywright_core::rotation::delivery::LINEAGE;
use keywright_store::rotations::RotationRow;
use keywright_store::service_tokens::ServiceTokenRow;

use crate::authority::Authority;

/// Most characters of what is kept of an answer.
const MAX_ANSWER: usize = 300;

/// A secret on its way.
pub(super) struct Parcel<'a> {
    pub(super) rotation: &'a RotationRow,
    /// The number of this try.
    pub(super) attempt: u64,
    /// The token that it is of.
    pub(super) new: &'a ServiceTokenRow,
    pub(super) secret: &'a PlainToken,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it, in its own words.
    Delivered(String),
    /// It is certain that no byte of it has left.
    NotSent(String),
    /// Something may have left, and the receiver did not say that it has it.
    Unknown(String),
}

impl Outcome {
    /// What is kept of it.
    pub(super) fn answer(&self) -> &str {
        let (Self::Delivered(text) | Self::NotSent(text) | Self::Unknown(text)) = self;
        &text[..text.floor_char_boundary(MAX_ANSWER)]
    }
}

/// Whether this server can deliver so, by its configuration; else which field says what it cannot.
pub(crate) fn admits(authority: &Authority, delivery: &Delivery) -> Result<(), (&'static str, String)> {
    let settings = &authority.settings().rotation;
    match delivery {
        Delivery::None => Ok(()),
        Delivery::File { path } => file::admits(settings, &path.replace(LINEAGE, "lineage"))
            .map_err(|detail| ("delivery.path", detail)),
        Delivery::Command { command } if settings.commands.contains_key(command) => Ok(()),
        Delivery::Command { .. } => {
            Err(("delivery.command", "is not among rotation.commands of this server".to_owned()))
        }
    }
}

/// Whether it needs something to be let in.
pub(crate) const fn needs_secret(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::None | Delivery::File { .. } | Delivery::Command { .. } => false,
    }
}

/// Whether this can let a delivery in.
pub(crate) fn admits_secret(delivery: &Delivery, secret: &str) -> Result<(), &'static str> {
    let fits = needs_secret(delivery) && !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err("must be visible ASCII characters") }
}

/// Delivers.
pub(super) async fn deliver(authority: &Authority, parcel: &Parcel<'_>) -> Outcome {
    let settings = &authority.settings().rotation;
    match &parcel.rotation.delivery {
        Delivery::None => Outcome::NotSent("there is nowhere to deliver to".to_owned()),
        Delivery::File { path } => {
            let path = path.replace(LINEAGE, &parcel.rotation.lineage_id.to_string());
            file::deliver(settings, &path, parcel).await
        }
        Delivery::Command { command } => command::deliver(settings, command, parcel).await,
    }
}
