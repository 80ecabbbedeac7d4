//! The command line from a distance: over HTTP, with nothing else in its environment.

use std::process::Command;

use super::TestApp;
use super::child::{Printed, run};

/// A command that asks a node over HTTP with this token.
pub(crate) fn remote(app: &TestApp, token: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("KEYWRIGHT_URL", format!("http://{}", app.address())).env("KEYWRIGHT_TOKEN", token);
    command
}

/// Runs one with all permissions.
pub(crate) async fn admin(app: &TestApp, arguments: &[&str]) -> Printed {
    run(remote(app, app.admin_token(), arguments)).await
}

/// Runs one with all permissions, which must do what it is to do.
pub(crate) async fn done(app: &TestApp, arguments: &[&str]) -> Printed {
    let printed = admin(app, arguments).await;
    assert_eq!(printed.code, 0, "{arguments:?} {printed:?}");
    printed
}
