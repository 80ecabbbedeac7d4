//! `/publishers/{id}/members`.

use serde_json::{Value, json};

use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    a_member_is_added_shown_changed_and_removed,
    a_membership_grants_nothing_that_its_maker_lacks,
    the_last_administrator_stays,
    only_users_and_roles_that_there_are,
    members_are_listed_by_publisher_and_role,
    a_membership_changes_by_version,
];

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

fn members(publisher: &Value) -> String {
    format!("/publishers/{}/members", id(publisher))
}

async fn a_member_is_added_shown_changed_and_removed(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let viewer = app.built_in(&publisher, "publisher_viewer").await;
    let user = app.user("ada@example.com").await;
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let body = json!({"user_id": user, "role_id": viewer["id"]});
    let answer = caller.post(&members(&publisher), body.clone()).await;
    let made = answer.expect(201);
    let path = format!("{}/{user}", members(&publisher));
    assert_eq!(answer.header("location"), format!("/api/v1{path}"));
    assert_eq!(caller.post(&members(&publisher), body.clone()).await.expect(201), made);
    app.admin().post(&members(&publisher), body).await.refused(409, "already_member");
    assert_eq!((&made["email"], &made["role"]), (&json!("ada@example.com"), &json!("publisher_viewer")));
    assert_eq!((&made["display_name"], &made["is_disabled"]), (&json!("ada"), &json!(false)));
    assert_eq!(app.admin().get(&path).await.expect(200), made);
    let editor = app.built_in(&publisher, "publisher_editor").await;
    let changed = app.admin().patch(&path, json!({"role_id": editor["id"]})).await.expect(200);
    assert_eq!((&changed["role_id"], &changed["role"]), (&editor["id"], &json!("publisher_editor")));
    assert_eq!(app.admin().patch(&path, json!({})).await.expect(200), changed);
    app.admin().delete(&format!("{path}?reason=left")).await.expect(204);
    app.admin().delete(&path).await.expect(204);
    app.admin().get(&path).await.refused(404, "not_found");
    app.admin().patch(&path, json!({"role_id": editor["id"]})).await.refused(404, "not_found");
    let query = format!("/audit/security-events?publisher_id={}&order=asc", id(&publisher));
    let events = app.admin().get(&query).await.expect(200);
    let told: Vec<_> = events["items"].as_array().unwrap()[1..].iter().collect();
    let types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["member.added", "member.role_changed", "member.removed"]);
    // The trail outlives whom it is about: it has the id alone.
    for event in told {
        assert_eq!(event["subject"], json!({"type": "user", "id": user, "name": null}));
        assert!(!event["after"].to_string().contains('@') && !event["before"].to_string().contains('@'));
    }
}

async fn a_membership_grants_nothing_that_its_maker_lacks(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let [admin, viewer] = [
        app.built_in(&publisher, "publisher_admin").await,
        app.role(&publisher, "narrow", &["works:read"]).await,
    ];
    let user = app.user("ada@example.com").await;
    let caller = app.caller(&["users:admin", "works:*"]).await;
    let add = async |role: &Value| {
        caller.post(&members(&publisher), json!({"user_id": user, "role_id": role["id"]})).await
    };
    add(&admin).await.refused(403, "scope_exceeds_grantor");
    add(&viewer).await.expect(201);
    let path = format!("{}/{user}", members(&publisher));
    let raise = caller.patch(&path, json!({"role_id": admin["id"]})).await;
    raise.refused(403, "scope_exceeds_grantor");
    assert_eq!(app.admin().get(&path).await.expect(200)["role"], "narrow");
}

async fn the_last_administrator_stays(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let admin = app.built_in(&publisher, "publisher_admin").await;
    let viewer = app.built_in(&publisher, "publisher_viewer").await;
    let [ada, bob] = [app.user("ada@example.com").await, app.user("bob@example.com").await];
    for user in [&ada, &bob] {
        app.accepts(user).await;
    }
    let path = |user: &str| format!("{}/{user}", members(&publisher));
    app.member(&ada, &admin).await;
    app.member(&bob, &viewer).await;
    let demote = json!({"role_id": viewer["id"]});
    app.admin().patch(&path(&ada), demote.clone()).await.refused(409, "last_administrator");
    app.admin().delete(&path(&ada)).await.refused(409, "last_administrator");
    app.admin().patch(&path(&bob), json!({"role_id": admin["id"]})).await.expect(200);
    app.admin().patch(&path(&ada), demote).await.expect(200);
    app.admin().delete(&path(&bob)).await.refused(409, "last_administrator");
    app.admin().delete(&path(&ada)).await.expect(204);
}

async fn only_users_and_roles_that_there_are(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let role = app.built_in(&one, "publisher_viewer").await;
    let foreign = app.built_in(&two, "publisher_viewer").await;
    let user = app.user("ada@example.com").await;
    for (body, field, code) in [
        (json!({"user_id": NOBODY, "role_id": role["id"]}), "user_id", "out_of_range"),
        (json!({"user_id": user, "role_id": NOBODY}), "role_id", "out_of_range"),
        (json!({"user_id": user, "role_id": foreign["id"]}), "role_id", "out_of_range"),
        (json!({"user_id": user}), "role_id", "required"),
        (json!({"user_id": "ada", "role_id": role["id"]}), "user_id", "invalid_format"),
        (json!({"user_id": user, "role_id": role["id"], "email": "x"}), "email", "unknown_field"),
    ] {
        app.admin().post(&members(&one), body).await.bad_field(field, code);
    }
    let body = json!({"user_id": user, "role_id": role["id"]});
    app.admin().post(&format!("/publishers/{NOBODY}/members"), body).await.refused(404, "not_found");
    app.member(&user, &role).await;
    let path = format!("{}/{user}", members(&one));
    app.admin().patch(&path, json!({"role_id": foreign["id"]})).await.bad_field("role_id", "out_of_range");
    app.admin().patch(&path, json!({"role_id": null})).await.bad_field("role_id", "required");
    app.admin().get(&format!("{}/{user}", members(&two))).await.refused(404, "not_found");
    app.admin().get("/publishers/nonsense/members").await.refused(404, "not_found");
}

async fn members_are_listed_by_publisher_and_role(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let [viewer, editor] =
        [app.built_in(&one, "publisher_viewer").await, app.built_in(&one, "publisher_editor").await];
    let other = app.built_in(&two, "publisher_viewer").await;
    let mut users = Vec::new();
    for (number, role) in [&viewer, &editor, &viewer].into_iter().enumerate() {
        let user = app.user(&format!("u{number}@example.com")).await;
        app.member(&user, role).await;
        users.push(user);
    }
    app.member(&users[0], &other).await;
    let list = async |query: String| {
        let page = app.admin().get(&query).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        let ids: Vec<_> = items.map(|item| item["user_id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, next) = list(format!("{}?limit=2", members(&one))).await;
    assert_eq!(first, [users[2].clone(), users[1].clone()]);
    let (rest, end) = list(format!("{}?limit=2&cursor={}", members(&one), next.unwrap())).await;
    assert_eq!((rest, end), (vec![users[0].clone()], None));
    assert_eq!(list(format!("{}?role_id={}", members(&one), id(&editor))).await.0, [users[1].clone()]);
    assert!(list(format!("{}?role_id={}", members(&one), id(&other))).await.0.is_empty());
    assert_eq!(list(members(&two)).await.0, [users[0].clone()]);
    app.admin().get(&format!("/publishers/{NOBODY}/members")).await.refused(404, "not_found");
}

async fn a_membership_changes_by_version(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let [viewer, editor] = [
        app.built_in(&publisher, "publisher_viewer").await,
        app.built_in(&publisher, "publisher_editor").await,
    ];
    let user = app.user("ada@example.com").await;
    app.member(&user, &viewer).await;
    let path = format!("{}/{user}", members(&publisher));
    let tag = app.admin().get(&path).await.header("etag").to_owned();
    let caller = app.admin().with("if-match", &tag);
    caller.patch(&path, json!({"role_id": editor["id"]})).await.expect(200);
    caller.patch(&path, json!({"role_id": viewer["id"]})).await.refused(412, "precondition_failed");
    caller.delete(&path).await.refused(412, "precondition_failed");
}
