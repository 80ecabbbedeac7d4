//! What stands in the way of a start says what to do about it, and tells no secret.

use std::path::Path;
use std::process::Command;

use crate::harness::child::{Printed, Server, keywright, run};

/// A command that listens at any port, where it comes to that.
fn command(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = keywright(folder, url, arguments);
    command.env("KEYWRIGHT_SERVER__LISTEN", "127.0.0.1:0");
    command
}

/// The same with more in its environment.
async fn tried(folder: &Path, url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Printed {
    let mut command = command(folder, url, arguments);
    command.envs(environment.iter().copied());
    run(command).await
}

#[track_caller]
fn says(printed: &Printed, code: i32, what: &str) {
    assert_eq!(printed.code, code, "{printed:?}");
    assert!(printed.stderr.contains(what), "{what}: {printed:?}");
    assert!(!printed.stderr.contains("canary"), "{printed:?}");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_says_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("keywright.db").display());
    let file = folder.path().join("mistaken.toml");
    let file_name = file.to_str().unwrap();
    for (text, what) in [
        ("[server]\nlistn = \"127.0.0.1:1\"\n", "did you mean server.listen?"),
        ("[server]\nlisten = 1\n", "give an IP address and a port"),
        ("[server\n", "write `key = \"value\"` under `[section]`"),
    ] {
        std::fs::write(&file, text).unwrap();
        // No variable stands above what the file says.
        says(&run(keywright(folder.path(), &url, &["--config", file_name, "serve"])).await, 1, what);
    }
    let away = folder.path().join("away.toml");
    let printed = tried(folder.path(), &url, &["--config", away.to_str().unwrap(), "serve"], &[]).await;
    says(&printed, 1, "give the path of a readable file");
    let short = folder.path().join("master.key");
    std::fs::write(&short, "Y2FuYXJ5\n").unwrap();
    let mut command = command(folder.path(), &url, &["serve"]);
    command.env_remove("KEYWRIGHT_MASTER_KEY").env("KEYWRIGHT_MASTER_KEY_FILE", &short);
    says(&run(command).await, 1, "openssl rand -base64 32");
    let printed = tried(folder.path(), &url, &["bootstrap", "--email", "nobody"], &[]).await;
    says(&printed, 2, "--email: is not of the form name@domain");
    assert_eq!(printed.stdout, "");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_where_to_look() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Nobody can make a file there, root neither.
    says(&tried(folder, "sqlite:/proc/keywright.db", &["migrate"], &[]).await, 1, "must be able to write");
    says(
        &tried(folder, "sqlite:/proc/keywright.db", &["token", "list"], &[]).await,
        1,
        "must be able to write",
    );
    std::fs::write(folder.join("notes.txt"), "something else, and long enough to be looked at\n".repeat(100))
        .unwrap();
    let other = format!("sqlite:{}", folder.join("notes.txt").display());
    says(&tried(folder, &other, &["migrate"], &[]).await, 1, "is no database of SQLite");
    let away = "postgres://keywright:canary@127.0.0.1:1/keywright";
    for command in [&["serve"][..], &["migrate"], &["token", "list"]] {
        says(&tried(folder, away, command, &[]).await, 1, "is PostgreSQL running");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_serve_says_which_setting_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let url = format!("sqlite:{}", folder.join("keywright.db").display());
    let server = Server::start(folder, &url).await;
    says(&tried(folder, &url, &["serve"], &[]).await, 1, "stop the other first");
    says(&tried(folder, &url, &["migrate"], &[]).await, 1, "stop the server");
    let taken = server.address().to_string();
    let second = format!("sqlite:{}", folder.join("second.db").display());
    says(&tried(folder, &second, &["migrate"], &[]).await, 0, "");
    let serve = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let all = [&["serve"][..], arguments].concat();
        tried(folder, &second, &all, &[&[("KEYWRIGHT_JOURNAL__DIR", "second")][..], environment].concat())
            .await
    };
    says(&serve(&["--listen", &taken], &[]).await, 1, "another process listens there");
    says(&serve(&["--listen", "192.0.2.1:8080"], &[]).await, 1, "no such address");
    let file = folder.join("empty.pem");
    std::fs::write(&file, "").unwrap();
    let pem = file.to_str().unwrap();
    let tls = [("KEYWRIGHT_SERVER__TLS_CERT", pem), ("KEYWRIGHT_SERVER__TLS_KEY", pem)];
    says(&serve(&[], &tls).await, 1, "server.tls_cert must name a file in PEM");
    let journal = [("KEYWRIGHT_JOURNAL__DIR", pem)];
    says(&serve(&[], &journal).await, 1, "journal.dir must name a directory");
    server.kill().await;
}
