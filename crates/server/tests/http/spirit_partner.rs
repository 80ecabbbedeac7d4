//! The "Spirit partner" of the documentation: full access to the catalog of one publisher, and to nothing beyond
//! it.

use keywright_core::BuiltInRole;
use serde_json::{Value, json};

use crate::harness::{Minted, TestApp, id, on_both_engines};

on_both_engines![spirit_partner];

async fn spirit_partner(app: &TestApp) {
    let (spirit, other) = (app.tenant("Spirit Music").await, app.tenant("Another publisher").await);
    let person = app.member_of("admin@spirit.example", &spirit, BuiltInRole::PublisherAdmin).await;
    let admin = app.bearing(&app.login(&person).await.access);

    // The publisher's own administrator makes the account: it is the publisher's, whatever is said.
    let body = json!({"name": "spirit-integration", "service_type": "partner",
        "scopes": ["catalog:admin", "reports:read"], "rate_limits": {"per_hour": 5000}});
    let mut elsewhere = body.clone();
    elsewhere["publisher_id"] = json!(other.id);
    admin.post("/service-accounts", elsewhere).await.bad_field("publisher_id", "out_of_range");
    let account = admin.post("/service-accounts", body).await.expect(201);
    assert_eq!(account["publisher_id"], json!(spirit.id));
    let path = format!("/service-accounts/{}", id(&account));
    let made = admin
        .post(&format!("{path}/tokens"), json!({"token_name": "production", "expires_in_days": 30}))
        .await;
    let token = Minted::of(&made);

    // Everything of the catalog, and reports, within the publisher.
    let api = app.caller(&["tokens:verify"]).await;
    let ask = async |publisher: Value, scope: &str| {
        let body = json!({"token": token.secret, "publisher_id": publisher, "required_scopes": [scope]});
        api.post("/auth/verify", body).await.expect(200)
    };
    for scope in ["catalog:read", "catalog:works:delete", "catalog:admin", "reports:read"] {
        let decision = ask(json!(spirit.id), scope).await;
        assert_eq!(
            (&decision["code"], &decision["publisher_id"]),
            (&json!("valid"), &json!(spirit.id)),
            "{scope}"
        );
        assert_eq!(ask(json!(other.id), scope).await["code"], "wrong_publisher", "{scope}");
    }
    for scope in ["reports:write", "works:read", "*"] {
        assert_eq!(ask(json!(spirit.id), scope).await["code"], "insufficient_scope", "{scope}");
    }
    let decision = app.verify(&token.secret).await.decided("valid");
    assert_eq!(
        (&decision["publisher_id"], &decision["publishers"]),
        (&json!(spirit.id), &json!([spirit.id]))
    );
    assert_eq!(decision["context"]["rate_limits"], json!({"per_minute": null, "per_hour": 5000}));

    // To the administrator and the verifiers of another publisher there is no such account and no such token.
    let person = app.member_of("admin@other.example", &other, BuiltInRole::PublisherAdmin).await;
    let stranger = app.bearing(&app.login(&person).await.access);
    stranger.get(&path).await.refused(404, "not_found");
    stranger.delete(&format!("{path}/tokens/{}", token.id)).await.refused(404, "not_found");
    assert_eq!(stranger.get("/service-accounts").await.expect(200)["items"], json!([]));
    stranger.post("/auth/verify", json!({"token": token.secret})).await.decided("not_found");

    // A leak: all of its tokens at once, and the account goes on with a new one.
    let revoked =
        admin.post(&format!("{path}/tokens/revoke-all"), json!({"reason": "leaked"})).await.expect(200);
    assert_eq!(revoked["revoked"], 1);
    app.verify(&token.secret).await.decided("revoked");
    let made = admin.post(&format!("{path}/tokens"), json!({"token_name": "production"})).await;
    app.verify(&Minted::of(&made).secret).await.decided("valid");
}
