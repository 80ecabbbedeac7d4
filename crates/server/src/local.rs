//! The local operator's way to the authority when no server runs: the very same router, in this process.

use std::path::PathBuf;

use anyhow::Context;
use axum::extract::Extension;
use keywright_store::{StoreError, StoreOptions};

use crate::advice;
use crate::cli::transport::{InProcess, OpenError};
use crate::config::{Config, Loaded};
use crate::http;
use crate::http::gate::LocalOperator;
use crate::node::{self, Node, Part};

/// The operator's socket of the configured store; none on PostgreSQL.
pub fn socket_path(config: &Config) -> Option<PathBuf> {
    node::socket_path(config)
}

/// The options of the configured store.
pub fn store_options(config: &Config) -> StoreOptions {
    node::store_options(config)
}

/// Opens the authority in this process.
///
/// # Errors
/// [`OpenError::InUse`] while another process has the SQLite database.
pub async fn open(loaded: &Loaded) -> Result<InProcess, OpenError> {
    let config =
        loaded.config.as_ref().context("the configuration has mistakes").map_err(OpenError::Failed)?;
    let lock = node::lock(config).map_err(|error| match error {
        StoreError::InUse { .. } => OpenError::InUse(error.to_string()),
        other => OpenError::Failed(advice::store(config, other)),
    })?;
    let opened = async {
        let keys = node::keys(config)?;
        let store = node::connect(config).await?;
        node::check_schema(&store).await?;
        Node::open(config, store, lock, keys, Part::Operator).await
    };
    let node = opened.await.map_err(OpenError::Failed)?;
    let router = http::router(node.app().clone()).layer(Extension(LocalOperator));
    Ok(InProcess::new(router, node.close()))
}
