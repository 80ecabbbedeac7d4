//! Who may do what, for every operation of the OpenAPI document: no endpoint without authorization.

use std::collections::BTreeSet;

use keywright_core::Scope;
use keywright_server::http::openapi::permissions::{BESIDES, PERMISSIONS, USERS};
use serde_json::{Value, json};

use crate::harness::logins::{PASSWORD, Session};
use crate::harness::{Answer, Caller, Minted, Operation, TestApp, eventually, on_both_engines, operations};

on_both_engines![
    without_a_credential_every_operation_is_refused,
    with_a_credential_that_is_no_good_every_operation_is_refused,
    without_its_permission_every_operation_is_refused,
    with_its_permission_alone_every_operation_is_carried_out,
    what_is_a_persons_own_needs_a_session_and_nothing_else,
    what_is_a_persons_own_is_carried_out_for_that_person,
    what_is_public_asks_for_nothing,
    who_comes_without_a_link_or_with_another_gets_nothing,
    what_is_for_proxies_believes_no_other_peer,
];

const OTHER_PASSWORD: &str = "seven blue walruses hum";
/// The secret of a link that nobody was sent.
const LINK: &str = "mt_0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e";

/// Operations that anybody may call: how this server is, what it offers, and the keys by which others verify what it
/// signed. None of them changes or tells anything of anybody. This list may only shrink.
const PUBLIC: [&str; 7] = [
    "get_auth_health",
    "get_system_health",
    "get_liveness",
    "get_readiness",
    "get_openapi_document",
    "get_jwks",
    "get_authorization_server",
];

/// Operations that anybody may call who knows a secret that stands in the body: they are how one comes by a
/// credential. This list may only shrink.
const BY_SECRET: [&str; 2] = ["log_in", "refresh_session"];

/// Operations whose body is signed by somebody whose keys are known. This list may only shrink.
const SIGNED: [&str; 1] = ["report_leaks_by_github"];

/// Operations that decide on somebody else's request, and believe trusted proxies alone; whom they let pass is tested
/// with them. This list may only shrink.
const PROXIES: [&str; 1] = ["forward_auth"];

/// Operations that any usable credential may call, since they concern itself and what is its own. This list may only
/// shrink.
const ANYONE: [&str; 7] = [
    "get_me",
    "revoke_own_service_token",
    "switch_publisher",
    "log_out",
    "log_out_everywhere",
    "list_sessions",
    "end_session",
];

/// Operations for those who come with a link, or for one: they have no credential, or have lost it. This list may
/// only shrink.
const GUESTS: [&str; 6] = [
    "accept_invitation",
    "ask_for_password_reset",
    "confirm_password_reset",
    "verify_email",
    "ask_for_email_verification",
    "confirm_email_change",
];

/// Operations in OAuth's form, whose callers say who they are in more ways, and are refused by RFC 6749 §5.2: their own
/// tests hold each of them against nobody, strangers and those who may not. This list may only shrink.
const OAUTH: [&str; 3] = ["introspect_token", "revoke_token", "request_token"];

/// Operations about sessions, of which a service token has none: it is told that there is no such object.
const SESSIONS: [&str; 2] = ["switch_publisher", "end_session"];

/// Every permission of Keywright's own, but for those that include others.
const ALL: [&str; 20] = [
    "tokens:verify",
    "tokens:read",
    "service_accounts:read",
    "service_accounts:admin",
    "users:read",
    "users:admin",
    "personal_tokens:write",
    "publishers:admin",
    "audit:read",
    "audit_log",
    "system_status",
    "monitoring:read",
    "monitoring:admin",
    "emergency:revoke",
    "tokens:rotate_self",
    "leaks:report",
    "keys:admin",
    "tokens",
    "token:admin",
    "a:*",
];

fn permission(operation: &Operation) -> Option<&'static str> {
    let id = operation.id.as_str();
    if PUBLIC.contains(&id) || GUESTS.contains(&id) || ANYONE.contains(&id) || USERS.contains(&id) {
        return None;
    }
    let found = PERMISSIONS.iter().find(|(id, _)| *id == operation.id);
    // What is a person's own needs nothing but that person; what is held in the hand, or a client's, nobody's permission.
    if found.is_none() && (is_personal(operation) || OAUTH.contains(&id)) {
        return None;
    }
    Some(
        found
            .unwrap_or_else(|| panic!("{}: say in the table of permissions what it asks for", operation.id))
            .1,
    )
}

/// Below `/users/me` everything is a person's own: no other credential can call it.
pub(crate) fn is_personal(operation: &Operation) -> bool {
    operation.path.contains("/users/me/")
}

fn is_open(operation: &Operation) -> bool {
    let open = PUBLIC.iter().chain(&BY_SECRET).chain(&SIGNED).chain(&GUESTS).chain(&PROXIES);
    open.into_iter().any(|id| *id == operation.id)
}

fn guarded() -> Vec<Operation> {
    let guarded = |operation: &Operation| !is_open(operation) && !OAUTH.contains(&operation.id.as_str());
    operations().into_iter().filter(guarded).collect()
}

/// What an operation asks for, with what it asks for besides.
pub(crate) fn permissions(operation: &Operation) -> Vec<&'static str> {
    let besides = BESIDES.iter().filter(|(id, _)| *id == operation.id).map(|(_, besides)| *besides);
    if is_open(operation) { Vec::new() } else { permission(operation).into_iter().chain(besides).collect() }
}

/// Objects of its own for each call of an operation.
pub(crate) struct Targets {
    pub(crate) number: usize,
    pub(crate) token: Minted,
    account: Value,
    pub(crate) publisher: Value,
    pub(crate) role: Value,
    /// A member of the publisher, with the role.
    pub(crate) member: String,
    /// A user who is no member.
    pub(crate) stranger: String,
    /// A signing key or an alert, for operations about one.
    key: Option<String>,
    /// A personal token of the member.
    personal: String,
    /// A channel or a subscription.
    listener: Value,
    /// One of its deliveries.
    delivery: String,
    /// A window, a policy or a rotation, for operations about one.
    rotation: Option<String>,
    /// What a cache may keep of a decision on the token, for the report of its use.
    kept: Value,
}

impl Targets {
    pub(crate) async fn make(app: &TestApp, operation: &Operation) -> Self {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("target {number}");
        let (mut account, mut publisher, mut role) = (Value::Null, Value::Null, Value::Null);
        let token = if operation.path.contains("/service-accounts/") {
            let body = json!({"name": name, "service_type": "internal", "scopes": []});
            account = app.account(body).await;
            app.token_of(&account, json!({"token_name": name})).await
        } else {
            app.mint(&name, &[]).await
        };
        let [mut member, mut stranger] = [String::new(), String::new()];
        if operation.path.contains("/publishers/") || operation.path.contains("/roles") {
            publisher = app.publisher(&format!("publisher {number}")).await;
            role = app.role(&publisher, &format!("role {number}"), &[]).await;
        }
        if operation.path.contains("/users") {
            publisher = app.publisher(&format!("publisher {number}")).await;
            role = app.role(&publisher, &format!("role {number}"), &[]).await;
            member = app.user(&format!("member{number}@example.com")).await;
            app.member(&member, &role).await;
        }
        if operation.path.contains("/members") {
            member = app.user(&format!("member{number}@example.com")).await;
            stranger = app.user(&format!("stranger{number}@example.com")).await;
            app.member(&member, &role).await;
        }
        let key = if operation.path.contains("/signing-keys/{id}") {
            let keys = app.admin().get("/signing-keys?limit=1").await.expect(200);
            Some(keys["items"][0]["id"].as_str().unwrap().to_owned())
        } else if operation.path.contains("/alerts/{id}") {
            Some(app.alert(None, &name).await)
        } else {
            None
        };
        let mut personal = String::new();
        if operation.path.contains("/tokens") && !member.is_empty() {
            personal = app.personal_token(member.parse().unwrap(), "target").await;
        }
        let (listener, delivery) = listener(app, operation, &name).await;
        let rotation = match () {
            () if operation.path.contains("/maintenance-windows/") => Some(app.window(&name).await),
            () if operation.path.contains("/rotation-policies/{id}") => {
                Some(app.policy(json!({"credential_id": token.id, "max_age_days": 30})).await)
            }
            () if operation.path.contains("/rotations/{id}") => {
                Some(app.rotation(&app.mint(&format!("rotated {number}"), &[]).await).await)
            }
            () => None,
        };
        let kept = if operation.id == "report_usage" {
            app.verify_body(json!({"token": token.secret, "cacheable": true})).await.json()["cache"].clone()
        } else {
            Value::Null
        };
        Self {
            number,
            token,
            account,
            publisher,
            role,
            member,
            stranger,
            key,
            personal,
            listener,
            delivery,
            rotation,
            kept,
        }
    }

    /// The path of the operation, about these objects.
    pub(crate) fn path(&self, operation: &Operation) -> String {
        let about = |object: &str| operation.path.contains(object);
        let object = match () {
            () if about("/service-accounts/") => self.account["id"].as_str().unwrap(),
            () if about("/users/me/tokens") => &self.personal,
            () if about("/publishers/") => self.publisher["id"].as_str().unwrap(),
            () if about("/users/") => &self.member,
            () if about("/notification-channels/") || about("/event-subscriptions/") => {
                self.listener["id"].as_str().unwrap()
            }
            () if about("/roles/") => self.role["id"].as_str().unwrap(),
            () => self.rotation.as_deref().or(self.key.as_deref()).unwrap_or(&self.token.id),
        };
        let path = operation.path.replace("{id}", object).replace("{user_id}", &self.member);
        let token = if about("/service-accounts/") { &self.token.id } else { &self.personal };
        let mut path = path.replace("{token_id}", token).replace("{delivery_id}", &self.delivery);
        if operation.id == "get_effective_rotation_policy" {
            path = format!("{path}?credential_id={}", self.token.id);
        }
        assert!(!path.contains('{'), "{path}: say in this file what stands there");
        path.strip_prefix("/api/v1").unwrap_or(&path).to_owned()
    }

    /// A body with which the operation would be carried out.
    fn body(&self, operation: &Operation) -> Option<Value> {
        operation.object.get("requestBody")?;
        let number = self.number;
        Some(match operation.id.as_str() {
            "verify" => json!({"token": self.token.secret}),
            "verify_batch" => json!({"items": [{"token": self.token.secret}]}),
            "report_usage" => json!({"decisions": [{"event_id": uuid::Uuid::from_u128(number as u128),
                "voucher": self.kept["voucher"], "code": "valid", "occurred_at": self.kept["decided_at"]}]}),
            "report_leaks" => json!({"items": [{"token": self.token.secret, "found_in": "here"}]}),
            "emergency_revoke" => json!({"reason": "r", "scope": {"all": true}, "include": ["personal"]}),
            "allow_external" => json!({"scope": {"all": true}}),
            "record_cicd_event" => json!({"event_type": "deployment", "status": "success"}),
            "create_service_token" => json!({"token_name": format!("made {number}"), "permissions": []}),
            "create_service_account_token" => json!({"token_name": format!("made {number}")}),
            "update_service_token" | "clean_up_service_tokens" | "clean_up" => json!({}),
            "rotate_service_token"
            | "rotate_own_service_token"
            | "rotate_service_account_token"
            | "rotate_all_service_account_tokens" => json!({"reason": "r"}),
            "create_service_account" | "replace_service_account" => {
                json!({"name": format!("made {number}"), "service_type": "internal", "scopes": []})
            }
            "replace_service_account_scopes" => json!({"scopes": []}),
            "replace_service_account_ip_allowlist" => json!({"ip_allowlist": null}),
            "acknowledge_alert" | "resolve_alert" => json!({}),
            "update_service_account"
            | "disable_service_account"
            | "enable_service_account"
            | "replace_service_account_rate_limits"
            | "update_service_account_token"
            | "revoke_all_service_account_tokens" => json!({}),
            "rotate_signing_key" | "revoke_signing_key" => json!({"reason": "r"}),
            "create_maintenance_window" => {
                json!({"name": format!("made {number}"), "cron": "0 2 * * *", "duration_minutes": 60})
            }
            "create_rotation_policy" => json!({"credential_id": self.token.id, "max_age_days": 30}),
            "update_maintenance_window"
            | "update_rotation_policy"
            | "replace_service_account_rotation_policy"
            | "confirm_rotation"
            | "roll_back_rotation" => json!({}),
            "switch_publisher" => json!({"publisher_id": null}),
            "log_in" => json!({"email": "nobody@example.com", "password": "none"}),
            "refresh_session" => json!({"refresh_token": "none"}),
            "invite_user" => json!({"email": format!("made{number}@example.com"),
                "publisher_id": self.publisher["id"], "role": self.role["id"]}),
            "change_password" => json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}),
            "ask_for_email_change" => {
                json!({"new_email": format!("new{number}@example.com"), "password": PASSWORD})
            }
            "accept_invitation" => json!({"token": LINK, "password": OTHER_PASSWORD}),
            "confirm_password_reset" => json!({"token": LINK, "new_password": OTHER_PASSWORD}),
            "verify_email" | "confirm_email_change" => json!({"token": LINK}),
            "ask_for_password_reset" | "ask_for_email_verification" => {
                json!({"email": "nobody@example.com"})
            }
            "create_personal_token" => json!({"name": "made", "scopes": []}),
            "replace_personal_token" => json!({"name": "made", "scopes": [], "expires_at": null}),
            "rotate_personal_token" => json!({"reason": "r"}),
            "create_publisher" => json!({"name": format!("made {number}")}),
            "create_role" => json!({"name": "made", "permissions": []}),
            "create_notification_channel" => json!({"name": format!("made {number}"), "kind": "log"}),
            "create_event_subscription" => json!({"name": format!("made {number}"),
                "url": "https://hooks.example.com/", "event_types": ["session.reuse_detected"]}),
            "add_member" => json!({"user_id": self.stranger, "role_id": self.role["id"]}),
            "update_me"
            | "update_notification_channel"
            | "update_event_subscription"
            | "update_personal_token"
            | "revoke_personal_tokens"
            | "clean_up_personal_tokens"
            | "revoke_user_tokens"
            | "update_user"
            | "disable_user"
            | "enable_user"
            | "invite_user_again"
            | "update_publisher"
            | "suspend_publisher"
            | "resume_publisher"
            | "replace_publisher_settings"
            | "update_publisher_settings"
            | "update_member"
            | "update_role" => json!({}),
            other => panic!("{other}: say in this file what its body is"),
        })
    }
}

/// A channel or a subscription with a delivery, for operations about one.
async fn listener(app: &TestApp, operation: &Operation, name: &str) -> (Value, String) {
    let body = json!({"name": name, "kind": "log", "url": "http://127.0.0.1:9/", "event_types": ["*"]});
    let part =
        |fields: [&str; 2]| json!({"name": name, fields[0]: body[fields[0]], fields[1]: body[fields[1]]});
    let (path, body) = if operation.path.contains("/notification-channels/") {
        ("/notification-channels", part(["name", "kind"]))
    } else if operation.path.contains("/event-subscriptions/") {
        ("/event-subscriptions", part(["url", "event_types"]))
    } else {
        return (Value::Null, String::new());
    };
    let made = app.admin().post(path, body).await.expect(201);
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    if !operation.path.contains("{delivery_id}") {
        return (made, String::new());
    }
    if path.starts_with("/notification") {
        app.admin().post(&format!("{path}/test"), json!({})).await.expect(200);
    }
    // A subscription hears of its own making.
    let mut delivery = Value::Null;
    eventually("there is a delivery", async || {
        delivery = app.admin().get(&format!("{path}/deliveries")).await.expect(200)["items"][0].clone();
        delivery.is_object()
    })
    .await;
    (made, delivery["id"].as_str().unwrap().to_owned())
}

/// Calls an operation about objects of its own.
async fn call(app: &TestApp, caller: &Caller, operation: &Operation) -> Answer {
    let targets = Targets::make(app, operation).await;
    call_about(app, caller, operation, &targets).await
}

async fn call_about(app: &TestApp, caller: &Caller, operation: &Operation, targets: &Targets) -> Answer {
    let (number, token) = (targets.number, &targets.token);
    let caller = match operation.id.as_str() {
        "create_role" | "approve_user_token" => {
            caller.with("x-publisher-id", targets.publisher["id"].as_str().unwrap())
        }
        _ => caller.clone(),
    };
    let body = targets.body(operation);
    let answer = caller.send(&operation.method, &targets.path(operation), body.as_ref()).await;
    if matches!(answer.status, 401 | 403) {
        let seen = app.admin().get(&token.path()).await.expect(200);
        assert_eq!(
            (&seen["status"], &seen["superseded_by_id"]),
            (&json!("active"), &Value::Null),
            "{}",
            operation.id
        );
        let made = app.admin().get(&format!("/auth/tokens?name=made%20{number}")).await.expect(200);
        assert_eq!(made["items"], json!([]), "{}", operation.id);
    }
    answer
}

async fn without_a_credential_every_operation_is_refused(app: &TestApp) {
    for operation in guarded() {
        let answer = call(app, &app.nobody(), &operation).await;
        answer.refused(401, "missing_credential");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keywright\"", "{}", operation.id);
    }
}

async fn with_a_credential_that_is_no_good_every_operation_is_refused(app: &TestApp) {
    let dead = async |name: &str| app.mint(name, &["*"]).await;
    let revoked = dead("revoked").await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let expired = dead("expired").await;
    app.database().await.expire("expired").await;
    let inactive = dead("inactive").await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    let unknown = format!("sk_{}", "0e".repeat(32));
    for (credential, code) in [
        (revoked.secret.as_str(), "revoked"),
        (&expired.secret, "expired"),
        (&inactive.secret, "inactive"),
        (&unknown, "not_found"),
        ("nonsense", "malformed"),
    ] {
        for operation in guarded() {
            let answer = call(app, &app.bearing(credential), &operation).await;
            // A credential that asks about itself is decided on; about another it must be good.
            answer.refused(401, code);
            let challenge = "Bearer realm=\"keywright\", error=\"invalid_token\"";
            assert_eq!(answer.header("www-authenticate"), challenge, "{}", operation.id);
        }
    }
}

async fn without_its_permission_every_operation_is_refused(app: &TestApp) {
    for operation in guarded() {
        let Some(needed) = permission(&operation) else { continue };
        // All others that there are, but for those that cover it: `users:admin` covers `users:read`.
        let covers = |other: &str| other.parse::<Scope>().unwrap().covers(&needed.parse().unwrap());
        let others: Vec<_> = ALL.into_iter().filter(|other| !covers(other)).collect();
        let caller = app.caller_named(&format!("all but that of {}", operation.id), &others).await;
        let answer = call(app, &caller, &operation).await;
        let problem = answer.refused(403, "insufficient_scope");
        assert!(problem["detail"].as_str().unwrap().contains(needed), "{problem}");
        let challenge = "Bearer realm=\"keywright\", error=\"insufficient_scope\"";
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
}

async fn with_its_permission_alone_every_operation_is_carried_out(app: &TestApp) {
    for operation in guarded() {
        let permissions = permissions(&operation);
        let caller = app.caller_named(&format!("only that of {}", operation.id), &permissions).await;
        let answer = call(app, &caller, &operation).await;
        if USERS.contains(&operation.id.as_str()) || is_personal(&operation) {
            answer.refused(403, "user_required");
        } else if SESSIONS.contains(&operation.id.as_str()) {
            answer.refused(404, "not_found");
        } else {
            assert!((200..300).contains(&answer.status), "{}: {}", operation.id, answer.text());
        }
    }
}

/// Without any role, and so without any permission.
async fn what_is_a_persons_own_needs_a_session_and_nothing_else(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let role = app.role(&json!({"id": tenant.id}), "may do nothing", &[]).await;
    for id in ANYONE.into_iter().chain(USERS).filter(|id| *id != "revoke_own_service_token") {
        let operation = operations().into_iter().find(|operation| operation.id == id).unwrap();
        let person = app.person(&format!("{}@example.com", id.replace('_', "-")), None).await;
        app.member(&person.id.to_string(), &role).await;
        let (session, other) = (app.login(&person).await, app.login(&person).await);
        let targets = Targets::make(app, &operation).await;
        let path = operation.path.replace("{id}", &other.id);
        let body = match id {
            "switch_publisher" => Some(json!({"publisher_id": tenant.id})),
            _ => targets.body(&operation),
        };
        let caller = app.bearing(&session.access);
        assert_eq!(caller.get("/auth/me").await.expect(200)["permissions"], json!([]));
        let path = path.strip_prefix("/api/v1").unwrap();
        let answer = caller.send(&operation.method, path, body.as_ref()).await;
        assert!((200..300).contains(&answer.status), "{id}: {}", answer.text());
    }
}

/// The member, logged in, with these permissions: their access token.
pub(crate) async fn owner(app: &TestApp, targets: &Targets, permissions: &[&str]) -> String {
    let role = format!("/roles/{}", targets.role["id"].as_str().unwrap());
    app.admin().patch(&role, json!({"permissions": permissions})).await.expect(200);
    let email = format!("member{}@example.com", targets.number);
    app.sets_password(&targets.member, &email).await;
    let body = json!({"email": email, "password": PASSWORD, "publisher_id": targets.publisher["id"]});
    Session::of(&app.nobody().post("/auth/login", body).await).access
}

async fn what_is_a_persons_own_is_carried_out_for_that_person(app: &TestApp) {
    for operation in guarded().into_iter().filter(is_personal) {
        let targets = Targets::make(app, &operation).await;
        let permissions = permissions(&operation);
        let owner = app.bearing(&owner(app, &targets, &permissions).await);
        let answer = call_about(app, &owner, &operation, &targets).await;
        assert!((200..300).contains(&answer.status), "{}: {}", operation.id, answer.text());
    }
}

async fn what_is_public_asks_for_nothing(app: &TestApp) {
    let told: BTreeSet<_> = operations()
        .into_iter()
        .filter(|operation| operation.object["security"] == json!([{}]))
        .map(|operation| operation.id)
        .collect();
    assert_eq!(
        told,
        PUBLIC.into_iter().chain(BY_SECRET).chain(SIGNED).chain(GUESTS).map(str::to_owned).collect()
    );
    for operation in operations().iter().filter(|operation| PUBLIC.contains(&operation.id.as_str())) {
        assert_eq!(operation.method, "GET");
        call(app, &app.nobody(), operation).await.expect(200);
    }
    for operation in operations().iter().filter(|operation| BY_SECRET.contains(&operation.id.as_str())) {
        assert_eq!(call(app, &app.nobody(), operation).await.status, 401, "{}", operation.id);
    }
}

async fn who_comes_without_a_link_or_with_another_gets_nothing(app: &TestApp) {
    let events = async || app.database().await.number("SELECT COUNT(*) FROM security_events").await;
    for operation in operations().iter().filter(|operation| GUESTS.contains(&operation.id.as_str())) {
        let before = events().await;
        let answer = call(app, &app.nobody(), operation).await;
        if operation.id.starts_with("ask_") {
            // Nothing is told, whoever it is.
            assert_eq!((answer.status, answer.text()), (202, ""), "{}", operation.id);
        } else {
            answer.refused(400, "link_not_usable");
        }
        // What this test itself has made is one token.
        assert_eq!(events().await, before + 1, "{}", operation.id);
    }
}

/// This test is no proxy, as nothing is trusted by itself.
async fn what_is_for_proxies_believes_no_other_peer(app: &TestApp) {
    for operation in operations().iter().filter(|operation| PROXIES.contains(&operation.id.as_str())) {
        for caller in [app.nobody(), app.admin(), app.bearing("nonsense")] {
            for caller in [caller.clone(), caller.with("x-forwarded-for", "127.0.0.1")] {
                let path = operation.path.strip_prefix("/api/v1").unwrap();
                caller.send(&operation.method, path, None).await.refused(403, "untrusted_proxy");
            }
        }
    }
}

#[test]
fn no_exception_is_for_an_operation_that_does_not_exist() {
    let known: BTreeSet<_> = operations().into_iter().map(|operation| operation.id).collect();
    let open = PUBLIC.iter().chain(&BY_SECRET).chain(&SIGNED).chain(&GUESTS).chain(&PROXIES);
    let own = ANYONE.iter().chain(&USERS).chain(&SESSIONS).chain(&OAUTH);
    for id in open.chain(own).chain(PERMISSIONS.iter().map(|(id, _)| id)) {
        assert!(known.contains(*id), "{id}");
    }
}
