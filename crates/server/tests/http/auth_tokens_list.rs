//! `GET /auth/tokens` and `GET /auth/tokens/{id}`.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    a_list_is_newest_first_and_comes_in_pages,
    a_cursor_is_stable_while_rows_are_added_and_revoked,
    filters_narrow_a_list,
    a_search_takes_every_character_as_it_is,
    expiring_soon_counts_what_is_alive,
    limits_have_bounds,
    a_cursor_that_no_list_gave_is_refused,
    a_query_is_read_strictly,
    a_token_is_shown_by_its_id_alone,
    reading_needs_the_permission,
];

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["token_name"].as_str().unwrap()).collect()
}

/// The names on each page from a cursor on.
async fn pages(app: &TestApp, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.admin().get(&format!("/auth/tokens?{query}{cursor}")).await.expect(200);
        pages.push(names(&page).into_iter().map(str::to_owned).collect());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

async fn a_list_is_newest_first_and_comes_in_pages(app: &TestApp) {
    for number in 0..7 {
        app.mint(&format!("token {number}"), &["a"]).await;
    }
    let found = pages(app, "limit=3&q=token").await;
    let expected = [&["token 6", "token 5", "token 4"][..], &["token 3", "token 2", "token 1"], &["token 0"]];
    assert_eq!(found, expected);
    // A last page that is full says that it is the last.
    assert_eq!(pages(app, "limit=7&q=token").await.len(), 1);
    let list = app.admin().get("/auth/tokens").await;
    assert_eq!(list.header("cache-control"), "no-store");
    assert_eq!(names(&list.expect(200)).len(), 8);
}

async fn a_cursor_is_stable_while_rows_are_added_and_revoked(app: &TestApp) {
    let mut made = Vec::new();
    for number in 0..6 {
        made.push(app.mint(&format!("token {number}"), &["a"]).await);
    }
    let first = app.admin().get("/auth/tokens?limit=2&q=token").await.expect(200);
    assert_eq!(names(&first), ["token 5", "token 4"]);
    app.mint("token new", &["a"]).await;
    app.admin().delete(&made[4].path()).await.expect(204);
    app.admin().patch(&made[5].path(), json!({"token_name": "token renamed"})).await.expect(200);
    let next = format!("/auth/tokens?limit=2&q=token&cursor={}", first["next_cursor"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(names(&app.admin().get(&next).await.expect(200)), ["token 3", "token 2"]);
    }
}

async fn filters_narrow_a_list(app: &TestApp) {
    let active = app.mint("an active one", &["a"]).await;
    let superseded = app.mint("rotated", &["a"]).await;
    app.admin().post(&format!("{}/rotate", superseded.path()), json!({"reason": "r"})).await.expect(200);
    let inactive = app.mint("inactive", &["a"]).await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    app.mint("expired", &["a"]).await;
    app.database().await.expire("expired").await;
    let revoked = app.mint("revoked", &["a"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let list = async |query: &str| app.admin().get(&format!("/auth/tokens?{query}")).await.expect(200);
    let old_name = format!("rotated~{}", &superseded.id[28..]);
    for (status, expected) in [
        ("superseded", vec![old_name.as_str()]),
        ("inactive", vec!["inactive"]),
        ("expired", vec!["expired"]),
        ("revoked", vec!["revoked"]),
    ] {
        let found = list(&format!("status={status}")).await;
        assert_eq!(names(&found), expected);
        assert!(found["items"].as_array().unwrap().iter().all(|item| item["status"] == status), "{found}");
    }
    assert_eq!(names(&list("status=active").await)[..2], ["rotated", "an active one"]);
    assert_eq!(list("name=an%20active%20one").await["items"][0]["id"], active.id);
    assert_eq!(names(&list("name=active").await), [""; 0]);
    assert_eq!(names(&list("name=revoked").await), ["revoked"]);
    assert_eq!(names(&list("q=ACTIVE").await), ["inactive", "an active one"]);
    assert_eq!(names(&list("q=active&status=inactive").await), ["inactive"]);
}

async fn a_search_takes_every_character_as_it_is(app: &TestApp) {
    for name in
        ["100% sure", "100 sure", "under_score", "underXscore", "back\\slash", "Straße", "ÄRGER", "o'clock"]
    {
        app.mint(name, &["a"]).await;
    }
    for (q, expected) in [
        ("%25", vec!["100% sure"]),
        ("_", vec!["under_score"]),
        ("%5C", vec!["back\\slash"]),
        ("'", vec!["o'clock"]),
        ("stra%C3%9Fe", vec!["Straße"]),
        ("%C3%A4rger", vec!["ÄRGER"]),
        ("r+s", vec![]),
        ("0+s", vec!["100 sure"]),
    ] {
        let list = app.admin().get(&format!("/auth/tokens?q={q}")).await.expect(200);
        assert_eq!(names(&list), expected, "{q}");
    }
}

async fn expiring_soon_counts_what_is_alive(app: &TestApp) {
    for (name, days) in
        [("in 3", json!(3)), ("in 10", json!(10)), ("never", Value::Null), ("dead in 3", json!(3))]
    {
        app.mint_as(json!({"token_name": name, "permissions": ["a"], "expires_in_days": days})).await;
    }
    let dead = app.admin().get("/auth/tokens?name=dead%20in%203").await.expect(200);
    app.admin()
        .delete(&format!("/auth/tokens/{}", dead["items"][0]["id"].as_str().unwrap()))
        .await
        .expect(204);
    app.mint("past", &["a"]).await;
    app.database().await.expire("past").await;
    let list = async |days: u32| {
        let list = app.admin().get(&format!("/auth/tokens?expiring_within_days={days}&q=in")).await;
        names(&list.expect(200)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(0).await, [""; 0]);
    assert_eq!(list(3).await, ["in 3"]);
    assert_eq!(list(36_500).await, ["in 10", "in 3"]);
}

async fn limits_have_bounds(app: &TestApp) {
    for (limit, code) in [
        ("0", "out_of_range"),
        ("201", "out_of_range"),
        ("-1", "out_of_range"),
        ("9223372036854775808", "out_of_range"),
        ("1.5", "invalid_type"),
        ("ten", "invalid_type"),
        ("", "invalid_type"),
        ("1%00", "invalid_type"),
    ] {
        app.admin().get(&format!("/auth/tokens?limit={limit}")).await.bad_field("limit", code);
    }
    for limit in ["1", "200"] {
        app.admin().get(&format!("/auth/tokens?limit={limit}")).await.expect(200);
    }
    app.admin()
        .get("/auth/tokens?expiring_within_days=36501")
        .await
        .bad_field("expiring_within_days", "out_of_range");
}

async fn a_cursor_that_no_list_gave_is_refused(app: &TestApp) {
    for number in 0..2 {
        app.mint(&format!("token {number}"), &["a"]).await;
    }
    let list = app.admin().get("/auth/tokens?limit=1").await.expect(200);
    let cursor = list["next_cursor"].as_str().unwrap();
    let mut altered = cursor.to_owned();
    altered.replace_range(8..9, if &cursor[8..9] == "A" { "B" } else { "A" });
    for wrong in
        [altered.as_str(), &cursor[1..], "abc", "%F0%9F%98%80", "0198c0de-0000-7000-8000-000000000000"]
    {
        app.admin().get(&format!("/auth/tokens?cursor={wrong}")).await.bad_field("cursor", "invalid_format");
    }
    app.admin().get("/auth/tokens?cursor=").await.bad_field("cursor", "too_short");
    let long = "A".repeat(513);
    app.admin().get(&format!("/auth/tokens?cursor={long}")).await.bad_field("cursor", "too_long");
}

async fn a_query_is_read_strictly(app: &TestApp) {
    for (query, field, code) in [
        ("colour=red", "colour", "unknown_field"),
        ("LIMIT=1", "LIMIT", "unknown_field"),
        ("limit=1&limit=2", "limit", "duplicate"),
        ("status=dead", "status", "invalid_value"),
        ("status=Active", "status", "invalid_value"),
        ("q=", "q", "too_short"),
        ("q=a%00b", "q", "invalid_format"),
        ("service_account_id=songtrust", "service_account_id", "invalid_format"),
    ] {
        app.admin().get(&format!("/auth/tokens?{query}")).await.bad_field(field, code);
    }
    let secret = "sk_".to_owned() + &"0d".repeat(32);
    let answer = app.admin().get(&format!("/auth/tokens?{secret}=1&q=%FF")).await;
    assert!(!answer.text().contains(&secret[3..]), "{}", answer.text());
}

async fn a_token_is_shown_by_its_id_alone(app: &TestApp) {
    let token = app.mint("shown", &["a"]).await;
    let shown = app.admin().get(&token.path()).await;
    assert!(!shown.header("etag").is_empty());
    assert_eq!(shown.expect(200)["token_name"], "shown");
    app.admin().delete(&format!("{}?reason=gone", token.path())).await.expect(204);
    let shown = app.admin().get(&token.path()).await.expect(200);
    assert_eq!((&shown["status"], &shown["revoked_reason"]), (&json!("revoked"), &json!("gone")));
    let upper = token.id.to_ascii_uppercase();
    for id in [
        "0198c0de-0000-7000-8000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        &token.id[1..],
        &token.id.replace('-', ""),
        &format!("%7B{}%7D", token.id),
        &format!("urn:uuid:{}", token.id),
        &format!("{}%00", token.id),
        "shown",
        "%FF",
        "..",
        "' OR 1=1",
        &"9".repeat(2_000),
    ] {
        let path = format!("/auth/tokens/{}", id.replace(' ', "%20"));
        app.admin().get(&path).await.refused(404, "not_found");
    }
    // Hexadecimal digits have no case (RFC 9562 §4): it is the same id.
    app.admin().get(&format!("/auth/tokens/{upper}")).await.expect(200);
}

async fn reading_needs_the_permission(app: &TestApp) {
    let token = app.mint("seen", &["a"]).await;
    let reader = app.caller(&["tokens:read"]).await;
    reader.get(&token.path()).await.expect(200);
    reader.get("/auth/tokens").await.expect(200);
    reader.delete(&token.path()).await.refused(403, "insufficient_scope");
    reader.patch(&token.path(), json!({})).await.refused(403, "insufficient_scope");
    let other = app.caller(&["tokens:verify"]).await;
    // That there is such a token is not told either.
    other.get(&token.path()).await.refused(403, "insufficient_scope");
    other.get("/auth/tokens/0198c0de-0000-7000-8000-000000000000").await.refused(403, "insufficient_scope");
}
