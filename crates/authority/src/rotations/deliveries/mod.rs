//! The ways by which a new secret reaches whoever uses it. Each says of a try whether the receiver has it, whether
//! it is certain that nothing has left, or neither.

mod command;
mod file;
mod github;
mod kubernetes;
mod remote;
mod sealed;
mod vault;
mod webhook;

use keywright_core::PlainToken;
use keywright_core::rotation::Delivery;
use keywright_core::rotation::delivery::LINEAGE;
use keywright_store::rotations::RotationRow;
use keywright_store::service_tokens::ServiceTokenRow;
use zeroize::Zeroizing;

use self::sealed::ReceiverKey;
use crate::authority::Authority;
use crate::fault::Fault;
use crate::notifications;

/// Most characters of what is kept of an answer.
const MAX_ANSWER: usize = 300;
/// Most characters of what lets a delivery in.
const MAX_SECRET: usize = 4_096;

/// A secret on its way.
pub(super) struct Parcel<'a> {
    pub(super) rotation: &'a RotationRow,
    /// The number of this try.
    pub(super) attempt: u64,
    /// The token that it is of.
    pub(super) new: &'a ServiceTokenRow,
    /// The secret as it was kept: where the receiver has a key of its own, the box that only that opens.
    pub(super) secret: &'a PlainToken,
    /// What lets the delivery in; empty where nothing is needed.
    pub(super) key: &'a str,
}

impl Parcel<'_> {
    fn text(&self) -> &str {
        self.secret.reveal()
    }
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

/// What is kept of a new secret until its delivery is settled: where the receiver has a key of its own, the box that
/// only that opens, so that not even this server can tell the secret again.
pub(super) fn kept(delivery: &Delivery, secret: &PlainToken) -> Result<Zeroizing<String>, Fault> {
    let Some(key) = delivery.public_key() else { return Ok(Zeroizing::new(secret.reveal().to_owned())) };
    let boxed = ReceiverKey::parse(key).and_then(|key| key.seal(secret.reveal()));
    // It was judged before the rotation began, and again before this.
    boxed.map(Zeroizing::new).ok_or_else(|| Fault::Internal("the receiver's key is none".to_owned()))
}

/// Whether this server can deliver so, by its configuration; else which field says what it cannot.
pub(crate) fn admits(authority: &Authority, delivery: &Delivery) -> Result<(), (&'static str, String)> {
    let settings = &authority.settings().rotation;
    match delivery {
        Delivery::None => Ok(()),
        Delivery::File { path } => {
            file::admits(settings, &path.replace(LINEAGE, "lineage")).map_err(|detail| ("path", detail))
        }
        Delivery::Command { command } if settings.commands.contains_key(command) => Ok(()),
        Delivery::Command { .. } => {
            Err(("command", "is not among rotation.commands of this server".to_owned()))
        }
        Delivery::Webhook { url, public_key } => {
            let target = authority.connector().target(url);
            target.map_err(|error| ("url", error.to_string()))?;
            if public_key.as_deref().is_some_and(|key| ReceiverKey::parse(key).is_none()) {
                return Err(("public_key", "must be an X25519 key: 32 bytes in base64".to_owned()));
            }
            Ok(())
        }
        Delivery::GithubActionsSecret { url, .. }
        | Delivery::KubernetesSecret { url, .. }
        | Delivery::VaultKv { url, .. } => {
            let target = authority.connector().target(url);
            target.map_err(|error| ("url", error.to_string()))?;
            if !remote::is_base(url) {
                return Err(("url", "must be an address without a query".to_owned()));
            }
            delivery.check_names().map_err(|(field, detail)| (field, detail.to_owned()))
        }
    }
}

/// Whether this can let a delivery in.
pub(crate) fn admits_secret(delivery: &Delivery, secret: &str) -> Result<(), &'static str> {
    if matches!(delivery, Delivery::Webhook { .. }) {
        let signs = notifications::is_secret(secret);
        return if signs { Ok(()) } else { Err("must be whsec_ and 24 to 64 bytes in base64") };
    }
    let fits = (1..=MAX_SECRET).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err("must be 1 to 4,096 visible ASCII characters") }
}

/// A new secret where both sides can be given one: what a webhook is signed with.
pub(crate) fn new_secret(delivery: &Delivery) -> Option<PlainToken> {
    matches!(delivery, Delivery::Webhook { .. }).then(notifications::new_secret)
}

/// Delivers.
pub(super) async fn deliver(authority: &Authority, parcel: &Parcel<'_>) -> Outcome {
    let settings = &authority.settings().rotation;
    match &parcel.rotation.delivery.of_lineage(parcel.rotation.lineage_id) {
        Delivery::None => Outcome::NotSent("there is nowhere to deliver to".to_owned()),
        Delivery::File { path } => file::deliver(settings, path, parcel).await,
        Delivery::Command { command } => command::deliver(settings, command, parcel).await,
        Delivery::Webhook { url, public_key } => {
            webhook::deliver(authority, url, public_key.is_some(), parcel).await
        }
        Delivery::GithubActionsSecret { url, repository, environment, secret_name } => {
            let environment = environment.as_deref();
            github::deliver(authority, &github::Place { url, repository, environment, secret_name }, parcel)
                .await
        }
        Delivery::KubernetesSecret { url, namespace, secret_name, key } => {
            let place = kubernetes::Place { url, namespace, secret_name, key };
            kubernetes::deliver(authority, &place, parcel).await
        }
        Delivery::VaultKv { url, mount, path, key } => {
            vault::deliver(authority, &vault::Place { url, mount, path, key }, parcel).await
        }
    }
}
