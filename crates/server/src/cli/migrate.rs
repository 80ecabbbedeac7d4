//! `keywright migrate`: brings the store's schema up to this version.

use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::text::counted;
use super::output::{Output, progress};
use super::settings;

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// The steps that were taken, in order; none when the schema was current.
    pub applied: Vec<String>,
    /// The version of the schema now.
    pub version: i64,
}

/// Does it, with a bar that tells how far it is.
pub(crate) async fn run(globals: &Globals, output: &Output) -> Outcome {
    let loaded = settings::load(globals, &[], false)?;
    settings::require(&loaded)?;
    let bar = progress::bar(output);
    let mut report = |done: usize, total: usize, name: &str| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(name.to_owned());
    };
    let migrated = crate::admin::migrate(&loaded, &mut report).await;
    bar.finish_and_clear();
    let migrated = migrated.map_err(|error| Failure::from_chain(&error))?;
    if output.json {
        return output.value(&migrated);
    }
    for step in &migrated.applied {
        output.line(step)?;
    }
    output.note(&told(&migrated));
    Ok(())
}

fn told(migrated: &Migrated) -> String {
    let version = migrated.version;
    match migrated.applied.len() {
        0 => format!("the schema is current: version {version}"),
        steps => format!("{} taken; the schema is at version {version}", counted(steps, "step")),
    }
}
