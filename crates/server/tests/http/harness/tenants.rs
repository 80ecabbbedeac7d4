//! Publishers, roles, users and members that tests need.

use keywright_authority::alerts::{self, NewAlert};
use keywright_authority::entropy;
use keywright_core::{
    ActorRef, AlertKind, AlertSubjectKind, Allowlist, CredentialId, CredentialName, PlainToken, RateLimits,
    ScopeSet, Severity, UserId,
};
use keywright_store::alerts::AlertSubject;
use keywright_store::personal_tokens::{self, NewPersonalToken, Terms};
use keywright_store::platform;
use keywright_store::testing::{accept_invitation, insert_user};
use serde_json::{Value, json};

use super::TestApp;

/// The id of an object that was answered.
pub(crate) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

impl TestApp {
    /// Makes a publisher.
    pub(crate) async fn publisher(&self, name: &str) -> Value {
        self.admin().post("/publishers", json!({"name": name})).await.expect(201)
    }

    /// Makes a role of a publisher.
    pub(crate) async fn role(&self, publisher: &Value, name: &str, permissions: &[&str]) -> Value {
        let caller = self.admin().with("x-publisher-id", id(publisher));
        caller.post("/roles", json!({"name": name, "permissions": permissions})).await.expect(201)
    }

    /// A built-in role of a publisher.
    pub(crate) async fn built_in(&self, publisher: &Value, name: &str) -> Value {
        let path = format!("/roles?publisher_id={}&name={name}", id(publisher));
        let found = self.admin().get(&path).await.expect(200);
        found["items"].as_array().unwrap()[0].clone()
    }

    /// Puts a user into the store; its id.
    pub(crate) async fn user(&self, email: &str) -> String {
        let user = UserId::generate(self.now(), entropy::id());
        let mut tx = self.authority().store().begin().await.unwrap();
        insert_user(tx.conn(), user, email, None, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        user.to_string()
    }

    /// Makes a user one who can log in.
    pub(crate) async fn accepts(&self, user: &str) {
        let mut tx = self.authority().store().begin().await.unwrap();
        accept_invitation(tx.conn(), user.parse().unwrap()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Makes a user a member of the publisher that a role is of.
    pub(crate) async fn member(&self, user: &str, role: &Value) -> Value {
        let path = format!("/publishers/{}/members", role["publisher_id"].as_str().unwrap());
        self.admin().post(&path, json!({"user_id": user, "role_id": id(role)})).await.expect(201)
    }

    /// Opens an alert about a publisher or the platform; its id. `summary` is its key too.
    pub(crate) async fn alert(&self, publisher: Option<&str>, summary: &str) -> String {
        let publisher_id = publisher.map(|id| id.parse().unwrap());
        let new = NewAlert {
            publisher_id,
            kind: AlertKind::TokenExpiring,
            severity: Severity::Medium,
            subject: AlertSubject {
                kind: AlertSubjectKind::Credential,
                id: Some(CredentialId::generate(self.now(), entropy::id()).0),
                name: Some("a token".to_owned()),
            },
            summary: summary.to_owned(),
            evidence: json!({"seen": 7}).as_object().unwrap().clone(),
            dedupe_key: summary.to_owned(),
            noticed_by: "test",
        };
        let mut tx = self.authority().store().begin().await.unwrap();
        let alert = alerts::open(self.authority(), &mut tx, new).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        alert.id.to_string()
    }

    /// Puts a personal token without scopes into the store, for all of its owner's publishers; its id.
    pub(crate) async fn personal_token(&self, user: UserId, name: &str) -> String {
        let secret = PlainToken::personal(&entropy::token());
        let mut tx = self.authority().store().begin().await.unwrap();
        let epochs = platform::epochs(tx.conn()).await.unwrap();
        let id = CredentialId::generate(self.now(), entropy::id());
        let terms = Terms {
            name: CredentialName::parse(name).unwrap(),
            scopes: ScopeSet::default(),
            inherit_user_permissions: false,
            publisher_ids: None,
            excluded_publisher_ids: Vec::new(),
            rate_limits: RateLimits::UNLIMITED,
            ip_allowlist: Allowlist::default(),
            is_active: true,
            expires_at: None,
        };
        let new = NewPersonalToken {
            id,
            user_id: user,
            token_hash: secret.hash(),
            token_hint: secret.hint(),
            terms,
            epoch: epochs.counter,
            lineage_id: id.0,
            rotated_from_id: None,
            created_by: ActorRef::operator(),
            created_at: self.now(),
        };
        personal_tokens::insert(tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
        id.to_string()
    }
}
