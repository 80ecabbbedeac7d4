//! The "Songtrust platform" of the documentation: an account that may create works for its creators and nothing
//! else, 100 requests a minute, from its own network.

use serde_json::{Value, json};

use crate::harness::{Caller, Minted, TestApp, id, on_both_engines};

on_both_engines![songtrust_platform];

/// What an API behind Keywright does with a decision: it lets a caller that only has `creator:own_content` touch
/// the works of the creator in its metadata alone.
fn may_touch(decision: &Value, creator: &str) -> bool {
    let scopes = decision["scopes"].as_array().unwrap();
    decision["valid"] == true
        && (!scopes.contains(&json!("creator:own_content"))
            || decision["context"]["metadata"]["creator_id"] == creator)
}

async fn songtrust_platform(app: &TestApp) {
    let operator = app.admin();
    let account = operator
        .post(
            "/service-accounts",
            json!({
                "name": "songtrust-api",
                "service_type": "platform",
                "scopes": ["works:read", "works:create", "creator:own_content"],
                "rate_limits": {"per_minute": 100},
                "ip_allowlist": ["198.51.100.0/24"],
                "metadata": {"distributor": "songtrust"},
            }),
        )
        .await
        .expect(201);
    let path = format!("/service-accounts/{}", id(&account));
    let token = async |name: &str, creator: &str| {
        let body = json!({"token_name": name, "metadata": {"creator_id": creator}});
        Minted::of(&operator.post(&format!("{path}/tokens"), body).await)
    };
    let (ada, ben) = (token("ada", "creator-ada").await, token("ben", "creator-ben").await);

    // The API asks with a credential that may do nothing else.
    let api = app.caller(&["tokens:verify"]).await;
    let ask = async |token: &Minted, scope: &str, address: &str| verdict(&api, token, scope, address).await;
    let decision = ask(&ada, "works:create", "198.51.100.7").await;
    assert_eq!((&decision["valid"], &decision["token_type"]), (&json!(true), &json!("service")));
    assert_eq!(
        decision["context"]["metadata"],
        json!({"distributor": "songtrust", "creator_id": "creator-ada"})
    );
    assert_eq!(decision["context"]["service_name"], "songtrust-api");
    assert_eq!(decision["context"]["rate_limits"], json!({"per_minute": 100, "per_hour": null}));
    assert!(may_touch(&decision, "creator-ada") && !may_touch(&decision, "creator-ben"));
    let decision = ask(&ben, "works:create", "198.51.100.7").await;
    assert!(may_touch(&decision, "creator-ben") && !may_touch(&decision, "creator-ada"));

    // Nothing else, and from nowhere else.
    assert_eq!(ask(&ada, "works:delete", "198.51.100.7").await["code"], "insufficient_scope");
    assert_eq!(ask(&ada, "works:create", "203.0.113.1").await["code"], "ip_not_allowed");
    app.bearing(&ada.secret).get("/service-accounts").await.refused(403, "ip_not_allowed");

    // It is rotated without an outage, and the creator stays bound.
    let rotated =
        operator.post(&format!("{path}/tokens/rotate-all"), json!({"reason": "yearly"})).await.expect(200);
    for new in rotated["items"].as_array().unwrap() {
        let asked = json!({"token": new["token"], "ip_address": "198.51.100.7"});
        let decision = api.post("/auth/verify", asked).await.decided("valid");
        let creator = format!("creator-{}", new["token_name"].as_str().unwrap());
        assert!(may_touch(&decision, &creator));
    }
    assert_eq!(ask(&ada, "works:create", "198.51.100.7").await["rotation"]["superseded"], true);

    // The partner is to read only, at once for every token; then not at all.
    operator.put(&format!("{path}/scopes"), json!({"scopes": ["works:read"]})).await.expect(200);
    assert_eq!(ask(&ada, "works:create", "198.51.100.7").await["code"], "insufficient_scope");
    assert_eq!(ask(&ben, "works:read", "198.51.100.7").await["valid"], true);
    operator.post(&format!("{path}/disable"), json!({"reason": "contract ended"})).await.expect(200);
    for token in [&ada, &ben] {
        assert_eq!(ask(token, "works:read", "198.51.100.7").await["code"], "principal_disabled");
    }
}

async fn verdict(api: &Caller, token: &Minted, scope: &str, address: &str) -> Value {
    let asked = json!({"token": token.secret, "required_scopes": [scope], "ip_address": address,
        "method": "POST", "endpoint": "/works"});
    api.post("/auth/verify", asked).await.expect(200)
}
