//! Bodies: what is not exactly one JSON object within its bounds is refused, and nothing is half done.

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Raw, TestApp, on_both_engines};

on_both_engines![
    what_is_not_one_json_object_is_refused,
    a_body_may_nest_and_no_deeper,
    numbers_beyond_their_bounds_are_refused_never_wrapped,
    a_body_must_say_that_it_is_json,
    a_body_has_64_kib_and_no_more,
    a_gigabyte_is_refused_before_it_is_sent,
    who_sends_too_much_is_told_before_the_connection_closes,
    a_body_in_chunks_is_a_body,
    broken_chunks_are_refused,
    a_body_that_does_not_arrive_is_given_up,
    a_body_that_breaks_off_changes_nothing,
];

/// Every path on which a body is read: the edge's own, and the router's.
const PATHS: [&str; 5] = [
    "/auth/verify",
    "/auth/tokens",
    "/auth/emergency-revoke",
    "/auth/tokens/cleanup",
    "/auth/tokens/self/rotate",
];

fn sender(app: &TestApp) -> Caller {
    app.admin().with("content-type", "application/json")
}

async fn everywhere(app: &TestApp, body: &[u8], status: u16, code: &str) {
    for path in PATHS {
        let answer = sender(app).send_bytes("POST", path, body.to_vec()).await;
        answer.refused(status, code);
    }
}

async fn nothing_was_made(app: &TestApp) {
    let list = app.admin().get("/auth/tokens").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    app.verify(app.admin_token()).await.decided("valid");
}

async fn what_is_not_one_json_object_is_refused(app: &TestApp) {
    for body in [
        &b"{"[..],
        b"}",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{a:1}",
        b"{} {}",
        b"{}x",
        b"{}\0",
        b"[]",
        b"null",
        b"7",
        b"\"text\"",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\\udc00\\ud800\"}",
        b"{\"\\ud800\":1}",
        b"{\"a\":\"\x00\"}",
        b"{\"a\":\"\x1f\"}",
        b"{\"a\":1,\"a\":1}",
        b"{\"token\":\"a\",\"tok\\u0065n\":\"b\"}",
        b"{\"a\":1e400}",
        b"{\"a\":NaN}",
        b"{\"a\":01}",
        b"// {}",
        b"\x00\x01\x02",
    ] {
        everywhere(app, body, 400, "invalid_json").await;
    }
    for path in ["/auth/tokens", "/auth/emergency-revoke", "/auth/tokens/self/rotate"] {
        app.admin().send("POST", path, None).await.refused(400, "invalid_json");
    }
    nothing_was_made(app).await;
}

async fn a_body_may_nest_and_no_deeper(app: &TestApp) {
    let nested = |depth: usize| format!("{}1{}", "{\"metadata\":".repeat(depth), "}".repeat(depth));
    for depth in [33, 1_000, 5_000] {
        everywhere(app, nested(depth).as_bytes(), 400, "invalid_json").await;
    }
    everywhere(app, "[".repeat(60_000).as_bytes(), 400, "invalid_json").await;
    everywhere(app, "{\"a\":[".repeat(10_000).as_bytes(), 400, "invalid_json").await;
    let deepest = format!("{{\"token_name\":\"deep\",\"permissions\":[],\"metadata\":{}}}", nested(31));
    let made = sender(app).send_bytes("POST", "/auth/tokens", deepest.into_bytes()).await.expect(201);
    let secret = made["token"].as_str().unwrap();
    assert_eq!(app.verify(secret).await.decided("valid")["context"]["metadata"], made["metadata"]);
}

async fn numbers_beyond_their_bounds_are_refused_never_wrapped(app: &TestApp) {
    for number in [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "4294967296",
        "4294967297",
        "-9223372036854775809",
        "1e308",
        "36501",
    ] {
        let body = format!("{{\"token_name\":\"x\",\"permissions\":[],\"expires_in_days\":{number}}}");
        let answer = sender(app).send_bytes("POST", "/auth/tokens", body.into_bytes()).await;
        answer.bad_field("expires_in_days", "out_of_range");
        let body = format!("{{\"cost\":{number}}}");
        let answer = sender(app).send_bytes("POST", "/auth/verify", body.into_bytes()).await;
        answer.bad_field("cost", "out_of_range");
    }
    // One kind of number, as in JSON Schema.
    let body = b"{\"token_name\":\"five\",\"permissions\":[],\"expires_in_days\":5.0}".to_vec();
    sender(app).send_bytes("POST", "/auth/tokens", body).await.expect(201);
}

async fn a_body_must_say_that_it_is_json(app: &TestApp) {
    let body = json!({"token_name": "typed", "permissions": []}).to_string().into_bytes();
    for media in [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-patch+json",
        "json",
        "application/json, text/plain",
        "*/*",
    ] {
        for path in PATHS {
            let caller = app.admin().with("content-type", media);
            caller.send_bytes("POST", path, body.clone()).await.refused(415, "unsupported_media_type");
        }
    }
    for path in PATHS {
        app.admin().send_bytes("POST", path, body.clone()).await.refused(415, "unsupported_media_type");
    }
    nothing_was_made(app).await;
    for media in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;x=\"y\"",
    ] {
        let body = json!({"token_name": media, "permissions": []}).to_string().into_bytes();
        app.admin().with("content-type", media).send_bytes("POST", "/auth/tokens", body).await.expect(201);
    }
}

fn padded(body: &Value, length: usize) -> Vec<u8> {
    let mut bytes = body.to_string().into_bytes();
    bytes.resize(length, b' ');
    bytes
}

async fn a_body_has_64_kib_and_no_more(app: &TestApp) {
    const MOST: usize = 64 * 1024;
    let token = json!({"token_name": "padded", "permissions": []});
    let whole = padded(&json!({}), MOST);
    sender(app).send_bytes("POST", "/auth/verify", whole).await.decided("valid");
    sender(app)
        .send_bytes("POST", "/auth/tokens", padded(&token, MOST + 1))
        .await
        .refused(413, "payload_too_large");
    everywhere(app, &padded(&token, MOST + 1), 413, "payload_too_large").await;
    everywhere(app, &padded(&token, 4 * MOST), 413, "payload_too_large").await;
    nothing_was_made(app).await;
    sender(app).send_bytes("POST", "/auth/tokens", padded(&token, MOST)).await.expect(201);
}

/// The head of a request with a body, without its length.
fn head(app: &TestApp, path: &str) -> String {
    let token = app.admin_token();
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n"
    )
}

async fn raw(app: &TestApp, request: String) -> Answer {
    let mut raw = Raw::connect(app.address()).await;
    raw.send(request).await;
    raw.answer().await.expect("an answer")
}

async fn a_gigabyte_is_refused_before_it_is_sent(app: &TestApp) {
    for path in PATHS {
        for length in ["1073741824", "65537", "9223372036854775807"] {
            let request = format!("{}Content-Length: {length}\r\n\r\n{{", head(app, path));
            let answer = raw(app, request).await;
            answer.refused(413, "payload_too_large");
            assert_eq!(answer.header("connection"), "close");
            // Who asks first is not told to go on.
            let request =
                format!("{}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n", head(app, path));
            raw(app, request).await.refused(413, "payload_too_large");
        }
    }
    // A server that read on would be reading this for long.
    let mut raw = Raw::connect(app.address()).await;
    raw.send(format!("{}Transfer-Encoding: chunked\r\n\r\n", head(app, "/auth/tokens"))).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let mut sent = 0;
    while sent < 1 << 14 && raw.send(&chunk).await {
        sent += 1;
    }
    assert!(sent < 1 << 14, "a gigabyte was taken");
}

async fn who_sends_too_much_is_told_before_the_connection_closes(app: &TestApp) {
    let body = " ".repeat(700 * 1024);
    for path in PATHS {
        for _ in 0..10 {
            let mut raw = Raw::connect(app.address()).await;
            raw.send(format!("{}Content-Length: {}\r\n\r\n{body}", head(app, path), body.len())).await;
            raw.answer().await.expect("an answer").refused(413, "payload_too_large");
            raw.closed().await;
        }
    }
}

async fn a_body_in_chunks_is_a_body(app: &TestApp) {
    for (path, status) in [("/auth/verify", 200), ("/auth/tokens/cleanup", 200), ("/auth/tokens", 422)] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!("{}Transfer-Encoding: chunked\r\n\r\n", head(app, path))).await;
        for part in ["1\r\n{\r\n", "0002;name=value\r\n }\r\n", "0\r\nTrailer: x\r\n\r\n"] {
            raw.send(part).await;
        }
        assert_eq!(raw.answer().await.unwrap().status, status);
        // The connection is at the beginning of the next request, not within the last.
        raw.send(format!("{}Content-Length: 0\r\n\r\n", head(app, "/auth/verify"))).await;
        raw.answer().await.unwrap().decided("valid");
    }
}

async fn broken_chunks_are_refused(app: &TestApp) {
    for chunks in [
        "x\r\n{}\r\n0\r\n\r\n",
        "-1\r\n",
        "ffffffffffffffffff\r\n",
        "2\r\n{}garbage\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n",
    ] {
        for path in ["/auth/verify", "/auth/tokens"] {
            let request = format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}", head(app, path));
            let answer = raw(app, request).await;
            assert_eq!(answer.status, 400, "{chunks:?} {answer:?}");
        }
    }
    nothing_was_made(app).await;
}

async fn a_body_that_does_not_arrive_is_given_up(app: &TestApp) {
    let slow = PATHS.map(async |path| {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!("{}Content-Length: 100\r\n\r\n{{", head(app, path))).await;
        let answer = raw.answer().await.unwrap();
        answer.refused(408, "request_timeout");
        assert_eq!(answer.header("connection"), "close");
        raw.closed().await;
    });
    futures::future::join_all(slow).await;
    nothing_was_made(app).await;
}

async fn a_body_that_breaks_off_changes_nothing(app: &TestApp) {
    let body = json!({"token_name": "broken off", "permissions": []}).to_string();
    for sent in [0, 1, body.len() - 1] {
        let mut raw = Raw::connect(app.address()).await;
        raw.send(format!("{}Content-Length: {}\r\n\r\n", head(app, "/auth/tokens"), body.len())).await;
        raw.send(&body[..sent]).await;
        raw.half_close().await;
        if let Some(answer) = raw.answer().await {
            answer.refused(400, "invalid_json");
        }
    }
    nothing_was_made(app).await;
}
