//! `/docs`: the API reference, page by page. It is read without a credential and without a script, it loads nothing of
//! others, and it tells every operation.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use keywright_store::Engine;

use crate::harness::{Answer, Raw, TestApp, operations};

/// What each page may load and do: no more than this.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; \
     frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";
/// Longest page. One with all operations would be ten times that.
const MOST_BYTES: usize = 400_000;
/// Longest of all pages together: they are kept in memory once somebody reads.
const MOST_BYTES_IN_ALL: usize = 4_000_000;

async fn ask(app: &TestApp, method: Method, path: &str, header: Option<(&str, &str)>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method, format!("http://{}{path}", app.address()));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap() }
}

/// What stands in this attribute, wherever.
fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let before = format!(" {name}=\"");
    text.split(before.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every page that links lead to, from the first one on.
async fn pages(app: &TestApp) -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec!["/docs".to_owned()]);
    while let Some(path) = open.pop() {
        if found.contains_key(&path) {
            continue;
        }
        let answer = ask(app, Method::GET, &path, None).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text().to_owned();
        let pages = attributes(&text, "href").into_iter().map(|link| link.split('#').next().unwrap());
        open.extend(pages.filter(|link| link.starts_with("/docs") && !link.contains('.')).map(str::to_owned));
        found.insert(path, text);
    }
    found
}

async fn app() -> Option<TestApp> {
    TestApp::start(Engine::Sqlite).await
}

#[tokio::test]
async fn every_operation_is_on_the_page_of_its_tag() {
    let Some(app) = app().await else { return };
    let pages = pages(&app).await;
    for operation in operations() {
        let tag = operation.object["tags"][0].as_str().unwrap().replace(' ', "-");
        let page = &pages[&format!("/docs/{tag}")];
        let id = format!("id=\"{}\"", operation.id);
        assert_eq!(page.matches(&id).count(), 1, "{id}");
        let from = page.find(&id).unwrap();
        let part = &page[from..from + page[from..].find("</section>").unwrap()];
        assert!(part.contains(&format!("<code>{}</code>", operation.path)), "{id}");
        for parameter in operation.object["parameters"].as_array().into_iter().flatten() {
            let name = format!("<code>{}</code>", parameter["name"].as_str().unwrap());
            assert!(part.contains(&name), "{id}: {name}");
        }
        for status in operation.object["responses"].as_object().unwrap().keys() {
            assert!(part.contains(&format!("<b>{status}</b>")), "{id}: {status}");
        }
        assert_eq!(part.contains("textarea"), operation.object.get("requestBody").is_some(), "{id}");
        assert!(part.contains("curl -s"), "{id}");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_link_of_the_reference_leads_somewhere() {
    let Some(app) = app().await else { return };
    let pages = pages(&app).await;
    assert!(pages.len() > 15, "{}", pages.len());
    let mut others = BTreeSet::new();
    for (path, text) in &pages {
        let ids = attributes(text, "id");
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: an id twice");
        for link in attributes(text, "href").into_iter().chain(attributes(text, "src")) {
            let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
            match pages.get(if page.is_empty() { path.as_str() } else { page }) {
                Some(page) => {
                    assert!(anchor.is_empty() || attributes(page, "id").contains(&anchor), "{path}: {link}");
                }
                None => drop(others.insert(link.to_owned())),
            }
        }
    }
    assert_eq!(
        others.iter().map(String::as_str).collect::<Vec<_>>(),
        ["/api/v1/openapi.json", "/docs/reference.css", "/docs/reference.js"]
    );
    for link in others {
        assert_eq!(ask(&app, Method::GET, &link, None).await.status, 200, "{link}");
    }
    app.stop().await;
}

/// What is told stands in the page itself, before any script has run; scripts only unhide what needs them.
#[tokio::test]
async fn nothing_on_a_page_is_inline_and_nothing_needs_a_script_to_be_read() {
    let Some(app) = app().await else { return };
    let mut bytes = 0;
    for (path, text) in pages(&app).await {
        assert_eq!(text.matches("<script").count(), 1, "{path}");
        assert!(text.contains("<script type=\"module\" src=\"/docs/reference.js\"></script>"), "{path}");
        assert!(!text.contains("<style"), "{path}");
        for (at, _) in text.match_indices('<') {
            let tag = text[at..].split('>').next().unwrap();
            let inline = tag.contains(" style=") || tag.contains(" on") && tag.contains("=\"javascript");
            let handler = tag.split_whitespace().any(|word| word.starts_with("on") && word.contains('='));
            assert!(!inline && !handler, "{path}: {tag}");
        }
        for hidden in text.split('<').filter(|tag| tag.split('>').next().unwrap().ends_with(" hidden")) {
            let name = hidden.split([' ', '>']).next().unwrap();
            assert!(matches!(name, "form" | "p" | "button" | "div"), "{path}: {name}");
        }
        assert!(text.len() <= MOST_BYTES, "{path}: {}", text.len());
        bytes += text.len();
    }
    assert!(bytes <= MOST_BYTES_IN_ALL, "{bytes}");
    let script = ask(&app, Method::GET, "/docs/reference.js", None).await;
    for word in
        ["localStorage", "sessionStorage", "indexedDB", "cookie", "innerHTML", "eval(", "http:", "https:"]
    {
        assert!(!script.text().contains(word), "{word}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_page_is_answered_strictly_and_kept_until_it_changes() {
    let Some(app) = app().await else { return };
    for (path, content_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/service-tokens", "text/html; charset=utf-8"),
        ("/docs/reference.css", "text/css; charset=utf-8"),
        ("/docs/reference.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = ask(&app, Method::GET, path, None).await;
        let etag = answer.header("etag").to_owned();
        for (status, header) in [
            (200, None),
            (304, Some(("if-none-match", etag.as_str()))),
            (200, Some(("if-none-match", "\"0\""))),
        ] {
            let answer = ask(&app, Method::GET, path, header).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.body.is_empty(), status == 304, "{path}");
            for (name, value) in [
                ("content-security-policy", POLICY),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", "no-cache"),
                ("etag", &etag),
                ("content-type", if status == 304 { "" } else { content_type }),
                ("set-cookie", ""),
            ] {
                assert_eq!(answer.header(name), value, "{path}: {name}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn the_reference_is_for_reading_alone() {
    let Some(app) = app().await else { return };
    ask(&app, Method::GET, "/docs/no-such-page", None).await.refused(404, "not_found");
    ask(&app, Method::GET, "/docs/..%2fetc", None).await.refused(404, "not_found");
    ask(&app, Method::GET, "/docs/service-tokens/more", None).await.refused(404, "not_found");
    ask(&app, Method::POST, "/docs", None).await.refused(405, "method_not_allowed");
    ask(&app, Method::DELETE, "/docs/service-tokens", None).await.refused(405, "method_not_allowed");
    // A credential is neither needed nor looked at.
    let bad = Some(("authorization", "Bearer nonsense"));
    assert_eq!(ask(&app, Method::GET, "/docs", bad).await.status, 200);
    let mut raw = Raw::connect(app.address()).await;
    raw.send("GET /docs/\u{7f} HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(raw.answer().await.is_none_or(|answer| matches!(answer.status, 400 | 404)));
    app.recorded().await;
    let rows = app.database().await.number("SELECT COUNT(*) FROM authentication_events").await;
    assert_eq!(rows, 0);
    app.stop().await;
}
