//! `/roles`.

use serde_json::{Value, json};

use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    a_role_is_made_for_the_publisher_that_is_named,
    a_role_grants_nothing_that_its_maker_lacks,
    built_in_roles_keep_what_they_are,
    the_editor_is_extended_by_the_publisher,
    a_name_is_unique_within_the_publisher,
    a_role_in_use_stays,
    a_role_changes_by_version,
    who_acts_for_one_publisher_sees_no_roles_of_another,
];

fn path(role: &Value) -> String {
    format!("/roles/{}", id(role))
}

async fn a_role_is_made_for_the_publisher_that_is_named(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let body = json!({"name": "Archivist", "description": "Reads", "permissions": ["works:read"]});
    app.admin().post("/roles", body.clone()).await.refused(422, "publisher_required");
    let acting =
        app.admin().with("x-publisher-id", id(&publisher)).with("idempotency-key", "0123456789abcdef");
    let answer = acting.post("/roles", body.clone()).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&made)));
    assert_eq!(made["publisher_id"], publisher["id"]);
    assert_eq!((&made["permissions"], &made["is_built_in"]), (&json!(["works:read"]), &json!(false)));
    assert_eq!(acting.post("/roles", body.clone()).await.expect(201), made);
    assert_eq!(app.admin().get(&path(&made)).await.expect(200), made);
    // The same key for another publisher is another request.
    let other = app.publisher("q").await;
    let acting = app.admin().with("x-publisher-id", id(&other)).with("idempotency-key", "0123456789abcdef");
    acting.post("/roles", body).await.refused(409, "idempotency_mismatch");
}

async fn a_role_grants_nothing_that_its_maker_lacks(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let caller = app.caller(&["users:admin", "works:*"]).await.with("x-publisher-id", id(&publisher));
    let create = async |permissions: &[&str]| {
        caller.post("/roles", json!({"name": "r", "permissions": permissions})).await
    };
    for beyond in ["*", "tokens:read", "works", "users:*:x"] {
        let answer = create(&["works:read", beyond]).await;
        let refused = beyond != "users:*:x";
        if refused {
            answer.refused(403, "scope_exceeds_grantor");
        } else {
            answer.bad_field("permissions[1]", "invalid_format");
        }
    }
    let made = create(&["works:read", "users:read"]).await.expect(201);
    let wider = json!({"permissions": ["works:read", "users:read", "tokens:read"]});
    caller.patch(&path(&made), wider).await.refused(403, "scope_exceeds_grantor");
    caller.patch(&path(&made), json!({"permissions": ["works:*"]})).await.expect(200);
    // Whoever holds less than a role may still take from it.
    let powerful = app.role(&publisher, "powerful", &["a:b", "c:d"]).await;
    caller.patch(&path(&powerful), json!({"permissions": ["a:b"]})).await.expect(200);
    let back = json!({"permissions": ["a:b", "c:d"]});
    caller.patch(&path(&powerful), back).await.refused(403, "scope_exceeds_grantor");
}

async fn built_in_roles_keep_what_they_are(app: &TestApp) {
    let publisher = app.publisher("p").await;
    for name in ["publisher_admin", "publisher_editor", "publisher_viewer"] {
        let role = app.built_in(&publisher, name).await;
        assert_eq!(role["is_built_in"], true);
        for change in [json!({"name": "mine"}), json!({"description": "mine"})] {
            app.admin().patch(&path(&role), change).await.refused(409, "built_in_role");
        }
        app.admin().delete(&path(&role)).await.refused(409, "built_in_role");
        if name != "publisher_editor" {
            let change = json!({"permissions": ["works:read"]});
            app.admin().patch(&path(&role), change).await.refused(409, "built_in_role");
        }
        // What it is already is no change.
        let same = json!({"name": role["name"], "permissions": role["permissions"]});
        assert_eq!(app.admin().patch(&path(&role), same).await.expect(200), role);
    }
}

async fn the_editor_is_extended_by_the_publisher(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let editor = app.built_in(&publisher, "publisher_editor").await;
    let mut all: Vec<Value> = editor["permissions"].as_array().unwrap().clone();
    let less = json!({"permissions": all[1..]});
    app.admin().patch(&path(&editor), less).await.bad_field("permissions", "out_of_range");
    all.push(json!("works:write"));
    let changed = app.admin().patch(&path(&editor), json!({"permissions": all})).await.expect(200);
    let granted = changed["permissions"].as_array().unwrap();
    assert!(all.iter().all(|permission| granted.contains(permission)) && granted.len() == all.len());
    all.pop();
    let changed = app.admin().patch(&path(&editor), json!({"permissions": all})).await.expect(200);
    assert_eq!(changed["permissions"], editor["permissions"]);
}

async fn a_name_is_unique_within_the_publisher(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let made = app.role(&one, "Reader", &[]).await;
    app.role(&two, "Reader", &[]).await;
    let acting = app.admin().with("x-publisher-id", id(&one));
    for name in ["Reader", "publisher_viewer"] {
        acting.post("/roles", json!({"name": name, "permissions": []})).await.refused(409, "name_taken");
    }
    let other = app.role(&one, "Other", &[]).await;
    app.admin().patch(&path(&other), json!({"name": "Reader"})).await.refused(409, "name_taken");
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().patch(&path(&other), json!({"name": "Reader"})).await.expect(200);
    let nobodys = "0198c0de-0000-7000-8000-000000000000";
    acting
        .post("/roles", json!({"name": nobodys, "permissions": []}))
        .await
        .bad_field("name", "invalid_format");
}

async fn a_role_in_use_stays(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let role = app.role(&publisher, "held", &[]).await;
    let user = app.user("ada@example.com").await;
    app.member(&user, &role).await;
    app.admin().delete(&path(&role)).await.refused(409, "in_use");
    let member = format!("/publishers/{}/members/{user}", id(&publisher));
    app.admin().delete(&member).await.expect(204);
    app.admin().delete(&path(&role)).await.expect(204);
    app.admin().delete(&path(&role)).await.expect(204);
    app.admin().get(&path(&role)).await.refused(404, "not_found");
    app.admin().patch(&path(&role), json!({})).await.refused(404, "not_found");
    app.admin().delete("/roles/0198c0de-0000-7000-8000-000000000000").await.refused(404, "not_found");
}

async fn a_role_changes_by_version(app: &TestApp) {
    let publisher = app.publisher("p").await;
    let role = app.role(&publisher, "r", &["a:b"]).await;
    let tag = app.admin().get(&path(&role)).await.header("etag").to_owned();
    let caller = app.admin().with("if-match", &tag);
    let changed = caller.patch(&path(&role), json!({"description": "d"})).await.expect(200);
    assert_eq!((&changed["description"], &changed["permissions"]), (&json!("d"), &json!(["a:b"])));
    caller.patch(&path(&role), json!({"description": "e"})).await.refused(412, "precondition_failed");
    caller.delete(&path(&role)).await.refused(412, "precondition_failed");
    for (body, field, code) in [
        (json!({"name": null}), "name", "required"),
        (json!({"permissions": ["A"]}), "permissions[0]", "invalid_format"),
        (json!({"scopes": []}), "scopes", "unknown_field"),
    ] {
        app.admin().patch(&path(&role), body).await.bad_field(field, code);
    }
    let query = format!("/audit/security-events?publisher_id={}&type=role.updated", id(&publisher));
    let events = app.admin().get(&query).await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
}

async fn who_acts_for_one_publisher_sees_no_roles_of_another(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let role = app.role(&two, "theirs", &[]).await;
    let acting = app.admin().with("x-publisher-id", id(&one));
    acting.get(&path(&role)).await.refused(404, "not_found");
    acting.patch(&path(&role), json!({"name": "mine"})).await.refused(404, "not_found");
    acting.delete(&path(&role)).await.refused(404, "not_found");
    let asked = acting.get(&format!("/roles?publisher_id={}", id(&two))).await.expect(200);
    assert_eq!(asked["items"], json!([]));
    let own = acting.get("/roles").await.expect(200);
    assert!(own["items"].as_array().unwrap().iter().all(|role| role["publisher_id"] == one["id"]));
    let all = app.admin().get("/roles?limit=3").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    assert!(all["next_cursor"].is_string());
    acting.get(&format!("/publishers/{}", id(&two))).await.refused(404, "not_found");
    let seen = acting.get("/publishers").await.expect(200);
    assert_eq!(seen["items"], json!([one]));
}
