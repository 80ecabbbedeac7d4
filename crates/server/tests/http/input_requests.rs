//! Requests as such: lines, headers, methods, paths, connections.

use serde_json::json;

use crate::harness::{Raw, TestApp, on_both_engines};

on_both_engines![
    every_error_is_a_problem_with_the_request_s_id,
    a_request_id_is_echoed_or_made,
    a_method_that_a_path_does_not_know_is_told_which_it_does,
    head_is_get_without_its_body,
    a_path_has_one_spelling,
    what_is_no_request_is_refused_and_the_connection_closed,
    headers_have_bounds,
    requests_that_two_readers_would_read_differently_are_refused,
    requests_sent_together_are_answered_in_order,
    an_answer_does_not_wait_for_the_next_request,
    http_1_0_is_spoken,
    who_sends_no_more_still_gets_the_answer,
    who_asks_before_sending_is_told_to_go_on,
    two_hundred_at_once_are_all_answered,
];

async fn every_error_is_a_problem_with_the_request_s_id(app: &TestApp) {
    let caller = app.admin().with("x-request-id", "my-request");
    for (answer, status, code) in [
        (caller.get("/nothing/here").await, 404, "not_found"),
        (caller.get("/auth/tokens/nonsense").await, 404, "not_found"),
        (caller.send("PUT", "/auth/tokens", None).await, 405, "method_not_allowed"),
        (caller.get("/auth/verify").await, 405, "method_not_allowed"),
        (caller.send_bytes("POST", "/auth/verify", b"{}".to_vec()).await, 415, "unsupported_media_type"),
        (caller.get("/auth/tokens?limit=x").await, 422, "validation_failed"),
        (caller.bearing("x").get("/auth/me").await, 400, "conflicting_credentials"),
    ] {
        let problem = answer.refused(status, code);
        assert_eq!(problem["request_id"], "my-request");
        let mut members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        members.retain(|name| *name != "errors");
        members.sort_unstable();
        assert_eq!(members, ["code", "detail", "request_id", "status", "title", "type"]);
    }
    let mut raw = Raw::connect(app.address()).await;
    raw.send("GET /beside HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.answer().await.unwrap().refused(404, "not_found");
}

async fn a_request_id_is_echoed_or_made(app: &TestApp) {
    let longest = "x".repeat(64);
    for good in ["a", "A.b_c-9", longest.as_str(), "-", "..", "0198c0de-0000-7000-8000-000000000000"] {
        for path in ["/auth/me", "/nothing"] {
            let answer = app.admin().with("x-request-id", good).get(path).await;
            assert_eq!(answer.request_id(), good);
        }
        let decision = app.admin().with("x-request-id", good).send("POST", "/auth/verify", None).await;
        assert_eq!(decision.decided("valid")["request_id"], good);
    }
    let too_long = "x".repeat(65);
    let mut made = std::collections::HashSet::new();
    for bad in ["", "a b", "a/b", "<script>", "a\u{e9}", "a;b", "\"", "a,b", too_long.as_str()] {
        for (method, path) in [("GET", "/auth/me"), ("POST", "/auth/verify")] {
            let answer = app.admin().with("x-request-id", bad).send(method, path, None).await;
            assert_eq!(answer.status, 200);
            let id = answer.request_id();
            assert!((1..=64).contains(&id.len()) && id != bad, "{id}");
            assert!(made.insert(id.to_owned()), "{id} twice");
        }
    }
}

async fn a_method_that_a_path_does_not_know_is_told_which_it_does(app: &TestApp) {
    for (method, path, allowed) in [
        ("OPTIONS", "/auth/tokens", ["GET", "HEAD", "POST"].as_slice()),
        ("DELETE", "/auth/tokens", &["GET", "HEAD", "POST"]),
        ("GET", "/auth/verify", &["POST"]),
        ("HEAD", "/auth/verify", &["POST"]),
        ("PUT", "/auth/tokens/0198c0de-0000-7000-8000-000000000000", &["DELETE", "GET", "HEAD", "PATCH"]),
        ("GET", "/auth/tokens/self", &["DELETE"]),
        ("BREW", "/healthz/live", &["GET", "HEAD"]),
        ("TRACE", "/auth/me", &["GET", "HEAD", "PATCH"]),
    ] {
        let answer = app.admin().send(method, path, None).await;
        if method == "HEAD" {
            assert_eq!((answer.status, answer.body.len()), (405, 0));
        } else {
            answer.refused(405, "method_not_allowed");
        }
        let mut told: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        told.sort_unstable();
        assert_eq!(told, allowed, "{method} {path}");
    }
}

async fn head_is_get_without_its_body(app: &TestApp) {
    let token = app.mint("seen", &["a"]).await;
    for path in ["/auth/tokens", "/auth/me", "/system/health", "/healthz/ready", &token.path()] {
        let (head, get) = (app.admin().send("HEAD", path, None).await, app.admin().get(path).await);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-type", "content-length", "cache-control", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let refused = app.nobody().send("HEAD", "/auth/me", None).await;
    assert_eq!((refused.status, refused.body.len()), (401, 0));
}

async fn a_path_has_one_spelling(app: &TestApp) {
    for path in [
        "/api/v1/auth/me/",
        "/api/v1//auth/me",
        "//api/v1/auth/me",
        "/api/v1/auth/%6de",
        "/API/v1/auth/me",
        "/api/v1/auth/./me",
        "/api/v1/auth/tokens/../me",
        "/api/v1/auth/me;a=b",
        "/api/v2/auth/me",
        "/auth/me",
        "/",
        "*",
    ] {
        let mut raw = Raw::connect(app.address()).await;
        let token = app.admin_token();
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        raw.answer().await.unwrap().refused(404, "not_found");
    }
    for target in ["http://elsewhere.example/api/v1/auth/verify", "/api/v1/auth/verify"] {
        let mut raw = Raw::connect(app.address()).await;
        let token = app.admin_token();
        raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        raw.answer().await.unwrap().decided("valid");
    }
}

async fn what_is_no_request_is_refused_and_the_connection_closed(app: &TestApp) {
    for request in [
        "\r\n\r\n\r\nnonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "GET /\u{0} HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(request).await;
        raw.half_close().await;
        if let Some(answer) = raw.answer().await {
            assert!((400..=505).contains(&answer.status), "{request:?} {answer:?}");
        }
        raw.closed().await;
    }
    app.verify(app.admin_token()).await.decided("valid");
}

async fn headers_have_bounds(app: &TestApp) {
    let long = "x".repeat(100 * 1024);
    let many: String = (0..500).map(|number| format!("X-{number}: y\r\n")).collect();
    for (what, request) in [
        ("one long header", format!("GET /healthz/live HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n")),
        ("many headers", format!("GET /healthz/live HTTP/1.1\r\nHost: x\r\n{many}\r\n")),
        ("a long address", format!("GET /healthz/live?{long} HTTP/1.1\r\nHost: x\r\n\r\n")),
        (
            "a head without end",
            format!("GET /healthz/live HTTP/1.1\r\nHost: x\r\n{}", "X: y\r\n".repeat(20_000)),
        ),
    ] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(request).await;
        let answer = raw.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(matches!(answer.status, 414 | 431), "{what}: {answer:?}");
        raw.closed().await;
    }
    let agent = "x".repeat(16 * 1024);
    app.admin().with("user-agent", &agent).send("POST", "/auth/verify", None).await.decided("valid");
    app.admin().with("user-agent", &agent).get("/auth/me").await.expect(200);
}

async fn requests_that_two_readers_would_read_differently_are_refused(app: &TestApp) {
    let smuggled = "GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let mut raw = Raw::connect(app.address()).await;
        let head = "POST /api/v1/auth/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        raw.send(format!("{head}{lengths}\r\n{{}}{smuggled}")).await;
        raw.half_close().await;
        let answer = raw.answer().await.unwrap_or_else(|| panic!("{lengths}: no answer"));
        assert!((400..=501).contains(&answer.status), "{lengths} {answer:?}");
        raw.closed().await;
    }
    // Both at once: chunked counts (RFC 9112 §6.3), and nothing after it is taken for a request.
    let mut raw = Raw::connect(app.address()).await;
    let head =
        "POST /api/v1/auth/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    raw.send(format!("{head}\r\n0\r\n\r\n{smuggled}")).await;
    raw.half_close().await;
    let mut answers = 0;
    while let Some(answer) = raw.answer().await {
        assert!((400..=401).contains(&answer.status), "{answer:?}");
        answers += 1;
    }
    assert!(answers <= 2);
}

async fn requests_sent_together_are_answered_in_order(app: &TestApp) {
    let token = app.admin_token();
    let one = |id: usize, method: &str, path: &str| {
        format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-{id}\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    };
    let asked =
        [("POST", "/auth/verify"), ("GET", "/auth/me"), ("GET", "/nothing"), ("POST", "/auth/verify")];
    let all: String =
        (0..40).map(|id| one(id, asked[id % asked.len()].0, asked[id % asked.len()].1)).collect();
    let mut raw = Raw::connect(app.address()).await;
    raw.send(all).await;
    for id in 0..40 {
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.request_id(), format!("id-{id}"));
        assert_eq!(answer.status, if id % 4 == 2 { 404 } else { 200 });
    }
}

async fn an_answer_does_not_wait_for_the_next_request(app: &TestApp) {
    let token = app.admin_token();
    for (method, path) in [("POST", "/auth/verify"), ("GET", "/auth/me"), ("GET", "/auth/tokens?limit=0")] {
        let one =
            format!("{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        let (begun, rest) = one.split_at(20);
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!("{one}{begun}")).await;
        let status = raw.answer().await.expect("the first answer, before the second request is whole").status;
        raw.send(rest).await;
        assert_eq!(raw.answer().await.unwrap().status, status);
    }
}

async fn http_1_0_is_spoken(app: &TestApp) {
    let token = app.admin_token();
    for (method, path) in [("POST", "/auth/verify"), ("GET", "/auth/me")] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!("{method} /api/v1{path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
        raw.closed().await;
    }
}

async fn who_sends_no_more_still_gets_the_answer(app: &TestApp) {
    let token = app.admin_token();
    for (method, path) in [("POST", "/auth/verify"), ("GET", "/auth/me"), ("GET", "/auth/tokens")] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .await;
        raw.half_close().await;
        assert_eq!(raw.answer().await.expect("an answer").status, 200);
    }
}

async fn who_asks_before_sending_is_told_to_go_on(app: &TestApp) {
    for path in ["/auth/verify", "/auth/tokens/cleanup"] {
        let mut raw = Raw::connect(app.address()).await;
        let token = app.admin_token();
        let head = format!("POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n");
        raw.send(format!(
            "{head}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        ))
        .await;
        assert_eq!(raw.answer().await.unwrap().status, 100);
        raw.send("{}").await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
    }
}

async fn two_hundred_at_once_are_all_answered(app: &TestApp) {
    let tokens: Vec<_> = (0..40).map(|number| format!("token {number}")).collect();
    let admin = app.admin();
    let mint = |name: &String| admin.post("/auth/tokens", json!({"token_name": name, "permissions": ["a"]}));
    let made = futures::future::join_all(tokens.iter().map(mint)).await;
    let secrets: Vec<_> =
        made.iter().map(|answer| answer.expect(201)["token"].as_str().unwrap().to_owned()).collect();
    let verify = |number: usize| app.verify(&secrets[number % secrets.len()]);
    let mint = |number: usize| {
        admin.post("/auth/tokens", json!({"token_name": format!("more {number}"), "permissions": []}))
    };
    let (verified, read, minted) = tokio::join!(
        futures::future::join_all((0..120).map(verify)),
        futures::future::join_all((0..40).map(|_| admin.get("/auth/tokens?limit=200"))),
        futures::future::join_all((0..40).map(mint)),
    );
    for answer in verified {
        answer.decided("valid");
    }
    read.iter().for_each(|answer| drop(answer.expect(200)));
    minted.iter().for_each(|answer| drop(answer.expect(201)));
}
