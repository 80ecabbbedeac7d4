//! The command line as a process: what it prints where, and its exit codes, before any authority is
//! asked or against a peer that stands for the way to it.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as it does")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

/// A credential-shaped text that must never come back.
const CANARY: &str = "sk_c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee";

struct Line {
    command: Command,
    input: &'static str,
}

/// A command line in an empty directory and an empty environment.
fn keywright(arguments: &str) -> Line {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(arguments.split_whitespace()).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Line { command, input: "" }
}

impl Line {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn reading(self, input: &'static str) -> Self {
        Self { input, ..self }
    }

    fn run(mut self) -> (i32, String, String) {
        let mut child = self.command.spawn().unwrap();
        // One that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

/// A peer in a thread of its own, for as long as the test runs.
fn peer() -> String {
    async fn answer(uri: Uri) -> Response {
        let json = |status: u16, body: &'static str| {
            (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body)
                .into_response()
        };
        match uri.path() {
            "/denied/api/v1/auth/verify" => {
                json(200, r#"{"valid":false,"code":"expired","request_id":"r-1"}"#)
            }
            "/valid/api/v1/auth/verify" => json(200, r#"{"valid":true,"code":"valid","request_id":"r-2"}"#),
            "/ill/api/v1/auth/health" => json(503, r#"{"status":"unavailable","verification_able":false}"#),
            "/nobody/api/v1/auth/me" => {
                json(401, r#"{"title":"Unknown","detail":"who?","code":"not_found","request_id":"r-3"}"#)
            }
            "/stranger/api/v1/auth/tokens" => json(403, r#"{"title":"No","code":"insufficient_scope"}"#),
            "/empty/api/v1/auth/tokens" => json(200, r#"{"items":[],"next_cursor":null}"#),
            "/site/api/v1/auth/me" => {
                (StatusCode::OK, [("content-type", "text/html")], "<html>").into_response()
            }
            _ => json(500, r#"{"title":"Something went wrong here","code":"internal_error"}"#),
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
    });
    format!("http://{}", receiver.recv().unwrap())
}

#[test]
fn the_allocator_is_built_to_give_back_what_is_not_needed() {
    let (code, _, told) = keywright("--version").with("_RJEM_MALLOC_CONF", "confirm_conf:true").run();
    assert_eq!(code, 0);
    for setting in ["Set conf value: dirty_decay_ms:0", "Set conf value: muzzy_decay_ms:0"] {
        assert!(told.contains(setting), "{setting} is not in {told}");
    }
}

#[test]
fn the_exit_code_tells_done_failed_usage_and_denied_apart() {
    let peer = peer();
    for (arguments, code) in [
        ("me --url {}/nobody", 3),
        ("token list --url {}/stranger", 3),
        ("token list --url {}/empty", 0),
        ("me --url {}/site", 1),
        ("me --url {}/broken", 1),
        ("health --url {}/ill", 1),
        ("me --url http://127.0.0.1:1", 1),
        ("me --url ftp://somewhere", 2),
        ("token list --limit 0", 2),
        ("emergency-revoke --reason breach", 2),
        ("no-such-noun", 2),
        ("", 2),
        ("--help", 0),
        ("token create --help", 0),
        ("--version", 0),
        ("completions bash", 0),
    ] {
        let (got, stdout, stderr) =
            keywright(&arguments.replace("{}", &peer)).with("KEYWRIGHT_TOKEN", CANARY).run();
        assert_eq!(got, code, "{arguments}\n{stdout}\n{stderr}");
        assert!(!stdout.contains(&CANARY[3..]) && !stderr.contains(&CANARY[3..]), "{stdout}\n{stderr}");
    }
}

#[test]
fn a_denied_credential_is_exit_code_3_and_a_printed_decision() {
    let peer = peer();
    let verify = |path: &str| keywright(&format!("verify --json --url {peer}/{path}"));
    let (code, stdout, stderr) = verify("denied").reading("sk_old\n").run();
    assert_eq!((code, stderr.as_str()), (3, ""));
    assert_eq!(stdout, "{\"valid\":false,\"code\":\"expired\",\"request_id\":\"r-1\"}\n");
    assert_eq!(verify("valid").with("KEYWRIGHT_CREDENTIAL", "sk_good").run().0, 0);
    assert_eq!(verify("valid").run().0, 2);
}

#[test]
fn a_refusal_goes_to_standard_error_so_that_a_script_never_takes_it_for_a_result() {
    let peer = peer();
    let me =
        |more: &str| keywright(&format!("me --url {peer}/nobody {more}")).with("KEYWRIGHT_TOKEN", CANARY);
    let (_, stdout, stderr) = me("").run();
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", "error: Unknown: who?\nrequest id: r-3\n"));
    let (_, stdout, stderr) = me("--json").run();
    assert_eq!(stdout, "");
    assert!(stderr.starts_with("{\"") && stderr.contains("\"request_id\":\"r-3\""), "{stderr}");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    for arguments in
        [format!("verify {CANARY}"), format!("token show --identifier ci {CANARY}"), CANARY.to_owned()]
    {
        let (code, stdout, stderr) = keywright(&arguments).run();
        assert_eq!(code, 2, "{arguments}");
        assert!(!stdout.contains(&CANARY[3..]) && !stderr.contains(&CANARY[3..]), "{stderr}");
        assert!(stderr.contains("does not belong on the command line"), "{stderr}");
    }
}

#[test]
fn an_address_without_a_token_is_usage() {
    let (code, _, stderr) = keywright("me").with("KEYWRIGHT_URL", "http://127.0.0.1:1").run();
    assert_eq!(code, 2);
    assert!(stderr.contains("KEYWRIGHT_TOKEN") && stderr.contains("--token-file"), "{stderr}");
    let reference_names = keywright("me").with("PROMPTCRAFT_API_URL", "http://127.0.0.1:1");
    let (code, _, stderr) = reference_names.with("PROMPTCRAFT_SERVICE_TOKEN", CANARY).run();
    assert_eq!(code, 1);
    assert!(stderr.contains("nobody listens at http://127.0.0.1:1/api/v1"), "{stderr}");
}

#[test]
fn an_empty_list_says_what_to_do_next() {
    let (_, stdout, stderr) =
        keywright(&format!("token list --url {}/empty", peer())).with("KEYWRIGHT_TOKEN", CANARY).run();
    assert_eq!(stdout, "");
    assert!(stderr.contains("keywright token create"), "{stderr}");
}
