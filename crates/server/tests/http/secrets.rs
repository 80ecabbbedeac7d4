//! No secret in any log, error, event, process list, journal or database: canaries are used, misplaced
//! in every field there is, and then searched for everywhere.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::child::{Server, keywright, run, run_reading};
use crate::harness::{Caller, Database, Engine, Raw, sha256};

const KEY: &str = "idempotency-canary-0123456789";

/// A canary in every spelling in which it, or its hash, could turn up.
pub(crate) struct Canary {
    texts: Vec<String>,
    bytes: Vec<Vec<u8>>,
}

impl Canary {
    pub(crate) fn new(secret: &str) -> Self {
        let hash = sha256(secret);
        let of_ours = ["sk_", "rt_", "mt_"].into_iter().find_map(|prefix| secret.strip_prefix(prefix));
        let digits = of_ours.unwrap_or(secret);
        let mut texts = vec![digits.to_ascii_lowercase(), hex::encode(hash)];
        texts.extend([
            STANDARD_NO_PAD.encode(hash),
            URL_SAFE_NO_PAD.encode(hash),
            STANDARD_NO_PAD.encode(secret),
            hex::encode(secret),
        ]);
        texts.push(format!("{hash:?}").trim_matches(['[', ']']).to_owned());
        let bytes = texts.iter().map(|text| text.clone().into_bytes()).chain([hash.to_vec()]).collect();
        Self { texts, bytes }
    }

    #[track_caller]
    pub(crate) fn is_not_in(&self, place: &str, text: &str) {
        let folded = text.to_ascii_lowercase();
        for needle in &self.texts {
            let found = text.find(needle).or_else(|| folded.find(needle));
            assert!(found.is_none(), "in {place}: {}", &text[found.unwrap().saturating_sub(200)..]);
        }
    }

    #[track_caller]
    pub(crate) fn is_not_in_bytes(&self, place: &str, bytes: &[u8]) {
        for needle in &self.bytes {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "in {place}");
        }
    }
}

/// Sends the secret wherever a caller could put it by mistake. Whatever is answered does not repeat it.
pub(crate) async fn misplace(server: &Server, admin: &Caller, secret: &str) {
    let canary = Canary::new(secret);
    let nobody = server.nobody();
    let check = |what: &str, answer: &crate::harness::Answer| {
        canary.is_not_in(what, answer.text());
        canary.is_not_in(what, &format!("{:?}", answer.headers));
    };
    for caller in [admin, &nobody] {
        for path in [
            format!("/auth/tokens/{secret}"),
            format!("/auth/tokens/{secret}/rotate"),
            format!("/{secret}"),
            format!("/auth/me?token={secret}"),
            format!("/auth/me?{secret}"),
            format!("/auth/tokens?cursor={secret}"),
            format!("/auth/tokens?status={secret}"),
            format!(
                "/audit/security-events?credential_id={secret}&principal_id={secret}&since={secret}&ip={secret}"
            ),
            format!("/audit/security-events/verify?head={secret}:{secret}"),
            format!("/audit/authentication-events?code={secret}&type={secret}&cursor={secret}"),
        ] {
            for method in ["GET", "DELETE", "POST"] {
                check(&path, &caller.send(method, &path, None).await);
            }
        }
        let headers = [
            "if-match",
            "idempotency-key",
            "x-request-id",
            "accept",
            "referer",
            "cookie",
            "user-agent",
            "x-api-key",
        ];
        for name in headers {
            let caller = caller.with(name, secret);
            check(name, &caller.send("POST", "/auth/verify", None).await);
            check(name, &caller.post("/auth/tokens", json!({"token_name": "", "permissions": []})).await);
            check(name, &caller.get("/auth/me").await);
        }
        let form = caller.with("content-type", "application/x-www-form-urlencoded");
        for body in [
            secret.to_owned(),
            format!("{secret}=1&{secret}=2"),
            format!("token_type_hint={secret}&grant_type={secret}&scope={secret}"),
            format!("grant_type=client_credentials&client_id={secret}&client_secret={secret}&scope={secret}"),
            format!("grant_type=refresh_token&scope={secret}&refresh_token={secret}"),
        ] {
            for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
                check(path, &form.send_bytes("POST", path, body.clone().into_bytes()).await);
            }
        }
        check(
            "introspection",
            &form.send_bytes("POST", "/oauth2/introspect", format!("token={secret}").into_bytes()).await,
        );
        for scheme in ["", "Basic ", "Token ", "Bearer  ", "Bearer x"] {
            let caller = nobody.with("authorization", &format!("{scheme}{secret}"));
            check(scheme, &caller.send("POST", "/auth/verify", None).await);
            check(scheme, &caller.get("/auth/me").await);
        }
        let json = caller.with("content-type", "application/json");
        for body in [
            secret.to_owned(),
            format!("\"{secret}\""),
            format!("{{\"{secret}\":1}}"),
            format!("{{\"{secret}\":1,\"{secret}\":2}}"),
            format!("{{\"a\":\"{secret}"),
            json!({"token": [secret]}).to_string(),
            json!({"token": secret, "required_scopes": [secret], "any_scopes": secret, "cost": secret})
                .to_string(),
            json!({"token_name": [secret], "permissions": [secret, {secret: 1}], "expires_at": secret})
                .to_string(),
            json!({"reason": {secret: 1}, "scope": {secret: true}, "include": [secret]}).to_string(),
            json!({"token_hash": secret, "id": secret, "metadata": secret}).to_string(),
            json!({"event_type": "scan", "status": secret, "repository": secret, "details": {"a": secret, secret: 1}})
                .to_string(),
        ] {
            for path in ["/auth/verify", "/auth/tokens", "/auth/emergency-revoke", "/auth/tokens/self/rotate", "/audit/cicd-event"]
            {
                check(&body, &json.send_bytes("POST", path, body.clone().into_bytes()).await);
            }
        }
        let media = caller.with("content-type", secret);
        check("content-type", &media.send_bytes("POST", "/auth/verify", secret.as_bytes().to_vec()).await);
    }
    for request in [
        format!("{secret} / HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /{secret} HTTP/{secret}\r\n\r\n"),
        format!("GET http://{secret}/ HTTP/1.1\r\nHost: {secret}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{secret}: 1\r\nX{secret}\r\n\r\n"),
        format!("POST /api/v1/auth/verify HTTP/1.1\r\nHost: x\r\nContent-Length: {secret}\r\n\r\n"),
    ] {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(&request).await;
        raw.half_close().await;
        if let Some(answer) = raw.answer().await {
            check(&request, &answer);
        }
    }
}

/// Facts of a request that was verified may hold its credential: applications pass on what they got.
pub(crate) async fn pass_on(admin: &Caller, secret: &str) {
    let body = json!({
        "token": secret, "endpoint": format!("/works?token={secret}"), "user_agent": format!("agent {secret}"),
        "method": secret, "cloudflare_ray_id": secret, "ip_address": secret,
    });
    let canary = Canary::new(secret);
    let answer = admin.post("/auth/verify", body).await;
    answer.expect(200);
    canary.is_not_in("a decision", answer.text());
}

/// People tell of a token that was found by putting it into what they write, and into where it was found.
async fn tell_of(admin: &Caller, secret: &str) {
    let canary = Canary::new(secret);
    let (name, written) = (&secret[3..9], format!("{secret} was found"));
    let reason = json!({"reason": format!("revoked, as {written}")});
    let account = json!({"name": name, "service_type": "partner", "scopes": ["a"]});
    let account = admin.post("/service-accounts", account).await.expect(201);
    let account = format!("/service-accounts/{}", account["id"].as_str().unwrap());
    let token = admin.post(&format!("{account}/tokens"), json!({"token_name": name})).await.expect(201);
    let token_path = format!("/auth/tokens/{}", token["id"].as_str().unwrap());
    let leak = json!({"token": token["token"], "found_in": format!("https://example.com/?t={secret}")});
    let scope = json!({"service_account_id": account.rsplit('/').next()});
    for (path, body) in [
        (format!("{token_path}/rotate"), reason.clone()),
        (format!("{account}/disable"), reason.clone()),
        (format!("{account}/enable"), json!({"reason": secret})),
        ("/auth/emergency-revoke".to_owned(), json!({"reason": written, "scope": scope})),
        ("/leaks/report".to_owned(), json!({"items": [leak]})),
    ] {
        let answer = admin.post(&path, body).await;
        answer.expect(200);
        canary.is_not_in(&path, answer.text());
    }
    let named = written.replace(' ', "%20");
    admin.delete(&format!("{token_path}?reason={named}")).await.expect(204);
    admin.delete(&format!("{account}?reason={named}")).await.expect(204);
    let told = admin.get("/audit/security-events?type=service_account.disabled&limit=1").await.expect(200);
    let hidden = format!("revoked, as {}", &secret[..3]);
    assert_eq!(told["items"][0]["reason"], hidden, "what was written before it is kept");
}

fn token_of(answer: &Value) -> String {
    answer["token"].as_str().unwrap().to_owned()
}

async fn no_secret_is_left_anywhere(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let url = store.options().url.clone();
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), &url, &[("KEYWRIGHT_LOG__LEVEL", "trace")]).await;
    let first = server.first_token().await;
    let admin = server.nobody().bearing(&first);
    let keyed = admin.with("idempotency-key", KEY);
    let body = json!({"token_name": "canary", "permissions": ["tokens:rotate_self"]});
    let minted = keyed.post("/auth/tokens", body.clone()).await.expect(201);
    let (minted, id) = (token_of(&minted), minted["id"].as_str().unwrap().to_owned());
    assert_eq!(token_of(&keyed.post("/auth/tokens", body).await.expect(201)), minted);
    let own = server.nobody().bearing(&minted);
    own.send("POST", "/auth/verify", None).await.decided("valid");
    let rotated = token_of(&own.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await.expect(200));
    admin
        .post("/auth/verify", json!({"token": rotated, "required_scopes": ["z"]}))
        .await
        .decided("insufficient_scope");
    let unknown = format!("sk_{}", "5ec7".repeat(16));
    server.nobody().bearing(&unknown).send("POST", "/auth/verify", None).await.decided("not_found");
    for secret in [&minted, &rotated, &unknown] {
        misplace(&server, &admin, secret).await;
        pass_on(&admin, secret).await;
        tell_of(&admin, secret).await;
    }
    misplace(&server, &admin, &hex::encode(sha256(&minted))).await;

    let canaries = [&first, &minted, &rotated, &unknown].map(|secret| Canary::new(secret));
    let key = Canary::new(KEY);
    let process = std::path::PathBuf::from(format!("/proc/{}", server.id()));
    let command_line = std::fs::read(process.join("cmdline")).unwrap();
    let mut answers = Vec::new();
    for path in [
        "/auth/tokens",
        "/audit/security-events",
        "/audit/authentication-events?limit=200",
        "/system/status",
        "/openapi.json",
        "/auth/me",
        "/metrics",
    ] {
        answers.push((path, admin.get(path).await.text().to_owned()));
    }
    admin.delete(&format!("/auth/tokens/{id}")).await.expect(204);
    let printed = server.printed();
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("DEBUG"), "the log is not as talkative as it could be");
    let dump = Database::connect(&url).await.dump().await;
    for canary in canaries.iter().chain([&key]) {
        canary.is_not_in_bytes("the process list", &command_line);
        canary.is_not_in("the log", &log);
        for (path, text) in &answers {
            canary.is_not_in(path, text);
        }
        for (table, rows) in &dump {
            // The one place where a hash is kept, and then only there.
            let rows = if table == "service_tokens" { without_hashes(rows) } else { rows.clone() };
            canary.is_not_in(&format!("the table {table}"), &rows);
        }
        for (path, bytes) in files(&home.path().join("journal")) {
            canary.is_not_in_bytes(&path, &bytes);
        }
    }
    for canary in &canaries[1..] {
        canary.is_not_in("standard output", &printed);
    }
}

/// The rows without the column that holds the hashes: 32 bytes as hexadecimal digits.
pub(crate) fn without_hashes(rows: &str) -> String {
    let mut kept = String::new();
    for part in rows.split_inclusive(['\'', '"', '|', ',']) {
        let digits = part.trim_start_matches("\\\\x").trim_end_matches(['\'', '"', '|', ',']);
        let hash = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        kept.push_str(if hash { "(hash)" } else { part });
    }
    kept
}

pub(crate) fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_left_anywhere_on_sqlite() {
    no_secret_is_left_anywhere(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_left_anywhere_on_postgres() {
    no_secret_is_left_anywhere(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_prints_a_secret_once_and_logs_none() {
    let Some(store) = keywright_store::testing::store_on(Engine::Sqlite).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let command = |arguments: &[&str]| keywright(home.path(), &url, arguments);
    let made = run(command(&["token", "create", "--name", "canary", "--permissions", "a", "--json"])).await;
    let secret = token_of(&made.json());
    let canary = Canary::new(&secret);
    canary.is_not_in("standard error", &made.stderr);
    assert_eq!(made.stdout.matches(&secret).count(), 1);
    for arguments in [
        &["token", "list", "--json"][..],
        &["token", "list"],
        &["token", "show", "--identifier", "canary", "--json"],
        &["events", "list", "--json"],
        &["events", "verify", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["status", "--json"],
        &["doctor"],
    ] {
        let printed = run(command(arguments)).await;
        canary.is_not_in(&format!("{arguments:?}"), &format!("{}{}", printed.stdout, printed.stderr));
        let master_key = crate::harness::MASTER_KEY;
        assert!(
            !printed.stdout.contains(master_key) && !printed.stderr.contains(master_key),
            "{arguments:?}"
        );
    }
    let verified = run_reading(command(&["verify", "--json"]), &secret).await;
    assert_eq!((verified.code, &verified.json()["valid"]), (0, &json!(true)), "{verified:?}");
    canary.is_not_in("verify", &format!("{}{}", verified.stdout, verified.stderr));
}
