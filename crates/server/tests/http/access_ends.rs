//! What ends an access token, or what it may do: each held against a token that was verified before and is
//! answered from the cache. By the first verification after the call has returned it is refused.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherEditor, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::{PASSWORD, Person, Session, Tenant};
use crate::harness::{Engine, TestApp, eventually, on_both_engines};

on_both_engines![
    whatever_ends_it_is_in_force_by_the_first_verification,
    who_is_demoted_keeps_the_token_and_loses_what_it_carried,
    an_end_elsewhere_leaves_the_other_publisher_alone,
];

/// What ends a token.
#[derive(Clone, Copy, Debug)]
enum End {
    LogOut,
    LogOutEverywhere,
    OneSession,
    EndedByAdministrator,
    Disable,
    Delete,
    PasswordChange,
    PasswordReset,
    EmergencyOfUser,
    EmergencyOfPublisher,
    Suspend,
    DeletePublisher,
    Remove,
    Demote,
    NarrowRole,
    TakePlatformRole,
}

impl End {
    const ALL: [Self; 16] = [
        Self::LogOut,
        Self::LogOutEverywhere,
        Self::OneSession,
        Self::EndedByAdministrator,
        Self::Disable,
        Self::Delete,
        Self::PasswordChange,
        Self::PasswordReset,
        Self::EmergencyOfUser,
        Self::EmergencyOfPublisher,
        Self::Suspend,
        Self::DeletePublisher,
        Self::Remove,
        Self::Demote,
        Self::NarrowRole,
        Self::TakePlatformRole,
    ];

    const fn told(self) -> &'static str {
        match self {
            Self::Suspend => "publisher_suspended",
            Self::DeletePublisher | Self::Remove => "wrong_publisher",
            Self::Demote | Self::NarrowRole | Self::TakePlatformRole => "insufficient_scope",
            _ => "revoked",
        }
    }

    /// The call that ends it, on one node.
    async fn carry_out(self, app: &TestApp, who: &Somebody) {
        let (admin, own) = (app.admin(), app.bearing(&who.caller.access));
        let user = format!("/users/{}", who.person.id);
        let publisher = format!("/publishers/{}", who.tenant.id);
        let member = format!("{publisher}/members/{}", who.person.id);
        match self {
            Self::LogOut => {
                let own = app.bearing(&who.session.access);
                assert_eq!(own.send("POST", "/auth/logout", None).await.expect(200)["ended"], 1);
            }
            Self::LogOutEverywhere => {
                assert_eq!(own.send("POST", "/auth/logout-all", None).await.expect(200)["ended"], 2);
            }
            Self::OneSession => {
                own.delete(&format!("/auth/sessions/{}", who.session.id)).await.expect(204);
            }
            Self::EndedByAdministrator => {
                admin.delete(&format!("{user}/sessions")).await.expect(204);
            }
            Self::Disable => {
                admin.post(&format!("{user}/disable"), json!({})).await.expect(200);
            }
            Self::Delete => {
                admin.delete(&user).await.expect(204);
            }
            Self::PasswordChange => {
                let body = json!({"current_password": PASSWORD, "new_password": "seven blue walruses hum"});
                own.post("/auth/password/change", body).await.expect(204);
            }
            Self::PasswordReset => {
                let body = json!({"email": who.person.email});
                app.nobody().post("/auth/password/reset", body).await.expect(202);
                let token = app.mail(&who.person.email, 1).await.token();
                let body = json!({"token": token, "new_password": "seven blue walruses hum"});
                app.nobody().post("/auth/password/reset/confirm", body).await.expect(204);
            }
            Self::EmergencyOfUser => {
                let scope = json!({"user_id": who.person.id});
                let body = json!({"reason": "drill", "scope": scope, "include": ["sessions"]});
                admin.post("/auth/emergency-revoke", body).await.expect(200);
            }
            Self::EmergencyOfPublisher => {
                let scope = json!({"publisher_id": who.tenant.id});
                let body = json!({"reason": "drill", "scope": scope, "include": ["sessions"]});
                admin.post("/auth/emergency-revoke", body).await.expect(200);
            }
            Self::Suspend => {
                admin.post(&format!("{publisher}/suspend"), json!({})).await.expect(200);
            }
            Self::DeletePublisher => {
                admin.delete(&publisher).await.expect(204);
            }
            Self::Remove => {
                admin.delete(&member).await.expect(204);
            }
            Self::Demote => {
                let role = who.tenant.role(PublisherEditor);
                admin.patch(&member, json!({"role_id": role})).await.expect(200);
            }
            Self::NarrowRole => {
                let path = format!("/roles/{}", who.role["id"].as_str().unwrap());
                admin.patch(&path, json!({"permissions": ["works:write"]})).await.expect(200);
            }
            Self::TakePlatformRole => {
                admin.patch(&user, json!({"platform_role": null})).await.expect(200);
            }
        }
    }
}

/// Somebody with two sessions for a publisher of their own: one that is looked at, and one that calls.
struct Somebody {
    tenant: Tenant,
    role: Value,
    person: Person,
    session: Session,
    caller: Session,
}

impl Somebody {
    async fn arrive(app: &TestApp, end: End) -> Self {
        let name = format!("{end:?}").to_lowercase();
        let tenant = app.tenant(&name).await;
        let role = app.role(&json!({"id": tenant.id}), "curator", &["works:read"]).await;
        let email = format!("{name}@example.com");
        let person = match end {
            End::TakePlatformRole => app.person(&email, Some(PlatformAdmin)).await,
            _ => {
                let person = app.person(&email, None).await;
                let body = json!({"user_id": person.id, "role_id": role["id"]});
                app.admin().post(&format!("/publishers/{}/members", tenant.id), body).await.expect(201);
                person
            }
        };
        let session = app.login(&person).await;
        let caller = app.login(&person).await;
        Self { tenant, role, person, session, caller }
    }

    /// What a node says of the token, as far as works are concerned.
    async fn code(&self, app: &TestApp) -> String {
        let body = json!({"token": self.session.access, "required_scopes": ["works:read"]});
        app.verify_body(body).await.expect(200)["code"].as_str().unwrap().to_owned()
    }

    /// That a node knows the token by heart.
    async fn is_cached(&self, app: &TestApp) {
        eventually("it is answered from the cache", async || {
            assert_eq!(self.code(app).await, "valid");
            let loads = app.loads();
            self.code(app).await == "valid" && app.loads() == loads
        })
        .await;
    }
}

async fn whatever_ends_it_is_in_force_by_the_first_verification(app: &TestApp) {
    app.person("root@example.com", Some(PlatformAdmin)).await;
    for end in End::ALL {
        let who = Somebody::arrive(app, end).await;
        who.is_cached(app).await;
        end.carry_out(app, &who).await;
        assert_eq!(who.code(app).await, end.told(), "{end:?}");
        if end.told() != "insufficient_scope" {
            let status = if end.told() == "wrong_publisher" { 403 } else { 401 };
            app.bearing(&who.session.access).get("/auth/me").await.refused(status, end.told());
            app.refresh(&who.session.refresh).await.refused(status, end.told());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_it_reaches_the_other_node_that_knows_it_by_heart() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    // Whichever of them delivers a mail, it lies there.
    let folder = one.mail_folder().display().to_string();
    let other = one.another(None, &[("mail.folder", &folder)]).await;
    one.person("root@example.com", Some(PlatformAdmin)).await;
    for end in End::ALL {
        let who = Somebody::arrive(&one, end).await;
        who.is_cached(&other).await;
        end.carry_out(&one, &who).await;
        eventually("the other node denies", async || who.code(&other).await == end.told()).await;
        assert_eq!(who.code(&one).await, end.told(), "{end:?}");
    }
    other.stop().await;
    one.stop().await;
}

async fn who_is_demoted_keeps_the_token_and_loses_what_it_carried(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let boss = app.member_of("boss@example.com", &tenant, PublisherAdmin).await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherAdmin).await;
    let (boss, session) = (app.login(&boss).await, app.login(&ada).await);
    let own = app.bearing(&session.access);
    let list = format!("/publishers/{}/members", tenant.id);
    own.get(&list).await.expect(200);
    own.post("/roles", json!({"name": "before", "permissions": []})).await.expect(201);
    let member = format!("{list}/{}", ada.id);
    let role = json!({"role_id": tenant.role(PublisherViewer)});
    app.bearing(&boss.access).patch(&member, role).await.expect(200);
    let decision = app.verify(&session.access).await.decided("valid");
    let mut scopes: Vec<_> =
        decision["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["monitoring:read", "service_accounts:read", "tokens:read", "users:read"]);
    own.get(&list).await.expect(200);
    own.post("/roles", json!({"name": "after", "permissions": []})).await.refused(403, "insufficient_scope");
    own.patch(&member, json!({"role_id": tenant.role(PublisherAdmin)}))
        .await
        .refused(403, "insufficient_scope");
}

async fn an_end_elsewhere_leaves_the_other_publisher_alone(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let ada = app.member_of("ada@example.com", &first, PublisherViewer).await;
    app.join(&ada, &second, PublisherViewer).await;
    let (here, there) = (app.login_for(&ada, &first).await, app.login_for(&ada, &second).await);
    for session in [&here, &there] {
        app.verify(&session.access).await.decided("valid");
    }
    let path = format!("/publishers/{}", first.id);
    app.admin().post(&format!("{path}/suspend"), json!({})).await.expect(200);
    app.verify(&here.access).await.decided("publisher_suspended");
    app.verify(&there.access).await.decided("valid");
    app.admin().post(&format!("{path}/resume"), json!({})).await.expect(200);
    app.verify(&here.access).await.decided("valid");
    app.admin().delete(&format!("{path}/members/{}", ada.id)).await.expect(204);
    app.verify(&here.access).await.decided("wrong_publisher");
    app.verify(&there.access).await.decided("valid");
}
