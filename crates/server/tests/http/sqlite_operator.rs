//! SQLite has one server; the local operator works through it, or in its stead when none runs.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::child::{Printed, Server, keywright, run};
use crate::harness::eventually;

/// A folder with a database that is made by the first server or command.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file("keywright.db").display())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn serve(&self) -> Server {
        Server::start(self.folder.path(), &self.url()).await
    }

    async fn keywright(&self, arguments: &[&str]) -> Printed {
        run(keywright(self.folder.path(), &self.url(), arguments)).await
    }
}

fn runs_on_sqlite() -> bool {
    keywright_store::testing::engines().contains(&keywright_store::Engine::Sqlite)
}

async fn verify(server: &Server, credential: &str) -> serde_json::Value {
    let answer = server.nobody().bearing(credential).send("POST", "/auth/verify", None).await;
    answer.expect(200)["code"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_by_the_operator_is_in_force_in_the_server_when_the_command_returns() {
    if !runs_on_sqlite() {
        return;
    }
    let home = Home::new();
    let server = home.serve().await;
    for round in 0..5 {
        let name = format!("token-{round}");
        let made =
            home.keywright(&["token", "create", "--name", &name, "--permissions", "a", "--json"]).await;
        assert_eq!(made.code, 0, "{made:?}");
        let secret = made.json()["token"].as_str().unwrap().to_owned();
        assert_eq!(verify(&server, &secret).await, "valid");
        let revoked = home.keywright(&["token", "revoke", "--identifier", &name, "--reason", "leak"]).await;
        assert_eq!(revoked.code, 0, "{revoked:?}");
        assert_eq!(verify(&server, &secret).await, "revoked");
    }
    let made = home.keywright(&["token", "create", "--name", "last", "--permissions", "a", "--json"]).await;
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(verify(&server, &secret).await, "valid");
    let all = home.keywright(&["emergency-revoke", "--reason", "breach", "--yes"]).await;
    assert_eq!(all.code, 0, "{all:?}");
    assert_eq!(verify(&server, &secret).await, "revoked");
    assert_eq!(verify(&server, &server.first_token().await).await, "revoked");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_operator_s_commands_do_the_same_in_their_own_process() {
    if !runs_on_sqlite() {
        return;
    }
    let home = Home::new();
    let server = home.serve().await;
    let first = server.first_token().await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
    let made =
        home.keywright(&["token", "create", "--name", "offline", "--permissions", "a", "--json"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    let revoked = home.keywright(&["token", "revoke", "--identifier", "offline", "--reason", "r"]).await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    let server = home.serve().await;
    assert_eq!(verify(&server, &secret).await, "revoked");
    assert_eq!(verify(&server, &first).await, "valid");
    let events = server.nobody().bearing(&first).get("/audit/security-events?type=token.revoked").await;
    assert_eq!(
        events.expect(200)["items"][0]["actor"],
        json!({"type": "operator", "id": null, "name": "local operator"})
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_database_is_refused_with_the_reason() {
    if !runs_on_sqlite() {
        return;
    }
    let home = Home::new();
    let server = home.serve().await;
    let second = home.keywright(&["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(second.code, 1, "{second:?}");
    let holder = format!("process {}", server.id());
    assert!(second.stderr.contains("in use") && second.stderr.contains(&holder), "{second:?}");
    assert_eq!(verify(&server, &server.first_token().await).await, "valid");
    for arguments in [&["bootstrap", "--email", "ops@example.com"][..], &["migrate"]] {
        let refused = home.keywright(arguments).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(&holder), "{refused:?}");
    }
    server.kill().await;
    // A killed server leaves nothing that stands in the way of the next.
    home.serve().await.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_leaves_on_disk_is_for_its_owner_alone() {
    use std::os::unix::fs::MetadataExt as _;
    if !runs_on_sqlite() {
        return;
    }
    let home = Home::new();
    let server = home.serve().await;
    verify(&server, &server.first_token().await).await;
    let mut left: Vec<PathBuf> = vec![home.folder.path().to_owned()];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let file = std::fs::symlink_metadata(&path).unwrap();
        if file.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(file.mode() & 0o077, 0, "{}: {:o}", path.display(), file.mode());
            seen += 1;
        }
    }
    assert!(seen >= 4, "database, lock, socket, journal");
    eventually("the socket is there", async || home.file("keywright.db.sock").exists()).await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
    assert!(!home.file("keywright.db.sock").exists());
}
