//! Publishers and users, made behind the API's back, and their logins.

use keywright_core::{
    ActorRef, BuiltInRole, EmailAddress, Metadata, PlainPassword, PublisherId, PublisherSettings, RoleId,
    Timestamp, UserId,
};
use keywright_store::memberships::{self, NewMembership};
use keywright_store::publishers::{self, NewPublisher};
use keywright_store::users::{self, NewUser};
use keywright_store::{Tx, platform, roles};
use serde_json::{Value, json};

use keywright_authority::entropy;

use super::{Answer, TestApp};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A user who can log in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
}

/// A publisher, with its built-in roles.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: PublisherId,
    roles: Vec<(BuiltInRole, RoleId)>,
}

impl Tenant {
    pub(crate) fn role(&self, role: BuiltInRole) -> RoleId {
        self.roles.iter().find(|(built_in, _)| *built_in == role).unwrap().1
    }
}

/// A login that went through.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) body: Value,
}

impl Session {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        let body = answer.expect(200);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("session_id"),
            access: text("access_token"),
            refresh: text("refresh_token"),
            body: body.clone(),
        }
    }
}

impl TestApp {
    async fn behind(&self) -> (Tx, Timestamp) {
        (self.authority().store().begin().await.unwrap(), self.now())
    }

    /// A publisher of this name.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let (mut tx, now) = self.behind().await;
        let new = NewPublisher {
            id: PublisherId::generate(now, entropy::id()),
            name: keywright_core::Name::parse(name).unwrap(),
            settings: PublisherSettings::default(),
            created_by: ActorRef::operator(),
            created_at: now,
        };
        publishers::insert(tx.conn(), &new).await.unwrap();
        let ids = [entropy::id(), entropy::id(), entropy::id()];
        let rows = roles::insert_built_in(tx.conn(), new.id, &ActorRef::operator(), now, ids).await.unwrap();
        tx.commit().await.unwrap();
        let roles = BuiltInRole::OF_A_PUBLISHER.into_iter().zip(rows.iter().map(|row| row.id)).collect();
        Tenant { id: new.id, roles }
    }

    /// A user with the password of everybody.
    pub(crate) async fn person(&self, email: &str, platform_role: Option<BuiltInRole>) -> Person {
        let hash = self.authority().passwords().hash(PlainPassword::presented(PASSWORD)).await.unwrap();
        let (mut tx, now) = self.behind().await;
        let epochs = platform::epochs(tx.conn()).await.unwrap();
        let new = NewUser {
            id: UserId::generate(now, entropy::id()),
            email: EmailAddress::parse(email).unwrap(),
            email_verified_at: Some(now),
            display_name: None,
            password_hash: Some(hash),
            preferences: Metadata::default(),
            default_publisher_id: None,
            platform_role,
            session_epoch: epochs.counter,
            created_by: ActorRef::operator(),
            created_at: now,
        };
        users::insert(tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
        Person { id: new.id, email: email.to_owned() }
    }

    /// Gives a user the password of everybody, and an address that is known to be theirs.
    pub(crate) async fn sets_password(&self, user: &str, email: &str) {
        let hash = self.authority().passwords().hash(PlainPassword::presented(PASSWORD)).await.unwrap();
        let (mut tx, now) = self.behind().await;
        let id = user.parse().unwrap();
        assert!(users::set_password(tx.conn(), id, &hash, now).await.unwrap());
        let email = EmailAddress::parse(email).unwrap();
        users::verify_email(tx.conn(), id, &email, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives a user a role within a publisher.
    pub(crate) async fn join(&self, person: &Person, tenant: &Tenant, role: BuiltInRole) {
        let (mut tx, now) = self.behind().await;
        let new = NewMembership {
            user_id: person.id,
            publisher_id: tenant.id,
            role_id: tenant.role(role),
            session_epoch: 1,
            created_by: ActorRef::operator(),
            created_at: now,
        };
        memberships::insert(tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A user who has a role within a publisher.
    pub(crate) async fn member_of(&self, email: &str, tenant: &Tenant, role: BuiltInRole) -> Person {
        let person = self.person(email, None).await;
        self.join(&person, tenant, role).await;
        person
    }

    /// Tries to log in.
    pub(crate) async fn try_login(&self, email: &str, password: &str) -> Answer {
        self.nobody().post("/auth/login", json!({"email": email, "password": password})).await
    }

    /// Logs a user in.
    pub(crate) async fn login(&self, person: &Person) -> Session {
        Session::of(&self.try_login(&person.email, PASSWORD).await)
    }

    /// Logs a user in for a publisher.
    pub(crate) async fn login_for(&self, person: &Person, tenant: &Tenant) -> Session {
        let body = json!({"email": person.email, "password": PASSWORD, "publisher_id": tenant.id});
        Session::of(&self.nobody().post("/auth/login", body).await)
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.nobody().post("/auth/refresh", json!({"refresh_token": token})).await
    }
}
