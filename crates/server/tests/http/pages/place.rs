//! Where the documents are tried: a server, and a folder in which a reader works.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use axum::Router;
use keywright_store::testing::{TestStore, store_on};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::section::{Pasted, Section};
use super::{folder, read, root};
use crate::harness::Engine;
use crate::harness::child::{Server, keywright};
use crate::harness::moving::Move;
use crate::harness::pasted;

/// A server, and a folder in which a reader works.
pub(crate) struct Place {
    server: Option<Server>,
    address: SocketAddr,
    folder: TempDir,
    url: String,
    first: String,
    receiver: String,
    engine: Engine,
    old: Option<Move>,
    _store: TestStore,
}

impl Place {
    pub(crate) async fn open(engine: Engine) -> Option<Self> {
        let store = store_on(engine).await?;
        let folder = tempfile::tempdir().unwrap();
        // Where the documents have a database of SQLite, it lies beside what is done with it.
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}", folder.path().join("keywright.db").display()),
            Engine::Postgres => store.options().url.clone(),
        };
        std::fs::write(folder.path().join("password.txt"), "seven blue walruses hum\n").unwrap();
        let secrets = folder.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        let environment = [
            ("KEYWRIGHT_NOTIFICATIONS__ALLOWED_NETWORKS", "127.0.0.0/8"),
            ("KEYWRIGHT_ROTATION__FILE_DIRECTORIES", secrets.to_str().unwrap()),
        ];
        let server = Server::start_with(folder.path(), &url, &environment).await;
        let (address, first) = (server.address(), server.first_token().await);
        let (server, receiver) = (Some(server), receiver(folder.path()).await);
        Some(Self { server, address, folder, url, first, receiver, engine, old: None, _store: store })
    }

    /// Kills the server, and sets up an old system where there is PostgreSQL for one.
    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().kill().await;
        self.old = Move::begin(Engine::Sqlite).await;
        if let Some(old) = &self.old {
            old.add_active(4711, "ci-cd-token").await;
        }
    }

    fn shell(&self, section: &Section) -> Command {
        let plain = keywright(self.folder.path(), &self.url, &[]);
        let environment =
            plain.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let mut shell = Command::new("bash");
        shell.env_clear().envs(environment).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("PROGRAM", env!("CARGO_BIN_EXE_keywright")).env("FIRST", &self.first);
        shell.env("ADDRESS", self.address.to_string()).env("RECEIVER", &self.receiver);
        shell.env("ROOT", root()).env("PAGES", folder()).env("PAGE", root().join(&section.document));
        shell.env("HOME", self.folder.path());
        if let Some(old) = &self.old {
            shell.env("OLD", old.old_url());
        }
        // Beside the server a reader is the operator on one engine, and comes from elsewhere on the other.
        if self.engine == Engine::Postgres && !section.has("operator") && !section.has("stopped") {
            shell.env("KEYWRIGHT_URL", format!("http://{}", self.address));
            shell.env("KEYWRIGHT_TOKEN", &self.first);
        }
        shell
    }

    /// What is wrong with a section.
    pub(crate) async fn carry_out(&self, section: &Section) -> Vec<String> {
        if section.has("old system") && self.old.is_none() {
            eprintln!("SKIPPED: {} needs PostgreSQL", section.heading);
            return Vec::new();
        }
        let text = read(root().join(&section.document));
        let server = format!("http://{}", self.address);
        let pasted = Pasted::of(section, &text, &server);
        let prologue = read(folder().join("prologue.sh"));
        let said = pasted::paste(self.shell(section), self.folder.path(), &prologue, &pasted.texts).await;
        let place = format!("{} {}", section.document, section.heading);
        let mut wrong = Vec::new();
        for (index, said) in said.iter().enumerate() {
            let step = pasted.steps.iter().find(|(own, _)| *own == index).map(|(_, step)| step);
            let what = match step {
                Some(step) => pasted::wrong(step, said).map(|what| format!("line {}: {what}", step.line)),
                None => (said.status != "0").then(|| format!("before or after: status {}", said.status)),
            };
            let told =
                || format!("{place}: {}\n{}\n→ {said:?}", what.as_deref().unwrap(), pasted.texts[index]);
            wrong.extend(what.is_some().then(told));
        }
        for (index, block) in &pasted.shown {
            let shown: Value = serde_json::from_str(&block.text).unwrap();
            let answer = said[*index].lines.iter().rev().find_map(|line| serde_json::from_str(line).ok());
            let what =
                answer.as_ref().map_or(Some("no JSON".to_owned()), |answer| pasted::unlike(&shown, answer));
            wrong.extend(
                what.map(|what| format!("{place}: line {}: {what}\n→ {:?}", block.line, said[*index])),
            );
        }
        wrong
    }
}

/// Keeps what is sent to it, a line for each message, in the file `received`.
async fn receiver(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let file = folder.join("received");
    let take = move |body: String| {
        let file = file.clone();
        async move {
            let mut kept = std::fs::read_to_string(&file).unwrap_or_default();
            kept.push_str(&[&body, "\n"].concat());
            std::fs::write(&file, kept).unwrap();
            "ok"
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    format!("http://{address}/in")
}
