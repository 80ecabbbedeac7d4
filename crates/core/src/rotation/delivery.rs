//! How a new secret reaches whoever uses it: where to, without any secret.

use serde::{Deserialize, Serialize};

use crate::id::CredentialId;

/// What stands in a place for the first credential of the line of rotations: it is the same for each that follows.
pub const LINEAGE: &str = "{lineage_id}";
/// The API of GitHub, where no other is named.
pub const GITHUB: &str = "https://api.github.com";

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
    /// To a webhook: signed, and sealed to the receiver's public key where it has one.
    Webhook {
        /// Its address.
        url: String,
        /// The receiver's X25519 key, 32 bytes in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    },
    /// Into a secret of GitHub Actions, of a repository or of one of its environments.
    GithubActionsSecret {
        /// Where GitHub's REST API is.
        url: String,
        /// `OWNER/NAME`.
        repository: String,
        /// The environment that the secret is of; none: the repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        /// The secret's name; [`LINEAGE`] in it, in upper case with `_`, tells tokens apart.
        secret_name: String,
    },
    /// Into one key of a secret of Kubernetes.
    KubernetesSecret {
        /// Where the cluster's API is.
        url: String,
        /// The namespace.
        namespace: String,
        /// The name of the secret, which exists; [`LINEAGE`] in it tells tokens apart.
        secret_name: String,
        /// The key within it; [`LINEAGE`] in it does the same.
        key: String,
    },
    /// Into one key of a secret of Vault's key-value store, version 2.
    VaultKv {
        /// Where Vault is.
        url: String,
        /// Where the store is mounted.
        mount: String,
        /// The path of the secret; [`LINEAGE`] in it tells tokens apart.
        path: String,
        /// The key within it; [`LINEAGE`] in it does the same.
        key: String,
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
    /// See [`Delivery::Webhook`].
    Webhook,
    /// See [`Delivery::GithubActionsSecret`].
    GithubActionsSecret,
    /// See [`Delivery::KubernetesSecret`].
    KubernetesSecret,
    /// See [`Delivery::VaultKv`].
    VaultKv,
}

impl DeliveryKind {
    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::File => "file",
            Self::Command => "command",
            Self::Webhook => "webhook",
            Self::GithubActionsSecret => "github_actions_secret",
            Self::KubernetesSecret => "kubernetes_secret",
            Self::VaultKv => "vault_kv",
        }
    }

    /// Whether it acts on the node itself. Only the platform may ask for that: a file or a program of the node
    /// belongs to no publisher.
    pub const fn is_of_the_node(self) -> bool {
        matches!(self, Self::File | Self::Command)
    }

    /// Whether it needs something to be let in, or to be believed: a token, or what it is signed with.
    pub const fn needs_secret(self) -> bool {
        match self {
            Self::None | Self::File | Self::Command => false,
            Self::Webhook | Self::GithubActionsSecret | Self::KubernetesSecret | Self::VaultKv => true,
        }
    }
}

/// A field of a delivery that is no good, by its name, and why.
pub type BadField = (&'static str, &'static str);

impl Delivery {
    /// Its kind.
    pub const fn kind(&self) -> DeliveryKind {
        match self {
            Self::None => DeliveryKind::None,
            Self::File { .. } => DeliveryKind::File,
            Self::Command { .. } => DeliveryKind::Command,
            Self::Webhook { .. } => DeliveryKind::Webhook,
            Self::GithubActionsSecret { .. } => DeliveryKind::GithubActionsSecret,
            Self::KubernetesSecret { .. } => DeliveryKind::KubernetesSecret,
            Self::VaultKv { .. } => DeliveryKind::VaultKv,
        }
    }

    /// Whether what lets one of the two in may be used for the other.
    ///
    /// Only when they are the same in all: who receives is said by the address, and by every name that is used
    /// there. With the key of another, whoever names the place would reach wherever that key reaches.
    pub fn same_receiver(&self, other: &Self) -> bool {
        self == other
    }

    /// The address that is called.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::None | Self::File { .. } | Self::Command { .. } => None,
            Self::Webhook { url, .. }
            | Self::GithubActionsSecret { url, .. }
            | Self::KubernetesSecret { url, .. }
            | Self::VaultKv { url, .. } => Some(url),
        }
    }

    /// The receiver's own key, in base64, where the secret is sealed to it from its making on.
    pub fn public_key(&self) -> Option<&str> {
        match self {
            Self::Webhook { public_key, .. } => public_key.as_deref(),
            _ => None,
        }
    }

    /// The fields in which [`LINEAGE`] tells tokens apart; none where they need not be told apart.
    fn places(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::None | Self::Command { .. } | Self::Webhook { .. } => Vec::new(),
            Self::File { path } => vec![("path", path)],
            Self::GithubActionsSecret { secret_name, .. } => vec![("secret_name", secret_name)],
            Self::KubernetesSecret { secret_name, key, .. } => {
                vec![("key", key), ("secret_name", secret_name)]
            }
            Self::VaultKv { path, key, .. } => vec![("key", key), ("path", path)],
        }
    }

    /// The field in which [`LINEAGE`] would make it more than one place, where it ends in one whatever is delivered:
    /// two tokens would overwrite each other there, and one of their consumers be left without its secret.
    pub fn one_place(&self) -> Option<&'static str> {
        let places = self.places();
        if places.iter().any(|(_, text)| text.contains(LINEAGE)) {
            return None;
        }
        places.first().map(|(field, _)| *field)
    }

    /// The same for one line of rotations: [`LINEAGE`] is filled in.
    #[must_use]
    pub fn of_lineage(&self, lineage: CredentialId) -> Self {
        let id = lineage.to_string();
        let fill = |text: &String| text.replace(LINEAGE, &id);
        let mut of = self.clone();
        match &mut of {
            Self::None | Self::Command { .. } | Self::Webhook { .. } => {}
            Self::File { path } => *path = fill(path),
            Self::GithubActionsSecret { secret_name, .. } => {
                // The names of these have no hyphens.
                *secret_name = secret_name.replace(LINEAGE, &id.to_ascii_uppercase().replace('-', "_"));
            }
            Self::KubernetesSecret { secret_name, key, .. } => {
                (*secret_name, *key) = (fill(secret_name), fill(key));
            }
            Self::VaultKv { path, key, .. } => (*path, *key) = (fill(path), fill(key)),
        }
        of
    }

    /// Whether each name is one that the receiver could have. Addresses, paths of files and keys are judged where
    /// they are used.
    ///
    /// # Errors
    /// The first field that is none.
    pub fn check_names(&self) -> Result<(), BadField> {
        // Judged as they will be: names have bounds.
        match self.of_lineage(CredentialId(uuid::Uuid::max())) {
            Self::None | Self::File { .. } | Self::Command { .. } | Self::Webhook { .. } => Ok(()),
            Self::GithubActionsSecret { repository, environment, secret_name, .. } => {
                is_repository(&repository).or_else_bad("repository", "must be OWNER/NAME of GitHub")?;
                environment.as_deref().is_none_or(is_environment).or_else_bad(
                    "environment",
                    "must be 1 to 255 printable characters, and not a dot or two",
                )?;
                is_actions_name(&secret_name).or_else_bad(
                    "secret_name",
                    "must be at most 200 letters, digits and '_', with no digit first and not GITHUB_",
                )
            }
            Self::KubernetesSecret { namespace, secret_name, key, .. } => {
                is_label(&namespace)
                    .or_else_bad("namespace", "must be at most 63 lower-case letters, digits and '-'")?;
                is_subdomain(&secret_name).or_else_bad(
                    "secret_name",
                    "must be at most 253 lower-case letters, digits, '-' and '.', as a domain is",
                )?;
                is_data_key(&key).or_else_bad(
                    "key",
                    "must be at most 253 letters, digits, '-', '_' and '.', and not begin with '..'",
                )
            }
            Self::VaultKv { mount, path, key, .. } => {
                let wrong = "must be names with '/' between them, none of them empty, a dot or two";
                is_vault_path(&mount, 200).or_else_bad("mount", wrong)?;
                is_vault_path(&path, 500).or_else_bad("path", wrong)?;
                is_printable(&key, 200).or_else_bad("key", "must be 1 to 200 printable characters")
            }
        }
    }
}

/// A word on a test that failed.
trait OrElseBad {
    fn or_else_bad(self, field: &'static str, detail: &'static str) -> Result<(), BadField>;
}

impl OrElseBad for bool {
    fn or_else_bad(self, field: &'static str, detail: &'static str) -> Result<(), BadField> {
        if self { Ok(()) } else { Err((field, detail)) }
    }
}

fn is_printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether it stays one segment of a path, whoever reads that.
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
}

fn is_repository(text: &str) -> bool {
    let Some((owner, name)) = text.split_once('/') else { return false };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_owner = (1..=39).contains(&owner.len()) && owner.bytes().all(plain) && !owner.starts_with('-');
    let is_name = name.len() <= 100 && name.bytes().all(|b| plain(b) || b == b'.') && is_segment(name);
    is_owner && is_name
}

fn is_environment(text: &str) -> bool {
    is_printable(text, 255) && is_segment(text)
}

/// The name of a secret of GitHub Actions, by GitHub's documentation.
fn is_actions_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let ours = !text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("GITHUB_"));
    let begins = text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    text.len() <= 200 && begins && ours && text.bytes().all(plain)
}

/// A label of a domain (RFC 1123), as Kubernetes names namespaces.
fn is_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edges = [text.bytes().next(), text.bytes().last()];
    text.len() <= 63
        && edges.into_iter().all(|edge| edge.is_some_and(plain))
        && text.bytes().all(|b| plain(b) || b == b'-')
}

/// A domain (RFC 1123), as Kubernetes names secrets. Its labels have no bound of their own there.
fn is_subdomain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_label = |label: &str| {
        let edges = [label.bytes().next(), label.bytes().last()];
        edges.into_iter().all(|edge| edge.is_some_and(plain)) && label.bytes().all(|b| plain(b) || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A key in the data of a secret of Kubernetes.
fn is_data_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(plain) && text != "." && !text.starts_with("..")
}

fn is_vault_path(text: &str, most: usize) -> bool {
    is_printable(text, most) && text.split('/').all(is_segment)
}

#[cfg(test)]
mod tests;
