//! `/rotation-policies`, `/maintenance-windows` and `/rotations`.

use std::path::Path;

use keywright_authority::entropy;
use keywright_authority::rotations::run;
use keywright_core::rotation::{Delivery, RotationState, Rule};
use keywright_core::{CredentialId, RotationId, RotationPolicyId};
use keywright_store::rotations::RotationRow;
use keywright_store::{rotations, service_tokens};
use serde_json::{Value, json};

use crate::harness::{Engine, Minted, TestApp, id, on_both_engines};

on_both_engines![
    a_window_shows_when_it_opens_and_is_kept_while_a_policy_names_it,
    each_value_is_that_of_the_nearest_policy_and_tells_which,
    a_policy_is_changed_field_by_field_and_there_is_one_for_each_thing,
    where_secrets_go_to_is_said_by_those_who_may,
    the_policy_of_an_account_is_replaced_whole,
    a_rotation_is_told_step_by_step_and_decided_by_hand,
];

const WINDOWS: &str = "/maintenance-windows";
const POLICIES: &str = "/rotation-policies";

impl TestApp {
    /// Makes a maintenance window of the platform; gives its id.
    pub(crate) async fn window(&self, name: &str) -> String {
        let body = json!({"name": name, "cron": "0 2 * * *", "duration_minutes": 60});
        id(&self.admin().post(WINDOWS, body).await.expect(201)).to_owned()
    }

    /// Makes a policy; gives its id.
    pub(crate) async fn policy(&self, body: Value) -> String {
        id(&self.admin().post(POLICIES, body).await.expect(201)).to_owned()
    }

    /// A rotation of this token whose new secret is on its way, and stays there for a day; gives its id.
    pub(crate) async fn rotation(&self, token: &Minted) -> String {
        let authority = self.authority();
        let (now, old_id) = (authority.now(), token.id.parse::<CredentialId>().unwrap());
        let new_id = CredentialId::generate(now, entropy::id());
        let mut tx = authority.store().begin().await.unwrap();
        let old = service_tokens::by_id(tx.conn(), None, old_id).await.unwrap().unwrap();
        let name = old.token_name.superseded(old_id);
        service_tokens::supersede_unconfirmed(tx.conn(), old_id, new_id, &name, now).await.unwrap();
        let secret = keywright_core::PlainToken::service(&entropy::token());
        let new = service_tokens::NewServiceToken {
            id: new_id,
            token_name: old.token_name.clone(),
            token_hash: secret.hash(),
            token_hint: secret.hint(),
            permissions: old.permissions.clone(),
            metadata: old.metadata.clone(),
            is_active: true,
            expires_at: old.expires_at,
            epoch: old.epoch,
            rotated_from_id: Some(old_id),
            service_account_id: old.service_account_id,
            publisher_id: old.publisher_id,
            limits: old.limits,
            allowlist: old.allowlist.clone(),
            lineage_id: Some(old.lineage()),
            created_by: old.created_by.clone(),
            created_at: now,
        };
        service_tokens::insert(tx.conn(), &new).await.unwrap();
        let row = RotationRow {
            id: RotationId::generate(now, entropy::id()),
            credential_id: old_id,
            token_name: old.token_name.clone(),
            lineage_id: old.lineage(),
            successor_id: None,
            publisher_id: old.publisher_id,
            service_account_id: old.service_account_id,
            policy_id: RotationPolicyId::generate(now, entropy::id()),
            rule: Rule::MaxAge,
            state: RotationState::Delivering,
            delivery: Delivery::Command { command: "none".to_owned() },
            grace_seconds: 3_600,
            quiet_hours: 1,
            confirm_within_hours: 72,
            sealed_secret: None,
            attempts: 0,
            next_attempt_at: now,
            may_have_sent: false,
            told_of_use: false,
            last_answer: None,
            confirm_by: None,
            delivered_at: None,
            confirmed_at: None,
            grace_expires_at: None,
            closed_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        rotations::insert(tx.conn(), &row, "{}").await.unwrap();
        let next = RotationRow {
            successor_id: Some(new_id),
            next_attempt_at: now.plus_days(1),
            confirm_by: Some(now.plus_days(3)),
            ..row.clone()
        };
        assert!(rotations::advance(tx.conn(), &next, "minted", None, now).await.unwrap());
        tx.commit().await.unwrap();
        row.id.to_string()
    }
}

async fn a_window_shows_when_it_opens_and_is_kept_while_a_policy_names_it(app: &TestApp) {
    let body =
        json!({"name": "nights", "cron": "30 2 * * *", "duration_minutes": 60, "time_zone": "Europe/Berlin"});
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let answer = caller.post(WINDOWS, body.clone()).await;
    let made = answer.expect(201);
    let path = format!("{WINDOWS}/{}", id(&made));
    assert_eq!(answer.header("location"), format!("/api/v1{path}"));
    assert_eq!(made["next_openings"].as_array().unwrap().len(), 3);
    assert_eq!(caller.post(WINDOWS, body.clone()).await.expect(201)["id"], made["id"]);
    app.admin().post(WINDOWS, body).await.refused(409, "name_taken");
    for (wrong, field) in [
        (json!({"cron": "61 2 * * *"}), "cron"),
        (json!({"cron": "0 0 30 2 *"}), "cron"),
        (json!({"cron": "0 0 2 * * *"}), "cron"),
        (json!({"time_zone": "Mars/Olympus"}), "time_zone"),
        (json!({"duration_minutes": 4}), "duration_minutes"),
    ] {
        app.admin().patch(&path, wrong).await.bad_field(field, "out_of_range");
    }
    let seen = app.admin().get(&path).await;
    let stale = app.admin().with("if-match", "\"99\"");
    stale.patch(&path, json!({"name": "days"})).await.refused(412, "precondition_failed");
    let current = app.admin().with("if-match", seen.header("etag"));
    let changed = current.patch(&path, json!({"name": "days", "cron": "0 12 * * *"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["time_zone"]), (&json!("days"), &json!("Europe/Berlin")));
    let policy = app.policy(json!({"maintenance_window_id": made["id"]})).await;
    app.admin().delete(&path).await.refused(409, "in_use");
    app.admin().delete(&format!("{POLICIES}/{policy}")).await.expect(204);
    app.admin().delete(&path).await.expect(204);
    app.admin().delete(&path).await.expect(204);
    app.admin().get(&path).await.refused(404, "not_found");
    assert_eq!(app.admin().get(&format!("{WINDOWS}?name=days")).await.expect(200)["items"], json!([]));
    let events = app.admin().get("/audit/security-events?type=maintenance_window.deleted").await.expect(200);
    assert_eq!(events["items"][0]["before"]["name"], "days");
}

async fn each_value_is_that_of_the_nearest_policy_and_tells_which(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let account =
        json!({"name": "api", "service_type": "partner", "scopes": [], "publisher_id": publisher["id"]});
    let account = app.account(account).await;
    let token = app.token_of(&account, json!({"token_name": "api"})).await;
    let effective = async || {
        let path = format!("{POLICIES}/effective?credential_id={}", token.id);
        app.admin().get(&path).await.expect(200)
    };
    let none = effective().await;
    assert_eq!(none["enabled"], json!({"value": false, "policy_id": null}));
    assert_eq!((&none["due_at"], &none["max_age_days"]["value"]), (&Value::Null, &json!(90)));
    let platform = app.policy(json!({"max_age_days": 60, "quiet_hours": 5})).await;
    let of_publisher = app.policy(json!({"publisher_id": publisher["id"], "max_age_days": 50})).await;
    let of_account = app.policy(json!({"service_account_id": account["id"], "grace_seconds": 60})).await;
    let of_token = app.policy(json!({"credential_id": token.id, "enabled": true})).await;
    let found = effective().await;
    for (field, value, policy) in [
        ("quiet_hours", json!(5), json!(platform)),
        ("max_age_days", json!(50), json!(of_publisher)),
        ("grace_seconds", json!(60), json!(of_account)),
        ("enabled", json!(true), json!(of_token)),
        ("confirm_within_hours", json!(72), Value::Null),
    ] {
        assert_eq!(found[field], json!({"value": value, "policy_id": policy}), "{field}");
    }
    assert_eq!((&found["rule"], found["due_at"].is_string()), (&json!("max_age"), true));
    let plan = app.admin().get("/rotations/plan?days=60").await.expect(200);
    let planned = plan["items"].as_array().unwrap();
    let planned = planned.iter().find(|one| one["credential_id"] == json!(token.id)).unwrap();
    assert_eq!((&planned["delivery"], &planned["due_at"]), (&json!("none"), &found["due_at"]));
    let shorter = app.admin().get("/rotations/plan?days=40").await.expect(200);
    assert_eq!((&shorter["items"], &shorter["enabled"]), (&json!([]), &json!(false)));
    app.admin().get("/rotations/plan?days=366").await.bad_field("days", "out_of_range");
    app.admin().get(&format!("{POLICIES}/effective")).await.bad_field("credential_id", "required");
    let levels = app.admin().get(&format!("{POLICIES}?level=publisher")).await.expect(200);
    assert_eq!(levels["items"][0]["id"], json!(of_publisher));
}

async fn a_policy_is_changed_field_by_field_and_there_is_one_for_each_thing(app: &TestApp) {
    let token = app.mint("api", &[]).await;
    let body = json!({"credential_id": token.id, "max_age_days": 30, "enabled": false});
    let policy = app.policy(body.clone()).await;
    let path = format!("{POLICIES}/{policy}");
    app.admin().post(POLICIES, body.clone()).await.refused(409, "policy_exists");
    let seen = app.admin().get(&path).await;
    assert_eq!(seen.expect(200)["lineage_id"], json!(token.id));
    let change = json!({"enabled": null, "quiet_hours": 0});
    let changed = app.admin().with("if-match", seen.header("etag")).patch(&path, change).await.expect(200);
    assert_eq!(
        (&changed["enabled"], &changed["quiet_hours"], &changed["max_age_days"]),
        (&Value::Null, &json!(0), &json!(30))
    );
    let stale =
        app.admin().with("if-match", seen.header("etag")).patch(&path, json!({"enabled": true})).await;
    stale.refused(412, "precondition_failed");
    for (wrong, field, code) in [
        (json!({"max_age_days": 0}), "max_age_days", "out_of_range"),
        (json!({"grace_seconds": 2_592_001}), "grace_seconds", "out_of_range"),
        (json!({"delivery": {"type": "pigeon"}}), "delivery.type", "invalid_value"),
        (json!({"delivery": {"type": "file"}}), "delivery.path", "required"),
        (json!({"delivery": {"type": "none", "path": "/x"}}), "delivery.path", "invalid_value"),
        (json!({"delivery": {"type": "command", "command": "x"}}), "delivery.command", "out_of_range"),
        (json!({"delivery": {"type": "file", "path": "/etc/passwd"}}), "delivery.path", "out_of_range"),
        (
            json!({"maintenance_window_id": "0198c0de-0000-7000-8000-000000000000"}),
            "maintenance_window_id",
            "out_of_range",
        ),
        (json!({"age": 1}), "age", "unknown_field"),
    ] {
        app.admin().patch(&path, wrong).await.bad_field(field, code);
    }
    let two = json!({"credential_id": token.id, "publisher_id": token.id});
    app.admin().post(POLICIES, two).await.bad_field("publisher_id", "invalid_format");
    app.admin().delete(&path).await.expect(204);
    app.admin().delete(&path).await.expect(204);
    app.admin().get(&path).await.refused(404, "not_found");
    app.policy(body).await;
}

async fn where_secrets_go_to_is_said_by_those_who_may(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let window = json!({"name": "theirs", "cron": "0 2 * * *", "duration_minutes": 60, "publisher_id": publisher["id"]});
    let window = app.admin().post(WINDOWS, window).await.expect(201);
    let platforms = app.policy(json!({"max_age_days": 60})).await;
    let foreign = json!({"maintenance_window_id": window["id"]});
    let answer = app.admin().patch(&format!("{POLICIES}/{platforms}"), foreign).await;
    answer.bad_field("maintenance_window_id", "out_of_range");
    let admin = app.of_publisher(&publisher, "admin", &["*"]).await;
    let own = admin.post(POLICIES, json!({"max_age_days": 7})).await.expect(201);
    assert_eq!((&own["level"], &own["publisher_id"]), (&json!("publisher"), &publisher["id"]));
    let command = json!({"delivery": {"type": "command", "command": "deploy"}});
    let path = format!("{POLICIES}/{}", id(&own));
    admin.patch(&path, command).await.refused(403, "scope_exceeds_grantor");
    admin.get(&format!("{POLICIES}/{platforms}")).await.refused(404, "not_found");
    admin.delete(&format!("{POLICIES}/{platforms}")).await.refused(404, "not_found");
    let listed = admin.get(POLICIES).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

async fn the_policy_of_an_account_is_replaced_whole(app: &TestApp) {
    let account = app.account(json!({"name": "api", "service_type": "internal", "scopes": []})).await;
    let path = format!("/service-accounts/{}/rotation-policy", id(&account));
    let none = app.admin().get(&path).await;
    assert_eq!((&none.expect(200)["id"], &none.json()["max_age_days"]), (&Value::Null, &Value::Null));
    let caller = app.caller(&["service_accounts:admin"]).await;
    let body = json!({"max_age_days": 30, "quiet_hours": 2});
    let first = caller.with("if-match", none.header("etag")).send("PUT", &path, Some(&body)).await;
    assert_eq!((&first.expect(200)["max_age_days"], &first.json()["quiet_hours"]), (&json!(30), &json!(2)));
    let stale = caller.with("if-match", none.header("etag")).send("PUT", &path, Some(&body)).await;
    stale.refused(412, "precondition_failed");
    let second = caller.send("PUT", &path, Some(&json!({"grace_seconds": 0}))).await.expect(200);
    assert_eq!((&second["max_age_days"], &second["grace_seconds"]), (&Value::Null, &json!(0)));
    assert_eq!(second["id"], first.json()["id"]);
    let policy = app.admin().get(&format!("{POLICIES}/{}", second["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (&policy["level"], &policy["service_account_id"]),
        (&json!("service_account"), &account["id"])
    );
}

async fn a_rotation_is_told_step_by_step_and_decided_by_hand(app: &TestApp) {
    let token = app.mint("api", &["works:read"]).await;
    let rotation = app.rotation(&token).await;
    let path = format!("/rotations/{rotation}");
    let asked = json!({"token": token.secret, "ip_address": "192.0.2.7", "user_agent": "curl/8", "endpoint": "/works"});
    let decision = app.verify_body(asked.clone()).await.decided("valid");
    assert_eq!(decision["rotation"], json!({"superseded": true, "grace_expires_at": null}));
    app.verify_body(asked).await.decided("valid");
    app.recorded().await;
    let seen = app.admin().get(&path).await.expect(200);
    assert_eq!((&seen["state"], &seen["delivery"]), (&json!("delivering"), &json!("command")));
    assert_eq!(seen["steps"].as_array().unwrap().len(), 2);
    let caller = &seen["old_secret_callers"][0];
    assert_eq!(
        (&caller["ip_address"], &caller["user_agent"], &caller["endpoint"], &caller["count"]),
        (&json!("192.0.2.7"), &json!("curl/8"), &json!("/works"), &json!(2))
    );
    let listed = app.admin().get(&format!("/rotations?state=delivering&credential_id={}", token.id)).await;
    assert_eq!(listed.expect(200)["items"][0]["id"], json!(rotation));
    let confirmed = app.admin().post(&format!("{path}/confirm"), json!({"reason": "seen"})).await.expect(200);
    assert_eq!((&confirmed["state"], confirmed["grace_expires_at"].is_string()), (&json!("confirmed"), true));
    app.admin().post(&format!("{path}/confirm"), json!({})).await.expect(200);
    let back = app.admin().post(&format!("{path}/rollback"), json!({"reason": "no"})).await.expect(200);
    assert_eq!(back["state"], "rolled_back");
    let old = app.admin().get(&token.path()).await.expect(200);
    assert_eq!((&old["token_name"], &old["status"]), (&json!("api"), &json!("active")));
    app.admin().post(&format!("{path}/confirm"), json!({})).await.refused(409, "rotation_over");
    let events = app.admin().get("/audit/security-events?type=rotation.rolled_back").await.expect(200);
    assert_eq!(events["items"][0]["reason"], "no");

    let other = app.mint("gone", &[]).await;
    let rotation = app.rotation(&other).await;
    app.admin().delete(&other.path()).await.expect(204);
    let back = app.admin().post(&format!("/rotations/{rotation}/rollback"), json!({})).await;
    back.refused(409, "nothing_to_roll_back_to");
}

/// As it is lived: a policy, a file, the first use, the end of the old one.
async fn a_consumer_reads_its_new_secret_from_a_file(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().display().to_string();
    let settings = [("rotation.enabled", "true"), ("rotation.file_directories", &directory)];
    let Some(app) = TestApp::start_still(engine, &settings).await else { return };
    let token = app.mint("api", &["works:read"]).await;
    let file = folder.path().join("api");
    let delivery = json!({"type": "file", "path": file.display().to_string()});
    let body = json!({"credential_id": token.id, "max_age_days": 1, "quiet_hours": 1, "grace_seconds": 60, "delivery": delivery});
    let policy = app.policy(body).await;
    let shown = app.admin().get(&format!("{POLICIES}/{policy}")).await.expect(200);
    assert_eq!(shown["delivery"]["path"], json!(file.display().to_string()));
    assert_eq!((&shown["delivery"]["type"], &shown["delivery"]["url"]), (&json!("file"), &Value::Null));
    let ask = async |secret: &str| {
        let decision = app.verify_body(json!({"token": secret, "ip_address": "192.0.2.7"})).await;
        app.recorded().await;
        decision.decided("valid")
    };
    ask(&token.secret).await;
    app.advance(86_400);
    run(app.authority()).await.unwrap();
    let secret = read(&file);
    assert_ne!(secret, token.secret);
    assert_eq!(ask(&token.secret).await["rotation"]["superseded"], true);
    // A look is no use: nothing is confirmed by it.
    let look = json!({"token": secret, "ip_address": "192.0.2.7", "cost": 0});
    app.verify_body(look).await.decided("valid");
    app.recorded().await;
    let state = async || {
        run(app.authority()).await.unwrap();
        app.admin().get("/rotations").await.expect(200)["items"][0]["state"].clone()
    };
    assert_eq!(state().await, "awaiting_confirmation");
    ask(&secret).await;
    assert_eq!(state().await, "confirmed");
    // Its journal says how far it is with each beat of the job.
    app.advance(2 * 3_600);
    keywright_authority::journals::watch(app.authority()).await.unwrap();
    app.advance(120);
    keywright_authority::journals::watch(app.authority()).await.unwrap();
    assert_eq!(state().await, "closed");
    app.verify(&token.secret).await.decided("expired");
    ask(&secret).await;
    app.stop().await;
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_consumer_reads_its_new_secret_from_a_file_on_sqlite() {
    a_consumer_reads_its_new_secret_from_a_file(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_consumer_reads_its_new_secret_from_a_file_on_postgres() {
    a_consumer_reads_its_new_secret_from_a_file(Engine::Postgres).await;
}
