//! What touches the store directly: migrating it, making its first credential, and sealing anew.

use anyhow::{Context, bail};
use keywright_api::bootstrap::Bootstrap;
use keywright_api::secret::Secret;
use keywright_authority::bootstrap::bootstrap as first_token;
use keywright_authority::rekey::{SealedAnew, rekey as seal_anew};
use keywright_authority::{Fault, idempotency::Minted};
use keywright_store::SchemaState;

use crate::advice;
use crate::cli::migrate::Migrated;
use crate::config::{Config, Loaded};
use crate::node::{self, Node, Part};

fn config(loaded: &Loaded) -> anyhow::Result<&Config> {
    loaded.config.as_ref().context("the configuration has mistakes")
}

/// Brings the schema up to this version. `progress` is told of each step: done, of how many, its name.
///
/// # Errors
/// When the store cannot be reached or changed; the steps before the one that failed stay.
pub async fn migrate(
    loaded: &Loaded,
    progress: &mut (dyn FnMut(usize, usize, &str) + Send),
) -> anyhow::Result<Migrated> {
    let config = config(loaded)?;
    // SQLite has one server, and a server does not expect its schema to change under it. On PostgreSQL
    // nodes of the version before may go on.
    let _lock = node::lock(config).map_err(|error| {
        advice::alone(config, error, "stop the server before migrating a SQLite database")
    })?;
    let store = node::connect(config).await?;
    let mut applied = Vec::new();
    store
        .migrate(|step| {
            progress(step.number, step.total, &step.description);
            applied.push(step.description);
        })
        .await?;
    let state = store.schema_state().await?;
    store.close().await;
    let SchemaState::Current { version } = state else { bail!("the schema is {state:?} after migrating") };
    Ok(Migrated { applied, version })
}

/// Makes the first credential.
///
/// # Errors
/// When a usable one with all permissions exists already.
pub async fn bootstrap(loaded: &Loaded, email: &str) -> anyhow::Result<Bootstrap> {
    let config = config(loaded)?;
    let lock = node::lock(config).map_err(|error| {
        let first = "stop the server first, or create a token through it: keywright token create";
        advice::alone(config, error, first)
    })?;
    let keys = node::keys(config)?;
    let store = node::connect(config).await?;
    node::check_schema(&store).await?;
    let node = Node::open(config, store, lock, keys, Part::Operator).await?;
    let made = first_token(node.app().authority(), Some(email)).await;
    let closed = node.close().await;
    let Minted { token, secret, .. } = match made {
        Ok(minted) => minted,
        Err(Fault::AlreadyBootstrapped) => bail!(
            "a usable token with all permissions exists already: make more with `keywright token create`; \
             as the local operator you need no token for that"
        ),
        Err(fault) => return Err(fault.into()),
    };
    closed?;
    let secret = secret.context("the token was made, but its secret cannot be shown")?;
    Ok(Bootstrap { token: Secret::new(secret.reveal()), credential_id: token.id.0, user_id: None })
}

/// Seals anew, under the first of the configured master keys, whatever they seal and keep; tells how much.
///
/// # Errors
/// When a signing key is opened by none of them.
pub async fn rekey(loaded: &Loaded) -> anyhow::Result<SealedAnew> {
    let config = config(loaded)?;
    let lock = node::lock(config).map_err(|error| advice::alone(config, error, "stop the server first"))?;
    let keys = node::keys(config)?;
    let store = node::connect(config).await?;
    node::check_schema(&store).await?;
    let node = Node::open(config, store, lock, keys, Part::Operator).await?;
    let sealed = seal_anew(node.app().authority()).await;
    let closed = node.close().await;
    let sealed = sealed?;
    closed?;
    Ok(sealed)
}
