//! `keywright import csv`: tokens of other key managers, by their hashes.

use keywright_store::testing::store_on;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::child::{Printed, Server, keywright, run, run_reading};
use crate::harness::{Engine, sha256};

const FIRST: &str = "sk_00000000000000000000000000000000000000000000000000000000000000aa";
const SECOND: &str = "sk_00000000000000000000000000000000000000000000000000000000000000bb";

fn digest(secret: &str) -> String {
    hex::encode(sha256(secret))
}

async fn end(server: Server) {
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

async fn a_file_is_taken_over(engine: Engine) {
    let Some(store) = store_on(engine).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let home = home.path();
    let server = Server::start(home, &url).await;
    let admin = server.nobody().bearing(&server.first_token().await);
    let account = json!({"name": "billing", "service_type": "internal", "scopes": ["works:read"]});
    admin.post("/service-accounts", account).await.expect(201);
    end(server).await;
    let (first, second) = (digest(FIRST), digest(SECOND));
    let sound = format!(
        "name,hash,scopes,expires_at,metadata,service_account\r\n\
         one,{first},works:read api_read,2090-01-01T00:00:00Z,\"{{\"\"team\"\": \"\"a\"\"}}\",\r\n\
         two,sha256:{second},works:read,never,,billing\r\n"
    );
    let bad = format!(
        "{sound}three,$2b$12$abcdefghijk,a,,,\r\nfour,{},works:write,,,billing\r\nfive,{},a,,,nobody\r\n\
         one,{},a,,,\r\n",
        digest("4"),
        digest("5"),
        digest("6")
    );
    let file = home.join("tokens.csv");
    std::fs::write(&file, &bad).unwrap();
    let import = async |arguments: &[&str]| -> Printed {
        let mut all = vec!["import", "csv", file.to_str().unwrap(), "--json"];
        all.extend(arguments);
        run(keywright(home, &url, &all)).await
    };
    let refused = json!({"hash_kind": 1, "beyond_account": 1, "service_account": 1, "name_taken": 1});
    for arguments in [&["--strict"][..], &["--dry-run"]] {
        let told = import(arguments).await;
        assert_eq!((told.code, &told.json()["tokens"]["refused"]), (1, &refused), "{told:?}");
    }
    // Neither changed anything.
    let whole = run_reading(keywright(home, &url, &["import", "csv", "-", "--json"]), &sound).await;
    assert_eq!((whole.code, &whole.json()["tokens"]["taken"]), (0, &json!(2)), "{whole:?}");
    let again = import(&[]).await;
    assert_eq!((again.code, &again.json()["tokens"]["already_there"]), (1, &json!(2)), "{again:?}");
    assert_eq!(
        (&again.json()["tokens"]["refused"], &again.json()["refused"][0]["line"]),
        (&refused, &json!(4))
    );
    std::fs::write(&file, &sound).unwrap();
    assert_eq!(import(&["--strict"]).await.code, 0);
    assert_eq!(run(keywright(home, &url, &["import", "csv", "-", "--strict"])).await.code, 2);

    let server = Server::start_plain(home, &url, &[]).await;
    let decided = async |secret| server.nobody().bearing(secret).send("POST", "/auth/verify", None).await;
    let one = decided(FIRST).await.decided("valid");
    assert_eq!(one["scopes"], json!(["api_read", "works:read"]));
    let two = decided(SECOND).await.decided("valid");
    assert_eq!(
        (&two["principal"]["type"], &two["principal"]["name"]),
        (&json!("service_account"), &json!("billing"))
    );
    let revoked =
        run(keywright(home, &url, &["token", "revoke", "--identifier", "one", "--reason", "left"])).await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    end(server).await;
    let again = import(&[]).await;
    assert_eq!((again.code, &again.json()["tokens"]["already_there"]), (0, &json!(2)), "{again:?}");
    let server = Server::start_plain(home, &url, &[]).await;
    server.nobody().bearing(FIRST).send("POST", "/auth/verify", None).await.decided("revoked");
    end(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_file_work_and_are_never_revived_on_sqlite() {
    a_file_is_taken_over(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_file_work_and_are_never_revived_on_postgres() {
    a_file_is_taken_over(Engine::Postgres).await;
}
